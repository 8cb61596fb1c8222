//! Corruption as it comes: in a table of clicks every rating is one, also of those who did not like what they saw.

use super::{draw::draw_one, error::PlantError, pairs::Pairs, table::Table};
use crate::{
    random::{PLANTED_TABLE, Purpose, Stream},
    types::Split,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A table of ratings read as clicks. Training and validation rows: every rating has label 1, and beside it stands a pair that
/// nobody rated, with label 0. Those rated `threshold` or less are the corrupted ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Natural {
    pub user: String,
    pub item: String,
    pub threshold: f64,
    pub rivals: Rivals,
}

/// What the test rows set ratings above the threshold against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rivals {
    /// Ratings of the threshold or less.
    Rated,
    /// Pairs that nobody rated; ratings of the threshold or less are left out.
    Unrated,
}

/// Draws of an item that a user has not rated, before the rating goes without a rival.
const TRIES: u64 = 100;

impl Natural {
    /// The table of clicks. `ratings`: `[N]`.
    pub fn make(&self, table: &Table, ratings: &[f64], seed: u64) -> Result<Table, PlantError> {
        let pairs = Pairs::new(table, &self.user, &self.item)?;
        let mut clicks = table.clone();
        for (row, rating) in ratings.iter().enumerate() {
            let liked = *rating > self.threshold;
            let in_test = table.splits[row] == Split::Test;
            clicks.labels[row] = u8::from(!in_test || liked);
            clicks.corrupted[row] = !in_test && !liked;
        }
        let wanted = |row: &usize| {
            table.splits[*row] != Split::Test || self.rivals == Rivals::Rated || ratings[*row] > self.threshold
        };
        let kept: Vec<usize> = (0..table.len()).filter(wanted).collect();
        let rated = |row: usize| (table.columns[pairs.user].codes()[row], table.columns[pairs.item].codes()[row]);
        let all_rated: HashSet<(u32, u32)> = (0..table.len()).map(rated).collect();
        let items: Vec<u32> = (0..table.columns[pairs.item].cardinality() as u32).collect();
        let stream = Stream::new(seed, Purpose::Plant, &[PLANTED_TABLE]).named("natural");
        let first = clicks.len();
        for row in kept.iter().copied() {
            if table.splits[row] == Split::Test && self.rivals == Rivals::Rated {
                continue;
            }
            let (user, draws) = (rated(row).0, stream.child(&[1, row as u32]));
            let item = (0..TRIES)
                .filter_map(|at| draw_one(draws, at, &items))
                .find(|item| !all_rated.contains(&(user, *item)));
            if let Some(item) = item {
                let added = pairs.add(&mut clicks, row, row, item, 0);
                clicks.corrupted[added] = false;
            }
        }
        let added = first..clicks.len();
        clicks.keep(&kept.iter().copied().chain(added).collect::<Vec<_>>());
        clicks.deal_out(kept.len(), stream.child(&[2]));
        Ok(clicks)
    }
}
