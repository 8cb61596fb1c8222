//! From the jobs' reports to the numbers of a table: over the seeds, beside the paper's, and compared with training on all
//! rows.

use super::{
    facts::Facts,
    jobs::PlannedLine,
    numbers::{Line, Measured},
    protocol::Protocol,
    published::Published,
    target::Target,
    verdicts::verdicts,
};
use crate::types::Report;
use serde::Serialize;

/// A job's report, or why there is none.
pub type Outcome = Result<Box<Report>, String>;

/// A table or figure made again.
#[derive(Debug, Clone, Serialize)]
pub struct Reproduction {
    pub target: Target,
    pub facts: Facts,
    pub lines: Vec<Line>,
    /// What the numbers say, in sentences.
    pub verdicts: Vec<String>,
}

/// Puts the numbers of the reports into the lines. `outcome` gives a line's job by a protocol.
pub fn reproduction<'o>(
    target: Target,
    plan: &[PlannedLine],
    facts: Facts,
    outcome: &dyn Fn(&PlannedLine, Protocol) -> &'o Outcome,
) -> Reproduction {
    let lines: Vec<Line> = plan.iter().map(|planned| line(planned, plan, &facts.protocols, outcome)).collect();
    let verdicts = verdicts(&lines, &facts);
    Reproduction { target, facts, lines, verdicts }
}

fn line<'o>(
    planned: &PlannedLine,
    plan: &[PlannedLine],
    protocols: &[Protocol],
    outcome: &dyn Fn(&PlannedLine, Protocol) -> &'o Outcome,
) -> Line {
    let against = planned.against.map(|number| &plan[number]);
    let published_gain = planned
        .published
        .zip(against.and_then(|reference| reference.published))
        .map(|(own, other)| Published { auc: own.auc - other.auc, logloss: own.logloss - other.logloss });
    let measured = protocols.iter().map(|protocol| {
        let runs = |planned: &PlannedLine| match outcome(planned, *protocol) {
            Err(failed) => Err(failed.clone()),
            Ok(report) => planned
                .find_line(report)
                .map(|line| line.runs.as_slice())
                .ok_or_else(|| "the job's report has no such line".to_owned()),
        };
        match runs(planned) {
            Err(failed) => Measured::failed(*protocol, failed),
            Ok(own) => Measured::compute(*protocol, own, planned.published, against.and_then(|line| runs(line).ok())),
        }
    });
    Line {
        title: planned.title.clone(),
        backbone: planned.backbone,
        method: planned.method,
        in_paper: planned.in_paper,
        point: planned.point,
        published: planned.published,
        published_gain,
        measured: measured.collect(),
    }
}
