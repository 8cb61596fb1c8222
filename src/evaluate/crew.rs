//! Parts of a proof that go through their passes together, as they stand between two passes: the trainings of all arms and seeds,
//! and the races for their settings.

use super::job::{Job, Work, WorkKind};
use super::part::{PartId, Setting};
use crate::backbone::{Fit, FitOptions, TensorFile, Track, WeightsError};
use crate::selection::{Context, Entrant, Race, Role, SelectError, Selected, Treatment};
use crate::types::TuningGrid;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The parts under way, in the order in which they joined.
#[derive(Default)]
pub(super) struct Crew {
    pub members: Vec<Member>,
}

pub(super) struct Member {
    pub id: PartId,
    pub setting: Setting,
    pub effort: Effort,
    pub seconds: f64,
    /// The rows of a random arm, which take a draw of all rows to find: kept from pass to pass.
    pub drawn: Option<Box<Selected>>,
}

/// What a part does.
pub(super) enum Effort {
    Race(Box<Race>),
    Train(Box<Fit>),
}

#[derive(Serialize, Deserialize)]
struct Saved {
    id: PartId,
    setting: Setting,
    seconds: f64,
    state: Value,
}

impl Effort {
    /// Models that the next pass trains.
    pub fn runners(&self) -> usize {
        match self {
            Self::Race(race) => race.runners(),
            Self::Train(_) => 1,
        }
    }
}

impl Crew {
    /// Models that the next pass trains.
    pub fn runners(&self) -> usize {
        self.members.iter().map(|member| member.effort.runners()).sum()
    }

    pub fn has(&self, id: PartId) -> bool {
        self.members.iter().any(|member| member.id == id)
    }

    /// Whether a race is under way.
    pub fn races(&self) -> bool {
        self.members.iter().any(|member| member.id.races)
    }

    /// Passes made so far of a part that is under way, of all its models.
    pub fn passes_of(&self, id: PartId) -> Option<u64> {
        let member = self.members.iter().find(|member| member.id == id)?;
        Some(match &member.effort {
            Effort::Race(race) => race.standings().iter().map(|standing| u64::from(standing.passes)).sum(),
            Effort::Train(fit) => u64::from(fit.passes()),
        })
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        let mut saved = Vec::with_capacity(self.members.len());
        for Member { id, setting, effort, seconds, .. } in &self.members {
            let prefix = format!("{prefix}{}/", id.number());
            let state = match effort {
                Effort::Race(race) => race.save(&prefix, file)?,
                Effort::Train(fit) => fit.save(&prefix, file)?,
            };
            saved.push(Saved { id: *id, setting: setting.clone(), seconds: *seconds, state });
        }
        Ok(serde_json::to_value(saved)?)
    }

    /// Takes up what `save` left of the same job.
    pub fn load(job: &Job, prefix: &str, file: &TensorFile, state: Value) -> Result<Self, SelectError> {
        let saved: Vec<Saved> = serde_json::from_value(state).map_err(WeightsError::from)?;
        let mut members = Vec::with_capacity(saved.len());
        for Saved { id, setting, seconds, state } in saved {
            let prefix = format!("{prefix}{}/", id.number());
            let Work { context, kind } = job.prepare(job.task(id.task))?;
            let WorkKind::Train(training) = kind else { unreachable!("a backbone is trained") };
            let options = training.fit_options(&context);
            let effort = match &setting {
                Setting::Raced(grid) => {
                    let track = Track::new(context.engine, &context.config, context.data, context.threads);
                    let entrants = list_entrants(grid, options, &context);
                    Effort::Race(Box::new(Race::load(&track, &entrants, &prefix, file, state)?))
                }
                _ => {
                    let options = setting.fit_options(options);
                    let fit = Fit::load(context.engine, &context.config, options, &prefix, file, state)?;
                    Effort::Train(Box::new(fit))
                }
            };
            members.push(Member { id, setting, effort, seconds, drawn: None });
        }
        Ok(Self { members })
    }
}

/// Those who race for a setting; how their rows are treated is said pass by pass.
pub(super) fn list_entrants(grid: &TuningGrid, options: FitOptions, context: &Context) -> Vec<Entrant<'static>> {
    Entrant::of_grid(grid, options, context.key(Role::Evaluate, 0), Treatment::default())
}
