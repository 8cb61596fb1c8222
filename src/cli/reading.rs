//! Reads a table on this machine, for the commands that need no server.

use super::{
    error::{CliError, describe_faults},
    view::JobView,
};
use crate::{
    ingest::{self, IngestError, IngestLimits, Ingested},
    report::number,
    types::{DatasetSpec, FieldReading, ProblemItem, Profile, SkippedRows, TableSource},
};
use std::{
    fs::Permissions,
    ops::ControlFlow,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tempfile::TempDir;

/// A folder for intermediate files, gone with the value.
pub fn work_folder(parent: &Path) -> Result<TempDir, CliError> {
    let made = std::fs::create_dir_all(parent).and_then(|()| {
        let mut folder = tempfile::Builder::new();
        folder.prefix("autodenoise-").permissions(Permissions::from_mode(0o700)).tempdir_in(parent)
    });
    made.map_err(|error| CliError::failed_because(format!("cannot write to {}: {error}", parent.display())))
}

/// The file of a command that reads one, as an absolute path; it must be there.
pub fn existing_file(file: &Path) -> Result<PathBuf, CliError> {
    use std::os::unix::fs::FileTypeExt;
    let is_pipe = std::fs::metadata(file).is_ok_and(|metadata| metadata.file_type().is_fifo());
    if file == Path::new("-") || is_pipe {
        let rule = "this command reads a file, and no pipe; write the table to a file first";
        return Err(CliError::failed_because(rule));
    }
    if file.is_dir() {
        return Err(CliError::failed_because(format!("{} is a folder; this command reads one file", file.display())));
    }
    std::path::absolute(file)
        .ok()
        .filter(|path| path.is_file())
        .ok_or_else(|| CliError::failed_because(format!("there is no file {}", file.display())))
}

/// Reads `source` into `dataset_dir` and shows progress. What is wrong with the table
/// becomes an error that lists it.
pub async fn read_table(
    view: &JobView,
    source: &TableSource,
    spec: &DatasetSpec,
    dataset_dir: &Path,
    interrupted: Arc<AtomicBool>,
) -> Result<Ingested, CliError> {
    view.show_waiting(format!("reading {}", describe_source(source)));
    let (progress, mut heard) = tokio::sync::watch::channel((0, 0));
    let (source, spec, dataset_dir) = (source.clone(), spec.clone(), dataset_dir.to_owned());
    let reading = tokio::task::spawn_blocking(move || {
        ingest::ingest(&source, &spec, &dataset_dir, &IngestLimits::default(), &mut |at| {
            progress.send_replace((at.bytes_read, at.bytes_total));
            if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    // The sender goes with the reading's end, which ends this loop.
    while heard.changed().await.is_ok() {
        let (done, total) = *heard.borrow_and_update();
        view.show_reading(done, total);
    }
    let ingested = reading.await.map_err(CliError::failed)?.map_err(explain)?;
    view.print_line(&describe_profile(&ingested.profile));
    describe_remarks(&ingested.profile).iter().for_each(|line| view.print_remark(line));
    describe_fields(&ingested.profile).iter().for_each(|line| view.print_detail(line));
    Ok(ingested)
}

fn describe_source(source: &TableSource) -> String {
    match &source.parts[..] {
        [part] => part.name.clone(),
        parts => format!("{} files", parts.len()),
    }
}

/// What may be wrong with the table, and what was found out of it.
pub fn describe_remarks(profile: &Profile) -> Vec<String> {
    let warnings = profile.warnings.iter().map(|warning| format!("warning: {}", warning.message));
    let notes = profile.notes.iter().map(|note| format!("note: {note}"));
    describe_skipped(&profile.skipped).into_iter().chain(warnings).chain(notes).collect()
}

/// Kinds of faults that are described one by one.
const FAULTS: usize = 20;

/// The rows that were left out: how many, and what was wrong with them.
fn describe_skipped(skipped: &SkippedRows) -> Vec<String> {
    if skipped.is_empty() {
        return Vec::new();
    }
    let faults: Vec<_> = skipped.listed.iter().cloned().map(ProblemItem::Row).collect();
    let rows = if skipped.rows == 1 { "1 row was".to_owned() } else { format!("{} rows were", skipped.rows) };
    let mut lines = vec![format!("warning: {rows} left out, because they could not be read")];
    let described = describe_faults(&faults);
    lines.extend(described.iter().take(FAULTS).map(|fault| format!("  {fault}")));
    if described.len() > FAULTS || skipped.rows > skipped.listed.len() as u64 {
        lines.push("  and more".to_owned());
    }
    lines
}

/// Fields that are described one by one, so that a table of a thousand does not bury what else is said.
const DESCRIBED: usize = 40;

/// What each field was read as, and why.
fn describe_fields(profile: &Profile) -> Vec<String> {
    let describe = |field: &FieldReading| {
        let mut text = format!("  {}: {}", field.column, field.read_as.as_str());
        if let Some(values) = field.values {
            text += &format!(", {values} different");
        }
        if field.missing > 0 {
            text += &format!(", {} rows without a value", field.missing);
        }
        if let Some(auc) = field.auc {
            text += &format!(", AUC alone {auc:.3}");
        }
        if let Some(reason) = &field.reason {
            text += &format!(" ({reason})");
        }
        text
    };
    let mut lines: Vec<_> = profile.fields.iter().take(DESCRIBED).map(describe).collect();
    if profile.fields.len() > DESCRIBED {
        lines.push(format!("  and {} more fields; `datasets check` lists all", profile.fields.len() - DESCRIBED));
    }
    lines
}

/// How many rows, and of which label.
pub fn describe_profile(profile: &Profile) -> String {
    let rows = profile.rows;
    let share = 100.0 * profile.positives.train as f64 / rows.train.max(1) as f64;
    format!(
        "{} rows: {} train, {} valid, {} test; {share:.2} % of the training rows have label 1",
        number(rows.total()),
        number(rows.train),
        number(rows.valid),
        number(rows.test),
    )
}

fn explain(error: IngestError) -> CliError {
    match error {
        IngestError::Invalid(table) => {
            let faults = table.faults();
            CliError::invalid_table(&table.into_items(), faults)
        }
        other => CliError::failed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intermediate_files_are_closed_to_other_users_of_the_machine() {
        let parent = tempfile::tempdir().unwrap();
        let folder = work_folder(&parent.path().join("new")).unwrap();
        assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
