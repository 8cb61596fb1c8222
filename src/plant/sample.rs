//! A smaller table.

use super::{draw::draw_numbers, error::PlantError, table::Table};
use crate::random::{PLANTED_TABLE, Purpose, Stream};

/// The rows of `count` values of the column `user`, drawn by the seed; of all where there are fewer.
pub fn draw_users(table: &Table, user: &str, count: usize, seed: u64) -> Result<Table, PlantError> {
    let column = &table.columns[table.find(user)?];
    let stream = Stream::new(seed, Purpose::Plant, &[PLANTED_TABLE]).named("users");
    let mut drawn = vec![false; column.cardinality()];
    for value in draw_numbers(stream, drawn.len(), count) {
        drawn[value as usize] = true;
    }
    let rows: Vec<usize> = (0..table.len()).filter(|row| drawn[column.codes()[*row] as usize]).collect();
    let mut sample = table.clone();
    sample.keep(&rows);
    Ok(sample)
}
