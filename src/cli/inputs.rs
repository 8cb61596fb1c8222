//! The files that a command reads: paths, folders, patterns, addresses and standard input, as one table.

use super::{
    address::{Address, FoundFile},
    error::CliError,
    view::JobView,
};
use crate::{
    files::free_bytes,
    ingest::{FindPartsError, FoundPart, find_parts, find_pattern, join_parts},
    types::{RemoteFile, SourceFile, Split, TableSource},
};
use clap::Args;
use std::{
    fs::File,
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

/// What a table is read from.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// The table: CSV, TSV, Parquet or JSON lines, also compressed (gzip, zstd, bzip2, xz, zip). Several files are one table, in this order. A file, a folder
    /// of parts, a pattern in quotes ('day=*/*.parquet'), an address (s3://, gs://, az://, https://), or - for standard input;
    /// folders named COLUMN=VALUE add the column
    #[arg(value_name = "FILE", required_unless_present = "train", conflicts_with_all = ["train", "valid", "test"])]
    files: Vec<PathBuf>,

    #[command(flatten)]
    splits: SplitFiles,

    /// Read what is at an address over the network in every pass, instead of copying it to --work-dir first [default: where it has
    /// more bytes than a quarter of what --work-dir has free]
    #[arg(long, help_heading = "The table")]
    stream: bool,
}

/// Tables whose splits are in files of their own.
#[derive(Debug, Args)]
pub struct SplitFiles {
    /// Files of the training rows, for a table whose training, validation and test rows are in separate files; each may be
    /// anything that FILE may be (repeatable)
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["valid", "test"],
        conflicts_with_all = ["split_column", "split", "split_time"],
        help_heading = "The table"
    )]
    train: Vec<PathBuf>,

    /// Files of the validation rows (repeatable)
    #[arg(long, value_name = "FILE", requires = "train", help_heading = "The table")]
    valid: Vec<PathBuf>,

    /// Files of the test rows (repeatable)
    #[arg(long, value_name = "FILE", requires = "train", help_heading = "The table")]
    test: Vec<PathBuf>,
}

impl InputArgs {
    /// Whether a table is named at all.
    pub fn names_table(&self) -> bool {
        !self.files.is_empty() || self.splits.are_named()
    }

    /// Finds the files. Those that can be read only once or are elsewhere are copied into the folder `work` first.
    pub async fn open(&self, view: &JobView, work: &Path) -> Result<TableSource, CliError> {
        find_table(view, &self.files, &self.splits, Copies::new(work, self.stream)?).await
    }
}

impl SplitFiles {
    pub fn are_named(&self) -> bool {
        !self.train.is_empty()
    }
}

/// What a table is uploaded from, beside `FILE`.
#[derive(Debug, Args)]
pub struct UploadedFiles {
    #[command(flatten)]
    splits: SplitFiles,
    /// Folder for a copy of what comes from standard input, a pipe or an address, before it is uploaded; emptied at the end
    #[arg(long, value_name = "DIR", env = "AUTODENOISE_WORK_DIR", default_value = "/tmp", help_heading = "The table")]
    pub work_dir: PathBuf,
}

impl UploadedFiles {
    /// Finds the files, copying into the folder `work` what is not a file here.
    pub async fn open(&self, view: &JobView, files: &[PathBuf], work: &Path) -> Result<TableSource, CliError> {
        find_table(view, files, &self.splits, Copies::new(work, false)?).await
    }
}

/// Whether a word of a command line may mean files: there are some, or it is a pattern, an address or standard input.
pub fn may_be_files(word: &Path) -> bool {
    let text = word.to_string_lossy();
    word == Path::new("-")
        || word.exists()
        || find_pattern(&text).is_some()
        || !matches!(Address::parse(&text), Ok(None))
}

/// The table that all these files are together.
async fn find_table(
    view: &JobView,
    files: &[PathBuf],
    splits: &SplitFiles,
    mut copies: Copies<'_>,
) -> Result<TableSource, CliError> {
    let mut found = Vec::new();
    let of_splits = [(&splits.train, Split::Train), (&splits.valid, Split::Valid), (&splits.test, Split::Test)];
    for file in files {
        found.extend(copies.find(view, file).await?.into_iter().map(|part| (part, None)));
    }
    for (files, split) in of_splits {
        for file in files {
            found.extend(copies.find(view, file).await?.into_iter().map(|part| (part, Some(split))));
        }
    }
    let source = join_parts(found).map_err(explain)?;
    if let Some(note) = foreseen_splits(&source) {
        view.print_line(&note);
    }
    Ok(source)
}

/// The table that one word of a command line means.
pub async fn open_table(view: &JobView, file: &Path, work: &Path) -> Result<TableSource, CliError> {
    let found = Copies::new(work, false)?.find(view, file).await?;
    join_parts(found.into_iter().map(|part| (part, None)).collect()).map_err(explain)
}

fn explain(error: FindPartsError) -> CliError {
    CliError::failed_because(error)
}

/// What to say where files are named as splits are, and are not given as such.
fn foreseen_splits(source: &TableSource) -> Option<String> {
    if source.has_splits() {
        return None;
    }
    let stem = |name: &str| Path::new(name).file_name()?.to_str()?.split('.').next().map(str::to_lowercase);
    let named = |split: &str| source.parts.iter().any(|part| stem(&part.name).as_deref() == Some(split));
    (named("train") && named("test")).then(|| {
        "note: files are named train and test, but their rows are divided as those of one table; say --train, --valid and --test to keep them apart".to_owned()
    })
}

/// Copies of what cannot be read where it is.
struct Copies<'a> {
    folder: &'a Path,
    made: usize,
    /// Bytes that may still be copied: what the disk had free.
    left: u64,
    /// Whether what is at an address is read where it is, however small.
    stream: bool,
}

impl<'a> Copies<'a> {
    fn new(folder: &'a Path, stream: bool) -> Result<Self, CliError> {
        Ok(Self { folder, stream, made: 0, left: free_bytes(folder).map_err(CliError::failed)? })
    }

    /// The files that are meant, those that are elsewhere copied here.
    async fn find(&mut self, view: &JobView, file: &Path) -> Result<Vec<FoundPart>, CliError> {
        if file == Path::new("-") || is_pipe(file) {
            return Ok(vec![self.copy_pipe(view, file).await?]);
        }
        let address = match file.to_str() {
            Some(text) if !file.exists() => Address::parse(text)?,
            _ => None,
        };
        let Some(address) = address else { return find_parts(file).map_err(explain) };
        let files = address.list().await?;
        let mut versions = Vec::with_capacity(files.len());
        for file in &files {
            // A server of the web is asked for it only where it is needed.
            versions.push(if self.stream || file.bytes.is_some() { file.version().await } else { None });
        }
        let known: u64 = versions.iter().flatten().map(|version| version.bytes).sum();
        // What training needs must have its place there, too.
        let stream = self.stream || known > self.left / 4;
        let copied = |(file, version): (&FoundFile, &Option<RemoteFile>)| match version {
            Some(_) if stream => None,
            _ => file.bytes,
        };
        let bytes: u64 = files.iter().zip(&versions).filter_map(copied).sum();
        if bytes > self.left {
            return Err(CliError::failed_because(format!(
                "{} has {bytes} bytes, and --work-dir has {} free; it is copied there, because the server does not say which version of it a read is of; name a larger one",
                file.display(),
                self.left
            )));
        }
        let mut found = Vec::with_capacity(files.len());
        for (file, version) in files.into_iter().zip(versions) {
            if let (true, Some(version)) = (stream, version) {
                let (path, place) = (SourceFile::Remote(version), file.address);
                found.push(FoundPart { path, name: file.name, place, alone: file.alone });
                continue;
            }
            view.show_waiting(format!("fetching {}", file.address));
            let path = self.next(&file.name)?;
            file.copy(&path, self.left).await?;
            self.count(&path)?;
            found.push(FoundPart { path: path.into(), name: file.name, place: file.address, alone: file.alone });
        }
        Ok(found)
    }

    async fn copy_pipe(&mut self, view: &JobView, file: &Path) -> Result<FoundPart, CliError> {
        let stdin = file == Path::new("-");
        let name = if stdin { "standard input".to_owned() } else { file.display().to_string() };
        view.show_waiting(format!("copying {name}"));
        let path = self.next("table")?;
        let (from, to) = (file.to_owned(), path.clone());
        let (send, copied) = tokio::sync::oneshot::channel();
        // A thread that nobody waits for: whoever writes to the pipe may never end, and an interrupt must.
        std::thread::spawn(move || {
            let copy = || {
                let mut to = File::create(to)?;
                match stdin {
                    true => io::copy(&mut io::stdin().lock(), &mut to),
                    false => io::copy(&mut File::open(from)?, &mut to),
                }
            };
            let _ = send.send(copy());
        });
        let copied = copied.await.map_err(CliError::failed)?;
        copied.map_err(|error| CliError::failed_because(format!("cannot copy {name} to --work-dir: {error}")))?;
        self.count(&path)?;
        Ok(FoundPart { path: path.into(), name: "stdin".to_owned(), place: name, alone: true })
    }

    /// A path for the next copy. Its name is kept, for it may say the format.
    fn next(&mut self, name: &str) -> Result<PathBuf, CliError> {
        let folder = self.folder.join(format!("input-{}", self.made));
        self.made += 1;
        std::fs::create_dir(&folder).map_err(CliError::failed)?;
        Ok(folder.join(name.rsplit('/').next().unwrap_or(name)))
    }

    fn count(&mut self, copy: &Path) -> Result<(), CliError> {
        self.left = self.left.saturating_sub(std::fs::metadata(copy).map_err(CliError::failed)?.len());
        Ok(())
    }
}

/// Whether a path is a pipe, which can be read once: `<(zcat clicks.gz)`, `/dev/stdin`.
fn is_pipe(file: &Path) -> bool {
    let kind = std::fs::metadata(file).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}
