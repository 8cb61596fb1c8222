//! The private PostgreSQL: started, killed, stopped and started again, as root and as another user.
//!
//! What the death of a process does is tried on processes: this binary runs itself again with `ROLE` set.

use autodenoise::store::{Durability, EmbeddedError, EmbeddedPostgres};
use sqlx::{ConnectOptions, Connection};
use std::{
    io::{BufRead, BufReader, Read},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const ROLE: &str = "AUTODENOISE_TEST_CLUSTER";
const NOBODY: u32 = 65534;

/// A folder another user can pass through.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o711)).unwrap();
    dir
}

async fn start(dir: &Path) -> Result<EmbeddedPostgres, EmbeddedError> {
    EmbeddedPostgres::start(dir, None, Durability::Full).await
}

async fn scalar(postgres: &EmbeddedPostgres, sql: &'static str) -> String {
    let mut connection = postgres.connect_options().connect().await.unwrap();
    let value = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    value
}

async fn execute(postgres: &EmbeddedPostgres, sql: &'static str) {
    let mut connection = postgres.connect_options().connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_until_gone(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "postgres {pid} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(pid: u32, signal: i32) {
    // SAFETY: no memory is involved.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0);
}

/// Another process that runs a cluster until its stdin closes or it is killed.
struct Other {
    process: Child,
    /// What it wrote when the cluster was there: the server's pid, or what went wrong.
    said: String,
}

impl Other {
    fn start(dir: &Path, uid: Option<u32>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["role_of_another_process", "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.filter_map(|line| line.split_once("SAID ").map(|(_, said)| said.to_owned())).next();
        Self { process, said: said.expect("the other process says how it went") }
    }

    fn server(&self) -> u32 {
        self.said.parse().unwrap_or_else(|_| panic!("{}", self.said))
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// No test: the body of `Other`.
#[tokio::test]
async fn role_of_another_process() {
    let Some(dir) = std::env::var_os(ROLE) else { return };
    match start(Path::new(&dir)).await {
        Ok(postgres) => {
            println!("SAID {}", postgres.pid());
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            drop(postgres);
        }
        Err(error) => println!("SAID {error}"),
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let dir = folder();
    let data = dir.path().join("pg");
    let postgres = start(&data).await.unwrap();
    assert_eq!(scalar(&postgres, "show fsync").await, "on");
    assert_eq!(scalar(&postgres, "show synchronous_commit").await, "on");
    assert_eq!(scalar(&postgres, "show data_checksums").await, "on");
    assert_eq!(scalar(&postgres, "show listen_addresses").await, "", "the socket is the only way in");
    let mode = std::fs::metadata(data.join("password")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    execute(&postgres, "create table kept as select 'here' as word").await;
    let pid = postgres.pid();
    postgres.stop().await;
    assert!(!is_alive(pid));

    let postgres = start(&data).await.unwrap();
    assert_eq!(scalar(&postgres, "select word from kept").await, "here");
    let pid = postgres.pid();
    drop(postgres);
    assert!(!is_alive(pid), "dropping it stops it too");
}

#[tokio::test]
async fn the_password_is_needed() {
    let dir = folder();
    let postgres = start(&dir.path().join("pg")).await.unwrap();
    let error = postgres.connect_options().password("guess").connect().await.unwrap_err();
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    let by_url: sqlx::postgres::PgConnectOptions = postgres.url().parse().unwrap();
    by_url.connect().await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_no_server_and_loses_nothing() {
    let dir = folder();
    let data = dir.path().join("pg");
    let mut other = Other::start(&data, None);
    let server = other.server();
    assert!(is_alive(server));
    other.kill();
    wait_until_gone(server);
    start(&data).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_server_killed_with_its_process_recovers() {
    let dir = folder();
    let data = dir.path().join("pg");
    let mut other = Other::start(&data, None);
    let server = other.server();
    kill(server, libc::SIGKILL);
    other.kill();
    let postgres = start(&data).await.unwrap();
    assert_eq!(scalar(&postgres, "select 'well'").await, "well");
    postgres.stop().await;
}

/// A zombie, or another program that got the number, stands in `postmaster.pid`.
#[tokio::test]
async fn a_pid_file_that_names_another_process_is_in_nobodys_way() {
    let dir = folder();
    let data = dir.path().join("pg");
    start(&data).await.unwrap().stop().await;
    let pid_file = data.join("data/postmaster.pid");
    std::fs::write(&pid_file, format!("{}\n", std::process::id())).unwrap();
    std::fs::set_permissions(&pid_file, PermissionsExt::from_mode(0o644)).unwrap();
    start(&data).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_second_start_is_refused_and_the_first_unharmed() {
    let dir = folder();
    let data = dir.path().join("pg");
    let postgres = start(&data).await.unwrap();
    let error = start(&data).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::InUse(_)), "{error}");
    let other = Other::start(&data, None);
    assert!(other.said.contains("in use by another process"), "{}", other.said);
    drop(other);
    assert_eq!(scalar(&postgres, "select 'well'").await, "well");
    postgres.stop().await;
}

#[tokio::test]
async fn a_half_made_cluster_is_made_again() {
    let dir = folder();
    let data = dir.path().join("pg");
    std::fs::create_dir_all(data.join("data.new/base")).unwrap();
    std::fs::write(data.join("password"), "old").unwrap();
    start(&data).await.unwrap().stop().await;
    assert!(!data.join("data.new").exists());
}

#[tokio::test]
async fn what_hinders_a_start_is_named_with_the_cure() {
    let dir = folder();
    let long = dir.path().join("x".repeat(100));
    let error = start(&long).await.unwrap_err().to_string();
    assert!(error.contains("shorter --data-dir"), "{error}");

    let empty = folder();
    let error =
        EmbeddedPostgres::start(&dir.path().join("pg"), Some(empty.path()), Durability::Full).await.unwrap_err();
    assert!(error.to_string().contains("--postgres-bin"), "{error}");

    // A server that ends at once says why.
    let data = dir.path().join("broken");
    start(&data).await.unwrap().stop().await;
    std::fs::write(data.join("data/postgresql.conf"), "no_such_setting = 1\n").unwrap();
    let error = start(&data).await.unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn root_is_told_of_a_folder_the_server_cannot_pass() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let error = start(&dir.path().join("pg")).await.unwrap_err();
    assert!(matches!(&error, EmbeddedError::ClosedToServer { parent, .. } if parent == dir.path()), "{error}");
    assert!(error.to_string().contains("chmod o+x"), "{error}");
}

/// Root gives itself away; everyone else runs the other tests as themselves.
#[tokio::test]
async fn a_user_who_is_not_root_runs_the_server_as_himself() {
    if !is_root() {
        return;
    }
    let dir = folder();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    let other = Other::start(&home.join("pg"), Some(NOBODY));
    let owner = std::fs::metadata(format!("/proc/{}", other.server())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), NOBODY);
    drop(other);
}
