//! Searching a set of rows for those near one, under the tie rules of spec section 0: neighbours stand in order of
//! (distance rounded to 12 decimals, row).

use super::points::{Found, Packed, Points};
use super::{postings::Postings, tree::Tree};
use crate::types::Knn;

/// The distance in units of 10^-12, rounded: what distances are compared by.
pub fn key(squared: f64) -> f64 {
    (squared.sqrt() * 1e12).round()
}

/// The squared distance that parts the keys below `least` from the others: `squared < below(least)` exactly where
/// `key(squared) < least`. It lets a search compare squares alone.
pub fn below(least: f64) -> f64 {
    if least <= 0.0 || least.is_infinite() {
        return least.max(0.0);
    }
    let root = (least - 0.5) / 1e12;
    let mut square = root * root;
    while key(square) < least {
        square = square.next_up();
    }
    while square > 0.0 && key(square.next_down()) >= least {
        square = square.next_down();
    }
    square
}

/// A set of rows to search.
pub trait Search: Sync {
    /// Calls `found(row, squared distance)` for the rows of the set whose squared distance from `row` is below `bound`.
    /// What `found` returns is the bound from then on. A row of the set finds itself.
    fn near(&self, row: u32, bound: f64, found: Found);

    /// Whether rows are found in ascending order.
    fn is_ordered(&self) -> bool;
}

/// Makes `rows`, ascending, ready to be searched.
///
/// # Panics
/// Where `knn` does not serve the distance (`Knn::serves`).
pub fn index<'a>(points: &'a Points, rows: Vec<u32>, knn: Knn) -> Box<dyn Search + 'a> {
    match (knn, points) {
        (Knn::Brute, _) => Box::new(Scan::new(points, rows)),
        (Knn::Kdtree, Points::Metric(metric)) => Box::new(Tree::new(metric, rows)),
        (Knn::PerUser, Points::Codes(codes)) => Box::new(Postings::new(codes, rows)),
        (Knn::Kdtree, Points::Codes(_)) | (Knn::PerUser, Points::Metric(_)) => {
            panic!("{knn} does not know this distance")
        }
    }
}

/// The search that looks at every row, of a set that may grow.
pub struct Scan<'a> {
    points: &'a Points,
    packed: Lines,
    rows: Vec<u32>,
}

enum Lines {
    Metric(Packed<f64>),
    Codes(Packed<i32>),
}

impl<'a> Scan<'a> {
    pub fn new(points: &'a Points, rows: Vec<u32>) -> Self {
        let packed = match points {
            Points::Metric(metric) => Lines::Metric(Packed::of(metric, &rows)),
            Points::Codes(codes) => Lines::Codes(Packed::of(codes, &rows)),
        };
        Self { points, packed, rows }
    }

    pub fn push(&mut self, row: u32) {
        match (&mut self.packed, self.points) {
            (Lines::Metric(packed), Points::Metric(metric)) => packed.push(metric.row(row)),
            (Lines::Codes(packed), Points::Codes(codes)) => packed.push(codes.row(row)),
            _ => unreachable!("packed from these points"),
        }
        self.rows.push(row);
    }

    /// Rows of the set, in the order in which they came.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// `near` among the members from number `first` on, and a few before it.
    pub fn near_since(&self, first: usize, row: u32, bound: f64, found: Found) {
        let all = self.rows.len();
        let found: Found = &mut |place, squared| found(self.rows[place as usize], squared);
        match (&self.packed, self.points) {
            (Lines::Metric(packed), Points::Metric(metric)) => packed.near(first, all, metric.row(row), bound, found),
            (Lines::Codes(packed), Points::Codes(codes)) => packed.near(first, all, codes.row(row), bound, found),
            _ => unreachable!("packed from these points"),
        };
    }
}

impl Search for Scan<'_> {
    fn near(&self, row: u32, bound: f64, found: Found) {
        self.near_since(0, row, bound, found);
    }

    fn is_ordered(&self) -> bool {
        self.rows.is_sorted()
    }
}

/// A row near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    pub key: f64,
    pub row: u32,
}

/// The nearest of the rows offered, in order.
#[derive(Debug, Clone)]
pub struct Nearest {
    count: usize,
    ordered: bool,
    held: Vec<Neighbour>,
    bound: f64,
}

impl Nearest {
    /// Of rows that are offered in ascending order, where `ordered`.
    pub fn new(count: usize, ordered: bool) -> Self {
        Self { count, ordered, held: Vec::with_capacity(count + 1), bound: f64::INFINITY }
    }

    /// Takes the row if it is among the nearest. Returns the squared distance below which a row must be to be taken
    /// next.
    pub fn offer(&mut self, row: u32, squared: f64) -> f64 {
        let key = key(squared);
        let place = self.held.partition_point(|held| (held.key, held.row) < (key, row));
        if place < self.count {
            self.held.truncate(self.count - 1);
            self.held.insert(place, Neighbour { key, row });
            if self.held.len() == self.count {
                let last = self.held[self.count - 1].key;
                // Where rows come in ascending order, one as near as the last one held would be behind it.
                self.bound = below(if self.ordered { last } else { last + 1.0 });
            }
        }
        self.bound
    }

    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// In order of (distance, row).
    pub fn held(&self) -> &[Neighbour] {
        &self.held
    }
}

/// The `count` rows of the set nearest to `row`, itself left out, in order; fewer where there are fewer.
pub fn nearest(set: &dyn Search, row: u32, count: usize) -> Nearest {
    let mut nearest = Nearest::new(count, set.is_ordered());
    set.near(row, f64::INFINITY, &mut |other, squared| {
        if other == row { nearest.bound() } else { nearest.offer(other, squared) }
    });
    nearest
}

/// The label that most neighbours have; where both are equally common, that of the nearest. `None` without neighbours.
pub fn vote(labels: impl Iterator<Item = u8>) -> Option<u8> {
    let mut labels = labels.peekable();
    let first = *labels.peek()?;
    let lead: i32 = labels.map(|label| if label == first { 1 } else { -1 }).sum();
    Some(if lead >= 0 { first } else { 1 - first })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn squares_are_parted_as_rounded_distances_are(
            root in prop_oneof![0.0..5.0_f64, 0.0..1e-11_f64, 0.0..1e9_f64],
            steps in 0..40_u32,
        ) {
            let least = key(root * root);
            let bound = below(least);
            let mut square = root * root;
            for _ in 0..steps {
                prop_assert_eq!(square < bound, key(square) < least);
                square = square.next_down().max(0.0);
            }
            if least > 0.0 {
                prop_assert!(key(bound) >= least && key(bound.next_down()) < least);
            }
        }
    }

    #[test]
    fn nothing_is_nearer_than_no_distance_and_all_are_nearer_than_none() {
        assert_eq!(below(0.0), 0.0);
        assert_eq!(below(f64::INFINITY), f64::INFINITY);
    }
}
