//! What is stored of a job: every method with every preset resolves to the text that jobs in the database and checkpoints
//! have, and is read from it; its plan has the same numbers, and what is wrong with a spec is said in the same words.

use autodenoise::types::{DatasetFacts, JobSpec, ResolvedSpec, TrainingPasses};
use serde::Deserialize;
use serde_json::Value;

/// Passes of a training, for the numbers of a plan.
const TRAINING: TrainingPasses = TrainingPasses::all(5);

/// A line of `tests/golden/specs.jsonl`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    sent: Value,
    train_rows: Option<u64>,
    /// The resolved spec's text, without the program's version; absent where the spec is refused.
    resolved: Option<String>,
    /// What an earlier version stored of it, where that is another text.
    stored: Option<String>,
    /// Models trained, passes, readings of the test labels.
    work: Option<(u64, u64, u64)>,
    #[serde(default)]
    errors: Vec<(String, String)>,
}

impl Case {
    fn all() -> Vec<Self> {
        let text = std::fs::read_to_string("tests/golden/specs.jsonl").unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn facts(&self) -> DatasetFacts {
        let fields = ["user", "movie", "genre"].map(str::to_owned).to_vec();
        DatasetFacts {
            digest: "d1".to_owned(),
            train_rows: self.train_rows,
            columns: Some(fields.clone()),
            fields: Some(fields),
        }
    }

    fn resolve(&self) -> Result<ResolvedSpec, Vec<(String, String)>> {
        let spec: JobSpec = serde_json::from_value(self.sent.clone()).unwrap();
        match spec.resolve(&self.facts()) {
            Ok(spec) => Ok(ResolvedSpec { engine_version: String::new(), ..spec }),
            Err(errors) => Err(errors.into_iter().map(|error| (error.pointer, error.rule)).collect()),
        }
    }
}

#[test]
fn specs_resolve_to_what_is_stored_or_are_refused_in_the_same_words() {
    for case in Case::all() {
        match case.resolve() {
            Ok(spec) => {
                let text = serde_json::to_string(&spec).unwrap();
                assert_eq!(Some(text), case.resolved, "{}", case.sent);
                assert_eq!(Some(spec.work(TRAINING)), case.work, "{}", case.sent);
            }
            Err(errors) => {
                assert_eq!(errors, case.errors, "{}", case.sent);
                assert_eq!(case.resolved, None, "{}", case.sent);
            }
        }
    }
}

#[test]
fn stored_specs_are_read_and_written_byte_for_byte() {
    for case in Case::all() {
        let (Some(text), Some(work)) = (case.resolved, case.work) else { continue };
        let spec: ResolvedSpec = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), text);
        assert_eq!(spec.work(TRAINING), work, "{}", case.sent);
        if let Some(stored) = case.stored {
            let read: ResolvedSpec = serde_json::from_str(&stored).unwrap();
            assert_eq!(labelled(read, &spec), spec, "{}", case.sent);
        }
    }
}

/// A spec as an earlier version stored it, with the labels of today's.
fn labelled(mut stored: ResolvedSpec, today: &ResolvedSpec) -> ResolvedSpec {
    stored.method.label.clone_from(&today.method.label);
    for (stored, today) in stored.compare.iter_mut().zip(&today.compare) {
        stored.label.clone_from(&today.label);
    }
    stored
}
