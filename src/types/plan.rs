//! What a job would take and could show, before any of it is computed.

use super::{ResolvedSpec, SplitCounts, TestRead, TrainingPasses};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// With nothing left to a default: what would run.
    pub spec: ResolvedSpec,
    pub rows: SplitCounts,
    /// Models trained to early stopping, the proof's included; those that settings are tried on are not.
    pub trainings: u64,
    /// Passes over the training rows in all.
    pub passes: u64,
    /// How often the test labels would be read.
    pub test_reads: u64,
    /// Most memory of the trainer, roughly.
    pub memory_bytes: u64,
    pub seconds: Estimate,
    /// Where the job asks for a verdict: which one on the table's test rows it would be now, and what it may err by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test_read: Option<TestRead>,
    /// Where the job asks for a verdict: the smallest gain in AUC that its seeds and test rows would certify four times out of
    /// five. Absent where so few seeds never certify.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detectable_gain: Option<Estimate>,
}

/// A number that is not known yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    pub value: f64,
    /// What it rests on.
    pub basis: String,
}

impl ResolvedSpec {
    /// Models trained, passes over the training rows, and readings of the test labels, where trainings take so many passes.
    pub fn work(&self, training: TrainingPasses) -> (u64, u64, u64) {
        let seeds = u64::from(self.seeds);
        let backbones = 1 + self.transfer.len() as u64;
        let methods = self.contenders();
        let table = seeds * backbones * methods.len() as u64;
        // Of the four arms of a proof one is not tuned.
        let untuned = self.certify.as_ref().map_or(0, |certify| u64::from(certify.seeds) * backbones);
        let proof = 4 * untuned;
        let checks = u64::from(self.self_check.is_some());
        let reselected = self.reselected().map_or(0, |numbers| numbers.len() as u64);
        // The job's own method chooses once more for the self-check, and with further seeds where the verdict reruns it.
        let times = |number: usize| if number == 0 { seeds + checks + reselected } else { seeds };
        let costs = methods.iter().enumerate().map(|(number, method)| (times(number), method.cost(training)));
        let (trainings, passes) = costs.fold((0, 0), |(trainings, passes), (times, cost)| {
            (trainings + times * cost.trainings, passes + times * cost.passes)
        });
        // With the first seed a proof takes over the trainings of the table that are its own.
        let own = u64::from(methods[0].name().chooses_first());
        let of_reference = u64::from(self.reference().is_some());
        let first_seed = if self.certify.is_some() { backbones } else { 0 };
        let (tuned_once, untuned_once) = match self.tuning.grid() {
            Some(_) => (first_seed * (own + of_reference), 0),
            None => (0, first_seed * of_reference),
        };
        let trained = table + proof;
        // The training that wins a race is that of the table or of the proof.
        let of_race = self.tuning.grid().cloned().unwrap_or_default().passes(training.tuned) - training.tuned;
        let tuning = self.races() * of_race;
        let of_table = if self.tuning.grid().is_some() { training.tuned } else { training.fixed };
        let students = table * of_table
            + (proof - untuned - tuned_once) * training.tuned
            + (untuned - untuned_once) * training.fixed;
        (trainings + trained - tuned_once - untuned_once, passes + students + tuning, trained)
    }

    /// Times that a setting is chosen for the students of some rows.
    pub(super) fn races(&self) -> u64 {
        let backbones = 1 + self.transfer.len() as u64;
        let (lines, lines_of_proof) = match self.tuning.grid() {
            Some(_) => (self.contenders().len() as u64, 2),
            None => (0, 0),
        };
        let arms = if self.certify.is_some() { 3 - lines_of_proof } else { 0 };
        backbones * (lines + arms)
    }
}
