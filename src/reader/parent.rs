//! The reader's parent: starts it, hears it out, and makes a fault of the table of its end.

use super::{ReaderEvent, ReaderJob, Task};
use crate::ingest::{Sample, SourceRows};
use crate::trainer::pass_environment;
use crate::types::{DatasetSpec, FieldError, ProblemItem, TableSource};
use crate::worker::{Encoded, IngestFailure};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read, Write},
    ops::ControlFlow,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// A reader that says nothing for so long is stuck.
const SILENCE: Duration = Duration::from_secs(600);
/// What a client waits for is given up then: before its request is.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often whoever waits may stop the reading.
const LOOK: Duration = Duration::from_millis(500);
/// The profile and the feature map of the widest table are some megabytes.
const MAX_LINE: u64 = 256 << 20;
/// Of a process's last words so many bytes are kept.
const MAX_LAST_WORDS: u64 = 4 << 10;
/// How they begin where the process was refused memory.
const REFUSED_MEMORY: &str = "memory allocation of";

/// Reads tables, each in a process of this program.
#[derive(Debug, Clone)]
pub struct TableReader {
    program: PathBuf,
    /// Most bytes of memory that reading a table may take.
    memory: u64,
    silence: Duration,
}

impl TableReader {
    pub fn new(memory: u64) -> io::Result<Self> {
        Ok(Self::with_program(std::env::current_exe()?, memory))
    }

    /// Reads by another program that speaks as this one does.
    pub fn with_program(program: PathBuf, memory: u64) -> Self {
        Self { program, memory, silence: SILENCE }
    }

    /// A reader that says nothing for so long is given up.
    pub fn giving_up_after(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Reads the table into the folder `out`, which it makes. `progress` is told the rows read so far and may stop the
    /// reading.
    pub fn read(
        &self,
        source: impl Into<TableSource>,
        spec: &DatasetSpec,
        out: &Path,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Encoded, IngestFailure> {
        self.run(source.into(), Task::Encode { spec: spec.clone(), out: out.to_owned() }, progress)
    }

    /// How a file reads before anything is said of its columns, and its first rows, at most `most`. Name and media type help
    /// to tell its format.
    pub fn sample(
        &self,
        source: impl Into<TableSource>,
        name: Option<String>,
        media_type: Option<String>,
        most: usize,
    ) -> Result<Sample, IngestFailure> {
        self.run_soon(source.into(), Task::Sample { name, media_type, most })
    }

    /// The rows at these positions.
    pub fn rows_at(
        &self,
        source: impl Into<TableSource>,
        spec: &DatasetSpec,
        positions: BTreeSet<u32>,
    ) -> Result<SourceRows, IngestFailure> {
        self.run_soon(source.into(), Task::RowsAt { spec: spec.clone(), positions })
    }

    /// Positions of the rows whose cell in a column reads so, ascending.
    pub fn positions_where(
        &self,
        source: impl Into<TableSource>,
        spec: &DatasetSpec,
        column: String,
        value: String,
    ) -> Result<Vec<u32>, IngestFailure> {
        self.run_soon(source.into(), Task::PositionsWhere { spec: spec.clone(), column, value })
    }

    /// A task that a client waits for.
    fn run_soon<A: DeserializeOwned>(&self, source: TableSource, task: Task) -> Result<A, IngestFailure> {
        let begun = Instant::now();
        self.run(source, task, &mut |_| match begun.elapsed() < PATIENCE {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    }

    fn run<A: DeserializeOwned>(
        &self,
        source: TableSource,
        task: Task,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<A, IngestFailure> {
        let job = ReaderJob { source, task, memory: self.memory };
        let failed = |error: io::Error| IngestFailure::Failed(format!("the process that reads tables: {error}"));
        let mut reader = Reader::start(&self.program, &job).map_err(failed)?;
        let (mut rows, mut heard) = (0, Instant::now());
        loop {
            if progress(rows).is_break() {
                return Err(IngestFailure::Stopped);
            }
            match reader.events.recv_timeout(LOOK) {
                Ok(ReaderEvent::Rows(read)) => rows = read,
                Ok(ReaderEvent::Read(answer)) => {
                    let wrong = |error| {
                        IngestFailure::Failed(format!("the process that reads tables answered wrongly: {error}"))
                    };
                    return serde_json::from_value(answer).map_err(wrong);
                }
                Ok(ReaderEvent::Invalid { errors, total }) => return Err(IngestFailure::Invalid { errors, total }),
                Ok(ReaderEvent::Failed(reason)) => return Err(IngestFailure::Failed(reason)),
                Err(RecvTimeoutError::Timeout) if heard.elapsed() < self.silence => continue,
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = self.silence.as_secs();
                    return Err(blame_table(format!(
                        "reading it stood still for {seconds} seconds, so it was given up"
                    )));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let (status, last_words) = reader.wait().map_err(failed)?;
                    return Err(self.explain_death(status, &last_words));
                }
            }
            heard = Instant::now();
        }
    }

    /// What it means that the process ended without a last word.
    fn explain_death(&self, status: ExitStatus, last_words: &str) -> IngestFailure {
        if last_words.contains(REFUSED_MEMORY) {
            return blame_table(format!(
                "reading it takes more than {} MiB of memory: cells are very long, or columns have very many different \
                 values; leave such columns out, or have the operator raise --table-max-memory",
                self.memory >> 20
            ));
        }
        match status.signal() {
            // The kernel chose it, or somebody else did.
            Some(libc::SIGKILL) => {
                IngestFailure::Failed("the process that reads the table was killed; is there memory enough?".to_owned())
            }
            Some(signal) => blame_table(format!(
                "it brought the process that reads it down (signal {signal}), as damaged files and those that are nested \
                 without end do"
            )),
            None => IngestFailure::Failed(format!("the process that reads the table ended ({status}): {last_words}")),
        }
    }
}

fn blame_table(what: String) -> IngestFailure {
    let error = FieldError::new("", format!("the table cannot be read: {what}"));
    IngestFailure::Invalid { errors: vec![ProblemItem::Field(error)], total: 1 }
}

/// A process that reads a table. It is killed where this value is dropped.
struct Reader {
    child: Child,
    events: mpsc::Receiver<ReaderEvent>,
    last_words: Option<thread::JoinHandle<String>>,
}

impl Reader {
    fn start(program: &Path, job: &ReaderJob) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("reader").env_clear().envs(pass_environment()).process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let (tell, events) = mpsc::channel();
        thread::Builder::new().name("reader-events".to_owned()).spawn(move || listen(stdout, &tell))?;
        let last_words = thread::Builder::new().name("reader-log".to_owned()).spawn(move || hear_last_words(stderr))?;
        let mut reader = Self { child, events, last_words: Some(last_words) };
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        // Stdin stays open: when this process dies, the reader's end of it closes, and the reader ends.
        match reader.child.stdin.as_mut().expect("it is piped").write_all(&line) {
            // One that ended before it read its job says why on its other pipes.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(reader),
        }
    }

    /// How it ended, once it did, and its last words.
    fn wait(&mut self) -> io::Result<(ExitStatus, String)> {
        let status = self.child.wait()?;
        let last_words = self.last_words.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok((status, last_words))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended, or be about to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what a reader says, to the end or until nobody listens.
fn listen(stdout: ChildStdout, tell: &mpsc::Sender<ReaderEvent>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match (&mut stdout).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if tell.send(read_event(&line)).is_err() {
            return;
        }
    }
}

/// What a line of a reader says. It has read what strangers sent, so the line may hold anything.
pub fn read_event(line: &[u8]) -> ReaderEvent {
    serde_json::from_slice(line).unwrap_or_else(|error| {
        ReaderEvent::Failed(format!("the process that reads tables said something that is no event: {error}"))
    })
}

/// The first bytes that a process writes to stderr. The rest is read, so that the process does not wait.
fn hear_last_words(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let _ = (&mut stderr).take(MAX_LAST_WORDS).read_to_end(&mut said);
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&said).trim().to_owned()
}
