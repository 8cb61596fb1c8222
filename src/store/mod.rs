//! Postgres: every SQL statement of the program.
//!
//! Functions take `&mut PgConnection`, so that the caller decides the transaction. One that calls it `tx` leaves its work to
//! the caller's transaction, which must be there; the others see to their own. What a worker writes is fenced by
//! its lease, (job, attempt): a write that finds the lease gone fails with `StoreError::LeaseLost` and changes nothing.
//! Times are the database's, never a client's clock. What belongs to a tenant is found only together with that tenant; for
//! another tenant it does not exist.

mod address;
pub mod artifacts;
pub mod audit;
pub mod checkpoints;
mod dataset_parts;
pub mod datasets;
mod embedded;
pub mod endings;
mod error;
pub mod events;
pub mod ingest_queue;
pub mod jobs;
pub mod judgement_queue;
pub mod judgements;
pub mod keys;
mod lease;
pub mod metrics;
pub mod objects;
pub mod outbox;
mod page;
pub mod parts;
pub mod queue;
pub mod sessions;
pub mod tenants;
pub mod test_reads;
#[doc(hidden)]
pub mod testing;
pub mod uploads;
pub mod webhooks;
pub mod workers;

pub use address::{AddressError, parse_address, place_of};
pub use embedded::{Durability, EmbeddedError, EmbeddedPostgres};
pub use error::StoreError;
pub use lease::Lease;
pub use page::{Cursor, Page, ParseCursorError};

use sqlx::{
    PgConnection, PgPool, Postgres, Row, Transaction,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use std::time::Duration;
use tokio::time::timeout;

/// The schema, embedded in the binary.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// Channel that carries the id (a bare UUID) of a job with a new event.
pub const JOB_EVENT: &str = "job_event";
/// Channel that says there may be a job, a dataset or a judgement to claim.
pub const WORK: &str = "work";
/// Channel that carries the id (a bare UUID) of a running job to be cancelled or paused, or of one whose parts are needed no
/// more.
pub const JOB_CANCEL: &str = "job_cancel";
/// Channel that carries the id (a bare UUID) of a job of which a part is done or waits.
pub const JOB_PART: &str = "job_part";

/// What `pg_stat_activity` calls our sessions, where the address names them not otherwise.
const APPLICATION: &str = "autodenoise";

/// How long a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of every session. A client that loses its power or its network does not close its session: without these, the
/// database would keep the session, with every lock it holds, for hours. A healthy client is idle inside a transaction for
/// longer than 10 seconds only while it moves a file, in `objects::hold` and `objects::claim`, which ask for more.
const SESSION: [(&str, &str); 5] = [
    ("idle_in_transaction_session_timeout", "10s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "4"),
    ("tcp_user_timeout", "30s"),
];

fn pool_options(max_connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // `is_clean` finds a dead connection too.
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(is_clean(conn)))
}

/// Whether a connection from the pool answers and is outside of any transaction. If its last user was dropped while `begin`
/// was on its way, the database is inside a transaction that sqlx 0.9 does not know of, and all that the next user writes
/// would be rolled back. Outside of a transaction a statement is a transaction of its own, so both begin at the same time.
async fn is_clean(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(conn).await?;
    row.try_get(0)
}

/// The result of `call`, or an error when the database has not answered `within` that time. Without a limit, a call over a
/// connection whose other end has vanished would wait for ever.
pub async fn answered<T>(within: Duration, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(within, call).await.unwrap_or(Err(StoreError::Silent(within)))
}

/// Ends a transaction that wrote nothing, so that its locks go at once. One that is dropped keeps them until its connection is used
/// again, and whoever claims work passes over rows that are locked.
async fn leave<T>(tx: Transaction<'_, Postgres>, outcome: T) -> Result<T, StoreError> {
    tx.rollback().await?;
    Ok(outcome)
}

/// A handle to the database. Clones share the pool.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects, and fails at once where no database answers.
    pub async fn connect(options: PgConnectOptions, max_connections: u32) -> Result<Self, StoreError> {
        let options = match options.get_application_name() {
            Some(_) => options,
            None => options.application_name(APPLICATION),
        };
        let pool = pool_options(max_connections).connect_with(options.options(SESSION)).await?;
        Ok(Self { pool })
    }

    /// Brings the schema up to date. Several processes may do so at once: one migrates, the others wait.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        Ok(MIGRATOR.run(&self.pool).await?)
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        Ok(self.pool.begin().await?)
    }

    /// A second, small pool to the same database. Heartbeats go through one, so that a pool drained by requests cannot
    /// cost a job its lease.
    pub fn with_own_pool(&self, max_connections: u32) -> Self {
        let options = self.pool.connect_options().as_ref().clone();
        Self { pool: pool_options(max_connections).connect_lazy_with(options) }
    }

    /// Listens on channels, on a connection taken from the pool for good.
    ///
    /// A listener that lost its connection reconnects by itself and `try_recv` then gives `None`: what was said in
    /// between is gone, so read the tables again. `close` waits for every listener to be dropped.
    pub async fn listen(&self, channels: &[&str]) -> Result<PgListener, StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen_all(channels.iter().copied()).await?;
        Ok(listener)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Waits for connections in use, then closes all.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
