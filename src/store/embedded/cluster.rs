//! The cluster's folder: found or made, locked, and the command that serves it.

use super::{
    error::{EmbeddedError, MAX_SOCKET_PATH},
    stale,
    user::ServerUser,
};
use std::{
    fs::{File, OpenOptions, Permissions, TryLockError},
    io::{Read, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Name of the database and of its user.
pub(super) const NAME: &str = "autodenoise";
/// Part of the socket's name only.
pub(super) const PORT: u16 = 5432;
/// A process that is dying may hold the lock for a moment longer.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// The log starts anew when it is larger than this.
const MAX_LOG_BYTES: u64 = 16 << 20;

/// Whether what is committed survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    Full,
    /// Nothing is synced: fast, and lost with the machine. For tests.
    TestOnly,
}

/// A cluster that can be served, and that no other process serves.
pub(super) struct Cluster {
    pub(super) dir: PathBuf,
    pub(super) password: String,
    pub(super) command: Command,
    pub(super) log: PathBuf,
    /// Locked as long as it is open.
    pub(super) lock: File,
}

pub(super) fn prepare_cluster(
    dir: &Path,
    bin: Option<&Path>,
    durability: Durability,
) -> Result<Cluster, EmbeddedError> {
    std::fs::create_dir_all(dir).map_err(EmbeddedError::io("create the folder", dir))?;
    // The server changes its working directory, and compares paths as they are written.
    let dir = dir.canonicalize().map_err(EmbeddedError::io("find", dir))?;
    let socket = dir.join(format!(".s.PGSQL.{PORT}"));
    let length = socket.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        return Err(EmbeddedError::SocketPathTooLong { path: socket, length });
    }
    let lock = lock_folder(&dir)?;
    let user = ServerUser::choose()?;
    std::fs::set_permissions(&dir, Permissions::from_mode(0o700)).map_err(EmbeddedError::io("close", &dir))?;
    if let Some(user) = &user {
        user.check_reach(&dir)?;
        user.take_over(&dir)?;
    }
    let data = dir.join("data");
    let bin = find_bin(bin, &data)?;
    if data.exists() {
        stale::remove_leftovers(&dir, &data, &socket)?;
    } else {
        init_cluster(&bin, &dir, &data, user.as_ref())?;
    }
    let password_file = dir.join("password");
    let password = std::fs::read_to_string(&password_file).map_err(EmbeddedError::io("read", &password_file))?;
    let log = dir.join("postgres.log");
    let command = server_command(&bin, &dir, &data, &log, user.as_ref(), durability)?;
    Ok(Cluster { dir, password: password.trim().to_owned(), command, log, lock })
}

fn lock_folder(dir: &Path) -> Result<File, EmbeddedError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(EmbeddedError::io("open", &path))?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::WouldBlock) => return Err(EmbeddedError::InUse(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(EmbeddedError::io("lock", &path)(error)),
        }
    }
}

/// The folder of `initdb` and `postgres`: the one given, else the one of the version that made the cluster, else the
/// newest of Debian's, else the first in PATH.
fn find_bin(given: Option<&Path>, data: &Path) -> Result<PathBuf, EmbeddedError> {
    let complete = |bin: &Path| bin.join("initdb").is_file() && bin.join("postgres").is_file();
    if let Some(bin) = given {
        let bin = bin.canonicalize().map_err(EmbeddedError::io("find", bin))?;
        return if complete(&bin) { Ok(bin) } else { Err(EmbeddedError::NotAPostgresFolder(bin)) };
    }
    let debian = Path::new("/usr/lib/postgresql");
    let mut installed: Vec<(u32, PathBuf)> = debian
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| complete(bin))
        .collect();
    installed.sort();
    if let Ok(version) = std::fs::read_to_string(data.join("PG_VERSION"))
        && !installed.is_empty()
    {
        let version = version.trim();
        let made_by = debian.join(version).join("bin");
        return if complete(&made_by) {
            Ok(made_by)
        } else {
            Err(EmbeddedError::OtherVersion { dir: data.to_owned(), version: version.to_owned() })
        };
    }
    if let Some((_, newest)) = installed.pop() {
        return Ok(newest);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).find(|bin| complete(bin)).ok_or(EmbeddedError::NoPostgres)
}

/// Makes the cluster in `data.new`, and renames that to `data` once it is on disk.
fn init_cluster(bin: &Path, dir: &Path, data: &Path, user: Option<&ServerUser>) -> Result<(), EmbeddedError> {
    let new = dir.join("data.new");
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(EmbeddedError::io("remove", &new))?;
    }
    let password_file = dir.join("password");
    write_password(&password_file)?;
    if let Some(user) = user {
        user.take_over(&password_file)?;
    }
    let mut command = tool_command(bin, "initdb", dir, user);
    // Not synced file by file, which takes seconds: once for all below.
    command.args(["--no-sync", "--data-checksums", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
    command.arg(format!("--username={NAME}")).arg("--pwfile").arg(&password_file).arg("-D").arg(&new);
    let output = command.stdin(Stdio::null()).output().map_err(EmbeddedError::io("run initdb of", bin))?;
    if !output.status.success() {
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EmbeddedError::Tool { what: "initdb", output });
    }
    let folder = File::open(dir).map_err(EmbeddedError::io("open", dir))?;
    // SAFETY: the descriptor is open.
    if unsafe { libc::syncfs(folder.as_raw_fd()) } != 0 {
        return Err(EmbeddedError::io("sync", dir)(std::io::Error::last_os_error()));
    }
    std::fs::rename(&new, data).map_err(EmbeddedError::io("rename", &new))?;
    folder.sync_all().map_err(EmbeddedError::io("sync", dir))
}

/// 32 random bytes of the kernel, in hexadecimal.
fn write_password(path: &Path) -> Result<(), EmbeddedError> {
    let mut bytes = [0_u8; 32];
    let random = Path::new("/dev/urandom");
    File::open(random).and_then(|mut file| file.read_exact(&mut bytes)).map_err(EmbeddedError::io("read", random))?;
    let password = hex::encode(bytes);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(EmbeddedError::io("remove", path)(error));
        }
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(password.as_bytes()))
        .map_err(EmbeddedError::io("write", path))
}

fn server_command(
    bin: &Path,
    dir: &Path,
    data: &Path,
    log: &Path,
    user: Option<&ServerUser>,
    durability: Durability,
) -> Result<Command, EmbeddedError> {
    let fresh = log.metadata().is_ok_and(|meta| meta.len() > MAX_LOG_BYTES);
    let log_file = OpenOptions::new()
        .create(true)
        .append(!fresh)
        .write(true)
        .truncate(fresh)
        .mode(0o600)
        .open(log)
        .map_err(EmbeddedError::io("open", log))?;
    let mut command = tool_command(bin, "postgres", dir, user);
    command.arg("-D").arg(data);
    let mut set = |name: &str, value: &str| {
        command.arg("-c").arg(format!("{name}={value}"));
    };
    set("listen_addresses", "");
    set("port", &PORT.to_string());
    // A list; the quotes keep a comma in the path from ending the entry.
    set("unix_socket_directories", &format!("\"{}\"", dir.display()));
    set("unix_socket_permissions", "0700");
    set("recovery_init_sync_method", "syncfs");
    set("logging_collector", "off");
    if durability == Durability::TestOnly {
        set("fsync", "off");
        set("synchronous_commit", "off");
        set("full_page_writes", "off");
    }
    let log_too = log_file.try_clone().map_err(EmbeddedError::io("open", log))?;
    command.stdin(Stdio::null()).stdout(log_file).stderr(log_too);
    Ok(command)
}

/// A program of PostgreSQL's, with none of our environment: PGPORT and its like would change what it does.
fn tool_command(bin: &Path, name: &str, dir: &Path, user: Option<&ServerUser>) -> Command {
    let mut command = Command::new(bin.join(name));
    command.current_dir(dir).env_clear().env("LC_ALL", "C");
    if let Some(user) = user {
        user.run_command_as(&mut command);
    }
    command
}
