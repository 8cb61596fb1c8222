//! The proof of a verdict by models that are trained outside of the program: what each of their trainings is of, and what
//! their predictions come to. The tests, seeds and arms are those of the program's own students, but for the arm of untuned
//! ones: tuning is the business of whoever trains.

use super::clusters::RowClusters;
use super::parts::{list_parts, read_parts};
use super::proof::{ARMS, Placed, Proven, Trial, treat_random_rows};
use super::relabelling::Relabelling;
use super::trusted::{Trusted, TrustedError, recalibration};
use super::verdict::{certify_gains, give_verdicts, list_certified_arms};
use crate::backbone::FitError;
use crate::ingest::{Dataset, ReadColumn, RowChanges, RowMark};
use crate::metrics::of_logits;
use crate::selection::{SealedTest, Selected};
use crate::types::{Arm, Certification, CertifiedRun, Certify, JudgedRows, KeptShare, ResolvedSpec, Split, TestRead};
use serde::{Deserialize, Serialize};

/// Probabilities nearer to 0 or 1 count as this near: their log-odds are finite.
const NEAREST: f64 = 1e-15;

/// A training of the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideRun {
    pub arm: Arm,
    pub seed: u64,
}

/// What a model predicts: the probability of label 1, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// `[n]` of the test rows.
    pub test: Vec<f64>,
    /// `[n]` of the validation rows; without them log-loss is judged as it is.
    pub valid: Option<Vec<f64>>,
    /// Of the training, where they are known.
    pub seconds: Option<f64>,
}

/// Why the predictions of a training are no part of a proof.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    #[error(transparent)]
    Reading(#[from] FitError),
    /// A proof weighs how far models of several seeds differ. Of models that are one it would say that they never do, and be
    /// surer of a gain than it can be.
    #[error(
        "the models of seeds {first} and {second} ({}) are the same: their predictions agree in every test row, so the training \
         does not use the seed, and nothing tells how much of a gain is chance. Let the seed decide all that is random in the \
         training: the initial weights, the order of the rows. Where nothing is random, draw the training rows with the seed, as \
         many as there are, with replacement",
        match .arm { Arm::Denoised => "kept rows", _ => "all rows" }
    )]
    SeedIgnored { arm: Arm, first: u64, second: u64 },
}

/// All trainings of a proof that is `asked` for, in the order that they are judged in. `seed` is the job's, the first.
pub fn list_outside_runs(seed: u64, asked: &Certify) -> Vec<OutsideRun> {
    let arms = || ARMS.into_iter().filter(|arm| *arm != Arm::Untuned);
    (0..u64::from(asked.seeds)).flat_map(|n| arms().map(move |arm| OutsideRun { arm, seed: seed + n })).collect()
}

/// Whether models trained on what a method chose differ from those trained on all rows as they are. Else there is nothing to
/// train for a proof.
pub fn changes_rows(dataset: &Dataset, own: &Selected) -> bool {
    !own.treatment().is_none(dataset.split(Split::Train).labels)
}

/// Hands `write` what becomes of the table's rows where only those that a run trains on are to stay. `own` is what the job's
/// method chose.
pub fn with_arm_rows<T>(dataset: &Dataset, own: &Selected, run: OutsideRun, write: impl FnOnce(RowChanges) -> T) -> T {
    let train = dataset.split(Split::Train);
    let drawn;
    let selected = match run.arm {
        Arm::Denoised => Some(own),
        Arm::Random => {
            drawn = treat_random_rows(train.labels, own, run.seed);
            Some(&drawn)
        }
        Arm::Full | Arm::Untuned => None,
    };
    let is_kept = |row: usize| selected.is_none_or(|own| own.kept.binary_search(&(row as u32)).is_ok());
    let dropped = |position: u32| !train.rows.binary_search(&position).is_ok_and(is_kept);
    let relabelling = Relabelling::new(dataset, train.labels, selected);
    let mark = relabelling.as_ref().map(|relabelling| |position| relabelling.mark_at(position));
    let marks = mark.as_ref().map(|mark| mark as &dyn Fn(u32) -> RowMark);
    write(RowChanges { dropped: &dropped, marks })
}

/// The proof: it takes in the predictions of each run, and then gives the verdict.
pub struct OutsideProof<'a> {
    dataset: &'a Dataset,
    spec: &'a ResolvedSpec,
    asked: &'a Certify,
    trusted: Option<Trusted>,
    test: SealedTest<'a>,
    clusters: Option<RowClusters>,
    judged: JudgedRows,
    placed: Placed,
    proven: Vec<Proven>,
    /// What the first model of each arm predicts whose rows are the same with every seed.
    first: Vec<(OutsideRun, Vec<f64>)>,
}

impl<'a> OutsideProof<'a> {
    /// Of a job on the dataset. `asked` is what it is to show, which its spec may not say.
    pub fn new(
        dataset: &'a Dataset,
        spec: &'a ResolvedSpec,
        asked: &'a Certify,
        read_column: &ReadColumn,
    ) -> Result<Self, TrustedError> {
        let rule = asked.trusted.as_ref();
        let trusted = rule.map(|rule| Trusted::find(dataset, rule, read_column)).transpose()?;
        let counted = trusted.as_ref().map(|trusted| &trusted.test[..]);
        let tested = dataset.len(Split::Test);
        Ok(Self {
            dataset,
            spec,
            asked,
            clusters: RowClusters::new(dataset, counted, asked.cluster.as_deref()),
            judged: JudgedRows {
                trusted: asked.trusted.clone(),
                rows: KeptShare { rows: counted.map_or(tested, <[u32]>::len) as u64, of: tested as u64 },
            },
            test: SealedTest::new(dataset, counted.map(<[u32]>::to_vec)),
            trusted,
            placed: Placed::default(),
            proven: Vec::new(),
            first: Vec::new(),
        })
    }

    /// Takes in what the model of a run predicts. Runs come in the order of [`list_outside_runs`].
    pub fn add(&mut self, run: OutsideRun, predictions: &Predictions) -> Result<(), OutsideError> {
        self.check_seed(run, &predictions.test)?;
        Ok(self.take_in(run, predictions)?)
    }

    fn take_in(&mut self, run: OutsideRun, predictions: &Predictions) -> Result<(), FitError> {
        let options = &self.spec.method.options;
        let reading = self.test.read_logits(to_logits(&predictions.test), options)?;
        let labels = self.dataset.split(Split::Valid).labels;
        let valid = predictions.valid.as_deref().map(to_logits);
        let recalibrated = valid.as_ref().map(|logits| {
            let recalibration = recalibration(self.trusted.as_ref(), None, logits, labels);
            self.test.recalibrated_logloss(&reading, recalibration, options)
        });
        let valid = valid.map(|logits| of_logits(labels, &logits, options.auc_on, options.logloss_eps));
        let trusted = self.trusted.as_ref().map(|trusted| &trusted.test[..]);
        // Which test rows lie in what was found is not among a job's results: they are not read apart.
        let parts = list_parts(self.dataset, trusted, &[]);
        let parts = read_parts(&self.test, &reading, &parts, options)?;
        let certified = CertifiedRun {
            seed: run.seed,
            passes: None,
            best_pass: None,
            valid: valid.transpose()?,
            test: reading.metrics,
            parts,
            logloss_recalibrated: recalibrated.transpose()?,
            calibration: reading.calibration,
            seconds: predictions.seconds,
        };
        self.proven.push(Proven { trainee: 0, arm: run.arm, run: certified });
        let number = (run.seed - self.spec.seed) as u32;
        self.placed.add(Trial { trainee: 0, number, arm: run.arm }, reading);
        Ok(())
    }

    /// An error where a model on the same rows predicts what that of another seed does.
    fn check_seed(&mut self, run: OutsideRun, test: &[f64]) -> Result<(), OutsideError> {
        // Each seed has other random rows.
        if run.arm == Arm::Random {
            return Ok(());
        }
        match self.first.iter().find(|(first, _)| first.arm == run.arm) {
            Some((first, same)) if same == test => {
                Err(OutsideError::SeedIgnored { arm: run.arm, first: first.seed, second: run.seed })
            }
            Some(_) => Ok(()),
            None => {
                self.first.push((run, test.to_vec()));
                Ok(())
            }
        }
    }

    /// How often the test labels were read.
    pub fn reads(&self) -> u64 {
        self.test.reads()
    }

    /// The verdict, once all runs are in. `judged_by` says whose models they were, `kept` how many training rows the method
    /// kept, and `earlier_reads` how many verdicts there were on these test rows before.
    pub fn certify(self, judged_by: String, kept: KeptShare, earlier_reads: u32) -> Certification {
        let row_parts = self.placed.differences.row_parts(0, &self.test, self.clusters.as_ref());
        let row_errors = |over| {
            let part = row_parts.iter().find(|part| part.over == over);
            part.map(|part| part.errors).unwrap_or_default()
        };
        let rows = |arm| if arm == Arm::Full { kept.of } else { kept.rows };
        let arms = list_certified_arms(&self.proven, 0, &rows, &|_| None);
        let read = TestRead::new(earlier_reads.saturating_add(1), self.asked.alpha);
        let mut own = Certification {
            judged_by: Some(judged_by),
            clusters: self.clusters.map(|by| by.clusters),
            judged: Some(self.judged),
            ..certify_gains(self.asked, read, self.spec.method.backbone, arms, &row_errors)
        };
        give_verdicts(&mut own, &mut []);
        own
    }
}

/// Log-odds of probabilities.
fn to_logits(probabilities: &[f64]) -> Vec<f32> {
    let logit = |p: &f64| {
        let p = p.clamp(NEAREST, 1.0 - NEAREST);
        (p / (1.0 - p)).ln() as f32
    };
    probabilities.iter().map(logit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::sigmoid;

    #[test]
    fn log_odds_are_finite_and_keep_the_order_of_probabilities() {
        let probabilities = [0.0, 1e-12, 1e-3, 0.25, 0.5, 0.999, 1.0];
        let logits = to_logits(&probabilities);
        assert!(logits.iter().all(|z| z.is_finite()) && logits.is_sorted_by(|a, b| a < b), "{logits:?}");
        for (p, z) in probabilities.iter().zip(logits) {
            assert!((f64::from(sigmoid(z)) - p).abs() < 1e-6, "{p}: {z}");
        }
    }
}
