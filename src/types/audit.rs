//! What the audit says became of an action.

use super::words::choice;

choice! {
    /// What became of an action.
    AuditOutcome {
        /// It was done, or there was nothing to do.
        Done = "done",
        /// It was not done: not allowed, not possible, or not well asked for.
        Refused = "refused",
        /// It broke off on the side of the service.
        Failed = "failed",
        /// The client went away before its answer.
        Unknown = "unknown",
    }
}

impl AuditOutcome {
    /// Of a request that was answered with a status of HTTP.
    pub fn of_status(status: u16) -> Self {
        match status {
            ..400 => Self::Done,
            400..500 => Self::Refused,
            _ => Self::Failed,
        }
    }
}
