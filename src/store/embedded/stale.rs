//! What a cluster that was killed leaves behind.
//!
//! postgres refuses to start where `postmaster.pid` names a living process. That process may be a zombie nobody reaps, or
//! another program that got the number; and after a killed server its children may live on for a moment. Deleting the
//! file while any of them still writes would damage the cluster, so first nobody may be left in the data folder, which
//! is the working directory of every server process. The caller holds the lock.

use super::error::EmbeddedError;
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// A server told to stop has this long.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn remove_leftovers(dir: &Path, data: &Path, socket: &Path) -> Result<(), EmbeddedError> {
    let pid_file = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&pid_file) else { return Ok(()) };
    let postmaster = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
    let deadline = Instant::now() + TIMEOUT;
    let mut told = false;
    loop {
        let users = processes_in(data);
        if users.is_empty() {
            break;
        }
        if let Some(pid) = postmaster.filter(|pid| users.contains(pid) && !told) {
            // SAFETY: no memory is involved; the process is a server of this cluster. SIGINT is its fast shutdown.
            unsafe { libc::kill(pid, libc::SIGINT) };
            told = true;
        }
        if Instant::now() > deadline {
            return Err(EmbeddedError::StillRunning(dir.to_owned()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    for leftover in [pid_file, socket.to_owned(), socket.with_added_extension("lock")] {
        match std::fs::remove_file(&leftover) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(EmbeddedError::io("remove", &leftover)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Processes that work in `data`. A zombie has no working directory, and so is none.
fn processes_in(data: &Path) -> Vec<i32> {
    let Ok(processes) = Path::new("/proc").read_dir() else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data))
        .collect()
}
