//! The input of a command that reads it more than once: whether it is still what was read first.

use super::error::CliError;
use crate::{
    certificate::{self, SourceDigest},
    remote,
    types::{ArtifactDigest, SourceFile, TableSource},
};
use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    thread::{self, JoinHandle},
};

/// The identity and the digest of a table's files, taken while they are read for the first time.
pub struct HeldSource {
    source: TableSource,
    /// By file; one at an address is held by its version.
    stamps: Vec<Option<Stamp>>,
    digest: Digest,
}

enum Digest {
    Underway(JoinHandle<io::Result<SourceDigest>>),
    Known(SourceDigest),
    Failed,
}

/// What changes where a file is written to or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata: Metadata = std::fs::metadata(path)?;
        Ok(Self {
            file: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl HeldSource {
    /// Begins to hold the files; their digest is made on a thread of its own, beside whoever reads them.
    pub fn take(source: &TableSource) -> Result<Self, CliError> {
        let stamp = |file: &SourceFile| match file {
            SourceFile::Local(path) => Stamp::of(path).map(Some).map_err(|error| unreadable(path, &error)),
            SourceFile::Remote(_) => Ok(None),
        };
        let stamps = source.parts.iter().map(|part| stamp(&part.path)).collect::<Result<_, _>>()?;
        let own = source.clone();
        let digest = thread::spawn(move || SourceDigest::of(&own));
        Ok(Self { source: source.clone(), stamps, digest: Digest::Underway(digest) })
    }

    /// The digest of what was read; an error that says what happened where a file is another one now.
    pub fn check(&mut self) -> Result<SourceDigest, CliError> {
        let digest = self.know_digest().map_err(|error| unreadable(&self.source.parts[0].path, &error))?;
        for (place, part) in self.source.parts.iter().enumerate() {
            let of_part = digest.parts.get(place).unwrap_or(&digest.whole);
            match (&part.path, self.stamps[place]) {
                (SourceFile::Local(path), Some(stamp)) => check_file(path, stamp, of_part)?,
                (SourceFile::Remote(file), _) => remote::check(file).map_err(CliError::failed)?,
                (SourceFile::Local(_), None) => {}
            }
        }
        Ok(digest)
    }

    /// Waits for the digest, the first time.
    fn know_digest(&mut self) -> io::Result<SourceDigest> {
        let digest = match std::mem::replace(&mut self.digest, Digest::Failed) {
            Digest::Underway(thread) => {
                thread.join().map_err(|_| io::Error::other("the digest's thread panicked"))??
            }
            Digest::Known(digest) => digest,
            Digest::Failed => return Err(io::Error::other("it has no digest")),
        };
        self.digest = Digest::Known(digest.clone());
        Ok(digest)
    }
}

/// An error that says what happened where the file is another one than the one of this stamp and digest.
fn check_file(path: &Path, stamp: Stamp, digest: &ArtifactDigest) -> Result<(), CliError> {
    let changed = |what: String| {
        Err(CliError::failed_because(format!(
            "{} {what} while the job ran, so its results are of no table that there is; run it again",
            path.display()
        )))
    };
    let now = match Stamp::of(path) {
        Ok(now) if now == stamp => return Ok(()),
        Ok(now) => now,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return changed("was removed".to_owned()),
        Err(error) => return Err(unreadable(path, &error)),
    };
    // It may have been touched only.
    let again = File::open(path).and_then(|file| certificate::digest(&digest.name, file));
    if again.map_err(|error| unreadable(path, &error))? == *digest {
        return Ok(());
    }
    changed(match (now.file == stamp.file, now.bytes == stamp.bytes) {
        (false, _) => "was replaced by another file".to_owned(),
        (true, false) => format!("was written to ({} bytes, now {})", stamp.bytes, now.bytes),
        (true, true) => "was written to".to_owned(),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::failed_because(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file after `change`.
    fn after(change: impl FnOnce(&Path)) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, "user,click\n1,0\n").unwrap();
        let mut held = HeldSource::take(&(&path).into()).unwrap();
        held.check().unwrap();
        change(&path);
        held.check().map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_that_changes_is_told_by_what_happened() {
        assert_eq!(after(|_| ()), Ok(()));
        assert_eq!(after(|path| std::fs::write(path, "user,click\n1,0\n").unwrap()), Ok(()), "the same bytes");
        let text = after(|path| std::fs::write(path, "user,click\n1,0\n2,1\n").unwrap()).unwrap_err();
        assert!(text.contains("was written to (15 bytes, now 19)"), "{text}");
        let text = after(|path| std::fs::write(path, "user,click\n1,1\n").unwrap()).unwrap_err();
        assert!(text.contains("was written to while"), "{text}");
        let replace = |path: &Path| {
            std::fs::write(path.with_extension("new"), "user,click\n2,1\n").unwrap();
            std::fs::rename(path.with_extension("new"), path).unwrap();
        };
        assert!(after(replace).unwrap_err().contains("was replaced by another file"));
        assert!(after(|path| std::fs::remove_file(path).unwrap()).unwrap_err().contains("was removed"));
    }
}
