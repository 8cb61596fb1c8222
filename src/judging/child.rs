//! The process that judges: a task of one line of JSON on its stdin, which then stays open; an answer of one line on its stdout.

use super::work::carry_out;
use crate::trainer::{EXIT_PARENT_GONE, lifeline};
use crate::worker::{JudgeFailure, JudgeTask};
use std::{
    io::{self, Write},
    process::ExitCode,
};

/// The process's whole life.
pub fn main() -> ExitCode {
    lifeline::die_with_parent();
    lifeline::give_way();
    lifeline::offer_to_die();
    let answer = match lifeline::read_job::<JudgeTask>() {
        Ok(task) => {
            lifeline::end_with_parent();
            carry_out(&task)
        }
        Err(error) => Err(JudgeFailure::Failed(format!("the judge's task: {error}"))),
    };
    let mut line = serde_json::to_vec(&answer).expect("an answer is plain data");
    line.push(b'\n');
    let mut out = io::stdout().lock();
    match out.write_all(&line).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => EXIT_PARENT_GONE.into(),
    }
}
