//! A k-d tree: exact neighbours of points of few dimensions.
//!
//! Points are laid out in the tree's order, so that a leaf is a short scan. A box's distance is computed like a point's,
//! term by term, and each term is at most the point's: no rounding makes a box look farther than a point in it.

use super::points::{Coordinate, Found, Packed, Rows};
use super::search::Search;

/// Points of a leaf.
const LEAF: usize = 32;

pub struct Tree<'a> {
    points: &'a Rows<f64>,
    packed: Packed<f64>,
    /// The row at each place of the tree's order.
    rows: Vec<u32>,
    nodes: Vec<Node>,
    /// `[nodes, 2, width]`: least and greatest coordinates.
    boxes: Vec<f64>,
}

/// A run of the tree's order. Its first child is the next node.
struct Node {
    start: usize,
    end: usize,
    /// The second child; 0 in a leaf.
    second: usize,
}

impl<'a> Tree<'a> {
    pub fn new(points: &'a Rows<f64>, mut rows: Vec<u32>) -> Self {
        let (mut nodes, mut boxes) = (Vec::new(), Vec::new());
        if !rows.is_empty() {
            divide(points, &mut rows, 0, &mut nodes, &mut boxes);
        }
        Self { points, packed: Packed::of(points, &rows), rows, nodes, boxes }
    }

    /// The squared distance of the nearest place in a node's box.
    fn to_box(&self, node: usize, query: &[f64]) -> f64 {
        let width = query.len();
        let (least, greatest) = self.boxes[2 * width * node..][..2 * width].split_at(width);
        let sides = query.iter().zip(least).zip(greatest);
        sides.fold(0.0, |sum, ((at, least), greatest)| f64::add(sum, *at, at.max(*least).min(*greatest)))
    }

    fn descend(&self, node: usize, query: &[f64], bound: f64, found: Found) -> f64 {
        let Node { start, end, second } = self.nodes[node];
        if second == 0 {
            return self
                .packed
                .near(start, end, query, bound, &mut |place, squared| found(self.rows[place as usize], squared));
        }
        let mut children = [node + 1, second].map(|child| (self.to_box(child, query), child));
        if children[1].0 < children[0].0 {
            children.swap(0, 1);
        }
        children.into_iter().fold(
            bound,
            |bound, (apart, child)| {
                if apart < bound { self.descend(child, query, bound, found) } else { bound }
            },
        )
    }
}

/// Orders `rows`, those from place `start` on, into a node and all below it.
fn divide(points: &Rows<f64>, rows: &mut [u32], start: usize, nodes: &mut Vec<Node>, boxes: &mut Vec<f64>) {
    let at = |row: u32, axis: usize| points.row(row)[axis];
    let bounds = (0..points.width).map(|axis| {
        rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), row| {
            (least.min(at(*row, axis)), greatest.max(at(*row, axis)))
        })
    });
    let (least, greatest): (Vec<f64>, Vec<f64>) = bounds.unzip();
    let node = nodes.len();
    nodes.push(Node { start, end: start + rows.len(), second: 0 });
    boxes.extend(least.iter().chain(&greatest));
    if rows.len() <= LEAF {
        return;
    }
    let length = |axis: usize| greatest[axis] - least[axis];
    let axis = (0..points.width).max_by(|a, b| length(*a).total_cmp(&length(*b))).expect("a point has coordinates");
    // Whole leaves to the left: only the last leaf of the tree is not full.
    let middle = rows.len().div_ceil(2).next_multiple_of(LEAF).min((rows.len() - 1) / LEAF * LEAF);
    rows.select_nth_unstable_by(middle, |a, b| at(*a, axis).total_cmp(&at(*b, axis)));
    let (left, right) = rows.split_at_mut(middle);
    divide(points, left, start, nodes, boxes);
    nodes[node].second = nodes.len();
    divide(points, right, start + middle, nodes, boxes);
}

impl Search for Tree<'_> {
    fn near(&self, row: u32, bound: f64, found: Found) {
        if !self.nodes.is_empty() {
            self.descend(0, self.points.row(row), bound, found);
        }
    }

    fn is_ordered(&self) -> bool {
        false
    }
}
