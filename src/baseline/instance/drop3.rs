//! DROP3 (Wilson and Martinez 2000; spec section 3).

use super::{
    Block, enn,
    search::{Nearest, Search, index, nearest, vote},
};

/// A search finds so many neighbours more than are needed: they replace those removed later without another search.
const SPARES: usize = 8;

/// The rows that are left. From the farthest from its nearest enemy on, a row is removed if at least as many of those
/// that have it among their neighbours are classified correctly without it.
pub fn select_rows(block: &Block, k: usize, enn_associates: bool) -> Vec<u32> {
    let filtered = enn::select_rows(block, k);
    block.pace.advance(3 * (block.labels.len() - filtered.len()));
    if block.classes(&filtered).iter().any(Vec::is_empty) {
        return filtered;
    }
    let everyone: Vec<u32> = (0..block.len()).collect();
    let mut graph = Graph::new(block, k, &filtered, if enn_associates { &everyone } else { &filtered });
    let order: Vec<u32> = sort_by_enemy(block, &filtered).into_iter().map(|(row, _)| row).collect();
    block.pace.each(&order, |row| graph.judge(row));
    filtered.into_iter().filter(|row| graph.is_in[*row as usize]).collect()
}

/// The rows with the key of the nearest enemy's distance, the farthest first.
fn sort_by_enemy(block: &Block, rows: &[u32]) -> Vec<(u32, f64)> {
    let classes = block.classes(rows).map(|rows| index(&block.points, rows, block.knn));
    let mut order = block.pace.map(rows, |row| {
        let enemy = nearest(&*classes[1 - block.class(row)], row, 1);
        (row, enemy.held().first().map_or(f64::INFINITY, |enemy| enemy.key))
    });
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order
}

/// Who has whom among its neighbours.
struct Graph<'a> {
    block: &'a Block<'a>,
    k: usize,
    /// By row of the block: its k + 1 nearest of the rows that are left, in order.
    neighbours: Vec<Vec<u32>>,
    /// By row of the block: those that come after its neighbours, the nearest last; some may be gone.
    spares: Vec<Vec<u32>>,
    /// By row of the block: the rows, removed ones too, that have it among their neighbours.
    associates: Vec<Vec<u32>>,
    /// By row of the block: whether it is left.
    is_in: Vec<bool>,
    left: usize,
    /// Those left, and some removed since it was made.
    set: Box<dyn Search + 'a>,
    size: usize,
}

impl<'a> Graph<'a> {
    /// Of `rows`, with neighbours for those of `listed`.
    fn new(block: &'a Block, k: usize, rows: &[u32], listed: &[u32]) -> Self {
        let set = index(&block.points, rows.to_vec(), block.knn);
        let lists = block.pace.map(listed, |row| -> Vec<u32> {
            nearest(&*set, row, k + 1 + SPARES).held().iter().map(|near| near.row).collect()
        });
        let by_row = || vec![Vec::new(); block.labels.len()];
        let (mut neighbours, mut spares, mut associates) = (by_row(), by_row(), by_row());
        for (row, mut list) in listed.iter().zip(lists) {
            spares[*row as usize] = list.drain(list.len().min(k + 1)..).rev().collect();
            list.iter().for_each(|near| associates[*near as usize].push(*row));
            neighbours[*row as usize] = list;
        }
        let mut is_in = vec![false; block.labels.len()];
        rows.iter().for_each(|row| is_in[*row as usize] = true);
        Self { block, k, neighbours, spares, associates, is_in, left: rows.len(), set, size: rows.len() }
    }

    /// Removes the row if its associates do as well without it.
    fn judge(&mut self, row: u32) {
        if self.count_correct(row, None) <= self.count_correct(row, Some(row)) {
            self.remove(row);
        }
    }

    /// How many of the row's associates are classified correctly by neighbours other than `without`.
    fn count_correct(&self, row: u32, without: Option<u32>) -> usize {
        let is_correct = |associate: &&u32| {
            let neighbours = self.neighbours[**associate as usize].iter().filter(|near| Some(**near) != without);
            let votes = neighbours.take(self.k).map(|near| self.block.labels[*near as usize]);
            vote(votes) == Some(self.block.labels[**associate as usize])
        };
        self.associates[row as usize].iter().filter(is_correct).count()
    }

    /// Takes the row out; its associates get the nearest of those left in its place.
    fn remove(&mut self, row: u32) {
        self.is_in[row as usize] = false;
        self.left -= 1;
        if 2 * self.left < self.size {
            let left = (0..self.block.len()).filter(|row| self.is_in[*row as usize]).collect();
            self.set = index(&self.block.points, left, self.block.knn);
            self.size = self.left;
        }
        for associate in std::mem::take(&mut self.associates[row as usize]) {
            self.neighbours[associate as usize].retain(|near| *near != row);
            if let Some(next) = self.next(associate) {
                self.neighbours[associate as usize].push(next);
                self.associates[next as usize].push(associate);
            }
        }
    }

    /// The nearest of those left that is not among the row's neighbours.
    fn next(&mut self, row: u32) -> Option<u32> {
        let spares = &mut self.spares[row as usize];
        let mut is_left = |spare: &u32| self.is_in[*spare as usize];
        if let Some(next) = std::iter::from_fn(|| spares.pop()).find(&mut is_left) {
            return Some(next);
        }
        let known = &self.neighbours[row as usize];
        let mut nearest = Nearest::new(1 + SPARES, self.set.is_ordered());
        self.set.near(row, f64::INFINITY, &mut |other, squared| {
            let is_new = other != row && is_left(&other) && !known.contains(&other);
            if is_new { nearest.offer(other, squared) } else { nearest.bound() }
        });
        spares.extend(nearest.held().iter().rev().map(|near| near.row));
        spares.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::instance::testing::{block, cases, ints, pace};

    #[test]
    fn rows_are_judged_and_removed_as_in_the_vectors() {
        let pace = pace();
        for (name, case) in cases("cases") {
            let (trace, block) = (&case["drop3_trace"], block(&case, &pace));
            if name == "single_class" {
                continue;
            }
            let filtered = enn::select_rows(&block, 3);
            assert_eq!(filtered, ints::<u32>(&trace["after_enn"]), "{name}");
            let order = sort_by_enemy(&block, &filtered);
            let rows: Vec<u32> = order.iter().map(|(row, _)| *row).collect();
            assert_eq!(rows, ints::<u32>(&trace["order"]), "{name}");
            for (row, key) in &order {
                let distance = trace["nearest_enemy_distance"][row.to_string()].as_f64().unwrap();
                // Hamming's points lie at the square root of the number of fields that differ.
                let found = if case["metric"] == "hamming" { (key / 1e12).powi(2) } else { key / 1e12 };
                assert!((found - distance).abs() < 2e-12, "{name}: {row} at {found}");
            }
            let mut graph = Graph::new(&block, 3, &filtered, &filtered);
            let steps = trace["steps"].as_array().unwrap();
            assert_eq!(steps.len(), rows.len(), "{name}");
            for (row, step) in rows.into_iter().zip(steps) {
                let mut associates = graph.associates[row as usize].clone();
                associates.sort_unstable();
                assert_eq!(associates, ints::<u32>(&step["associates"]), "{name}: {row}");
                assert_eq!(step["with"], graph.count_correct(row, None), "{name}: {row}");
                assert_eq!(step["without"], graph.count_correct(row, Some(row)), "{name}: {row}");
                graph.judge(row);
                assert_eq!(step["removed"], !graph.is_in[row as usize], "{name}: {row}");
            }
        }
    }
}
