//! What a job has done so far and what came of it: everything a checkpoint holds beside tensors and the stage.

use super::part::PartId;
use super::proof::{Proven, RowPart};
use super::tune::Tuned;
use crate::selection::Spent;
use crate::types::{EpochRow, KeptShare, Phase, RunResult, SelfCheckResult, TrainerEvent, Warning};
use serde::{Deserialize, Serialize};
use std::time::Instant;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    /// Number of the first task that is not over.
    pub task: usize,
    /// The part that this process does, which may be of a later task.
    pub part: Option<PartId>,
    /// The passes before what is under way, and its seconds so far.
    pub passes_before: u64,
    pub task_seconds: f64,
    /// Seconds of the current method's choice.
    pub select_seconds: f64,
    pub spent: Spent,
    pub announced: Option<(usize, Phase, u32)>,
    pub warnings: Vec<Warning>,
    pub test_reads: u64,
    pub tuned: Vec<Tuned>,
    pub results: Vec<Tried>,
    pub proven: Vec<Proven>,
    pub row_parts: Vec<RowPart>,
    pub self_check: Option<SelfCheckResult>,
    pub oracle: Vec<RunResult>,
    /// The passes that the report draws.
    #[serde(default)]
    pub drawn: Vec<EpochRow>,
}

/// A finished training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Tried {
    pub contender: usize,
    pub trainee: usize,
    pub result: RunResult,
}

impl Book {
    /// Tells what is begun, once.
    pub fn announce(
        &mut self,
        contender: usize,
        (phase, epoch): (Phase, u32),
        emit: &mut (dyn FnMut(TrainerEvent) + Send),
    ) {
        if self.announced != Some((self.task, phase, epoch)) {
            self.announced = Some((self.task, phase, epoch));
            emit(TrainerEvent::Phase { contender: contender as u32, phase, epoch });
        }
    }

    pub fn warn(&mut self, warning: Warning, emit: &mut (dyn FnMut(TrainerEvent) + Send)) {
        self.warnings.push(warning.clone());
        emit(TrainerEvent::Warning(warning));
    }

    /// Counts a pass that began at `started` and is over now.
    pub fn count_pass(&mut self, started: Instant, test_reads: u64) {
        let seconds = started.elapsed().as_secs_f64();
        self.spent.seconds += seconds;
        self.spent.passes += 1;
        self.task_seconds += seconds;
        self.test_reads = test_reads;
    }

    /// Adds a setting; they stand in the order of their tasks, whichever was chosen first.
    pub fn add_tuned(&mut self, tuned: Tuned) {
        let place = self.tuned.partition_point(|other| other.task <= tuned.task);
        self.tuned.insert(place, tuned);
    }

    /// Begins a part; `None`: what was begun is over.
    pub fn begin_part(&mut self, part: Option<PartId>) {
        (self.part, self.passes_before, self.task_seconds) = (part, self.spent.passes, 0.0);
    }

    pub fn begin_next_task(&mut self) {
        self.task += 1;
        // A part that is half done goes on.
        if self.part.is_none() {
            self.begin_part(None);
        }
    }
}

/// Rows kept (absent: all): in all, of label 1, of label 0.
pub(super) fn shares(labels: &[u8], kept: Option<&[u32]>) -> [KeptShare; 3] {
    let of = labels.len() as u64;
    let positive = labels.iter().filter(|label| **label == 1).count() as u64;
    let rows = kept.map_or(of, |kept| kept.len() as u64);
    let rows_positive =
        kept.map_or(positive, |kept| kept.iter().filter(|row| labels[**row as usize] == 1).count() as u64);
    [
        KeptShare { rows, of },
        KeptShare { rows: rows_positive, of: positive },
        KeptShare { rows: rows - rows_positive, of: of - positive },
    ]
}
