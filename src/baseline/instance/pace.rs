//! How far a selection is.

use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows between two ticks.
const STEP: usize = 64;

pub struct Pace<'a> {
    tick: &'a (dyn Fn(f64) + Sync),
    /// Rows, as often as the method goes over them.
    total: u64,
    done: AtomicU64,
}

impl<'a> Pace<'a> {
    pub fn new(tick: &'a (dyn Fn(f64) + Sync), total: u64) -> Self {
        Self { tick, total, done: AtomicU64::new(0) }
    }

    /// Counts rows as done.
    pub fn advance(&self, rows: usize) {
        let done = self.done.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        (self.tick)((done as f64 / self.total as f64).min(1.0));
    }

    /// What `of` gives for each row, in order; threads share the rows.
    pub fn map<T: Send>(&self, rows: &[u32], of: impl Fn(u32) -> T + Sync) -> Vec<T> {
        let steps = rows.par_chunks(STEP).map(|rows| {
            self.advance(rows.len());
            rows.iter().map(|row| of(*row)).collect()
        });
        steps.collect::<Vec<Vec<T>>>().into_iter().flatten().collect()
    }

    /// Calls `each` for one row after the other.
    pub fn each(&self, rows: &[u32], mut each: impl FnMut(u32)) {
        for rows in rows.chunks(STEP) {
            self.advance(rows.len());
            rows.iter().for_each(|row| each(*row));
        }
    }
}
