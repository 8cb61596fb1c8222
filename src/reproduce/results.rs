//! From the jobs' reports to the numbers of a table: over the seeds, beside the paper's, and against training on all
//! rows.

use super::verdicts::verdicts;
use super::{Facts, PlannedLine, Protocol, Published, Target};
use crate::metrics::{mean, sample_sd};
use crate::types::{BackboneKind, MethodName, Metrics, Report, RunResult};
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

/// A number over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    /// The sample's standard deviation; absent for one run.
    pub sd: Option<f64>,
    pub runs: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub title: String,
    pub backbone: BackboneKind,
    pub method: MethodName,
    pub in_paper: bool,
    /// Option and value, in a sweep.
    pub point: Option<(&'static str, f64)>,
    pub published: Option<Published>,
    /// The paper's difference to training on all rows.
    pub published_gain: Option<Published>,
    /// One a protocol, in the order of the facts.
    pub measured: Vec<Measured>,
}

/// What a line came to by one protocol.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub protocol: Protocol,
    pub auc: Option<Spread>,
    pub logloss: Option<Spread>,
    /// Ours less the paper's.
    pub auc_difference: Option<f64>,
    pub logloss_difference: Option<f64>,
    /// Against training on all rows with the same seeds; absent for that line itself.
    pub gain: Option<Gain>,
    /// Mean share of training rows kept.
    pub kept: Option<f64>,
    /// Mean seconds a seed, of choosing the rows and of training on them.
    pub seconds: Option<f64>,
    pub failed: Option<String>,
}

/// Mean and spread of the differences seed by seed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Gain {
    pub auc: Option<Spread>,
    pub logloss: Option<Spread>,
}

impl Spread {
    /// None of no values.
    pub fn of(values: &[f64]) -> Option<Self> {
        (!values.is_empty()).then(|| Self { mean: mean(values), sd: sample_sd(values), runs: values.len() })
    }
}

/// Which number of a test result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Auc,
    LogLoss,
}

impl Metric {
    pub const BOTH: [Self; 2] = [Self::Auc, Self::LogLoss];

    pub fn title(self) -> &'static str {
        match self {
            Self::Auc => "AUC",
            Self::LogLoss => "log-loss",
        }
    }

    pub fn is_better(self, gain: f64) -> bool {
        (gain > 0.0) == (self == Self::Auc)
    }

    pub fn of(self, published: Published) -> f64 {
        match self {
            Self::Auc => published.auc,
            Self::LogLoss => published.logloss,
        }
    }

    fn of_test(self, test: Metrics) -> Option<f64> {
        match self {
            Self::Auc => test.auc,
            Self::LogLoss => Some(test.logloss),
        }
    }

    pub fn measured(self, measured: &Measured) -> (Option<Spread>, Option<f64>) {
        match self {
            Self::Auc => (measured.auc, measured.auc_difference),
            Self::LogLoss => (measured.logloss, measured.logloss_difference),
        }
    }

    pub fn gain(self, gain: Gain) -> Option<Spread> {
        match self {
            Self::Auc => gain.auc,
            Self::LogLoss => gain.logloss,
        }
    }
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
                .find(report)
                .map(|line| line.runs.as_slice())
                .ok_or_else(|| "the job's report has no such line".to_owned()),
        };
        match runs(planned) {
            Err(failed) => Measured::failed(*protocol, failed),
            Ok(own) => Measured::of(*protocol, own, planned.published, against.and_then(|line| runs(line).ok())),
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

impl Measured {
    fn failed(protocol: Protocol, failed: String) -> Self {
        Self {
            protocol,
            auc: None,
            logloss: None,
            auc_difference: None,
            logloss_difference: None,
            gain: None,
            kept: None,
            seconds: None,
            failed: Some(failed),
        }
    }

    fn of(protocol: Protocol, runs: &[RunResult], paper: Option<Published>, all_rows: Option<&[RunResult]>) -> Self {
        let over = |metric: Metric| {
            let values: Vec<f64> = runs.iter().filter_map(|run| metric.of_test(protocol.test(run))).collect();
            Spread::of(&values)
        };
        let difference = |metric: Metric| Some(over(metric)?.mean - metric.of(paper?));
        let gain = |all_rows: &[RunResult], metric: Metric| {
            let differences = runs.iter().filter_map(|own| {
                let other = all_rows.iter().find(|other| other.seed == own.seed)?;
                Some(metric.of_test(protocol.test(own))? - metric.of_test(protocol.test(other))?)
            });
            Spread::of(&differences.collect::<Vec<_>>())
        };
        let kept: Vec<f64> = runs.iter().map(|run| run.kept.share()).collect();
        let seconds: Vec<f64> = runs.iter().map(|run| run.select_seconds + run.train_seconds).collect();
        Self {
            protocol,
            auc: over(Metric::Auc),
            logloss: over(Metric::LogLoss),
            auc_difference: difference(Metric::Auc),
            logloss_difference: difference(Metric::LogLoss),
            gain: all_rows.map(|all| Gain { auc: gain(all, Metric::Auc), logloss: gain(all, Metric::LogLoss) }),
            kept: Spread::of(&kept).map(|kept| kept.mean),
            seconds: Spread::of(&seconds).map(|seconds| seconds.mean),
            failed: None,
        }
    }
}
