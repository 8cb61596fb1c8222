//! Times: read from a column, or made where there is none.

use super::{
    error::PlantError,
    table::{Column, Table},
};
use crate::{
    ingest::time_key,
    random::{PLANTED_TABLE, Purpose, Stream},
};

/// The times of rows, from 0 for the first to 1 for the last of those that may be corrupted.
pub struct Times {
    /// `[N]`.
    places: Vec<f64>,
}

impl Times {
    pub fn at(&self, row: usize) -> f64 {
        self.places[row]
    }
}

/// The times in a column; `rows` are those that span 0 to 1.
pub fn read_times(table: &Table, column: &str, rows: &[usize]) -> Result<Times, PlantError> {
    let column = &table.columns[table.find(column)?];
    let key = |code: u32| {
        let text = column.value(code);
        let wrong = || PlantError::NoTime { column: column.name.clone(), value: text.to_owned() };
        time_key(text).ok_or_else(wrong)
    };
    let keys: Vec<i128> = (0..column.cardinality() as u32).map(key).collect::<Result<_, _>>()?;
    let of = |row: usize| keys[column.codes()[row] as usize];
    let first = rows.iter().map(|row| of(*row)).min().unwrap_or(0);
    let last = rows.iter().map(|row| of(*row)).max().unwrap_or(0);
    let span = (last - first).max(1) as f64;
    Ok(Times { places: (0..table.len()).map(|row| (of(row) - first) as f64 / span).collect() })
}

/// Days that made times span.
const DAYS: f64 = 90.0;
/// Rows of a session, on average.
const SESSION_ROWS: usize = 30;
const SECONDS_A_DAY: f64 = 86_400.0;
const SESSION_SECONDS: f64 = 3_600.0;

/// Adds a column of made times: seconds, in which each value of the column `user` has its rows in sessions of an hour, a
/// session for about every 30 rows.
pub fn add_times(table: &mut Table, name: &str, user: &str, seed: u64) -> Result<(), PlantError> {
    let users = &table.columns[table.find(user)?];
    let stream = Stream::new(seed, Purpose::Plant, &[PLANTED_TABLE]).named("times");
    let (starts, rows) = (stream.child(&[1]), stream.child(&[2]));
    let counts = users.counts();
    let mut column = Column::new(name);
    for (row, user) in users.codes().iter().enumerate() {
        let sessions = (counts[*user as usize] as usize).div_ceil(SESSION_ROWS);
        let session = (f64::from(rows.uniform_at(2 * row as u64)) * sessions as f64) as u32;
        let start = f64::from(starts.child(&[*user, session]).uniform_at(0)) * DAYS * SECONDS_A_DAY;
        let within = f64::from(rows.uniform_at(2 * row as u64 + 1)) * SESSION_SECONDS;
        column.push(&format!("{:.0}", start + within));
    }
    table.columns.push(column);
    Ok(())
}
