//! The state of a run in one safetensors file: tensors by name, all else as JSON in the header. Written whole or not at
//! all, so that a killed trainer always leaves a usable one behind.

use super::book::Book;
use super::crew::Crew;
use super::job::{Job, Work, WorkKind};
use super::part::{PartResult, SavedResult};
use super::proof::{Differences, Placed};
use super::state::{Outcome, Stage, State};
use super::tasks::{Task, make_selector};
use super::tune::{Tunee, find_fit_options};
use crate::backbone::{Fit, TensorFile, Track, WeightsError};
use crate::metrics::RowDifferences;
use crate::selection::{Entrant, Race, Role, Scores, SelectError, Selected, SelectedNote, Treatment};
use crate::types::ResolvedSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    io,
    path::{Path, PathBuf},
};

/// To be raised whenever what is saved changes: a checkpoint of another format is not read, and its job starts anew.
const FORMAT: u32 = 11;

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("the checkpoint has format {found}, this program reads {FORMAT}: the job starts anew")]
    Format { found: u32 },
    #[error("the checkpoint is of another job, or of another version of its spec; start the job anew")]
    OtherSpec,
    #[error("the checkpoint cannot be used: {0}")]
    Weights(#[from] WeightsError),
    #[error("the checkpoint cannot be used: {0}")]
    Select(#[from] SelectError),
    #[error("cannot remove the old checkpoint `{file}`: {source}")]
    Remove { file: String, source: io::Error },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    spec: ResolvedSpec,
    book: Book,
    /// Of the selector or the training under way.
    stage: Option<Value>,
    /// Whether that is of parts which go through their passes together.
    together: bool,
    selected: Option<SelectedMeta>,
    own: Option<SelectedMeta>,
    has_model: bool,
    has_reference: bool,
    by_seed: Vec<SelectedMeta>,
    /// Pairs of each of the proof's differences.
    placed: Option<[u32; 3]>,
    /// Parts that are done before their turn.
    parts: Vec<(u32, SavedResult)>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SelectedMeta {
    note: SelectedNote,
    has_targets: bool,
    has_weights: bool,
    has_valid: bool,
    scores: Option<String>,
    losses: usize,
    has_policy: bool,
}

impl State {
    /// Writes `checkpoint-PASSES.safetensors` into the job's folder, removes all but the one before it, and returns its
    /// name. The name differs each time, so a reader of the last one is never handed a newer.
    pub fn save(&self, job: &Job) -> Result<String, CheckpointError> {
        let mut file = TensorFile::new();
        let stage = match &self.stage {
            None => None,
            Some(Stage::Selecting(selector)) => Some(selector.save("stage/", &mut file)?),
            Some(Stage::Racing(race)) => Some(race.save("stage/", &mut file)?),
            Some(Stage::Training(fit)) => Some(fit.save("stage/", &mut file)?),
            Some(Stage::Together(crew)) => Some(crew.save("stage/", &mut file)?),
        };
        let Outcome { selected, own, model, reference, by_seed, placed, parts } = &self.outcome;
        let selected = selected.as_ref().map(|selected| save_selected(selected, "selected/", &mut file));
        let own = own.as_ref().map(|own| save_selected(own, "own/", &mut file));
        for (prefix, weights) in [("model/", model), ("reference/", reference)] {
            if let Some(weights) = weights {
                file.put_all(prefix, weights);
            }
        }
        let save_seed =
            |(number, own): (usize, &Selected)| save_selected(own, &format!("by_seed/{number}/"), &mut file);
        let by_seed = by_seed.iter().enumerate().map(save_seed).collect();
        let placed = (!placed.full.is_empty()).then(|| save_placed(placed, &mut file));
        let save_part =
            |(number, part): (&u32, &PartResult)| (*number, part.save(&format!("parts/{number}/"), &mut file));
        let parts = parts.iter().map(save_part).collect();
        file.describe(&Document {
            format: FORMAT,
            spec: job.input.spec.clone(),
            book: self.book.clone(),
            stage,
            together: matches!(self.stage, Some(Stage::Together(_))),
            selected,
            own,
            has_model: model.is_some(),
            has_reference: reference.is_some(),
            by_seed,
            placed,
            parts,
        })?;
        let name = format!("checkpoint-{:08}.safetensors", self.book.spent.passes);
        file.write(&job.input.out_dir.join(&name))?;
        remove_older(job.input.out_dir, 2)?;
        Ok(name)
    }

    /// The state of a checkpoint of this job.
    pub fn load(job: &Job, path: &Path) -> Result<Self, CheckpointError> {
        let file = TensorFile::read(path)?;
        let Header { format } = file.description()?;
        if format != FORMAT {
            return Err(CheckpointError::Format { found: format });
        }
        let document: Document = file.description()?;
        if document.spec != *job.input.spec {
            return Err(CheckpointError::OtherSpec);
        }
        // The attempt before may have ended before anyone heard what it announced, so it is announced again.
        let book = Book { announced: None, ..document.book };
        let load_stage = |state| match document.together {
            true => Ok(Stage::Together(Crew::load(job, "stage/", &file, state)?)),
            false => load_stage(job, &book, &file, state),
        };
        let stage = document.stage.map(load_stage).transpose()?;
        let part = |(number, saved)| {
            Ok::<_, WeightsError>((number, PartResult::load(saved, &format!("parts/{number}/"), &file)?))
        };
        let seed = |(number, meta)| load_selected(meta, &format!("by_seed/{number}/"), &file);
        let outcome = Outcome {
            selected: document.selected.map(|meta| load_selected(meta, "selected/", &file)).transpose()?,
            own: document.own.map(|meta| load_selected(meta, "own/", &file)).transpose()?,
            model: document.has_model.then(|| file.below("model/")),
            reference: document.has_reference.then(|| file.below("reference/")),
            by_seed: document.by_seed.into_iter().enumerate().map(seed).collect::<Result<_, _>>()?,
            placed: document.placed.map_or_else(|| Ok(Placed::default()), |pairs| load_placed(pairs, &file))?,
            parts: document.parts.into_iter().map(part).collect::<Result<_, _>>()?,
        };
        Ok(Self { book, stage, outcome })
    }
}

fn load_stage(job: &Job, book: &Book, file: &TensorFile, state: Value) -> Result<Stage, CheckpointError> {
    let task = job.task(book.part.map_or(book.task, |part| part.task));
    if task == Task::Export {
        return Err(WeightsError::Missing("stage of an export".to_owned()).into());
    }
    let Work { context, kind } = job.prepare(task)?;
    Ok(match kind {
        WorkKind::Select => {
            let mut selector = make_selector(&context);
            selector.load(&context, "stage/", file, state)?;
            Stage::Selecting(selector)
        }
        WorkKind::Train(training) => {
            let (spec, options) = (job.input.spec, training.fit_options(&context));
            let Some(options) = find_fit_options(spec, &book.tuned, task, options) else {
                let (_, grid) = Tunee::of(task, spec).expect("a task without a tunee has its options");
                let track = Track::new(context.engine, &context.config, context.data, context.threads);
                let entrants = Entrant::of_grid(&grid, options, context.key(Role::Evaluate, 0), Treatment::default());
                return Ok(Stage::Racing(Box::new(Race::load(&track, &entrants, "stage/", file, state)?)));
            };
            let fit = Fit::load(context.engine, &context.config, options, "stage/", file, state)?;
            Stage::Training(Box::new(fit))
        }
    })
}

fn save_placed(placed: &Placed, file: &mut TensorFile) -> [u32; 3] {
    let Placed { full, denoised, differences } = placed;
    for (name, values) in [("full", full), ("denoised", denoised)] {
        file.put_values(format!("placed/{name}"), &[values.len()], values);
    }
    differences.each().map(|(over, differences)| {
        let sums = &differences.sums;
        file.put_values(format!("placed/over_{}", over.as_str()), &[sums.len()], sums);
        differences.pairs
    })
}

fn load_placed([full, random, untuned]: [u32; 3], file: &TensorFile) -> Result<Placed, WeightsError> {
    let values = |name: &str| file.floats(&format!("placed/{name}")).map(<[f32]>::to_vec);
    Ok(Placed {
        full: values("full")?,
        denoised: values("denoised")?,
        differences: Differences {
            over_full: RowDifferences { sums: values("over_full")?, pairs: full },
            over_random: RowDifferences { sums: values("over_random")?, pairs: random },
            over_untuned: RowDifferences { sums: values("over_untuned")?, pairs: untuned },
        },
    })
}

pub(super) fn save_selected(selected: &Selected, prefix: &str, file: &mut TensorFile) -> SelectedMeta {
    file.put_positions(format!("{prefix}kept"), &selected.kept);
    for (name, values) in [("targets", &selected.targets), ("weights", &selected.weights)] {
        if let Some(values) = values {
            file.put_values(format!("{prefix}{name}"), &[values.len()], values);
        }
    }
    file.put_positions(format!("{prefix}left_out"), &selected.left_out);
    if let Some(valid) = &selected.valid {
        file.put_positions(format!("{prefix}valid"), valid);
    }
    if let Some(scores) = &selected.scores {
        file.put_values(format!("{prefix}scores"), &[scores.values.len()], &scores.values);
    }
    for (number, losses) in selected.losses.iter().enumerate() {
        file.put_values(format!("{prefix}losses/{number}"), &[losses.len()], losses);
    }
    if let Some(policy) = &selected.policy {
        file.put_all(&format!("{prefix}policy/"), policy);
    }
    SelectedMeta {
        note: selected.note.clone(),
        has_targets: selected.targets.is_some(),
        has_weights: selected.weights.is_some(),
        has_valid: selected.valid.is_some(),
        scores: selected.scores.as_ref().map(|scores| scores.name.clone()),
        losses: selected.losses.len(),
        has_policy: selected.policy.is_some(),
    }
}

pub(super) fn load_selected(meta: SelectedMeta, prefix: &str, file: &TensorFile) -> Result<Selected, WeightsError> {
    let values = |tensor: String| file.floats(&tensor).map(<[f32]>::to_vec);
    let scores =
        meta.scores.map(|name| Ok::<_, WeightsError>(Scores { name, values: values(format!("{prefix}scores"))? }));
    let losses = (0..meta.losses).map(|number| values(format!("{prefix}losses/{number}")));
    Ok(Selected {
        kept: file.positions(&format!("{prefix}kept"))?,
        targets: meta.has_targets.then(|| values(format!("{prefix}targets"))).transpose()?,
        weights: meta.has_weights.then(|| values(format!("{prefix}weights"))).transpose()?,
        valid: meta.has_valid.then(|| file.positions(&format!("{prefix}valid"))).transpose()?,
        left_out: file.positions(&format!("{prefix}left_out"))?,
        scores: scores.transpose()?,
        losses: losses.collect::<Result<_, _>>()?,
        policy: meta.has_policy.then(|| file.below(&format!("{prefix}policy/"))),
        note: meta.note,
    })
}

/// Removes all checkpoints of the folder but the newest `keep`.
fn remove_older(folder: &Path, keep: usize) -> Result<(), CheckpointError> {
    let failed = |file: &Path, source| CheckpointError::Remove { file: file.display().to_string(), source };
    let found = list_checkpoints(folder).map_err(|source| failed(folder, source))?;
    for old in found.iter().rev().skip(keep) {
        std::fs::remove_file(old).map_err(|source| failed(old, source))?;
    }
    Ok(())
}

/// The last checkpoint that a job wrote into its folder; none where it wrote none, or there is no such folder.
pub fn newest_checkpoint(folder: &Path) -> io::Result<Option<PathBuf>> {
    match list_checkpoints(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => Ok(found?.pop()),
    }
}

/// The checkpoints in a folder, the newest last.
fn list_checkpoints(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("checkpoint-") && name.ends_with(".safetensors")
        })
        .collect();
    found.sort();
    Ok(found)
}
