//! A part of a job: a training, or the race for its setting. It needs the table, the spec and the rows that were chosen, and
//! nothing that another part comes to, so that any process may do it: every random number is keyed by what it is for, and what
//! comes of a part is the same wherever it is done.

use super::proof::{Trial, treat_random_rows};
use super::tasks::Task;
use super::training::Training;
use crate::backbone::{Chosen, Fit, FitOptions, TensorFile, WeightsError};
use crate::selection::{Selected, Standing, Treatment};
use crate::types::{Arm, EpochRow, TuningGrid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// Names a part in its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct PartId {
    /// Number of the task that trains the model.
    pub task: usize,
    /// Whether the part is the race for that training's setting.
    pub races: bool,
}

impl PartId {
    /// The training of a task.
    pub fn training(task: usize) -> Self {
        Self { task, races: false }
    }

    /// The race for a task's setting.
    pub fn race(task: usize) -> Self {
        Self { task, races: true }
    }

    /// The number that those know it by who hand parts round.
    pub fn number(self) -> u32 {
        2 * self.task as u32 + u32::from(!self.races)
    }

    pub fn of_number(number: u32) -> Self {
        Self { task: (number / 2) as usize, races: number.is_multiple_of(2) }
    }
}

/// What a model is trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Setting {
    /// It is still to be chosen from this grid: the part is the race for it.
    Raced(TuningGrid),
    Tuned {
        weight_decay: f64,
        patience: u32,
    },
    /// The options of the method as they are.
    AsGiven,
}

impl Setting {
    /// The options of a training. `given` are the method's.
    pub fn fit_options(&self, given: FitOptions) -> FitOptions {
        match self {
            Self::Tuned { weight_decay, patience } => given.tuned(*weight_decay, *patience),
            Self::Raced(_) | Self::AsGiven => given,
        }
    }
}

/// What a process is told that does a part, beside the job's spec and table and the rows chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PartOrder {
    pub task: Task,
    pub setting: Setting,
}

impl PartOrder {
    pub fn read(order: &Value) -> Result<Self, WeightsError> {
        Ok(Self::deserialize(order)?)
    }
}

/// The rows of a training as they are treated.
pub(super) enum PartRows<'c> {
    /// All, as they are.
    All,
    Chosen(&'c Selected),
    Made(Box<Selected>),
}

impl<'c> PartRows<'c> {
    /// Of a task with this seed, from what its method chose.
    pub fn new(task: Task, training: &Training, labels: &[u8], chosen: Option<&'c Selected>, seed: u64) -> Self {
        match (task, chosen) {
            (Task::Certify(Trial { arm: Arm::Denoised, .. }), Some(chosen)) => Self::Chosen(chosen),
            (Task::Certify(Trial { arm: Arm::Random, .. }), Some(chosen)) => {
                Self::Made(Box::new(treat_random_rows(labels, chosen, seed)))
            }
            // With a loss that chooses rows, every backbone is trained on all rows, whatever the first one chose.
            (Task::Train(..), Some(chosen)) if training.chooses_nothing() => Self::Chosen(chosen),
            _ => Self::All,
        }
    }

    pub fn treatment(&self) -> Treatment<'_> {
        match self {
            Self::All => Treatment::default(),
            Self::Chosen(selected) => selected.treatment(),
            Self::Made(selected) => selected.treatment(),
        }
    }
}

/// A race that is over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Raced {
    /// In the order of the grid.
    pub standings: Vec<Standing>,
    /// Number of the setting that won.
    pub leader: usize,
    /// What its training came to: the task's own, which need not be made again.
    pub trained: Trained,
    /// Of all.
    pub seconds: f64,
}

/// A training that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trained {
    pub passes: u32,
    pub chosen: Chosen,
    /// `[n]`: the model's logits of the test rows, which nothing has been judged by yet.
    pub test: Vec<f32>,
    /// `[n]` of the validation rows, of a training that the proof may rest on.
    pub valid: Option<Vec<f32>>,
    pub seconds: f64,
}

/// What a part came to in this process.
pub(super) struct Done {
    pub result: PartResult,
    /// It has the model that was trained.
    pub fit: Box<Fit>,
}

/// What a part came to, wherever it was done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PartResult {
    Raced(Raced),
    Trained(Trained),
    /// It failed out of its turn: it is done again when its turn comes, and fails where it would have without others' help.
    PutOff,
}

/// A result without its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum SavedResult {
    Raced { standings: Vec<Standing>, leader: usize, trained: SavedTrained, seconds: f64 },
    Trained(SavedTrained),
    PutOff,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedTrained {
    passes: u32,
    chosen: Chosen,
    has_valid: bool,
    seconds: f64,
}

impl Trained {
    fn save(&self, prefix: &str, file: &mut TensorFile) -> SavedTrained {
        let Self { passes, chosen, test, valid, seconds } = self;
        file.put_values(format!("{prefix}test"), &[test.len()], test);
        if let Some(valid) = valid {
            file.put_values(format!("{prefix}valid"), &[valid.len()], valid);
        }
        SavedTrained { passes: *passes, chosen: *chosen, has_valid: valid.is_some(), seconds: *seconds }
    }

    fn load(saved: SavedTrained, prefix: &str, file: &TensorFile) -> Result<Self, WeightsError> {
        let SavedTrained { passes, chosen, has_valid, seconds } = saved;
        let values = |name: &str| file.floats(&format!("{prefix}{name}")).map(<[f32]>::to_vec);
        let valid = has_valid.then(|| values("valid")).transpose()?;
        Ok(Self { passes, chosen, test: values("test")?, valid, seconds })
    }
}

impl PartResult {
    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> SavedResult {
        match self {
            Self::Raced(Raced { standings, leader, trained, seconds }) => SavedResult::Raced {
                standings: standings.clone(),
                leader: *leader,
                trained: trained.save(prefix, file),
                seconds: *seconds,
            },
            Self::Trained(trained) => SavedResult::Trained(trained.save(prefix, file)),
            Self::PutOff => SavedResult::PutOff,
        }
    }

    pub fn load(saved: SavedResult, prefix: &str, file: &TensorFile) -> Result<Self, WeightsError> {
        Ok(match saved {
            SavedResult::Raced { standings, leader, trained, seconds } => {
                Self::Raced(Raced { standings, leader, trained: Trained::load(trained, prefix, file)?, seconds })
            }
            SavedResult::Trained(trained) => Self::Trained(Trained::load(trained, prefix, file)?),
            SavedResult::PutOff => Self::PutOff,
        })
    }
}

/// A part that is done, as it travels between processes.
pub(super) struct PartFile {
    pub result: PartResult,
    /// The rows of metrics of its passes.
    pub rows: Vec<EpochRow>,
}

#[derive(Serialize, Deserialize)]
struct Description {
    result: SavedResult,
    rows: Vec<EpochRow>,
}

impl PartFile {
    pub fn write(&self, path: &Path) -> Result<(), WeightsError> {
        let mut file = TensorFile::new();
        let result = self.result.save("", &mut file);
        file.describe(&Description { result, rows: self.rows.clone() })?;
        file.write(path)
    }

    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let file = TensorFile::read(path)?;
        let Description { result, rows } = file.description()?;
        Ok(Self { result: PartResult::load(result, "", &file)?, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Metrics;

    #[test]
    fn a_part_is_known_by_its_number() {
        for id in [PartId::race(0), PartId::training(0), PartId::race(7), PartId::training(7)] {
            assert_eq!(PartId::of_number(id.number()), id);
        }
        assert!(PartId::race(3).number() < PartId::training(3).number(), "a setting is raced for before it is used");
    }

    #[test]
    fn what_came_of_a_part_travels_whole() {
        let folder = tempfile::tempdir().unwrap();
        let valid = Metrics { auc: Some(0.7), logloss: 0.4, clipped: 0 };
        let chosen = Chosen { pass: 3, valid };
        let trained =
            Trained { passes: 5, chosen, test: vec![0.1, -2.5], valid: Some(vec![f32::MIN_POSITIVE]), seconds: 1.5 };
        let standings = vec![Standing { passes: 4, score: 0.1 + 0.2, is_out: true }];
        let raced = Raced { standings, leader: 0, trained: trained.clone(), seconds: 0.1 };
        for result in [PartResult::Trained(trained), PartResult::Raced(raced), PartResult::PutOff] {
            let path = folder.path().join("part");
            PartFile { result: result.clone(), rows: Vec::new() }.write(&path).unwrap();
            assert_eq!(PartFile::read(&path).unwrap().result, result);
        }
    }
}
