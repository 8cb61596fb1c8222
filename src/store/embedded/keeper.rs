//! The thread that starts the server, starts it again should it end by itself, and stops it.
//!
//! The kernel signals the server when its parent goes, and the parent is the *thread* that started it: a thread of an
//! async pool may end at any time, this one lives until the server has stopped. When the process is killed the server
//! gets SIGINT, its fast shutdown.

use super::{cluster::Cluster, error::EmbeddedError};
use std::{
    io::{Read, Seek, SeekFrom},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
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
/// Before the server is started again: what is left of the one that ended must go first.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of the log shown when the server ends unasked.
const LAST_WORDS: u64 = 2000;

#[derive(Debug)]
pub(super) struct Keeper {
    pid: Arc<AtomicU32>,
    log: PathBuf,
    /// Whether the server has answered: it is then started again when it ends by itself.
    ready: Arc<AtomicBool>,
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
        let (pid, ready, exit) = <(Arc<AtomicU32>, Arc<AtomicBool>, Arc<Mutex<Option<ExitStatus>>>)>::default();
        let shared = Shared { pid: pid.clone(), ready: ready.clone(), exit: exit.clone() };
        let thread = thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || run_server(prepare, started, stopped, &shared))
            .map_err(EmbeddedError::io("start a thread for", Path::new("postgres")))?;
        let (log, served) = start.await.expect("the keeper answers before it ends")?;
        Ok((Self { pid, log, ready, stop: Some(stop), thread: Some(thread), exit }, served))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Says that the server has answered.
    pub(super) fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// How the server ended, if it has before it answered.
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

type Started = Result<(PathBuf, Served), EmbeddedError>;

/// What the thread tells its keeper.
struct Shared {
    pid: Arc<AtomicU32>,
    ready: Arc<AtomicBool>,
    exit: Arc<Mutex<Option<ExitStatus>>>,
}

fn run_server(
    prepare: impl FnOnce() -> Result<Cluster, EmbeddedError>,
    started: oneshot::Sender<Started>,
    stopped: mpsc::Receiver<()>,
    shared: &Shared,
) {
    let begun = prepare().and_then(|cluster| {
        let Cluster { dir, password, mut command, log, lock } = cluster;
        tie_to_this_thread(&mut command);
        let child = command.spawn().map_err(EmbeddedError::io("start postgres in", &dir))?;
        Ok((child, command, lock, (log, Served { dir, password })))
    });
    // `lock` is released last, when the server is gone.
    let (mut child, mut command, _lock) = match begun {
        Ok((child, command, lock, answer)) => {
            shared.pid.store(child.id(), Ordering::Relaxed);
            // The caller may have gone; the channel to stop is then closed and the loop below ends at once.
            started.send(Ok(answer)).ok();
            (child, command, lock)
        }
        Err(error) => {
            started.send(Err(error)).ok();
            return;
        }
    };
    // Any other answer asks for a stop: the sender sends nothing and is dropped.
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
        let Ok(Some(status)) = child.try_wait() else { continue };
        if !shared.ready.load(Ordering::Relaxed) {
            *shared.exit.lock().expect("no holder panics") = Some(status);
            return;
        }
        tracing::error!(%status, "the private database ended by itself; starting it again");
        if stopped.recv_timeout(RESTART_PAUSE) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        // A start that fails, because something of the old server still runs, is seen as another end and tried again.
        match command.spawn() {
            Ok(next) => {
                shared.pid.store(next.id(), Ordering::Relaxed);
                child = next;
            }
            Err(error) => tracing::error!(%error, "the private database could not be started"),
        }
    }
    shut_down(&mut child);
}

fn tie_to_this_thread(command: &mut Command) {
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
