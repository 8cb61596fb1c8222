//! Every parser of bytes from outside, fed with anything: none may panic, hang, or take memory without bound, and what one
//! lets in must come out again as it went in. `fuzz_targets` gives these to libFuzzer; `tests/seeds.rs` runs them on the
//! seeds.

use autodenoise::{
    api::tus::{self, Checksum},
    ingest::{Dataset, IngestError, IngestLimits, RowChanges, RowMark, ingest, write_denoised},
    types::{DatasetFacts, DatasetSpec, FileFormat, JobSpec, LabelRule, Split},
};
use std::{fs, ops::ControlFlow, path::Path};

/// CSV, TSV and tables with other separators.
pub fn csv(input: &[u8]) {
    table(input, FileFormat::Csv);
}

/// JSON lines.
pub fn jsonl(input: &[u8]) {
    table(input, FileFormat::Jsonl);
}

pub fn parquet(input: &[u8]) {
    table(input, FileFormat::Parquet);
}

/// A line with a `DatasetSpec`, then the table: what is read is encoded, and half of it is copied out.
fn table(input: &[u8], format: FileFormat) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(mut spec) = serde_json::from_slice::<DatasetSpec>(&input[..end]) else { return };
    spec.format = Some(format);
    let limits = IngestLimits {
        max_rows: 10_000,
        max_columns: 200,
        max_vocabulary: 20_000,
        max_decompressed_bytes: 1 << 22,
        max_line_bytes: 1 << 16,
        ..IngestLimits::default()
    };
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder for the table");
    let (source, encoded, copy) =
        (folder.path().join("upload"), folder.path().join("encoded"), folder.path().join("denoised"));
    fs::write(&source, &input[end + 1..]).expect("room for the table");
    let ingested = match ingest(&source, &spec, &encoded, &limits, &mut |_| ControlFlow::Continue(())) {
        Ok(ingested) => ingested,
        Err(IngestError::Invalid(invalid)) => {
            assert!(invalid.faults() > 0, "what is refused is told why");
            return;
        }
        Err(error) => panic!("{error:?}"),
    };
    let dataset = Dataset::open(&encoded).expect("what was encoded can be opened");
    let kept = [Split::Train, Split::Valid, Split::Test].map(|split| dataset.len(split)).iter().sum::<usize>();
    let changes = RowChanges {
        dropped: &|row| row % 2 == 1,
        marks: Some(&|row| RowMark { target: (row % 3) as f32 / 2.0, weight: 1.0 }),
    };
    let counts = write_denoised(&source, &ingested.spec, changes, &copy);
    counts.unwrap_or_else(|error| panic!("{kept} rows were read, and cannot be copied: {error:?}"));
}

/// A job's spec, or a dataset's, as JSON.
pub fn spec(input: &[u8]) {
    if let Ok(job) = serde_json::from_slice::<JobSpec>(input) {
        let text = serde_json::to_vec(&job).expect("a spec is plain data");
        let again = serde_json::from_slice::<JobSpec>(&text).expect("a spec that was written can be read");
        assert_eq!(again, job);
        let fields = Some(vec!["user".to_owned(), "item".to_owned()]);
        if let Ok(resolved) = job.resolve(&DatasetFacts {
            train_rows: Some(1000),
            columns: fields.clone(),
            fields,
            ..DatasetFacts::default()
        }) {
            let text = serde_json::to_vec(&resolved).expect("a spec is plain data");
            assert_eq!(serde_json::from_slice::<autodenoise::types::ResolvedSpec>(&text).expect("as above"), resolved);
        }
    }
    if let Ok(dataset) = serde_json::from_slice::<DatasetSpec>(input) {
        let text = serde_json::to_vec(&dataset).expect("a spec is plain data");
        assert_eq!(serde_json::from_slice::<DatasetSpec>(&text).expect("a spec that was written can be read"), dataset);
    }
}

/// The headers of resumable uploads.
pub fn tus(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(bytes) = tus::parse_bytes(text) {
        assert_eq!(text.trim_start_matches('0'), bytes.to_string().trim_start_matches('0'));
    }
    if let Ok(pairs) = tus::parse_metadata(text) {
        for (key, _) in &pairs {
            assert!(!key.is_empty() && key.is_ascii());
            assert!(tus::find_word(text, key).is_none_or(|word| !word.is_empty()));
        }
    }
    if let Ok(checksum) = Checksum::parse(text) {
        // In sha256 and in sha1.
        let nothing = ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="];
        let is_of_nothing = nothing.iter().any(|digest| text.trim_end().ends_with(digest));
        assert_eq!(checksum.matches(checksum.start_digest()), is_of_nothing);
    }
}

/// Rules that make a label of a column.
pub fn label(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(rule) = LabelRule::try_from(text.to_owned()) {
        let written = String::from(rule.clone());
        assert_eq!(LabelRule::try_from(written.clone()), Ok(rule), "{written}");
    }
}
