//! The trainer process: one `TrainerWork` on its stdin, one `TrainerEvent` a line from its stdout, log lines from its
//! stderr.
//!
//! It runs in its own process group, which is killed whole when this value is dropped; whoever holds the other end of its
//! `Alive` learns when it is gone, with the memory and the GPU it had. Its stdin stays open while it
//! runs: when the worker dies the pipe closes, and the trainer ends itself. Files it names are stored as soon as it
//! names them, even while the database is away, because it keeps its newest two checkpoints only.

use super::lines::{Line, Lines, MAX_LINE};
use crate::{
    files::{Files, Key},
    store::{
        artifacts::NewArtifact,
        checkpoints::NewCheckpoint,
        parts::{NewPart, PartObject},
    },
    trainer::TrainerCommand,
    types::{ErrorKind, Failure, JobId, OfferedPart, TrainerEvent, TrainerOrder, TrainerWork},
};
use std::{
    collections::HashMap,
    io,
    os::unix::process::ExitStatusExt,
    path::{Component, Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span, debug, error, info, warn};

/// Events kept while the database is away; the trainer waits when there are more.
const BUFFERED_EVENTS: usize = 4096;
/// A log line is cut here.
const MAX_LOG_LINE: usize = 16 << 10;
/// How the last words begin of a process that was refused memory.
const REFUSED_MEMORY: &str = "memory allocation of";
/// A trainer that said its last word, or was killed, has this long to go.
pub(super) const EXIT: Duration = Duration::from_secs(10);

/// What a trainer has said. Files that it named are stored already.
#[derive(Debug)]
pub(super) enum Heard {
    Event(TrainerEvent),
    Checkpoint(NewCheckpoint),
    Artifact(NewArtifact),
    Parts(Vec<NewPart>),
    PartDone {
        number: u32,
        /// Absent where it could not be stored.
        result: Option<PartObject>,
    },
    /// The attempt cannot go on; another may.
    Died(Failure),
    /// The trainer does not keep to the protocol; no attempt will do better.
    Broken(String),
}

/// Whose files a trainer's are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stored {
    Job { job: JobId, attempt: i32 },
    Part { job: JobId, number: i32, attempt: i32 },
}

/// Is dropped when the process is gone.
pub(super) type Alive = oneshot::Sender<()>;

pub(super) struct Trainer {
    /// Until this value is dropped.
    child: Option<(Child, Alive)>,
    group: Option<i32>,
    /// Processes the kernel had killed for want of memory when this one began.
    oom_kills: Option<u64>,
    heard: mpsc::Receiver<Heard>,
    last_log_line: Arc<Mutex<String>>,
    stderr: AbortOnDropHandle<()>,
    _stdout: AbortOnDropHandle<()>,
    stdin: ChildStdin,
}

impl Trainer {
    pub(super) async fn spawn(
        command: &TrainerCommand,
        work: &TrainerWork,
        folder: &Path,
        stored: Stored,
        files: &Files,
        alive: Alive,
    ) -> io::Result<Self> {
        let oom_kills = oom_kills();
        let mut child = command
            .command()
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().map(|id| id as i32);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            unreachable!("all three are piped")
        };
        let last_log_line = Arc::<Mutex<String>>::default();
        let (tell, heard) = mpsc::channel(BUFFERED_EVENTS);
        let files = files.clone();
        let listener =
            Listener { files, folder: folder.to_owned(), stored, tell, checkpoints: 0, rows: HashMap::new() };
        let span = Span::current();
        let stdout = tokio::spawn(listener.run(stdout).instrument(span.clone()));
        let stderr = tokio::spawn(pass_on_log(stderr, last_log_line.clone()).instrument(span));
        let mut line = serde_json::to_vec(work)?;
        line.push(b'\n');
        // One that ended before it read its job says why on its other pipes.
        match stdin.write_all(&line).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
        Ok(Self {
            child: Some((child, alive)),
            group,
            oom_kills,
            heard,
            last_log_line,
            stderr: AbortOnDropHandle::new(stderr),
            _stdout: AbortOnDropHandle::new(stdout),
            stdin,
        })
    }

    /// What it says next; `None` when it closed its stdout.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// Tells it what to do. A trainer that cannot be told any more is about to end by itself.
    pub(super) async fn order(&mut self, order: &TrainerOrder) {
        let mut line = serde_json::to_vec(order).expect("an order is plain data");
        line.push(b'\n');
        if let Err(error) = self.stdin.write_all(&line).await {
            warn!(%error, ?order, "the trainer cannot be told");
        }
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(|(child, _)| child.id())
    }

    /// Waits for the process to exit, and kills it if that takes too long. Returns how it ended.
    pub(super) async fn wait_for_end(mut self) -> Failure {
        let mut kind = ErrorKind::TrainerDied;
        let (child, _) = self.child.as_mut().expect("it is not dropped yet");
        let status = match timeout(EXIT, child.wait()).await {
            Ok(Ok(status)) => {
                // The process's number may now be given to another process; the group's may not while a member is left.
                self.kill();
                let killed = status.signal() == Some(libc::SIGKILL);
                if killed && self.oom_kills.zip(oom_kills()).is_some_and(|(before, now)| now > before) {
                    kind = ErrorKind::OutOfMemory;
                }
                describe_exit(status)
            }
            Ok(Err(error)) => format!("the trainer ended in an unknown way ({error})"),
            Err(_) => {
                self.kill();
                "the trainer closed its output and did not exit".to_owned()
            }
        };
        // Its last line may still be in the pipe.
        timeout(Duration::from_secs(1), &mut self.stderr).await.ok();
        let line = self.last_log_line.lock().expect("no holder panics").clone();
        if line.starts_with(REFUSED_MEMORY) {
            kind = ErrorKind::OutOfMemory;
        }
        Failure::new(kind, if line.is_empty() { status } else { format!("{status}; its last words: {line}") })
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // SAFETY: no memory is involved.
            unsafe { libc::killpg(group, libc::SIGKILL) };
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.kill();
        if let (Some((mut child, alive)), Ok(runtime)) = (self.child.take(), Handle::try_current()) {
            runtime.spawn(async move {
                child.wait().await.ok();
                drop(alive);
            });
        }
    }
}

/// Returns when a process has used next to no processor time for `limit`. A process that computes may be silent for as long
/// as it likes: the passes of a large job have no bound, and a job that should end has `deadline_seconds`.
pub(super) async fn until_stalled(pid: Option<u32>, limit: Duration) {
    loop {
        let before = pid.and_then(processor_seconds);
        sleep(limit).await;
        let used = pid.and_then(processor_seconds).zip(before).map(|(now, before)| now - before);
        // A process that cannot be measured has ended; its pipe says so in a moment.
        if used.is_some_and(|used| used < 0.01 * limit.as_secs_f64()) {
            return;
        }
    }
}

/// Seconds of processor time that all threads of a process have used.
fn processor_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; user and system time stand 12 and 13 words after it.
    let mut words = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let ticks = words.next()?.parse::<u64>().ok()? + words.next()?.parse::<u64>().ok()?;
    // SAFETY: no preconditions.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    (per_second > 0).then(|| ticks as f64 / per_second as f64)
}

/// How many processes the kernel has killed for want of memory since it started.
fn oom_kills() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/vmstat").ok()?;
    counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn describe_exit(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(libc::SIGKILL), _) => {
            "the trainer was killed (signal 9; the machine may have run out of memory)".to_owned()
        }
        (Some(signal), _) => format!("the trainer was ended by signal {signal}"),
        (None, code) => format!("the trainer exited with code {} without a last word", code.unwrap_or_default()),
    }
}

/// Reads stdout.
struct Listener {
    files: Files,
    /// The trainer's own.
    folder: PathBuf,
    stored: Stored,
    tell: mpsc::Sender<Heard>,
    checkpoints: u64,
    /// Files of rows that parts are about, by their names; absent where they could not be stored.
    rows: HashMap<String, Option<PartObject>>,
}

impl Listener {
    async fn run(mut self, stdout: ChildStdout) {
        let mut lines = Lines::new(stdout, MAX_LINE);
        loop {
            let heard = match lines.next().await {
                Ok(None) => return,
                Ok(Some(Line::Text(line))) => match self.read_line(&line).await {
                    Some(heard) => heard,
                    None => continue,
                },
                Ok(Some(Line::TooLong)) => {
                    Heard::Broken(format!("the trainer wrote a line of more than {MAX_LINE} bytes"))
                }
                Err(error) => Heard::Died(Failure::new(
                    ErrorKind::TrainerDied,
                    format!("the trainer's output cannot be read: {error}"),
                )),
            };
            let last = matches!(heard, Heard::Broken(_) | Heard::Died(_));
            // Nobody listens any more: the attempt is over.
            if self.tell.send(heard).await.is_err() || last {
                return;
            }
        }
    }

    /// Events are objects; any other line is a library's chatter, which is no reason to lose a job.
    async fn read_line(&mut self, line: &str) -> Option<Heard> {
        if !line.starts_with('{') {
            if !line.trim().is_empty() {
                warn!(line, "the trainer wrote something that is no event");
            }
            return None;
        }
        let event = match serde_json::from_str(line) {
            Ok(event) => event,
            Err(error) => {
                let start: String = line.chars().take(200).collect();
                return Some(Heard::Broken(format!(
                    "the trainer said something this worker cannot read ({error}): {start}"
                )));
            }
        };
        Some(match event {
            TrainerEvent::Checkpoint { file, phase, epoch } => {
                self.checkpoints += 1;
                let Stored::Job { job, attempt } = self.stored else { return Some(out_of_place("a checkpoint")) };
                let key = Key::checkpoint(job, attempt, self.checkpoints);
                match self.store_file(&key, &file).await {
                    Ok((bytes, sha256)) => {
                        Heard::Checkpoint(NewCheckpoint { phase, epoch, object: key.to_string(), bytes, sha256 })
                    }
                    // The run goes on; if it dies, the next attempt starts from an earlier checkpoint.
                    Err(error) => {
                        warn!(error, "a checkpoint could not be stored");
                        return None;
                    }
                }
            }
            TrainerEvent::Artifact(file) => {
                let Stored::Job { job, attempt } = self.stored else { return Some(out_of_place("a result")) };
                let stored = match Key::result(job, attempt, &file.name) {
                    Ok(key) => self.store_file(&key, &file.file).await.map(|(bytes, sha256)| (key, bytes, sha256)),
                    Err(error) => return Some(Heard::Broken(error.to_string())),
                };
                match stored {
                    Ok((key, bytes, sha256)) => Heard::Artifact(NewArtifact {
                        name: file.name,
                        object: key.to_string(),
                        bytes,
                        sha256,
                        media_type: file.media_type,
                        download_name: file.download_name,
                    }),
                    Err(error) => Heard::Died(Failure::new(
                        ErrorKind::Storage,
                        format!("the result `{}` could not be stored: {error}", file.name),
                    )),
                }
            }
            TrainerEvent::Parts { parts } => {
                let Stored::Job { job, attempt } = self.stored else { return Some(out_of_place("parts")) };
                let mut laid_out = Vec::with_capacity(parts.len());
                for OfferedPart { number, work, order, rows } in parts {
                    let stored = match &rows {
                        None => None,
                        Some(file) => self.store_rows(job, attempt, file).await,
                    };
                    // Without its rows nobody else can do it.
                    let is_own = rows.is_some() && stored.is_none();
                    laid_out.push(NewPart { number: number as i32, work, task: order, rows: stored, is_own });
                }
                Heard::Parts(laid_out)
            }
            TrainerEvent::PartDone { number, file } => {
                let (job, name) = match self.stored {
                    Stored::Job { job, attempt } => (job, format!("{number}-own-{attempt}")),
                    Stored::Part { job, number, attempt } => (job, format!("{number}-{attempt}")),
                };
                Heard::PartDone { number, result: self.store_part(job, &name, &file).await }
            }
            event => Heard::Event(event),
        })
    }

    /// Stores a file of rows, once.
    async fn store_rows(&mut self, job: JobId, attempt: i32, file: &str) -> Option<PartObject> {
        if !self.rows.contains_key(file) {
            let stored = self.store_part(job, &format!("{attempt}-{file}"), file).await;
            self.rows.insert(file.to_owned(), stored);
        }
        self.rows[file].clone()
    }

    /// Stores something of a job's parts; none where that is not possible, which others do without.
    async fn store_part(&self, job: JobId, name: &str, file: &str) -> Option<PartObject> {
        let stored = match Key::part(job, name) {
            Ok(key) => self.store_file(&key, file).await.map(|(bytes, sha256)| PartObject {
                name: key.to_string(),
                bytes,
                sha256,
            }),
            Err(error) => Err(error.to_string()),
        };
        stored.inspect_err(|error| warn!(error, "a file of a part could not be stored")).ok()
    }

    /// Stores a file below the trainer's folder; gives its size and sha256.
    async fn store_file(&self, key: &Key, file: &str) -> Result<(i64, String), String> {
        let path = Path::new(file);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(format!("`{file}` is not below the trainer's folder"));
        }
        let stored = self.files.put_file(key, &self.folder.join(path)).await.map_err(|error| error.to_string())?;
        Ok((i64::try_from(stored.bytes).map_err(|error| error.to_string())?, stored.sha256))
    }
}

/// A trainer that does a part says this, which is no part's to say.
fn out_of_place(what: &str) -> Heard {
    Heard::Broken(format!("the trainer of a part told of {what}"))
}

/// Passes log lines on, under the level they name, and remembers the last.
async fn pass_on_log(stderr: ChildStderr, last: Arc<Mutex<String>>) {
    let mut lines = Lines::new(stderr, MAX_LOG_LINE);
    while let Ok(Some(line)) = lines.next().await {
        let Line::Text(line) = line else { continue };
        if line.trim().is_empty() {
            continue;
        }
        let (level, message) = read_log_line(&line);
        match level.as_str() {
            "ERROR" => error!(target: "trainer", "{message}"),
            "WARN" => warn!(target: "trainer", "{message}"),
            "DEBUG" | "TRACE" => debug!(target: "trainer", "{message}"),
            _ => info!(target: "trainer", "{message}"),
        }
        *last.lock().expect("no holder panics") = message.chars().take(500).collect();
    }
}

/// Level and message of a line as `tracing_subscriber`'s JSON format writes it; any other line is its own message.
fn read_log_line(line: &str) -> (String, String) {
    let parse = || {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let level = value.get("level")?.as_str()?.to_owned();
        let message = value.get("fields").and_then(|fields| fields.get("message")).or_else(|| value.get("message"))?;
        Some((level, message.as_str()?.to_owned()))
    };
    parse().unwrap_or_else(|| ("INFO".to_owned(), line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_read_as_they_are_written() {
        let json = r#"{"timestamp":"t","level":"WARN","fields":{"message":"few rows","rows":3},"target":"x"}"#;
        assert_eq!(read_log_line(json), ("WARN".to_owned(), "few rows".to_owned()));
        assert_eq!(read_log_line("Killed"), ("INFO".to_owned(), "Killed".to_owned()));
        assert_eq!(read_log_line(r#"{"a":1}"#), ("INFO".to_owned(), r#"{"a":1}"#.to_owned()));
    }
}
