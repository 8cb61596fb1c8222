//! What a run of `denoise` writes down of itself, so that another process can take it up or say why it must not.

use super::error::CliError;
use crate::{
    certificate::SourceDigest,
    types::{ArtifactDigest, Certify, DatasetSpec, JobSpec, TrainerJob},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{ffi::OsString, io, path::PathBuf};

/// The command whose runs are written down.
pub const COMMAND: &str = "denoise";

/// What of this process's command line stands behind `denoise`.
pub fn given_arguments() -> Vec<OsString> {
    std::env::args_os().skip_while(|word| word != COMMAND).skip(1).collect()
}

/// A run, as of the moment its table was read.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Of the program: another version need not come to the same bytes.
    pub version: String,
    /// Where the command was given; its relative paths are meant from there.
    pub directory: PathBuf,
    /// The command line behind `denoise`.
    pub arguments: Vec<OsString>,
    /// All that decides on the result (`describe_asked`).
    pub asked: Value,
    pub digest: SourceDigest,
    pub job: TrainerJob,
    /// What a judge of the user's own is to show, where there is one.
    pub judged: Option<Certify>,
    /// What came of it, once it is finished.
    pub ended: Option<Ended>,
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    pub exit_code: u8,
    /// What was written where, for people.
    pub said: String,
}

/// All of a command line that decides on the result: how the table is read, and what is done with it.
pub fn describe_asked(table: &DatasetSpec, job: &JobSpec, judge: bool, earlier_reads: u32) -> Value {
    let mut job = serde_json::to_value(job).expect("a spec is plain data");
    if let Some(job) = job.as_object_mut() {
        // Each command gives its table another id; the table itself is compared by its bytes.
        job.remove("dataset_id");
    }
    json!({ "table": table, "job": job, "judge": judge, "earlier_reads": earlier_reads })
}

impl RunRecord {
    /// Of a run that this process begins.
    pub fn new(asked: Value, digest: SourceDigest, job: TrainerJob, judged: Option<Certify>) -> io::Result<Self> {
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            directory: std::env::current_dir()?,
            arguments: given_arguments(),
            asked,
            digest,
            job,
            judged,
            ended: None,
        })
    }

    /// An error that says what is not as it was when the run began.
    pub fn check(&self, asked: &Value, digest: &SourceDigest) -> Result<(), CliError> {
        let version = env!("CARGO_PKG_VERSION");
        let mut changed = Vec::new();
        if self.version != version {
            changed.push(format!("the program: version {}, now {version}", self.version));
        }
        compare_files(&self.digest, digest, &mut changed);
        compare_values("", &self.asked, asked, &mut changed);
        if changed.is_empty() {
            return Ok(());
        }
        let list: String = changed.iter().map(|change| format!("\n  {change}")).collect();
        Err(CliError::invalid(format!(
            "error: the run cannot go on, for its results would be of neither this command nor the one it began with:{list}\n\
             Put back what changed, or name another folder with --resume to begin anew."
        )))
    }
}

fn compare_files(before: &SourceDigest, now: &SourceDigest, changed: &mut Vec<String>) {
    let files = |digest: &SourceDigest| match &digest.parts[..] {
        [] => vec![ArtifactDigest { name: "the input".to_owned(), ..digest.whole.clone() }],
        parts => parts.to_vec(),
    };
    let (before, now) = (files(before), files(now));
    let find = |list: &[ArtifactDigest], name: &str| list.iter().find(|file| file.name == name).cloned();
    for file in &before {
        match find(&now, &file.name) {
            None => changed.push(format!("{}: a part of the table, now none", file.name)),
            Some(other) if other.sha256 == file.sha256 => {}
            Some(other) if other.bytes == file.bytes => changed.push(format!("{}: other content", file.name)),
            Some(other) => changed.push(format!("{}: {} bytes, now {}", file.name, file.bytes, other.bytes)),
        }
    }
    let new = now.iter().filter(|file| find(&before, &file.name).is_none());
    changed.extend(new.map(|file| format!("{}: a new part of the table", file.name)));
    let order = |list: &[ArtifactDigest]| list.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
    if changed.is_empty() && order(&before) != order(&now) {
        changed.push("the table: the order of its parts".to_owned());
    }
}

/// Where two documents differ, and how: `job.seed: 1, now 2`.
fn compare_values(place: &str, before: &Value, now: &Value, changed: &mut Vec<String>) {
    if before == now {
        return;
    }
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    if let (Value::Object(one), Value::Object(other)) = (before, now) {
        let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
        for key in keys {
            let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
            compare_values(&below(key), &of(one), &of(other), changed);
        }
        return;
    }
    let word = |value: &Value| match value {
        Value::Null => "not given".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    changed.push(format!("{place}: {}, now {}", word(before), word(now)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_by_its_place() {
        let mut changed = Vec::new();
        let before = json!({"job": {"seed": 1, "method": {"backbone": "fm"}}, "table": {"label": "click"}});
        let now = json!({"job": {"seed": 2, "method": {"backbone": "fm"}}, "table": {"label": "click", "time": "ts"}});
        compare_values("", &before, &now, &mut changed);
        assert_eq!(changed, ["job.seed: 1, now 2", "table.time: not given, now ts"]);
    }

    #[test]
    fn parts_are_compared_by_name_and_content() {
        let file = |name: &str, sha256: &str, bytes| ArtifactDigest {
            name: name.to_owned(),
            sha256: sha256.to_owned(),
            bytes,
        };
        let of = |parts: Vec<ArtifactDigest>| SourceDigest { whole: file("source", "", 0), parts };
        let mut changed = Vec::new();
        let before = of(vec![file("a", "1", 5), file("b", "2", 5), file("c", "3", 5)]);
        let now = of(vec![file("a", "9", 5), file("b", "8", 7), file("d", "3", 5)]);
        compare_files(&before, &now, &mut changed);
        assert_eq!(
            changed,
            ["a: other content", "b: 5 bytes, now 7", "c: a part of the table, now none", "d: a new part of the table"]
        );
    }
}
