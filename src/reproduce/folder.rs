//! Finished jobs of earlier runs of the command, so that one that was cut short goes on: the report of each, under a
//! name made of all that went into it, and the files it is asked to keep.

use crate::backbone::write_durably;
use crate::types::{Report, ResolvedSpec};
use sha2::{Digest, Sha256};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FolderError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError { action, path: path.to_owned(), source }
}

/// A folder of reports.
pub struct JobsFolder {
    path: PathBuf,
}

impl JobsFolder {
    /// Makes the folder where it is not there.
    pub fn open(path: PathBuf) -> Result<Self, FolderError> {
        std::fs::create_dir_all(&path).map_err(failed("make the folder", &path))?;
        Ok(Self { path })
    }

    /// Where a file that a job is asked to keep stands.
    pub fn kept(&self, name: &str, spec: &ResolvedSpec, file: &str) -> PathBuf {
        self.path.join(format!("{}.{file}", stem(name, spec)))
    }

    /// The report of a job of this very spec with all files of `keep`; none where there is no such, or it is not
    /// readable.
    pub fn find(&self, name: &str, spec: &ResolvedSpec, keep: &[&str]) -> Option<Report> {
        let bytes = std::fs::read(self.report(name, spec)).ok()?;
        let report: Report = serde_json::from_slice(&bytes).ok()?;
        let whole = keep.iter().all(|file| self.kept(name, spec, file).is_file());
        (report.spec == *spec && whole).then_some(report)
    }

    /// Keeps files of `out_dir`, then the report: where there is a report, the rest is there too.
    pub fn put(&self, name: &str, report: &Report, out_dir: &Path, keep: &[&str]) -> Result<(), FolderError> {
        for file in keep {
            let (from, to) = (out_dir.join(file), self.kept(name, &report.spec, file));
            let copy = |out: &mut std::fs::File| io::copy(&mut std::fs::File::open(&from)?, out).map(drop);
            write_durably(&to, copy).map_err(failed("write", &to))?;
        }
        let path = self.report(name, &report.spec);
        let text = serde_json::to_vec_pretty(report).expect("a report is plain data");
        write_durably(&path, |out| out.write_all(&text)).map_err(failed("write", &path))
    }

    fn report(&self, name: &str, spec: &ResolvedSpec) -> PathBuf {
        self.path.join(format!("{}.json", stem(name, spec)))
    }
}

fn stem(name: &str, spec: &ResolvedSpec) -> String {
    let text = serde_json::to_vec(spec).expect("a spec is plain data");
    let digest = hex::encode(Sha256::digest(text));
    format!("{name}-{}", &digest[..12])
}
