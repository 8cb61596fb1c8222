//! Where a denoised table goes: a file, a folder of parts, what a link points to, a device or pipe, an address, or standard output.

use super::{address::Address, denoise::cannot_write, error::CliError};
use crate::{
    ingest::{self, SNIFF_BYTES, folder_of},
    remote,
    types::{Compression, DatasetSpec, FileFormat, OutputForm, SourceFile, SourcePart, TableSource},
};
use clap::ValueEnum;
use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What is written where the verdict is not that the kept rows are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IfRefused {
    /// A file that stood there stays as it is
    Nothing,
    /// Every row of the input, and the exit status is 0
    All,
    /// The kept rows all the same
    Kept,
}

/// Where the table goes, and as what.
pub struct Output {
    target: Target,
    /// As the command line names it.
    name: String,
    form: OutputForm,
    /// That of the input, and the one to write; the same for a folder, whose files are like those of the input.
    compressions: [Compression; 2],
    /// The table in an input that is a zip archive.
    member: Option<String>,
}

enum Target {
    Stdout,
    /// A device, pipe or socket, which is written to and never replaced.
    Stream(PathBuf),
    /// A file to make or to replace once the new one is whole.
    File(PathBuf),
    /// A folder to make once all its files are whole.
    Folder(PathBuf),
    Address(Address),
}

impl Output {
    /// Finds out before the work, not after it, whether the table has a place and a form there. `-` is standard output. A folder
    /// is wanted where one is there or the name ends in `/`.
    pub fn new(out: &Path, source: &TableSource, spec: &DatasetSpec) -> Result<Self, CliError> {
        let target = find_target(out, source)?;
        let form = match &target {
            Target::Folder(_) => OutputForm::Folder,
            Target::Address(address) if address.is_folder() => OutputForm::Folder,
            _ if source.has_splits() => OutputForm::TrainFile,
            _ => OutputForm::File,
        };
        match &target {
            Target::File(path) => {
                let own = path.canonicalize().ok();
                let is_input = |part: &SourcePart| own.is_some() && part.path.canonicalize().ok() == own;
                if source.parts.iter().any(is_input) {
                    return Err(CliError::usage(format!("--out is the input itself; {} would be lost", out.display())));
                }
                tempfile::tempfile_in(folder_of(path)).map_err(|error| cannot_write(folder_of(path), &error))?;
            }
            Target::Folder(path) => {
                if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
                    let rule = "is not empty; what is in it would be taken for parts of the table";
                    return Err(CliError::usage(format!("--out {} {rule}; name a new folder", out.display())));
                }
                tempfile::tempfile_in(folder_of(path)).map_err(|error| cannot_write(folder_of(path), &error))?;
            }
            _ => {}
        }
        let compressions = match form {
            OutputForm::Folder | OutputForm::Archive => [Compression::None; 2],
            OutputForm::File | OutputForm::TrainFile => find_compressions(out, &source.parts[0].path, spec)?,
        };
        let name = match target {
            Target::Stdout => "standard output".to_owned(),
            _ => out.display().to_string(),
        };
        Ok(Self { target, name, form, compressions, member: spec.member.clone() })
    }

    /// Whether the table goes where reports go.
    pub fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn form(&self) -> OutputForm {
        self.form
    }

    /// Gives a table that is compressed as the input is the form that the name says.
    pub fn convert(&self, table: &Path) -> Result<(), CliError> {
        let [from, to] = self.compressions;
        if from == to {
            return Ok(());
        }
        let whole = table.with_extension("converted");
        ingest::recompress(table, from, self.member.as_deref(), &whole, to).map_err(CliError::failed)?;
        std::fs::rename(&whole, table).map_err(|error| cannot_write(table, &error))
    }

    /// Writes a table that has its form already: a file, or a folder of the source's parts.
    pub async fn write(&self, table: &Path, source: &TableSource) -> Result<(), CliError> {
        match &self.target {
            Target::File(path) => place(table, path),
            Target::Folder(path) => place_folder(table, path, source),
            Target::Stdout => {
                copy(table, &mut io::stdout().lock()).map_err(|error| cannot_write(Path::new("-"), &error))
            }
            Target::Stream(path) => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut stream| copy(table, &mut stream))
                .map_err(|error| cannot_write(path, &error)),
            Target::Address(address) if self.form == OutputForm::Folder => {
                for part in &source.parts {
                    address.put(&table.join(&part.name), Some(&part.name)).await?;
                }
                Ok(())
            }
            Target::Address(address) => address.put(table, None).await,
        }
    }
}

fn copy(from: &Path, out: &mut dyn io::Write) -> io::Result<()> {
    io::copy(&mut File::open(from)?, out)?;
    out.flush()
}

/// Copies the parts in a folder to a new one, which appears with all of them.
fn place_folder(from: &Path, to: &Path, source: &TableSource) -> Result<(), CliError> {
    let mut new = tempfile::Builder::new();
    new.prefix(".autodenoise-").permissions(Permissions::from_mode(0o777));
    let new = new.tempdir_in(folder_of(to)).map_err(|error| cannot_write(to, &error))?;
    for part in &source.parts {
        let file = new.path().join(&part.name);
        std::fs::create_dir_all(folder_of(&file)).map_err(|error| cannot_write(to, &error))?;
        place(&from.join(&part.name), &file)?;
    }
    std::fs::rename(new.path(), to).map_err(|error| cannot_write(to, &error))
}

fn find_target(out: &Path, source: &TableSource) -> Result<Target, CliError> {
    if out == Path::new("-") {
        return Ok(Target::Stdout);
    }
    if let Some(address) = out.to_str().map(Address::parse).transpose()?.flatten() {
        return Ok(Target::Address(address));
    }
    // What a link points to need not be there yet.
    let mut path = out.to_owned();
    for _ in 0..40 {
        match std::fs::read_link(&path) {
            Ok(next) => path = folder_of(&path).join(next),
            Err(_) => break,
        }
    }
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() && source.one_file().is_some() => {
            Err(CliError::usage(format!("--out {} is a folder; name a file", out.display())))
        }
        Ok(metadata) if metadata.is_dir() => Ok(Target::Folder(path)),
        Err(_) if out.as_os_str().as_encoded_bytes().ends_with(b"/") => Ok(Target::Folder(path)),
        Ok(metadata) if !metadata.is_file() => Ok(Target::Stream(path)),
        _ => Ok(Target::File(path)),
    }
}

/// The input's compression and that of the output, by its name. A name that says a format which the output will not have is
/// refused.
fn find_compressions(out: &Path, source: &SourceFile, spec: &DatasetSpec) -> Result<[Compression; 2], CliError> {
    let mut spec = spec.clone();
    let mut first = Vec::new();
    let read = remote::open(source).and_then(|file| file.take(SNIFF_BYTES as u64).read_to_end(&mut first));
    read.map_err(|error| CliError::failed_because(format!("cannot read {}: {error}", source.display())))?;
    ingest::resolve_format(&mut spec, source.file_name().and_then(|name| name.to_str()), None, &first);
    let compressed = spec.compression.unwrap_or(Compression::None);
    let (format, compression) = ingest::format_by_name(&out.file_name().unwrap_or_default().to_string_lossy());
    let refuse = |word: &str| {
        let rule = format!("--out {} says {word}, but the table is written in the input's format", out.display());
        Err(CliError::usage(rule))
    };
    // What bzip2 packs is known when the table is read.
    let is_other = |named| spec.format.is_some_and(|format| format != named);
    let is_parquet = spec.format == Some(FileFormat::Parquet);
    match (format, compression) {
        (Some(FileFormat::Parquet), _) if !is_parquet => refuse("Parquet"),
        (Some(FileFormat::Csv), _) if is_other(FileFormat::Csv) => refuse("CSV"),
        (Some(FileFormat::Jsonl), _) if is_other(FileFormat::Jsonl) => refuse("JSON lines"),
        (_, Some(_)) if is_parquet => refuse("a compressed text"),
        (None, None) => Ok([compressed; 2]),
        (_, compression) => Ok([compressed, compression.unwrap_or(Compression::None)]),
    }
}

/// Copies a result to its place; what stood there is replaced only by the whole file.
pub fn place(from: &Path, to: &Path) -> Result<(), CliError> {
    // The permissions of any new file: the umask takes its part away.
    let mut new = tempfile::Builder::new();
    new.permissions(Permissions::from_mode(0o666));
    let copied = new.tempfile_in(folder_of(to)).and_then(|mut file| {
        io::copy(&mut File::open(from)?, file.as_file_mut())?;
        file.as_file().sync_all()?;
        file.persist(to).map_err(|error| error.error)?;
        Ok(())
    });
    copied.map_err(|error| cannot_write(to, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LabelRule;
    use std::os::unix::fs::symlink;

    fn output(out: &Path, source: &Path) -> Result<Output, String> {
        let spec = DatasetSpec::with_label(LabelRule::try_from("click".to_owned()).unwrap());
        Output::new(out, &source.into(), &spec).map_err(|error| error.to_string())
    }

    fn write(output: &Output, table: &Path) {
        let source = table.into();
        let written = output.write(table, &source);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(written).unwrap();
    }

    #[test]
    fn the_name_says_the_form_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("in.csv"), "user,click\n1,0\n").unwrap();
        ingest::recompress(&path("in.csv"), Compression::None, None, &path("in.csv.gz"), Compression::Gzip).unwrap();
        std::fs::write(path("in.parquet"), "PAR1").unwrap();
        let form = |out: &str, source: &str| output(&path(out), &path(source)).map(|output| output.compressions[1]);
        for (out, source, compression) in [
            ("a.csv", "in.csv.gz", Compression::None),
            ("a.csv.gz", "in.csv", Compression::Gzip),
            ("a.tsv.zst", "in.csv", Compression::Zstd),
            ("a.csv.bz2", "in.csv", Compression::Bzip2),
            ("a.csv.xz", "in.csv.gz", Compression::Xz),
            ("a.zip", "in.csv", Compression::Zip),
            ("a", "in.csv.gz", Compression::Gzip),
            ("a.out", "in.csv", Compression::None),
            ("a.parquet", "in.parquet", Compression::None),
        ] {
            assert_eq!(form(out, source), Ok(compression), "{out}");
        }
        for (out, source) in
            [("a.parquet", "in.csv"), ("a.csv", "in.parquet"), ("a.jsonl", "in.csv"), ("a.gz", "in.parquet")]
        {
            assert!(form(out, source).unwrap_err().contains("the input's format"), "{out}");
        }
    }

    #[test]
    fn links_are_followed_and_streams_are_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("in.csv"), "user,click\n").unwrap();
        std::fs::write(path("target"), "old").unwrap();
        symlink("target", path("link")).unwrap();
        symlink("link", path("again")).unwrap();
        symlink("nothing", path("dangling")).unwrap();
        for (link, target) in [("again", "target"), ("dangling", "nothing")] {
            write(&output(&path(link), &path("in.csv")).unwrap(), &path("in.csv"));
            assert!(path(link).symlink_metadata().unwrap().is_symlink());
            assert_eq!(std::fs::read_to_string(path(target)).unwrap(), "user,click\n");
        }
        let null = output(Path::new("/dev/null"), &path("in.csv")).unwrap();
        assert!(matches!(&null.target, Target::Stream(path) if path == Path::new("/dev/null")));
        write(&null, &path("in.csv"));
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());

        symlink("in.csv", path("to-input")).unwrap();
        assert!(output(&path("to-input"), &path("in.csv")).err().unwrap().contains("is the input itself"));
        assert!(output(folder.path(), &path("in.csv")).err().unwrap().contains("is a folder"));
        assert!(output(Path::new("-"), &path("in.csv")).unwrap().is_stdout());
    }
}
