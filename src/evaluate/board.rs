//! Where a job's parts are handed round.

use crate::types::OfferedPart;
use std::path::PathBuf;

/// What the job's own process is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextPart {
    /// This part.
    Do(u32),
    /// Take in what another came to with this part.
    Take { number: u32, file: PathBuf },
    /// All are with others.
    Nothing,
    /// The run is to be paused.
    Pause,
}

/// Whoever says which process does which part of a job.
pub trait PartBoard {
    /// Whether others may do parts. Else none is offered.
    fn is_shared(&self) -> bool;

    /// Lays parts out for whoever has a free slot; each once.
    fn offer(&mut self, parts: Vec<OfferedPart>);

    /// What is next, of the parts `open` (never none). `begun` is one that an earlier process has half done. Where `waits` says so,
    /// it is never nothing: it waits where all are with others.
    fn next(&mut self, open: &[u32], begun: Option<u32>, waits: bool) -> NextPart;

    /// Says that the part which was to be done is done. `file`, below the run's folder, has what came of it.
    fn finish(&mut self, number: u32, file: &str);
}

/// The board of a process that does every part itself, in their order.
pub(super) struct Alone;

impl PartBoard for Alone {
    fn is_shared(&self) -> bool {
        false
    }

    fn offer(&mut self, _: Vec<OfferedPart>) {}

    fn next(&mut self, open: &[u32], begun: Option<u32>, _: bool) -> NextPart {
        // What was begun out of its turn, while others did parts too, is done again when its turn comes.
        NextPart::Do(begun.filter(|begun| open.contains(begun)).unwrap_or(open[0]))
    }

    fn finish(&mut self, _: u32, _: &str) {}
}
