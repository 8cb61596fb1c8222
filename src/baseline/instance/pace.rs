//! How far a selection is, and whether it is to stop.

use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The selection was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the selection was stopped")]
pub struct Stopped;

/// Rows between two ticks.
const STEP: usize = 64;

pub struct Pace<'a> {
    tick: &'a (dyn Fn(f64) -> bool + Sync),
    /// Rows, as often as the method goes over them.
    total: u64,
    done: AtomicU64,
    stopped: AtomicBool,
}

impl<'a> Pace<'a> {
    pub fn new(tick: &'a (dyn Fn(f64) -> bool + Sync), total: u64) -> Self {
        Self { tick, total, done: AtomicU64::new(0), stopped: AtomicBool::new(false) }
    }

    /// Counts rows as done.
    pub fn advance(&self, rows: usize) -> Result<(), Stopped> {
        let done = self.done.fetch_add(rows as u64, Ordering::Relaxed) + rows as u64;
        if self.stopped.load(Ordering::Relaxed) || !(self.tick)((done as f64 / self.total as f64).min(1.0)) {
            self.stopped.store(true, Ordering::Relaxed);
            return Err(Stopped);
        }
        Ok(())
    }

    /// What `of` gives for each row, in order; threads share the rows.
    pub fn map<T: Send>(&self, rows: &[u32], of: impl Fn(u32) -> T + Sync) -> Result<Vec<T>, Stopped> {
        let steps = rows.par_chunks(STEP).map(|rows| {
            self.advance(rows.len())?;
            Ok(rows.iter().map(|row| of(*row)).collect())
        });
        Ok(steps.collect::<Result<Vec<Vec<T>>, _>>()?.into_iter().flatten().collect())
    }

    /// Calls `each` for one row after the other.
    pub fn each(&self, rows: &[u32], mut each: impl FnMut(u32)) -> Result<(), Stopped> {
        rows.chunks(STEP).try_for_each(|rows| {
            self.advance(rows.len())?;
            rows.iter().for_each(|row| each(*row));
            Ok(())
        })
    }
}
