//! A private PostgreSQL cluster below the data folder, for use without a database server of one's own.
//!
//! ```text
//! <dir>/data/           the cluster; made as data.new and renamed, so that it is complete if it exists
//! <dir>/password        of the one database user
//! <dir>/lock            held by the process that runs the cluster
//! <dir>/postgres.log    what the server says
//! <dir>/.s.PGSQL.5432   the socket; the server listens on nothing else
//! ```
//! The server lives as long as the process that started it: it is stopped by `stop` or on drop, and when the process is
//! killed the kernel signals it (see `keeper`). fsync is on, unless a test says otherwise.

mod cluster;
mod error;
mod keeper;
mod stale;
mod user;

pub use cluster::Durability;
pub use error::EmbeddedError;

use cluster::{NAME, PORT};
use keeper::Keeper;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};
use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

/// Crash recovery of a large cluster takes its time.
const READY_TIMEOUT: Duration = Duration::from_secs(120);

/// A running cluster. Dropping it stops the server and waits for that.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    options: PgConnectOptions,
    keeper: Keeper,
}

impl EmbeddedPostgres {
    /// Starts the cluster in `dir`, which is made first where it is missing. `bin` is the folder of `initdb` and
    /// `postgres`; without it they are looked for.
    pub async fn start(dir: &Path, bin: Option<&Path>, durability: Durability) -> Result<Self, EmbeddedError> {
        let (dir, bin) = (dir.to_owned(), bin.map(Path::to_owned));
        let (keeper, cluster) =
            Keeper::start(move || cluster::prepare_cluster(&dir, bin.as_deref(), durability)).await?;
        let options = connect_options(&cluster.dir, &cluster.password);
        let embedded = Self { options: options.clone().database(NAME), keeper };
        embedded.wait_until_ready(&options.database("postgres")).await?;
        embedded.keeper.set_ready();
        Ok(embedded)
    }

    /// How to connect to the cluster in `dir` while another process runs it; none where nobody does.
    pub async fn running(dir: &Path) -> Result<Option<PgConnectOptions>, EmbeddedError> {
        let Ok(dir) = dir.canonicalize() else { return Ok(None) };
        let path = dir.join("password");
        let password = match std::fs::read_to_string(&path) {
            Ok(password) => password,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(EmbeddedError::io("read", &path)(error)),
        };
        let options = connect_options(&dir, password.trim()).database(NAME);
        match options.connect().await {
            Ok(connection) => connection.close().await?,
            // No socket, or one that nobody answers at.
            Err(sqlx::Error::Io(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        Ok(Some(options))
    }

    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// For tools such as psql; holds the password.
    pub fn url(&self) -> String {
        self.options.to_url_lossy().into()
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// Stops the server: sessions are ended, what they committed is kept.
    pub async fn stop(self) {
        self.keeper.stop().await;
    }

    /// Connects until it works. One connection and no pool, because a pool would hide that the server has ended.
    async fn wait_until_ready(&self, maintenance: &PgConnectOptions) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let mut connection = loop {
            let source = match maintenance.connect().await {
                Ok(connection) => break connection,
                Err(error) => error,
            };
            if let Some(status) = self.keeper.exit() {
                return Err(EmbeddedError::Stopped { status, log: self.keeper.last_words() });
            }
            // Retried as long as the server has only not come up yet; a wrong password, say, will stay wrong.
            let starting = match &source {
                sqlx::Error::Io(_) => true,
                sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "57P03"),
                _ => false,
            };
            if !starting || Instant::now() > deadline {
                return Err(EmbeddedError::NotReady { seconds: READY_TIMEOUT.as_secs(), source });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(NAME)
            .fetch_one(&mut connection)
            .await?;
        if !exists {
            sqlx::query(AssertSqlSafe(format!("create database {NAME}"))).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }
}

/// To the server whose socket is in `dir`, whatever the database.
fn connect_options(dir: &Path, password: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(dir)
        .port(PORT)
        .username(NAME)
        .password(password)
        .application_name(NAME)
}
