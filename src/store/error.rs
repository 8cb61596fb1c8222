//! What can go wrong in the store, and whether waiting helps.

/// Beginnings of the SQLSTATEs after which the same call may succeed: the database starts, stops or has ended the session
/// (57P), the session was idle in a transaction for too long (25P03), the connection broke (08), the server is full (53), a
/// deadlock or a serialization failure (40).
const TRANSIENT_CLASSES: [&str; 5] = ["57P", "25P03", "08", "53", "40"];

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database refused or did not answer: {0}")]
    Database(#[source] sqlx::Error),
    #[error("the database was silent for {} s", .0.as_secs())]
    Silent(std::time::Duration),
    #[error("the schema could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the lease of {what} (attempt {attempt}) is lost: it ended, or another worker has it")]
    LeaseLost { what: String, attempt: i32 },
    #[error("{what} is {value}, more than the database can hold")]
    OutOfRange { what: &'static str, value: u64 },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl StoreError {
    /// Whether the same call may succeed in a while: the database is away, not wrong.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Silent(_) => true,
            Self::Database(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Tls(_)) => true,
            // A connection that broke in the middle of a message.
            Self::Database(sqlx::Error::Protocol(_)) => true,
            Self::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| TRANSIENT_CLASSES.iter().any(|class| code.starts_with(class)))
            }
            _ => false,
        }
    }

    /// The name of the constraint that was violated, where one was.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }
}

/// `value` for a 64-bit column; `what` names it in the error.
pub(super) fn bigint(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange { what, value })
}

/// As `bigint`, for a 32-bit column.
pub(super) fn int(what: &'static str, value: u32) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::OutOfRange { what, value: value.into() })
}
