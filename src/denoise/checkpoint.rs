//! The state of a run in one safetensors file: tensors by name, all else as JSON in the header. Written whole or not at
//! all, so that a killed trainer always leaves a usable one behind.

use super::run::{At, Best, Book, Run, Trained, TrainedMeta};
use crate::backbone::{Fit, FitError, FitOptions, TensorFile, WeightsError};
use crate::types::ResolvedSpec;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::Tensor;

/// A change of what is saved changes this number.
const FORMAT: u32 = 2;

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("the checkpoint has format {found}, this program reads {FORMAT}; start the job anew")]
    Format { found: u32 },
    #[error("the checkpoint is of another job, or of another version of its spec; start the job anew")]
    OtherSpec,
    #[error("the checkpoint cannot be used: {0}")]
    Weights(#[from] WeightsError),
    #[error("the checkpoint cannot be used: {0}")]
    Fit(#[from] FitError),
    #[error("cannot remove the old checkpoint `{file}`: {source}")]
    Remove { file: String, source: std::io::Error },
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    spec: ResolvedSpec,
    book: Book,
    fit: Option<serde_json::Value>,
    best: Option<BestMeta>,
    full: Option<TrainedMeta>,
}

#[derive(Serialize, Deserialize)]
struct BestMeta {
    epoch: u32,
    score: f64,
    trained: TrainedMeta,
}

impl Run<'_> {
    /// Writes `checkpoint-PASSES.safetensors` into the run's folder, removes all but the one before it, and returns its
    /// name. The name differs each time, so a reader of the last one is never handed a newer.
    pub fn save_checkpoint(&self) -> Result<String, CheckpointError> {
        let mut file = TensorFile::new();
        let fit = self.fit.as_ref().map(|fit| fit.save("fit/", &mut file)).transpose()?;
        if self.searches() {
            file.put_all("policy/model/", &self.policy.weights());
            file.put_all("policy/optimizer/", &self.policy.optimizer_state());
            self.history.save("history/", &mut file);
        }
        if let Some(subset) = &self.subset {
            file.put("subset", &positions(subset));
        }
        if let Some(best) = &self.best {
            file.put("best/kept", &positions(&best.kept));
            file.put_all("best/policy/", &best.policy);
            file.put_all("best/model/", &best.trained.model);
        }
        if let Some(full) = &self.full {
            file.put_all("full/model/", &full.model);
        }
        file.describe(&Document {
            format: FORMAT,
            spec: self.input.spec.clone(),
            book: self.book.clone(),
            fit,
            best: self.best.as_ref().map(|best| BestMeta {
                epoch: best.epoch,
                score: best.score,
                trained: best.trained.meta.clone(),
            }),
            full: self.full.as_ref().map(|full| full.meta.clone()),
        })?;
        let name = format!("checkpoint-{:08}.safetensors", self.book.spent.passes);
        file.write(&self.input.out_dir.join(&name))?;
        remove_older(self.input.out_dir, 2)?;
        Ok(name)
    }

    /// Whether the policy and the loss history are still needed.
    fn searches(&self) -> bool {
        !matches!(self.book.at, At::Evaluate | At::Export | At::Done)
    }

    /// Takes up the state of a checkpoint of the same job.
    pub fn resume(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let file = TensorFile::read(path)?;
        let document: Document = file.description()?;
        if document.format != FORMAT {
            return Err(CheckpointError::Format { found: document.format });
        }
        if document.spec != *self.input.spec {
            return Err(CheckpointError::OtherSpec);
        }
        self.book.at = document.book.at;
        if self.searches() {
            self.policy.load_weights(&file.below("policy/model/"))?;
            self.policy.load_optimizer_state(&file.below("policy/optimizer/"))?;
            self.history.load("history/", &file)?;
        }
        let options = &self.input.spec.method.options;
        self.fit = document
            .fit
            .map(|state| {
                let options = match document.book.at {
                    At::Warmup { .. } => FitOptions::warmup(options),
                    _ => FitOptions::retrain(options),
                };
                Fit::load(self.input.engine, &self.config, options, "fit/", &file, state)
            })
            .transpose()?;
        let validating = matches!(document.book.at, At::Validate { .. }) && self.fit.is_some();
        self.subset = validating.then(|| file.get("subset").map(from_positions)).transpose()?;
        self.best = document
            .best
            .map(|best| {
                Ok::<_, WeightsError>(Best {
                    epoch: best.epoch,
                    score: best.score,
                    kept: from_positions(file.get("best/kept")?),
                    policy: file.below("best/policy/"),
                    trained: Trained { meta: best.trained, model: file.below("best/model/") },
                })
            })
            .transpose()?;
        self.full = document.full.map(|meta| Trained { meta, model: file.below("full/model/") });
        self.book = document.book;
        self.test.resume(self.book.test_reads);
        Ok(())
    }
}

fn positions(rows: &[u32]) -> Tensor {
    Tensor::from_slice(&rows.iter().map(|row| *row as i32).collect::<Vec<_>>())
}

fn from_positions(tensor: &Tensor) -> Vec<u32> {
    let mut rows = vec![0_i32; tensor.numel()];
    tensor.copy_data(&mut rows, tensor.numel());
    rows.into_iter().map(|row| row as u32).collect()
}

/// Removes all checkpoints of the folder but the newest `keep`.
fn remove_older(folder: &Path, keep: usize) -> Result<(), CheckpointError> {
    let failed = |file: &Path, source| CheckpointError::Remove { file: file.display().to_string(), source };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|source| failed(folder, source))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("checkpoint-") && name.ends_with(".safetensors")
        })
        .collect();
    found.sort();
    for old in found.iter().rev().skip(keep) {
        std::fs::remove_file(old).map_err(|source| failed(old, source))?;
    }
    Ok(())
}
