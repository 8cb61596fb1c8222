//! The thread that starts the server and stops it.
//!
//! The kernel signals the server when its parent goes, and the parent is the *thread* that started it: a thread of an
//! async pool may end at any time, this one lives until the server has stopped. When the process is killed the server
//! gets SIGINT, its fast shutdown.

use super::{EmbeddedError, cluster::Cluster};
use std::{
    io::{Read, Seek, SeekFrom},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// How soon the end of the server is noticed.
const TICK: Duration = Duration::from_millis(50);
/// A fast shutdown writes a checkpoint; after this long the server is told to stop at once, and recovers when next
/// started.
const FAST_SHUTDOWN: Duration = Duration::from_secs(60);
/// Bytes of the log shown when the server ends unasked.
const LAST_WORDS: u64 = 2000;

#[derive(Debug)]
pub(super) struct Keeper {
    pid: u32,
    log: PathBuf,
    /// Dropped to ask for a stop.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    exit: Arc<Mutex<Option<ExitStatus>>>,
}

/// What the caller needs to connect.
pub(super) struct Served {
    pub(super) dir: PathBuf,
    pub(super) password: String,
}

impl Keeper {
    /// Runs `prepare` and then the server, both on the new thread.
    pub(super) async fn start(
        prepare: impl FnOnce() -> Result<Cluster, EmbeddedError> + Send + 'static,
    ) -> Result<(Self, Served), EmbeddedError> {
        let (stop, stopped) = mpsc::channel();
        let (started, start) = oneshot::channel();
        let exit = Arc::new(Mutex::new(None));
        let seen = exit.clone();
        let thread = thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || keep(prepare, started, stopped, &seen))
            .map_err(EmbeddedError::io("start a thread for", Path::new("postgres")))?;
        let (pid, log, served) = start.await.expect("the keeper answers before it ends")?;
        Ok((Self { pid, log, stop: Some(stop), thread: Some(thread), exit }, served))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How the server ended, if it has.
    pub(super) fn exit(&self) -> Option<String> {
        self.exit.lock().expect("no holder panics").map(|status| match status.signal() {
            Some(signal) => format!("signal {signal}"),
            None => format!("exit code {}", status.code().unwrap_or_default()),
        })
    }

    /// The end of the server's log.
    pub(super) fn last_words(&self) -> String {
        let read = || {
            let mut file = std::fs::File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            std::io::Result::Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read().unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
    }

    pub(super) async fn stop(mut self) {
        let thread = self.ask_to_stop();
        tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await.ok();
    }

    fn ask_to_stop(&mut self) -> Option<JoinHandle<()>> {
        self.stop = None;
        self.thread.take()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(thread) = self.ask_to_stop() {
            thread.join().ok();
        }
    }
}

type Started = Result<(u32, PathBuf, Served), EmbeddedError>;

fn keep(
    prepare: impl FnOnce() -> Result<Cluster, EmbeddedError>,
    started: oneshot::Sender<Started>,
    stopped: mpsc::Receiver<()>,
    exit: &Mutex<Option<ExitStatus>>,
) {
    // `lock` is released last, when the server is gone.
    let (mut child, _lock) = match prepare().and_then(spawn) {
        Ok((child, log, served, lock)) => {
            // The caller may have gone; the channel to stop is then closed and the loop below ends at once.
            started.send(Ok((child.id(), log, served))).ok();
            (child, lock)
        }
        Err(error) => {
            started.send(Err(error)).ok();
            return;
        }
    };
    // Any other answer asks for a stop: the sender sends nothing and is dropped.
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
        if let Ok(Some(status)) = child.try_wait() {
            tracing::error!(%status, "the private database ended by itself");
            *exit.lock().expect("no holder panics") = Some(status);
            return;
        }
    }
    shut_down(&mut child);
}

fn spawn(cluster: Cluster) -> Result<(Child, PathBuf, Served, std::fs::File), EmbeddedError> {
    let Cluster { dir, password, mut command, log, lock } = cluster;
    let parent = std::process::id();
    // Its own group, so that Ctrl-C reaches us and not the server, which we stop when its clients are done.
    command.process_group(0);
    // SAFETY: both calls are safe between fork and exec. This runs after the change of user, which would clear the
    // setting.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // We may have been killed before the setting.
            if libc::getppid() as u32 != parent {
                return Err(std::io::Error::other("the parent process is gone"));
            }
            Ok(())
        });
    }
    let child = command.spawn().map_err(EmbeddedError::io("start postgres in", &dir))?;
    Ok((child, log, Served { dir, password }, lock))
}

fn shut_down(child: &mut Child) {
    let pid = child.id() as i32;
    for (signal, patience) in [(libc::SIGINT, FAST_SHUTDOWN), (libc::SIGQUIT, Duration::from_secs(10))] {
        // SAFETY: no memory is involved; the child has not been waited for, so the number is its.
        unsafe { libc::kill(pid, signal) };
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            match child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
    child.kill().ok();
    child.wait().ok();
}
