//! The folder that a run of `denoise` works in: what it needs while it runs, and what another process takes it up from.

use super::{
    error::CliError,
    run_record::{Ended, RunRecord},
};
use crate::{
    evaluate::newest_checkpoint,
    types::{EpochRow, TableSource},
};
use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use tempfile::TempDir;

const RECORD: &str = "run.json";
/// Held while a process works in the folder; it says too that the folder is one of ours.
const LOCK: &str = "lock";
/// The passes that a report draws, one a line.
const EPOCHS: &str = "epochs.jsonl";

/// Where a run can be taken up from; known as soon as there is something to take up.
pub type Resumable = Arc<OnceLock<PathBuf>>;

/// A folder that no other process works in meanwhile.
pub struct RunFolder {
    path: PathBuf,
    /// The folder, while it goes with this value: it has nothing yet that a later run could use.
    unused: Option<TempDir>,
    is_named: bool,
    _lock: File,
}

impl RunFolder {
    /// The folder named by --resume, made where it is missing; without one a new folder below `work_dir`.
    pub fn open(named: Option<&Path>, work_dir: &Path) -> Result<Self, CliError> {
        let Some(path) = named else {
            let unused = super::reading::work_folder(work_dir)?;
            let path = unused.path().to_owned();
            return Ok(Self { _lock: lock(&path)?, path, unused: Some(unused), is_named: false });
        };
        let path = std::path::absolute(path).map_err(|error| cannot_use(path, &error))?;
        make_private(&path).map_err(|error| cannot_use(&path, &error))?;
        let is_ours = path.join(LOCK).exists();
        let is_empty = path.read_dir().map_err(|error| cannot_use(&path, &error))?.next().is_none();
        if !is_ours && !is_empty {
            let rule = "holds other things than a run; name an empty folder, or a new one";
            return Err(CliError::usage(format!("--resume {} {rule}", path.display())));
        }
        Ok(Self { _lock: lock(&path)?, path, unused: None, is_named: true })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the encoded table goes.
    pub fn dataset(&self) -> PathBuf {
        self.path.join("dataset")
    }

    /// Where the trainer writes.
    pub fn out(&self) -> PathBuf {
        self.path.join("out")
    }

    /// The run that was begun here, if one was. Without one, what an earlier reading of a table left is removed.
    pub fn record(&self) -> Result<Option<RunRecord>, CliError> {
        let record = read_record(&self.path)?;
        if record.is_none() {
            self.empty()?;
        }
        Ok(record)
    }

    /// Whether files of the table are copies that lie here, because they came by a pipe or an address.
    pub fn holds(&self, source: &TableSource) -> bool {
        source.parts.iter().any(|part| part.path.starts_with(&self.path))
    }

    /// Writes down what the run is. From now on the folder stays when this process ends, however it does.
    pub fn begin(&mut self, record: &RunRecord, resumable: &Resumable) -> Result<(), CliError> {
        self.write_record(record)?;
        if let Some(unused) = self.unused.take() {
            let _ = unused.keep();
        }
        let _ = resumable.set(self.path.clone());
        Ok(())
    }

    /// The file to go on from, once there is one.
    pub fn checkpoint(&self) -> Result<Option<PathBuf>, CliError> {
        newest_checkpoint(&self.out()).map_err(|error| cannot_use(&self.path, &error))
    }

    /// Keeps a pass that a report draws.
    pub fn keep_epoch(&self, row: &EpochRow) -> Result<(), CliError> {
        let mut line = serde_json::to_vec(row).expect("a pass is plain data");
        line.push(b'\n');
        let file = OpenOptions::new().create(true).append(true).open(self.path.join(EPOCHS));
        file.and_then(|mut file| file.write_all(&line)).map_err(|error| cannot_use(&self.path, &error))
    }

    /// The passes kept. Those after the last checkpoint come again when a run is taken up, and count once.
    pub fn epochs(&self) -> Result<Vec<EpochRow>, CliError> {
        let file = match File::open(self.path.join(EPOCHS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.map_err(|error| cannot_use(&self.path, &error))?,
        };
        let mut rows: Vec<EpochRow> = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| cannot_use(&self.path, &error))?;
            // The last line is cut where the process was killed while it wrote; its pass comes again.
            let Ok(row) = serde_json::from_str::<EpochRow>(&line) else { continue };
            if !rows.iter().any(|other| names(other) == names(&row)) {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// The run is finished: a named folder keeps the record alone, any other goes.
    pub fn finish(self, mut record: RunRecord, ended: Ended) -> Result<(), CliError> {
        if !self.is_named {
            return self.remove();
        }
        record.ended = Some(ended);
        self.write_record(&record)?;
        self.empty()
    }

    /// The run is of no use to anybody: a folder that was not named goes, a named one is emptied.
    pub fn discard(self) -> Result<(), CliError> {
        if !self.is_named {
            return self.remove();
        }
        let record = self.path.join(RECORD);
        fs::remove_file(&record).map_err(|error| cannot_use(&self.path, &error))?;
        self.empty()
    }

    fn remove(self) -> Result<(), CliError> {
        fs::remove_dir_all(&self.path).map_err(|error| cannot_use(&self.path, &error))
    }

    /// Removes all but the record and the lock.
    fn empty(&self) -> Result<(), CliError> {
        let remove = || {
            for entry in self.path.read_dir()? {
                let entry = entry?;
                if entry.file_name() == RECORD || entry.file_name() == LOCK {
                    continue;
                }
                match entry.file_type()?.is_dir() {
                    true => fs::remove_dir_all(entry.path())?,
                    false => fs::remove_file(entry.path())?,
                }
            }
            Ok(())
        };
        remove().map_err(|error: io::Error| cannot_use(&self.path, &error))
    }

    /// Writes the record so that there is a whole one at every moment.
    fn write_record(&self, record: &RunRecord) -> Result<(), CliError> {
        let text = serde_json::to_vec_pretty(record).expect("a record is plain data");
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.path)?;
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(self.path.join(RECORD)).map(drop).map_err(|error| error.error)
        };
        write().map_err(|error: io::Error| cannot_use(&self.path, &error))
    }
}

/// The record in a folder, if it has one.
pub fn read_record(folder: &Path) -> Result<Option<RunRecord>, CliError> {
    match fs::read(folder.join(RECORD)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_use(folder, &error)),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let of = "holds a run of another version of the program, which this one cannot read";
            CliError::failed_because(format!("{} {of} ({error}); name another folder", folder.display()))
        }),
    }
}

fn lock(folder: &Path) -> Result<File, CliError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(LOCK));
    let file = file.map_err(|error| cannot_use(folder, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(CliError::failed_because(format!("another process runs in {}", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(cannot_use(folder, &error)),
    }
}

/// Makes a folder that no other user may look into, for it holds the table.
fn make_private(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// What names a pass in its job.
fn names(row: &EpochRow) -> impl PartialEq + use<> {
    (row.contender, row.arm, row.seed, row.phase, row.epoch, row.pass)
}

fn cannot_use(folder: &Path, error: &io::Error) -> CliError {
    CliError::failed_because(format!("cannot use the folder {}: {error}", folder.display()))
}
