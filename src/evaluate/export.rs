//! The results of a run as files. Rows are named by their position in the uploaded file.

use super::artifacts::{Artifacts, ExportError, NPY, PARQUET};
use super::choice::Choice;
use super::explain::Explanations;
use super::formats::{Columns, write_batches, write_npy, write_parquet};
use super::job::Job;
use super::reasons::Reasons;
use super::relabelling::Relabelling;
use super::report::make_report;
use super::results::{KEEP_MASK, LABELS, read_rows_to_show};
use super::state::State;
use crate::ingest::{RowChanges, RowMark};
use crate::report::{EXPLANATIONS, Heading, PAGE, report_page};
use crate::selection::Scores;
use crate::types::{Report, Stability, TrainerEvent};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, UInt32Array, UInt64Array};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    ops::Range,
    sync::Arc,
};

/// Rows of one group of the explanations' Parquet file, which is read a page at a time.
const EXPLAINED_GROUP: usize = 1 << 15;

/// Writes all that came of a job; the report is last.
pub(super) fn export_results(job: &Job, state: &State, emit: &mut dyn FnMut(TrainerEvent)) -> Result<(), ExportError> {
    let (input, outcome) = (&job.input, &state.outcome);
    let own = outcome.own.as_ref();
    let choice = Choice::new(input.dataset, job.data.train.labels, own, &outcome.by_seed);
    let mut files = Artifacts { out_dir: input.out_dir, emit };
    files.write("indices", "indices.parquet", PARQUET, |out| write_indices(&choice, out))?;
    files.write("indices.csv", "indices.csv", "text/csv", |out| write_indices_as_csv(&choice, out))?;
    files.write("indices.npy", "indices.npy", NPY, |out| write_indices_as_npy(&choice, out))?;
    files.write("keep_mask", KEEP_MASK, NPY, |out| write_npy(out, &choice.mask))?;
    if let Some(scores) = own.and_then(|own| own.scores.as_ref()) {
        files.write("scores", "scores.parquet", PARQUET, |out| write_scores(&choice, scores, out))?;
    }
    if let Some(weights) = own.and_then(|own| own.worth()) {
        files.write("weights", "weights.parquet", PARQUET, |out| write_weights(&choice, weights, out))?;
    }
    if let Some((stability, votes)) = &choice.votes {
        files.write("stability", "stability.parquet", PARQUET, |out| write_votes(&choice, stability, votes, out))?;
    }
    let relabelling = Relabelling::new(input.dataset, job.data.train.labels, own);
    if let Some(own) = own.filter(|_| choice.drops_rows() || relabelling.is_some()) {
        let (labels, method) = (job.data.train.labels, &input.spec.method.label);
        let votes = choice.votes.as_ref().map(|(_, votes)| &votes[..]);
        let reasons = Reasons::new(input.dataset, labels, &choice.kept, own, relabelling.as_ref(), method)?;
        let explained = Explanations::new(input.dataset, labels, &choice.kept, own, votes, &reasons)?;
        files.write("explanations", EXPLANATIONS, PARQUET, |out| write_explanations(&explained, out))?;
    }
    if let Some(relabelling) = &relabelling {
        files.write("labels", LABELS, PARQUET, |out| write_labels(&choice, relabelling, out))?;
    }
    // A row the mask does not know is in no split, and stays.
    let dropped = |row: u32| choice.mask.get(row as usize) == Some(&0);
    let mark = relabelling.as_ref().map(|relabelling| |position| relabelling.mark_at(position));
    let marks = mark.as_ref().map(|mark| mark as &dyn Fn(u32) -> RowMark);
    let label_columns = files.write_denoised(input.denoised, RowChanges { dropped: &dropped, marks })?;
    for (name, file, tensors) in [
        ("policy", "policy.safetensors", own.and_then(|own| own.policy.as_ref())),
        ("model", "model.safetensors", outcome.model.as_ref()),
        ("reference_model", "reference_model.safetensors", outcome.reference.as_ref()),
    ] {
        if let Some(tensors) = tensors {
            files.write_tensors(name, file, tensors, input.spec)?;
        }
    }
    let counts = relabelling.map(|relabelling| relabelling.counts).unwrap_or_default();
    let report = make_report(job, state, &choice, counts, label_columns)?;
    files.write("report.json", "report.json", "application/json", |out| write_report(&report, out))?;
    let (heading, shown) =
        (Heading::new(input.origin, &input.dataset.profile), read_rows_to_show(input.out_dir, &report)?);
    let page = report_page(&report, heading, &shown, &state.book.drawn);
    files.write(PAGE, PAGE, "text/html; charset=utf-8", |out| out.write_all(page.as_bytes()))?;
    emit(TrainerEvent::Finished(Box::new(report)));
    Ok(())
}

fn write_indices(choice: &Choice, out: &mut File) -> io::Result<()> {
    let rows: Vec<u64> = choice.kept_rows().map(u64::from).collect();
    write_parquet(out, rows.len(), |range| {
        vec![("row", Arc::new(UInt64Array::from_iter_values(rows[range].iter().copied())) as ArrayRef)]
    })
}

fn write_indices_as_csv(choice: &Choice, out: &mut File) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    writeln!(out, "row")?;
    for row in choice.kept_rows() {
        writeln!(out, "{row}")?;
    }
    out.flush()
}

fn write_indices_as_npy(choice: &Choice, out: &mut File) -> io::Result<()> {
    let rows: Vec<i64> = choice.kept_rows().map(i64::from).collect();
    write_npy(out, &rows)
}

fn write_scores(choice: &Choice, scores: &Scores, out: &mut File) -> io::Result<()> {
    write_by_row(choice, out, |range| {
        vec![
            (&scores.name, Arc::new(Float32Array::from(scores.values[range.clone()].to_vec())) as ArrayRef),
            ("kept", Arc::new(BooleanArray::from(choice.kept[range].to_vec()))),
        ]
    })
}

fn write_weights(choice: &Choice, weights: &[f32], out: &mut File) -> io::Result<()> {
    write_by_row(choice, out, |range| {
        vec![("weight", Arc::new(Float32Array::from(weights[range].to_vec())) as ArrayRef)]
    })
}

/// What each row is trained on.
fn write_labels(choice: &Choice, relabelling: &Relabelling, out: &mut File) -> io::Result<()> {
    write_by_row(choice, out, |range| {
        let marks = || range.clone().map(|row| relabelling.mark_of(row));
        vec![
            ("target", Arc::new(Float32Array::from_iter_values(marks().map(|mark| mark.target))) as ArrayRef),
            ("weight", Arc::new(Float32Array::from_iter_values(marks().map(|mark| mark.weight)))),
        ]
    })
}

/// How many seeds kept each row, and whether most did.
fn write_votes(choice: &Choice, stability: &Stability, votes: &[u32], out: &mut File) -> io::Result<()> {
    write_by_row(choice, out, |range| {
        let votes = &votes[range];
        let consensus = votes.iter().map(|votes| Some(2 * votes > stability.seeds));
        vec![
            ("kept_by", Arc::new(UInt32Array::from(votes.to_vec())) as ArrayRef),
            ("consensus", Arc::new(consensus.collect::<BooleanArray>())),
        ]
    })
}

/// Writes columns that have a value for each training row, after a column that tells the row.
fn write_by_row<'n>(choice: &Choice, out: &mut File, columns: impl Fn(Range<usize>) -> Columns<'n>) -> io::Result<()> {
    write_parquet(out, choice.rows.len(), |range| {
        let rows = choice.rows[range.clone()].iter().map(|row| u64::from(*row));
        let mut all: Columns = vec![("row", Arc::new(UInt64Array::from_iter_values(rows)))];
        all.extend(columns(range));
        all
    })
}

fn write_explanations(explained: &Explanations, out: &mut File) -> io::Result<()> {
    write_batches(out, explained.len(), EXPLAINED_GROUP, |range| explained.batch(range))
}

fn write_report(report: &Report, out: &mut File) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    serde_json::to_writer_pretty(&mut out, report)?;
    out.flush()
}
