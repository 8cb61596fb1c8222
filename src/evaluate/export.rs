//! The results of a run as files, each durable before it is announced. Rows are named by their position in the uploaded
//! file.

use super::describe_engines;
use super::explain::Explanations;
use super::guard::{guard, stability};
use super::run::{Run, shares};
use super::table::{arms, table};
use crate::backbone::{TensorFile, WeightsError, write_durably};
use crate::ingest::DatasetError;
use crate::types::{ArtifactFile, Report, Split, Stability, TrainerEvent, Verdict};
use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, UInt32Array, UInt64Array};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
};

/// Rows of one group of a Parquet file: bounds the memory of writing it.
const GROUP: usize = 1 << 20;
/// The same of explanations, which are read a page at a time.
const EXPLAINED_GROUP: usize = 1 << 15;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Says whether a row of the uploaded file is left out.
pub type Dropped<'a> = dyn Fn(u32) -> bool + 'a;

/// How the uploaded table is written without the dropped rows.
pub struct DenoisedWriter<'a> {
    /// For example `denoised.csv.gz`.
    pub file_name: String,
    pub media_type: String,
    #[allow(clippy::type_complexity, reason = "a function of two arguments")]
    pub write: &'a dyn Fn(&Dropped, &Path) -> Result<(), BoxError>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("cannot write `{file}`: {source}")]
    Write { file: String, source: io::Error },
    #[error("cannot write the denoised table: {0}")]
    Denoised(BoxError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// All that the files are made of.
pub(super) struct Exports<'r, 'a> {
    run: &'r Run<'a>,
    /// Of every training row: its position in the file, ascending.
    rows: &'a [u32],
    /// Of every training row.
    kept: Vec<bool>,
    /// Of every row of the file: 0 where it is dropped.
    mask: Vec<u8>,
    /// Where the job ran with several seeds: how often each training row was kept.
    votes: Option<(Stability, Vec<u32>)>,
}

impl<'r, 'a> Exports<'r, 'a> {
    pub fn new(run: &'r Run<'a>) -> Self {
        let split = run.input.dataset.split(Split::Train);
        let mut kept = vec![run.own.is_none(); split.len()];
        if let Some(own) = &run.own {
            own.kept.iter().for_each(|position| kept[*position as usize] = true);
        }
        let mut mask = vec![1; run.input.dataset.feature_map.rows.total() as usize];
        for (row, _) in split.rows.iter().zip(&kept).filter(|(_, kept)| !**kept) {
            mask[*row as usize] = 0;
        }
        let votes = (run.by_seed.len() > 1).then(|| stability(&run.by_seed, kept.len()));
        Self { run, rows: split.rows, kept, mask, votes }
    }

    pub fn write(&self, emit: &mut dyn FnMut(TrainerEvent)) -> Result<(), ExportError> {
        let kept_rows = || self.rows.iter().zip(&self.kept).filter(|(_, kept)| **kept).map(|(row, _)| *row);
        const PARQUET: &str = "application/vnd.apache.parquet";
        const NPY: &str = "application/x-npy";
        const SAFETENSORS: &str = "application/octet-stream";

        self.file(emit, "indices", "indices.parquet", PARQUET, |out| {
            let rows: Vec<u64> = kept_rows().map(u64::from).collect();
            write_parquet(out, rows.len(), &|range| {
                vec![("row", Arc::new(UInt64Array::from_iter_values(rows[range].iter().copied())) as ArrayRef)]
            })
        })?;
        self.file(emit, "indices.csv", "indices.csv", "text/csv", |out| {
            let mut out = BufWriter::new(out);
            writeln!(out, "row")?;
            for row in kept_rows() {
                writeln!(out, "{row}")?;
            }
            out.flush()
        })?;
        self.file(emit, "indices.npy", "indices.npy", NPY, |out| {
            let rows: Vec<i64> = kept_rows().map(i64::from).collect();
            write_npy(out, &rows)
        })?;
        self.file(emit, "keep_mask", "keep_mask.npy", NPY, |out| write_npy(out, &self.mask))?;
        let run = self.run;
        if let Some(scores) = run.own.as_ref().and_then(|own| own.scores.as_ref()) {
            self.file(emit, "scores", "scores.parquet", PARQUET, |out| {
                write_parquet(out, self.rows.len(), &|range| {
                    let rows = self.rows[range.clone()].iter().map(|row| u64::from(*row));
                    vec![
                        ("row", Arc::new(UInt64Array::from_iter_values(rows)) as ArrayRef),
                        (&scores.name, Arc::new(Float32Array::from(scores.values[range.clone()].to_vec()))),
                        ("kept", Arc::new(BooleanArray::from(self.kept[range].to_vec()))),
                    ]
                })
            })?;
        }
        if let Some(weights) = run.own.as_ref().and_then(|own| own.weights()) {
            self.file(emit, "weights", "weights.parquet", PARQUET, |out| {
                write_parquet(out, self.rows.len(), &|range| {
                    let rows = self.rows[range.clone()].iter().map(|row| u64::from(*row));
                    vec![
                        ("row", Arc::new(UInt64Array::from_iter_values(rows)) as ArrayRef),
                        ("weight", Arc::new(Float32Array::from(weights[range].to_vec()))),
                    ]
                })
            })?;
        }
        if let Some((stability, votes)) = &self.votes {
            self.file(emit, "stability", "stability.parquet", PARQUET, |out| {
                write_parquet(out, self.rows.len(), &|range| {
                    let rows = self.rows[range.clone()].iter().map(|row| u64::from(*row));
                    let consensus = votes[range.clone()].iter().map(|votes| Some(2 * votes > stability.seeds));
                    vec![
                        ("row", Arc::new(UInt64Array::from_iter_values(rows)) as ArrayRef),
                        ("kept_by", Arc::new(UInt32Array::from(votes[range].to_vec()))),
                        ("consensus", Arc::new(consensus.collect::<BooleanArray>())),
                    ]
                })
            })?;
        }
        if let Some(own) = run.own.as_ref().filter(|_| self.kept.contains(&false)) {
            let votes = self.votes.as_ref().map(|(_, votes)| &votes[..]);
            let explained = Explanations::new(run.input.dataset, run.data.train.labels, &self.kept, own, votes)?;
            self.file(emit, "explanations", "explanations.parquet", PARQUET, |out| {
                write_batches(out, explained.len(), EXPLAINED_GROUP, &|range| explained.batch(range))
            })?;
        }
        self.denoised(emit)?;
        if let Some(policy) = run.own.as_ref().and_then(|own| own.policy.as_ref()) {
            self.tensors(emit, "policy", "policy.safetensors", SAFETENSORS, policy)?;
        }
        for (name, file, model) in [
            ("model", "model.safetensors", &run.model),
            ("reference_model", "reference_model.safetensors", &run.reference),
        ] {
            if let Some(model) = model {
                self.tensors(emit, name, file, SAFETENSORS, model)?;
            }
        }
        let report = self.report()?;
        self.file(emit, "report.json", "report.json", "application/json", |out| {
            let mut out = BufWriter::new(out);
            serde_json::to_writer_pretty(&mut out, &report)?;
            out.flush()
        })?;
        emit(TrainerEvent::Finished(Box::new(report)));
        Ok(())
    }

    fn denoised(&self, emit: &mut dyn FnMut(TrainerEvent)) -> Result<(), ExportError> {
        let writer = self.run.input.denoised;
        let path = self.run.input.out_dir.join(&writer.file_name);
        let temporary = self.run.input.out_dir.join(format!("{}.part", writer.file_name));
        // A row the mask does not know is no training row, and stays.
        let dropped = |row: u32| self.mask.get(row as usize) == Some(&0);
        (writer.write)(&dropped, &temporary).map_err(ExportError::Denoised)?;
        File::open(&temporary)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(|source| ExportError::Write { file: writer.file_name.clone(), source })?;
        announce(emit, "denoised", &writer.file_name, &writer.media_type);
        Ok(())
    }

    fn tensors(
        &self,
        emit: &mut dyn FnMut(TrainerEvent),
        name: &str,
        file: &str,
        media_type: &str,
        tensors: &TensorFile,
    ) -> Result<(), ExportError> {
        let mut described = TensorFile::new();
        described.put_all("", tensors);
        described.describe(self.run.input.spec)?;
        let bytes = described.to_bytes()?;
        self.file(emit, name, file, media_type, |out| out.write_all(&bytes))
    }

    /// Writes a file durably, then announces it.
    fn file(
        &self,
        emit: &mut dyn FnMut(TrainerEvent),
        name: &str,
        file: &str,
        media_type: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        write_durably(&self.run.input.out_dir.join(file), write)
            .map_err(|source| ExportError::Write { file: file.to_owned(), source })?;
        announce(emit, name, file, media_type);
        Ok(())
    }

    fn report(&self) -> Result<Report, ExportError> {
        let run = self.run;
        let (certification, transfers) = run.certifications().unzip();
        let dropped = self.kept.contains(&false);
        let kept = run.own.as_ref().map(|own| &own.kept[..]);
        let [kept, kept_positive, kept_negative] = shares(run.data.train.labels, kept);
        let table = table(run.input.spec, &run.book.results);
        Ok(Report {
            spec: run.input.spec.clone(),
            device: run.input.engines.device_name(),
            engine: describe_engines(run.input.engines, run.input.spec),
            threads: run.input.threads,
            kept,
            kept_positive,
            kept_negative,
            best_epoch: run.own.as_ref().and_then(|own| own.note.best_epoch),
            arms: arms(run.input.spec, &table),
            table,
            verdict: certification.as_ref().map_or(Verdict::NotEvaluated, |own| own.verdict),
            certification,
            transfers: transfers.unwrap_or_default(),
            self_check: run.book.self_check.clone(),
            findings: run.own.as_ref().and_then(|own| own.note.findings.clone()),
            guard: dropped.then(|| guard(run.input.dataset, run.data.train.labels, &self.kept)).transpose()?,
            stability: self.votes.as_ref().map(|(stability, _)| stability.clone()),
            oracle: run.book.oracle.clone(),
            test_reads: run.book.test_reads,
            warnings: run.book.warnings.clone(),
            seconds: run.book.spent.seconds,
            peak_memory_bytes: peak_memory(),
        })
    }
}

/// The most memory this process has had resident.
fn peak_memory() -> Option<u64> {
    // SAFETY: all zero is a valid `rusage`, and the call only fills it.
    let (status, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(libc::RUSAGE_SELF, &mut usage), usage)
    };
    // Linux counts in KiB.
    (status == 0 && cfg!(target_os = "linux")).then(|| usage.ru_maxrss as u64 * 1024)
}

fn announce(emit: &mut dyn FnMut(TrainerEvent), name: &str, file: &str, media_type: &str) {
    emit(TrainerEvent::Artifact(ArtifactFile {
        name: name.to_owned(),
        file: file.to_owned(),
        media_type: media_type.to_owned(),
        download_name: file.to_owned(),
    }));
}

type Columns<'n> = Vec<(&'n str, ArrayRef)>;

/// Writes `rows` rows whose columns `part` makes, a group at a time.
fn write_parquet<'n>(
    out: &mut File,
    rows: usize,
    part: &dyn Fn(std::ops::Range<usize>) -> Columns<'n>,
) -> io::Result<()> {
    let batch = |range| RecordBatch::try_from_iter(part(range)).map_err(io::Error::other);
    write_batches(out, rows, GROUP, &batch)
}

/// The same in groups of so many rows.
fn write_batches(
    out: &mut File,
    rows: usize,
    group: usize,
    batch: &dyn Fn(std::ops::Range<usize>) -> io::Result<RecordBatch>,
) -> io::Result<()> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer = ArrowWriter::try_new(out, batch(0..0)?.schema(), Some(properties)).map_err(io::Error::other)?;
    for start in (0..rows).step_by(group) {
        writer.write(&batch(start..rows.min(start + group))?).map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

fn write_npy<T: npyz::AutoSerialize + Copy>(out: &mut File, values: &[T]) -> io::Result<()> {
    use npyz::WriterBuilder;
    let mut out = BufWriter::new(out);
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(&[values.len() as u64]).writer(&mut out).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    out.flush()
}
