//! The life of a job: its states, which may follow which, its phases and its progress.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a job stands. Terminal states never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "job_state", rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for a worker.
    Queued,
    /// A worker holds its lease and a trainer runs.
    Running,
    /// A pause was asked for; the trainer has not written its state down yet.
    Pausing,
    /// Waiting for a client to resume it. No worker holds it.
    Paused,
    /// Cancel was asked for; the worker has not stopped yet.
    Cancelling,
    Succeeded,
    Failed,
    Cancelled,
}

impl JobState {
    pub const ALL: [JobState; 8] = [
        Self::Queued,
        Self::Running,
        Self::Pausing,
        Self::Paused,
        Self::Cancelling,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether a worker holds the job. In the database these are the states with a `lease_until`, which is what statements
    /// ask for; the constraint `jobs_leased_while_running` keeps the two together.
    pub fn is_leased(self) -> bool {
        matches!(self, Self::Running | Self::Pausing | Self::Cancelling)
    }

    /// The one place that says which state may follow which; the migration's trigger mirrors it.
    pub fn can_become(self, next: JobState) -> bool {
        use JobState::*;
        matches!(
            (self, next),
            (Queued, Running | Paused | Cancelled | Failed)
                | (Running, Queued | Pausing | Cancelling | Succeeded | Failed)
                // A resume that comes before the trainer has stopped takes the pause back.
                | (Pausing, Running | Paused | Cancelling | Succeeded | Failed)
                | (Paused, Queued | Cancelled)
                | (Cancelling, Cancelled | Succeeded | Failed)
        )
    }

    /// The word on the wire and in Postgres.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a running job is doing. Searching and validation alternate, once each per outer epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Passes over all rows that fill the loss history (spec section 3, "warm-up").
    Warmup,
    /// The policy learns from rewards (Optimization I).
    Search,
    /// The policy's subset is selected and a fresh model trained on it (Optimization II).
    Validate,
    /// A method other than the policy chooses rows.
    Select,
    /// Settings are raced on the validation rows, for the training of a model that is compared.
    Tune,
    /// A model is trained on the rows chosen, then tested: the one reading of the test split.
    Evaluate,
    /// The method is run on labels flipped on purpose.
    SelfCheck,
    /// The rows kept, all rows and random drops are trained seed by seed, for the verdict.
    Certify,
    /// Results are written.
    Export,
}

impl Phase {
    pub const ALL: [Phase; 9] = [
        Self::Warmup,
        Self::Search,
        Self::Validate,
        Self::Select,
        Self::Tune,
        Self::Evaluate,
        Self::SelfCheck,
        Self::Certify,
        Self::Export,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warmup => "warmup",
            Self::Search => "search",
            Self::Validate => "validate",
            Self::Select => "select",
            Self::Tune => "tune",
            Self::Evaluate => "evaluate",
            Self::SelfCheck => "self_check",
            Self::Certify => "certify",
            Self::Export => "export",
        }
    }
}

impl Phase {
    /// What a job is at, to whoever waits for it: phases that alternate are one.
    pub fn as_waited_for(self) -> Self {
        if self == Self::Validate { Self::Search } else { self }
    }

    /// What a job is doing, in words: the same on pages, on a terminal and in drawings.
    pub fn words(self) -> &'static str {
        match self {
            Self::Warmup => "learning what rows look like",
            Self::Search => "searching for the rows to keep",
            Self::Validate => "trying the rows found",
            Self::Select => "choosing rows",
            Self::Tune => "tuning weight decay",
            Self::Evaluate => "training a model",
            Self::SelfCheck => "looking for labels flipped on purpose",
            Self::Certify => "training models for the verdict",
            Self::Export => "writing results",
        }
    }
}

/// Which rows a model was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "arm", rename_all = "snake_case")]
pub enum Arm {
    /// All training rows, and the options of the method as they are.
    Untuned,
    /// All training rows.
    Full,
    /// The rows a method kept.
    Denoised,
    /// As many rows of each label, drawn at random.
    Random,
}

impl Arm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untuned => "untuned",
            Self::Full => "full",
            Self::Denoised => "denoised",
            Self::Random => "random",
        }
    }
}

/// How far a running job is, on a scale that stands from its first pass to its last: `total` is the passes over the training
/// rows that were foreseen at its beginning, and every part of the job counts in `done` for those foreseen of it, whether it
/// takes more or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
    /// Seconds left at the pace so far; absent before it can be told.
    pub eta_seconds: Option<f64>,
}

impl Progress {
    /// What is done, in whole percent: 100 only once all is.
    pub fn percent(self) -> u64 {
        (100 * self.done).checked_div(self.total).unwrap_or(100).min(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_have_no_successor() {
        for from in JobState::ALL {
            let successors = JobState::ALL.iter().filter(|to| from.can_become(**to)).count();
            assert_eq!(successors == 0, from.is_terminal(), "{from:?}");
        }
    }
}
