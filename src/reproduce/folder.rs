//! Finished jobs of earlier runs of the command, so that a run that was cut short can go on: the report of each, under a
//! name made from its whole spec, and the files it is asked to keep.

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
    /// Creates the folder if it does not exist.
    pub fn open(path: PathBuf) -> Result<Self, FolderError> {
        std::fs::create_dir_all(&path).map_err(failed("make the folder", &path))?;
        Ok(Self { path })
    }

    /// The path of a file that a job is asked to keep.
    pub fn kept_file(&self, name: &str, spec: &ResolvedSpec, file: &str) -> PathBuf {
        self.path.join(format!("{}.{file}", stem(name, spec)))
    }

    /// The report of a job of exactly this spec; none where there is none, where it cannot be read, or where a file of
    /// `keep` is missing.
    pub fn find_report(&self, name: &str, spec: &ResolvedSpec, keep: &[&str]) -> Option<Report> {
        let bytes = std::fs::read(self.report_file(name, spec)).ok()?;
        let report: Report = serde_json::from_slice(&bytes).ok()?;
        let whole = keep.iter().all(|file| self.kept_file(name, spec, file).is_file());
        (report.spec == *spec && whole).then_some(report)
    }

    /// Copies the files of `keep` from `out_dir`, then writes the report. The report comes last, so that where it exists the
    /// files do too.
    pub fn store_job(&self, name: &str, report: &Report, out_dir: &Path, keep: &[&str]) -> Result<(), FolderError> {
        for file in keep {
            let (from, to) = (out_dir.join(file), self.kept_file(name, &report.spec, file));
            let copy = |out: &mut std::fs::File| io::copy(&mut std::fs::File::open(&from)?, out).map(drop);
            write_durably(&to, copy).map_err(failed("write", &to))?;
        }
        let path = self.report_file(name, &report.spec);
        let text = serde_json::to_vec_pretty(report).expect("a report is plain data");
        write_durably(&path, |out| out.write_all(&text)).map_err(failed("write", &path))
    }

    fn report_file(&self, name: &str, spec: &ResolvedSpec) -> PathBuf {
        self.path.join(format!("{}.json", stem(name, spec)))
    }
}

fn stem(name: &str, spec: &ResolvedSpec) -> String {
    let text = serde_json::to_vec(spec).expect("a spec is plain data");
    let digest = hex::encode(Sha256::digest(text));
    format!("{name}-{}", &digest[..12])
}
