//! How far ingest has come, told to the caller, who can stop it at each report.

use super::error::IngestError;
use std::ops::ControlFlow;

/// How far the first reading has come; it takes most of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IngestProgress {
    pub bytes_read: u64,
    pub bytes_total: u64,
    pub rows: u64,
}

/// Reports progress and asks whether to go on.
pub(super) struct Ticker<'a> {
    progress: &'a mut dyn FnMut(IngestProgress) -> ControlFlow<()>,
    state: IngestProgress,
}

impl<'a> Ticker<'a> {
    pub fn new(progress: &'a mut dyn FnMut(IngestProgress) -> ControlFlow<()>, bytes_total: u64) -> Self {
        Self { progress, state: IngestProgress { bytes_read: 0, bytes_total, rows: 0 } }
    }

    /// Reports how far the reading has come; an error where the caller wants it to stop.
    pub fn advance(&mut self, bytes_read: u64, rows: u64) -> Result<(), IngestError> {
        (self.state.bytes_read, self.state.rows) = (bytes_read, rows);
        self.tick()
    }

    /// Reports the same state again: a long step without new rows can be stopped too.
    pub fn tick(&mut self) -> Result<(), IngestError> {
        match (self.progress)(self.state) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(IngestError::Cancelled),
        }
    }
}
