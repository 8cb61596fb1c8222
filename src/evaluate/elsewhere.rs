//! A part done in a process of its own, for a job that another process runs.

use super::book::Book;
use super::checkpoint::{SelectedMeta, load_selected};
use super::job::{Ground, Work, WorkKind};
use super::part::{PartFile, PartOrder, PartRows};
use super::passes::Passes;
use super::tune::told_of;
use crate::backbone::{Engines, TensorFile, TrainingData, WeightsError};
use crate::ingest::Dataset;
use crate::selection::{SealedTest, SelectError, Selected};
use crate::types::{Progress, ResolvedSpec, TrainerEvent};
use serde_json::Value;
use std::path::Path;

/// What a part is about.
pub struct PartInput<'a> {
    pub spec: &'a ResolvedSpec,
    pub dataset: &'a Dataset,
    pub engines: &'a Engines,
    pub threads: usize,
    /// As the job's process laid it out.
    pub order: &'a Value,
    /// The file that says which rows were chosen.
    pub rows: Option<&'a Path>,
}

/// Does a part, and writes what came of it into a file.
pub fn run_part(input: &PartInput, out: &Path) -> Result<(), SelectError> {
    let PartInput { spec, dataset, engines, threads, order, rows } = *input;
    let PartOrder { task, setting } = PartOrder::read(order)?;
    let ground = Ground { spec, map: &dataset.feature_map, engines, threads };
    let data = TrainingData::new(dataset);
    let Work { context, kind } = ground.prepare(task, &data)?;
    let WorkKind::Train(training) = kind else {
        return Err(SelectError::Unsuitable(format!("{task:?} is no part of a job")));
    };
    let chosen = rows.map(read_rows).transpose()?;
    let rows = PartRows::new(task, &training, data.train.labels, chosen.as_ref(), context.seed);
    let who = told_of(task, &setting, spec, &context);
    let (mut book, mut stage, mut test) = (Book::default(), None, SealedTest::new(dataset, None));
    let mut told = Vec::new();
    // It is told to nobody.
    let progress = Progress { done: 0, total: 1, eta_seconds: None };
    let result = loop {
        let mut keep_row = |event| {
            if let TrainerEvent::Epoch(row) = event {
                told.push(row);
            }
        };
        let (book, stage) = (&mut book, &mut stage);
        let mut passes = Passes { book, stage, test: &mut test, emit: &mut keep_row, progress };
        if let Some(done) = passes.do_part((task, &setting), who, &context, &training, rows.treatment())? {
            break done.result;
        }
    };
    PartFile { result, rows: told }.write(out)?;
    Ok(())
}

fn read_rows(path: &Path) -> Result<Selected, WeightsError> {
    let file = TensorFile::read(path)?;
    let meta: SelectedMeta = file.description()?;
    load_selected(meta, "", &file)
}
