//! The numbers of a table: of a line, by each protocol, over seeds.

use super::{protocol::Protocol, published::Published};
use crate::metrics::{mean, sample_sd};
use crate::types::{BackboneKind, MethodName, Metrics, RunResult};
use serde::Serialize;

/// A line of a table: a model, trained on the rows that a method keeps.
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
    /// One for each protocol, in the order of the facts.
    pub measured: Vec<Measured>,
}

/// The numbers of a line by one protocol.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub protocol: Protocol,
    pub auc: Option<Spread>,
    pub logloss: Option<Spread>,
    /// Ours minus the paper's.
    pub auc_difference: Option<f64>,
    pub logloss_difference: Option<f64>,
    /// Difference to training on all rows with the same seeds; absent for that line itself.
    pub gain: Option<Gain>,
    /// Mean share of training rows kept.
    pub kept: Option<f64>,
    /// Mean seconds of choosing the rows and training on them, for each seed.
    pub seconds: Option<f64>,
    pub failed: Option<String>,
}

/// Mean and spread of the differences seed by seed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Gain {
    pub auc: Option<Spread>,
    pub logloss: Option<Spread>,
}

/// A number over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub mean: f64,
    /// The sample's standard deviation; absent for one run.
    pub sd: Option<f64>,
    pub runs: usize,
}

impl Spread {
    /// Over the values; none where there are none.
    pub fn over(values: &[f64]) -> Option<Self> {
        (!values.is_empty()).then(|| Self { mean: mean(values), sd: sample_sd(values), runs: values.len() })
    }
}

/// One of the two numbers of a test result.
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

    /// Whether a difference is an improvement.
    pub fn is_better(self, gain: f64) -> bool {
        (gain > 0.0) == (self == Self::Auc)
    }

    /// The paper's number.
    pub fn published(self, published: Published) -> f64 {
        match self {
            Self::Auc => published.auc,
            Self::LogLoss => published.logloss,
        }
    }

    fn tested(self, test: Metrics) -> Option<f64> {
        match self {
            Self::Auc => test.auc,
            Self::LogLoss => Some(test.logloss),
        }
    }

    /// Ours, and ours minus the paper's.
    pub fn measured(self, measured: &Measured) -> (Option<Spread>, Option<f64>) {
        match self {
            Self::Auc => (measured.auc, measured.auc_difference),
            Self::LogLoss => (measured.logloss, measured.logloss_difference),
        }
    }

    /// The difference to training on all rows.
    pub fn gain(self, gain: Gain) -> Option<Spread> {
        match self {
            Self::Auc => gain.auc,
            Self::LogLoss => gain.logloss,
        }
    }
}

impl Measured {
    /// Of a job without a report.
    pub(super) fn failed(protocol: Protocol, failed: String) -> Self {
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

    /// Of the runs, beside the paper's number and the runs on all rows with the same seeds.
    pub(super) fn compute(
        protocol: Protocol,
        runs: &[RunResult],
        paper: Option<Published>,
        all_rows: Option<&[RunResult]>,
    ) -> Self {
        let over = |metric: Metric| {
            let values: Vec<f64> = runs.iter().filter_map(|run| metric.tested(protocol.test(run))).collect();
            Spread::over(&values)
        };
        let difference = |metric: Metric| Some(over(metric)?.mean - metric.published(paper?));
        let gain = |all_rows: &[RunResult], metric: Metric| {
            let differences = runs.iter().filter_map(|own| {
                let other = all_rows.iter().find(|other| other.seed == own.seed)?;
                Some(metric.tested(protocol.test(own))? - metric.tested(protocol.test(other))?)
            });
            Spread::over(&differences.collect::<Vec<_>>())
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
            kept: Spread::over(&kept).map(|kept| kept.mean),
            seconds: Spread::over(&seconds).map(|seconds| seconds.mean),
            failed: None,
        }
    }
}
