//! The trainer's tie to its parent: the job comes over stdin, which then stays open; when it closes, the parent is gone and
//! this process has no one to tell its results to.

use super::EXIT_PARENT_GONE;
use crate::types::TrainerJob;
use std::io::{self, BufRead, Read};

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

/// Reads the job: the first line of stdin.
pub fn read_job() -> Result<TrainerJob, JobError> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(JobError::Closed);
    }
    Ok(serde_json::from_str(&line)?)
}

/// Ends the process as soon as stdin does. The state is in the last checkpoint, so there is nothing to save.
pub fn watch_parent() {
    let watch = || {
        let mut rest = [0; 256];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut rest) {
                Ok(0) => std::process::exit(EXIT_PARENT_GONE.into()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => std::process::exit(EXIT_PARENT_GONE.into()),
                Ok(_) | Err(_) => {}
            }
        }
    };
    std::thread::Builder::new().name("lifeline".to_owned()).spawn(watch).expect("a thread can be started");
}
