//! Which fields say what another says: a user's age is known with the user.

use super::Columns;
use rayon::prelude::*;
use std::collections::HashMap;

/// A field determines another if guessing the other by its value is wrong for at most this share of the rows that guessing
/// the commonest value is wrong for.
const STILL_WRONG: f64 = 0.5;
/// Two fields are free of each other if at least this share of the rows has a pair of values of its own.
const OWN_PAIRS: f64 = 0.5;

pub struct Nesting {
    /// `[fields][fields]`: whether the first determines the second.
    determines: Vec<Vec<bool>>,
    /// `[fields][fields]`: whether rows of a value of the first mostly have different values of the second.
    free: Vec<Vec<bool>>,
}

impl Nesting {
    pub fn new(columns: &Columns) -> Self {
        let count = columns.fields.len();
        let pairs: Vec<(usize, usize)> = (0..count).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
        let facts: Vec<[bool; 3]> = pairs.par_iter().map(|(a, b)| compare(columns, *a, *b)).collect();
        let mut nesting = Self { determines: vec![vec![false; count]; count], free: vec![vec![false; count]; count] };
        for ((a, b), [forth, back, free]) in pairs.into_iter().zip(facts) {
            (nesting.determines[a][b], nesting.determines[b][a]) = (forth, back);
            (nesting.free[a][b], nesting.free[b][a]) = (free, free);
        }
        nesting
    }

    /// Whether a row's value of `finer` says its value of `coarser`.
    pub fn determines(&self, finer: usize, coarser: usize) -> bool {
        self.determines[finer][coarser]
    }

    pub fn are_free(&self, a: usize, b: usize) -> bool {
        self.free[a][b]
    }
}

/// Whether `a` determines `b`, `b` determines `a`, and whether they are free of each other.
fn compare(columns: &Columns, a: usize, b: usize) -> [bool; 3] {
    let (a, b) = (&columns.fields[a], &columns.fields[b]);
    let rows = a.train.len();
    let mut pairs: HashMap<(u32, u32), u32> = HashMap::new();
    for pair in a.train.iter().zip(&b.train) {
        *pairs.entry((*pair.0, *pair.1)).or_default() += 1;
    }
    let (mut most_of_a, mut most_of_b) = (vec![0; a.cardinality], vec![0; b.cardinality]);
    for ((of_a, of_b), rows) in &pairs {
        let (of_a, of_b) = (&mut most_of_a[*of_a as usize], &mut most_of_b[*of_b as usize]);
        (*of_a, *of_b) = ((*of_a).max(*rows), (*of_b).max(*rows));
    }
    let determined = |most: &[u32], other: &super::Column| {
        let right = most.iter().map(|rows| *rows as usize).sum::<usize>();
        let commonest = other.count_rows().into_iter().max().unwrap_or(0) as usize;
        ((rows - right) as f64) < STILL_WRONG * (rows - commonest) as f64 || right == rows
    };
    let finer = |own: &super::Column, other: &super::Column| own.cardinality > other.cardinality;
    [
        finer(a, b) && determined(&most_of_a, b),
        finer(b, a) && determined(&most_of_b, a),
        pairs.len() as f64 >= OWN_PAIRS * rows as f64,
    ]
}
