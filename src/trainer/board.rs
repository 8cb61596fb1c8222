//! The board of a job whose parts are laid out for all workers: this process's own keeps it.

use super::{lifeline::Orders, output::Output};
use crate::evaluate::{NextPart, PartBoard};
use crate::types::{OfferedPart, TrainerEvent, TrainerOrder};

pub(super) struct WorkersBoard<'a> {
    pub output: &'a Output,
    pub orders: &'a Orders,
}

impl PartBoard for WorkersBoard<'_> {
    fn is_shared(&self) -> bool {
        true
    }

    fn offer(&mut self, parts: Vec<OfferedPart>) {
        self.output.emit(&TrainerEvent::Parts { parts });
    }

    fn next(&mut self, open: &[u32], begun: Option<u32>, waits: bool) -> NextPart {
        self.output.emit(&TrainerEvent::NextPart { open: open.to_vec(), begun, waits });
        match self.orders.wait_for_answer() {
            Some(TrainerOrder::DoPart { number }) => NextPart::Do(number),
            Some(TrainerOrder::TakePart { number, file }) => NextPart::Take { number, file },
            Some(TrainerOrder::NoPart) => NextPart::Nothing,
            Some(TrainerOrder::Pause) | None => NextPart::Pause,
        }
    }

    fn finish(&mut self, number: u32, file: &str) {
        self.output.emit(&TrainerEvent::PartDone { number, file: file.to_owned() });
    }
}
