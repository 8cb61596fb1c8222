//! The process that reads a table.

use super::{ReaderEvent, ReaderJob, Task};
use crate::ingest::{self, IngestError, IngestLimits, Ingested};
use crate::trainer::{EXIT_PARENT_GONE, lifeline, with_causes};
use crate::types::TableSource;
use crate::worker::Encoded;
use serde::Serialize;
use serde_json::Value;
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
    say(&read(job));
    ExitCode::SUCCESS
}

fn read(job: ReaderJob) -> ReaderEvent {
    match carry_out(&job.source, job.task) {
        Ok(answer) => ReaderEvent::Read(answer),
        Err(IngestError::Invalid(table)) => {
            let total = table.faults();
            ReaderEvent::Invalid { errors: table.into_items(), total }
        }
        Err(error) => ReaderEvent::Failed(with_causes(&error)),
    }
}

fn carry_out(source: &TableSource, task: Task) -> Result<Value, IngestError> {
    Ok(match task {
        Task::Encode { spec, out } => {
            let mut said = Instant::now();
            let mut report = |at: ingest::IngestProgress| {
                if said.elapsed() >= REPORT {
                    say(&ReaderEvent::Rows(at.rows));
                    said = Instant::now();
                }
                ControlFlow::Continue(())
            };
            let read = ingest::ingest(source, &spec, &out, &IngestLimits::default(), &mut report)?;
            let Ingested { spec, feature_map, profile } = read;
            as_json(Encoded { spec, feature_map, profile })
        }
        Task::Sample { name, media_type, most } => {
            as_json(ingest::sample(&source.parts[0].path, name.as_deref(), media_type.as_deref(), most)?)
        }
        Task::RowsAt { spec, positions } => as_json(ingest::rows_at(source, &spec, &positions)?),
        Task::PositionsWhere { spec, column, value } => {
            as_json(ingest::positions_where(source, &spec, &column, &value)?)
        }
    })
}

fn as_json(answer: impl Serialize) -> Value {
    serde_json::to_value(answer).expect("an answer is plain data")
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
