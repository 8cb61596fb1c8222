//! The trainer's tie to its parent: the job comes over stdin, which then stays open; when it closes, the parent is gone and
//! this process has no one to tell its results to. Until then it brings the parent's orders.

use super::EXIT_PARENT_GONE;
use crate::types::TrainerOrder;
use serde::de::DeserializeOwned;
use std::{
    io::{self, BufRead},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::Duration,
};

/// About a tenth of the processor time of a process of the usual priority where both want all of it.
const NICENESS: i32 = 10;
/// How often whoever waits for an answer looks whether a pause is wanted.
const GLANCE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("stdin closed before a job came")]
    Closed,
    #[error("stdin cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("not a job: {0}")]
    Json(#[from] serde_json::Error),
}

/// Has the kernel kill this process when the thread that started it ends.
pub fn die_with_parent() {
    // SAFETY: sets an attribute of this process only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Lets the service and its database on the same machine go first: their clients wait for an answer within milliseconds, a
/// trainer's for hours.
pub fn give_way() {
    // SAFETY: sets the priority of this thread, and so of those it starts. Anyone may lower their own.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// Has the kernel end this process first where memory runs out: the service and its database hold what cannot be made again.
pub fn offer_to_die() {
    // Anyone may raise their own; where there is no such file the kernel chooses by itself.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Lets this process have so much memory of its own; asking for more then fails. Files that are mapped do not count.
pub fn bound_memory(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the pointer is to a live value. A limit above the one there is fails, and leaves that.
    unsafe { libc::setrlimit(libc::RLIMIT_DATA, &limit) };
}

/// Reads the job: the first line of stdin.
pub fn read_job<J: DeserializeOwned>() -> Result<J, JobError> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(JobError::Closed);
    }
    Ok(serde_json::from_str(&line)?)
}

/// Ends the process as soon as stdin does.
pub fn end_with_parent() {
    watch_parent();
}

/// What the parent wants of this process.
pub struct Orders {
    pause: Arc<AtomicBool>,
    answers: Receiver<TrainerOrder>,
}

impl Orders {
    /// Whether the parent wants a pause.
    pub fn is_pause_wanted(&self) -> bool {
        self.pause.load(Ordering::Relaxed)
    }

    /// Waits for the answer to a question; none where the parent wants a pause instead.
    pub fn wait_for_answer(&self) -> Option<TrainerOrder> {
        loop {
            match self.answers.recv_timeout(GLANCE) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Timeout) if !self.is_pause_wanted() => {}
                Err(RecvTimeoutError::Timeout) => return None,
                // The thread that reads stdin ends with the process alone.
                Err(RecvTimeoutError::Disconnected) => std::process::exit(EXIT_PARENT_GONE.into()),
            }
        }
    }
}

/// Ends the process as soon as stdin does: the state is in the last checkpoint, so there is nothing to save. Until then it
/// takes in what the parent wants.
pub fn watch_parent() -> Orders {
    let pause = Arc::<AtomicBool>::default();
    let asked = pause.clone();
    let (answer, answers) = mpsc::channel();
    let watch = move || {
        for line in io::stdin().lock().lines() {
            match line.map(|line| serde_json::from_str(&line)) {
                Ok(Ok(TrainerOrder::Pause)) => asked.store(true, Ordering::Relaxed),
                // Nobody waits for it any more: the process is about to end.
                Ok(Ok(order)) => drop(answer.send(order)),
                Ok(Err(error)) => tracing::warn!(%error, "an order that is not understood"),
                Err(_) => break,
            }
        }
        std::process::exit(EXIT_PARENT_GONE.into());
    };
    std::thread::Builder::new().name("lifeline".to_owned()).spawn(watch).expect("a thread can be started");
    Orders { pause, answers }
}
