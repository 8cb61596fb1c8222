//! Databases for tests: one private server a process, started when first asked for, and a fresh copy of the migrated
//! schema for each test.

use super::{Durability, EmbeddedPostgres, Store};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Mutex};
use tokio::sync::OnceCell;
use uuid::Uuid;

const TEMPLATE: &str = "template_migrated";

/// The server of this process. Taken out and stopped when the process ends: statics are not dropped.
static SERVER: Mutex<Option<(EmbeddedPostgres, PathBuf)>> = Mutex::new(None);
static OPTIONS: OnceCell<PgConnectOptions> = OnceCell::const_new();

/// A database of one test.
pub struct TestDb {
    pub store: Store,
    options: PgConnectOptions,
}

impl TestDb {
    /// A database with the schema and nothing in it.
    pub async fn new() -> Self {
        Self::copy_database(TEMPLATE).await
    }

    /// A database without the schema.
    pub async fn empty() -> Self {
        Self::copy_database("template1").await
    }

    async fn copy_database(template: &str) -> Self {
        let server = OPTIONS.get_or_init(start).await;
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut connection = connect(server).await;
        execute(&mut connection, format!("create database {name} template {template}")).await;
        connection.close().await.expect("the test server answers");
        let options = server.clone().database(&name);
        let store = Store::connect(options.clone(), 16).await.expect("a database just made can be connected to");
        Self { store, options }
    }

    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }
}

async fn start() -> PgConnectOptions {
    let dir = tempfile::Builder::new().prefix("autodenoise-test-").tempdir().expect("a folder can be made").keep();
    // Run by root, the server is another user and must get through.
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o711)).expect("the folder is ours");
    let server = EmbeddedPostgres::start(&dir.join("pg"), None, Durability::TestOnly).await.expect("PostgreSQL starts");
    let options = server.connect_options();
    *SERVER.lock().expect("no holder panics") = Some((server, dir));
    // SAFETY: the function has the right type and lives as long as the program.
    unsafe { libc::atexit(stop) };
    let mut connection = connect(&options).await;
    execute(&mut connection, format!("create database {TEMPLATE}")).await;
    connection.close().await.expect("the test server answers");
    let template =
        Store::connect(options.clone().database(TEMPLATE), 1).await.expect("the template can be connected to");
    template.migrate().await.expect("the migrations are right");
    template.close().await;
    options
}

extern "C" fn stop() {
    if let Some((server, dir)) = SERVER.lock().ok().and_then(|mut server| server.take()) {
        drop(server);
        std::fs::remove_dir_all(dir).ok();
    }
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    options.connect().await.expect("the test server answers")
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}
