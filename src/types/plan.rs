//! What a job would take and could show, before any of it is computed.

use super::{BackboneKind, MethodName, Preset, ResolvedMethod, ResolvedSpec, SplitCounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// With nothing left to a default: what would run.
    pub spec: ResolvedSpec,
    pub rows: SplitCounts,
    /// Models trained to early stopping, the proof's included.
    pub trainings: u64,
    /// Passes over the training rows in all.
    pub passes: u64,
    /// How often the test labels would be read.
    pub test_reads: u64,
    /// Most memory of the trainer, roughly.
    pub memory_bytes: u64,
    pub seconds: Estimate,
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

impl ResolvedMethod {
    /// Passes (and other steps) in which the method chooses its rows, where a training to early stopping takes `training`.
    pub fn selection_passes(&self, training: u64) -> u64 {
        let options = &self.options;
        let warmup = u64::from(options.warmup_epochs) * u64::from(options.warmup_passes_per_row);
        match self.name {
            // Values and the search, the history, directions, and six candidates with three judges each.
            MethodName::Autodenoise if self.preset == Preset::Robust => {
                let own = self.baseline();
                20 + 2 * u64::from(own.rounds * own.folds) * training / 2 + (1 + 18) * training
            }
            MethodName::Autodenoise | MethodName::AutodenoiseV => warmup + u64::from(options.epochs) * (1 + training),
            MethodName::RandomDrop if self.baseline().tries > 1 => u64::from(self.baseline().tries) * training,
            MethodName::LossDrop => warmup,
            MethodName::ConfidentLearning => u64::from(self.baseline().folds) * training,
            MethodName::None | MethodName::TCe | MethodName::RCe => 0,
            _ => 1,
        }
    }

    /// Models the method trains to early stopping to choose its rows.
    fn selection_trainings(&self) -> u64 {
        match self.name {
            MethodName::Autodenoise if self.preset == Preset::Robust => {
                let own = self.baseline();
                28 + 2 * u64::from(own.rounds * own.folds)
            }
            MethodName::Autodenoise | MethodName::AutodenoiseV => u64::from(self.options.epochs),
            MethodName::RandomDrop if self.baseline().tries > 1 => u64::from(self.baseline().tries),
            MethodName::ConfidentLearning => u64::from(self.baseline().folds),
            _ => 0,
        }
    }
}

impl ResolvedSpec {
    /// Models trained, passes over the training rows, and readings of the test labels, where a training takes so many passes.
    pub fn work(&self, training: u64) -> (u64, u64, u64) {
        let seeds = u64::from(self.seeds);
        let backbones = 1 + self.transfer.len() as u64;
        let methods = self.contenders();
        let of_methods = |of: &dyn Fn(&ResolvedMethod) -> u64| methods.iter().map(|method| of(method)).sum::<u64>();
        let table = seeds * backbones * methods.len() as u64;
        let proof = self.certify.map_or(0, |certify| 3 * u64::from(certify.seeds) * backbones);
        let checks = u64::from(self.self_check.is_some());
        let trainings = seeds * of_methods(&ResolvedMethod::selection_trainings)
            + checks * self.method.selection_trainings()
            + table
            + proof;
        let selecting = |method: &ResolvedMethod| method.selection_passes(training);
        let passes = seeds * of_methods(&selecting) + checks * selecting(&self.method) + (table + proof) * training;
        (trainings, passes, table + proof)
    }
}

impl BackboneKind {
    /// Nanoseconds that a training pass takes for each cell of the table (rows x fields), on two cores of x86-64: measured
    /// on MovieLens-1M (`docs/measurements.md`), good to a factor of three elsewhere.
    pub fn nanoseconds_per_cell(self) -> f64 {
        let seconds = match self {
            Self::Fm | Self::Ipnn => 0.1,
            Self::WideDeep | Self::Dcn | Self::DeepFm => 0.2,
            Self::Lr | Self::Fnn | Self::Ncf | Self::Ffm => 1.0,
            Self::Hofm | Self::Fnfm | Self::Nfm | Self::FinalMlp | Self::Afm | Self::Opnn => 2.0,
            Self::DcnV2 | Self::MaskNet | Self::Gdcn => 5.0,
            Self::XDeepFm => 15.0,
            Self::AutoInt => 52.0,
            Self::Afn => 1200.0,
        };
        seconds / (800_167.0 * 8.0) * 1e9
    }
}
