//! A run of the user's command: a process group of its own, without a shell, that ends with us.

use super::command::{JudgeCommand, RunFiles};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

/// The end of what a program wrote that is looked at, and the lines of it that are shown.
const TAIL_BYTES: u64 = 8192;
const TAIL_LINES: usize = 10;

#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    #[error("`{program}` cannot be started: {source}")]
    Start { program: String, source: io::Error },
    #[error("the command failed ({status}){said}")]
    Failed { status: ExitStatus, said: String },
    #[error("the command was ended after {seconds} seconds, the most that --judge-timeout allows{said}")]
    TooLong { seconds: u64, said: String },
    #[error("the folder of a run cannot be written to: {0}")]
    Folder(io::Error),
}

/// A command, and how long a run of it may take.
pub struct Program {
    pub command: JudgeCommand,
    pub timeout: Duration,
}

impl Program {
    /// Runs the command to its end. Dropped before, it ends the command and all that belongs to its process group. `log` is
    /// the file that its standard error goes to.
    pub async fn run(&self, files: &RunFiles, log: &Path) -> Result<(), ProgramError> {
        let stderr = File::create(log).map_err(ProgramError::Folder)?;
        let program = self.command.program();
        let mut command = tokio::process::Command::new(program);
        command
            .args(self.command.arguments(files))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true);
        // SAFETY: between fork and exec it makes one system call, which only sets an attribute of the new process: it is
        // killed where this thread ends without having ended it.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            })
        };
        let failed = |source| ProgramError::Start { program: program.to_owned(), source };
        let mut child = command.spawn().map_err(failed)?;
        let mut group = Group(child.id());
        let ended = tokio::time::timeout(self.timeout, child.wait()).await;
        let Ok(status) = ended else {
            return Err(ProgramError::TooLong { seconds: self.timeout.as_secs(), said: read_tail(log) });
        };
        // Once it is waited for, its number may be another's.
        group.0 = None;
        let status = status.map_err(failed)?;
        if status.success() { Ok(()) } else { Err(ProgramError::Failed { status, said: read_tail(log) }) }
    }
}

/// The process group of a program that is not waited for; ended with the value.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // SAFETY: sends a signal. The leader is not waited for yet, so the number is still its group's.
            unsafe { libc::kill(-(leader as libc::pid_t), libc::SIGKILL) };
        }
    }
}

/// The last lines of a log, to be put behind a message.
fn read_tail(log: &Path) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    if lines.is_empty() {
        return "; it wrote nothing to its standard error".to_owned();
    }
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    format!("; the end of its standard error:\n  {}", last.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    async fn run(script: &str, timeout: Duration) -> Result<(), ProgramError> {
        let folder = tempfile::tempdir().unwrap();
        let command = format!("sh -c {} {{train}} {{test}} {{seed}} {{predictions}}", shell_words::quote(script));
        let program = Program { command: command.parse().unwrap(), timeout };
        let path = |name: &str| folder.path().join(name);
        let files = RunFiles {
            train: path("train"),
            valid: path("valid"),
            test: path("test"),
            seed: 1,
            predictions: path("p"),
            valid_predictions: path("v"),
        };
        program.run(&files, &path("log")).await
    }

    #[tokio::test]
    async fn a_run_that_fails_is_told_with_the_end_of_what_it_said() {
        assert!(run("exit 0", Duration::from_secs(60)).await.is_ok());
        let loud = run("seq 100 >&2; exit 3", Duration::from_secs(60)).await.unwrap_err().to_string();
        assert!(loud.starts_with("the command failed (exit status: 3)") && loud.ends_with("  99\n  100"), "{loud}");
        assert!(!loud.contains("  90\n"), "{loud}");
        let silent = run("exit 1", Duration::from_secs(60)).await.unwrap_err().to_string();
        assert!(silent.ends_with("it wrote nothing to its standard error"), "{silent}");
    }

    #[tokio::test]
    async fn a_run_that_takes_too_long_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let sign = folder.path().join("sign");
        let started = Instant::now();
        let script = format!("(sleep 2; touch {}) & sleep 60", sign.display());
        let ended = run(&script, Duration::from_millis(500)).await;
        assert!(matches!(ended, Err(ProgramError::TooLong { .. })), "{ended:?}");
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(!sign.exists(), "what the command started goes with it");
    }
}
