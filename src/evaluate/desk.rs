//! The parts of a job as the process knows them that runs it.

use super::board::PartBoard;
use super::part::PartId;
use std::collections::HashSet;

/// What this process knows of the parts that are handed round.
pub(super) struct Desk<'a> {
    pub board: Box<dyn PartBoard + 'a>,
    /// The parts that this process was told to do.
    pub granted: HashSet<PartId>,
    /// The parts that were laid out.
    pub offered: HashSet<PartId>,
    /// Files of rows that are written.
    pub written: HashSet<String>,
}

impl<'a> Desk<'a> {
    pub fn new(board: Box<dyn PartBoard + 'a>) -> Self {
        Self { board, granted: HashSet::new(), offered: HashSet::new(), written: HashSet::new() }
    }
}
