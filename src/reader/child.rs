//! The process that reads a table.

use super::{ReaderEvent, ReaderJob};
use crate::ingest::{self, IngestError, IngestLimits, Ingested};
use crate::trainer::{EXIT_PARENT_GONE, lifeline, with_causes};
use crate::worker::Encoded;
use std::{
    io::{self, Write},
    ops::ControlFlow,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Time between two reports of progress.
const REPORT: Duration = Duration::from_millis(200);

/// The process's whole life.
pub fn main() -> ExitCode {
    lifeline::die_with_parent();
    lifeline::give_way();
    lifeline::offer_to_die();
    let job: ReaderJob = match lifeline::read_job() {
        Ok(job) => job,
        Err(error) => {
            say(&ReaderEvent::Failed(format!("the reader's job: {error}")));
            return ExitCode::FAILURE;
        }
    };
    lifeline::end_with_parent();
    lifeline::bound_memory(job.memory);
    say(&read(&job));
    ExitCode::SUCCESS
}

fn read(job: &ReaderJob) -> ReaderEvent {
    let mut said = Instant::now();
    let mut report = |at: ingest::IngestProgress| {
        if said.elapsed() >= REPORT {
            say(&ReaderEvent::Rows(at.rows));
            said = Instant::now();
        }
        ControlFlow::Continue(())
    };
    match ingest::ingest(&job.source, &job.spec, &job.out, &IngestLimits::default(), &mut report) {
        Ok(Ingested { spec, feature_map, profile }) => {
            ReaderEvent::Read(Box::new(Encoded { spec, feature_map, profile }))
        }
        Err(IngestError::Invalid(table)) => {
            let total = table.faults();
            ReaderEvent::Invalid { errors: table.into_items(), total }
        }
        Err(error) => ReaderEvent::Failed(with_causes(&error)),
    }
}

/// Without a listener the process ends: nobody waits for the table.
fn say(event: &ReaderEvent) {
    let mut line = serde_json::to_vec(event).expect("an event is plain data");
    line.push(b'\n');
    let mut out = io::stdout().lock();
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        std::process::exit(EXIT_PARENT_GONE.into());
    }
}
