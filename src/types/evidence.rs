//! What makes a result worth believing: what a job may ask to have proven, and what the proof came to (`api.md`, "The
//! verdict").

use super::words::choice;
use super::{Arm, BackboneKind, DatasetFacts, FieldError, JobId, KeptShare, Metrics, RowRule, TestRead};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

choice!(
    /// What the test rows say of the rows kept.
    Verdict {
        /// A tuned model trained on the rows kept ranks better than one trained on all rows and better than one trained on as
        /// many rows at random, and its log-loss is no worse than allowed.
        Certified = "certified",
        /// It does not: the interval of the gain lies at or below the bound, or that of the log-loss above what is allowed.
        NotBetter = "not_better",
        /// The runs do not tell.
        Inconclusive = "inconclusive",
        /// Nobody asked.
        NotEvaluated = "not_evaluated",
    }
);

/// Asks for a verdict: tuned models of the rows kept, of all rows and of random rows treated alike, and models of all rows
/// that are not tuned, each trained with several seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Certify {
    /// Seeds of the evaluation: the job's and those after it. 2 to 20; fewer than log2(1 / own_alpha) cannot certify.
    pub seeds: u32,
    /// The most that all verdicts on the table's test rows may err by together, one-sided: the first has .641 of it, later ones
    /// less (see `TestRead`). Above 0, at most 0.5.
    pub alpha: f64,
    /// The gain in AUC must be above this.
    pub min_delta_auc: f64,
    /// Log-loss may rise by less than this for certain, once both models are recalibrated on validation rows. The default is
    /// about what the log-loss of one seed differs from another's by: a smaller margin would refuse for chance.
    pub max_delta_logloss: f64,
    /// Field whose values the test rows are clustered by, users for example: rows of one value are not independent. Absent: of
    /// the fields that are categories and of which the test rows have at least 30 values, the one with the most test rows a
    /// value; rows are taken to be independent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Test rows whose labels are known to be right, those of a panel for example: they alone count. A rule over a column of the
    /// table, which need be no field. Absent: all do, with the labels as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<RowRule>,
    /// Whether the method chooses its rows anew with each seed, so that the choice is part of what varies; else the choice with
    /// the job's seed is judged alone, whatever another seed would have chosen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reselect: bool,
}

impl Default for Certify {
    fn default() -> Self {
        Self {
            seeds: 5,
            alpha: 0.05,
            min_delta_auc: 0.0,
            max_delta_logloss: 0.002,
            cluster: None,
            trusted: None,
            reselect: false,
        }
    }
}

impl Certify {
    /// What is wrong with it, of a verdict on this dataset.
    pub fn faults(&self, dataset: &DatasetFacts) -> Vec<FieldError> {
        let mut errors = self.out_of_range();
        errors.extend(self.unsuitable(dataset));
        errors
    }

    /// What the dataset lacks.
    pub(super) fn unsuitable(&self, dataset: &DatasetFacts) -> Vec<FieldError> {
        let trusted = self.trusted.as_ref().map(|rule| &rule.field);
        let cluster = self.cluster.as_ref().and_then(|field| dataset.without_field(field));
        let trusted = trusted.and_then(|column| dataset.without_column(column));
        let faults = [("/certify/cluster", cluster), ("/certify/trusted", trusted)];
        faults.into_iter().filter_map(|(pointer, rule)| Some(FieldError::new(pointer, rule?))).collect()
    }

    pub(super) fn out_of_range(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |name: &str, holds: bool, rule: &str| {
            if !holds {
                errors.push(FieldError::new(format!("/certify/{name}"), rule));
            }
        };
        check("seeds", (2..=20).contains(&self.seeds), "from 2 to 20");
        check("alpha", self.alpha > 0.0 && self.alpha <= 0.5, "above 0 and at most 0.5");
        check("min_delta_auc", (0.0..1.0).contains(&self.min_delta_auc), "at least 0 and below 1");
        check("max_delta_logloss", (0.0..=100.0).contains(&self.max_delta_logloss), "from 0 to 100");
        errors
    }
}

/// Asks whether the method finds noise at all: labels are flipped on purpose, and the method is to drop those.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SelfCheck {
    /// Share of the training and validation labels flipped. Above 0, at most 0.4.
    pub planted_rate: f64,
}

impl Default for SelfCheck {
    fn default() -> Self {
        Self { planted_rate: 0.1 }
    }
}

impl SelfCheck {
    pub(super) fn out_of_range(&self) -> Option<FieldError> {
        let holds = self.planted_rate > 0.0 && self.planted_rate <= 0.4;
        (!holds).then(|| FieldError::new("/self_check/planted_rate", "above 0 and at most 0.4"))
    }
}

/// Noise put into labels on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Noise {
    /// Labels flipped at random.
    Flips { rate: f64 },
    /// A share of a field's values, users for example, whose labels are all drawn by a coin.
    RandomValues { field: String, share: f64 },
    /// A share of a field's values, items for example, whose labels are all inverted.
    InvertedValues { field: String, share: f64 },
}

/// How far predictions are from probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calibration {
    pub mean_prediction: f64,
    pub label_rate: f64,
    /// Expected calibration error: over ten bins of equal width, |mean prediction - label rate|, weighted by rows.
    pub expected_error: f64,
}

/// The verdict and all it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Certification {
    pub verdict: Verdict,
    /// The verdict in words, a reason each.
    pub reasons: Vec<String>,
    /// What to do, in a line; empty in reports of earlier versions.
    #[serde(default)]
    pub answer: String,
    /// Trained on the rows kept; where `judged_by` says whose models were, the one that the rows were chosen with.
    pub backbone: BackboneKind,
    /// Where the models were not trained by the program: the command that trained them, as it was typed, or what whoever
    /// handed in their predictions calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
    pub asked: Certify,
    /// Which verdict on its table's test rows it is, and what it may err by; absent in reports of earlier versions, which
    /// judged each at alpha.
    #[serde(default)]
    pub test_read: Option<TestRead>,
    /// The test rows whose labels the verdict holds on; absent in reports of earlier versions.
    #[serde(default)]
    pub judged: Option<JudgedRows>,
    /// Where parts of the test rows were read too: what denoising gains on all of them and on each part. The verdict is about
    /// those that are trusted where a rule trusts some, else about all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readings: Vec<GainReading>,
    /// What the test rows were clustered by; absent where they were taken to be independent.
    #[serde(default)]
    pub clusters: Option<Clusters>,
    /// `untuned`, `full`, `denoised` and `random`; the first two alone where the method changed nothing. Models that were
    /// not trained by the program have no arm `untuned`, because tuning is their owner's.
    pub arms: Vec<CertifiedArm>,
    /// What denoising gains: over all rows, and over random rows treated alike. All models are tuned.
    pub gains: Vec<Gain>,
    /// What regularisation gains on all rows: tuned models over those with the method's options as they are. Absent in reports
    /// of earlier versions.
    #[serde(default)]
    pub regularisation: Option<Gain>,
    /// Mean increase of the log-loss over all rows, of predictions as they are, and its 95 % interval over seeds.
    pub delta_logloss: f64,
    pub delta_logloss_ci95: Option<[f64; 2]>,
    /// The increase that is judged. Absent where the method changed nothing, and in reports of earlier versions.
    #[serde(default)]
    pub logloss: Option<LoglossRise>,
}

/// Test rows that a verdict holds on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JudgedRows {
    /// The rule that trusts them; absent: the labels count as they are given.
    pub trusted: Option<RowRule>,
    /// Of all test rows.
    pub rows: KeptShare,
}

choice!(
    /// Test rows that models are read on. Their labels are as given in each case.
    TestRows {
        /// All of them.
        All = "all",
        /// Those that a rule trusts.
        Trusted = "trusted",
        /// Those that lie in nothing that the method found to be corrupt. It found that without test labels.
        OutsideFindings = "outside_findings",
    }
);

/// What denoising gains on some of the test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GainReading {
    pub on: TestRows,
    /// Of all test rows.
    pub rows: KeptShare,
    /// Over all rows, and over random rows treated alike. Empty where the rows have too few of a label.
    pub gains: Vec<ReadGain>,
}

impl GainReading {
    /// The gain over an arm.
    pub fn over(&self, arm: Arm) -> Option<&ReadGain> {
        self.gains.iter().find(|gain| gain.over == arm)
    }
}

/// AUC of the rows kept less that of another arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReadGain {
    pub over: Arm,
    pub mean: f64,
    /// The 95 % interval of the mean over seeds.
    pub ci95: [f64; 2],
}

/// What test rows that are not independent have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Clusters {
    pub field: String,
    /// Values that the test rows have; a value outside of the vocabulary is none, and its rows are clusters of their own.
    pub values: u64,
    /// Test rows of a value, on average.
    pub rows_per_value: f64,
    /// Whether the job named the field.
    pub named: bool,
}

/// Increase of the log-loss over all rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LoglossRise {
    /// Over seeds.
    pub mean: f64,
    /// It is above `lower` and below `upper`, each but for a chance of what the verdict may err by. What is allowed must not be below `upper`.
    pub lower: f64,
    pub upper: f64,
    /// Whether predictions were recalibrated on validation rows (Platt) before; else they count as they are.
    #[serde(default = "LoglossRise::default_recalibrated")]
    pub recalibrated: bool,
}

impl LoglossRise {
    /// Earlier versions always did.
    fn default_recalibrated() -> bool {
        true
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CertifiedArm {
    pub arm: Arm,
    /// Of the first seed, where each has its own.
    pub rows: u64,
    /// What its models were trained with; absent in reports of earlier versions.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    #[serde(default)]
    pub patience: Option<u32>,
    /// One a seed.
    pub runs: Vec<CertifiedRun>,
}

/// A model trained on an arm's rows, and tested once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CertifiedRun {
    pub seed: u64,
    /// Passes trained, and the one whose weights were used; counted from 1. Absent where the model is not the program's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_pass: Option<u32>,
    /// Absent where nobody said what the model predicts of the validation rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Metrics>,
    /// On all test rows, with the labels as given.
    pub test: Metrics,
    /// On parts of them, where some are read beside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<TestedPart>,
    /// Of predictions recalibrated on validation rows; absent without predictions of those, and in reports of earlier
    /// versions.
    #[serde(default)]
    pub logloss_recalibrated: Option<f64>,
    pub calibration: Calibration,
    /// Of the training; absent where it was done elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// How a model did on a part of the test rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TestedPart {
    pub on: TestRows,
    /// Of all test rows.
    pub rows: KeptShare,
    pub metrics: Metrics,
}

impl CertifiedRun {
    /// How it did on these test rows; none where they were not read.
    pub fn on(&self, rows: TestRows) -> Option<&Metrics> {
        match rows {
            TestRows::All => Some(&self.test),
            rows => self.parts.iter().find(|part| part.on == rows).map(|part| &part.metrics),
        }
    }
}

/// AUC of an arm less that of another, seed by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Gain {
    pub over: Arm,
    /// One a seed.
    pub deltas: Vec<f64>,
    pub mean: f64,
    /// The 95 % interval of the mean over seeds, by Student's t.
    pub ci95: [f64; 2],
    /// One-sided p that the gain is above `min_delta_auc`, over seeds: the exact paired sign-flip test.
    pub p_seeds: f64,
    /// The same over test rows: DeLong's paired test of the mean over seeds, with rows in clusters (Obuchowski) where there is
    /// a field to cluster them by. A gain is certain only if both are.
    pub p_rows: f64,
    /// Standard error over test rows.
    pub standard_error_rows: f64,
    /// Both with each row on its own; absent in reports of earlier versions.
    #[serde(default)]
    pub p_rows_unclustered: Option<f64>,
    #[serde(default)]
    pub standard_error_rows_unclustered: Option<f64>,
    /// Two-sided p of t-tests over seeds, paired and not (Welch), for comparison with what others publish.
    pub p_paired_t: f64,
    pub p_welch_t: f64,
}

/// Whether planted noise was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SelfCheckResult {
    pub planted_rate: f64,
    pub found: Found,
    /// Whether flipped rows score worse than others beyond chance: the AUROC less three standard errors is above 0.5.
    pub passed: bool,
}

/// How well a method told corrupted rows, which are known, from the others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// Corrupted training rows.
    pub corrupted: u64,
    pub dropped: u64,
    /// Chance that a corrupted row has a lower score than another row; by the rows kept where there are no scores. 0.5 is
    /// chance. Absent where all rows are of one kind.
    pub auroc: Option<f64>,
    /// Standard error of the AUROC (Hanley and McNeil 1982).
    pub auroc_standard_error: Option<f64>,
    /// Of the dropped rows, the share that was corrupted; of the corrupted rows, the share that was dropped.
    pub precision: Option<f64>,
    pub recall: Option<f64>,
}

choice!(
    /// How labels, or rows, are corrupt.
    Corruption {
        /// Values of a field whose labels are at random.
        RandomValues = "random_values",
        /// Values of a field whose labels are turned round.
        InvertedValues = "inverted_values",
        /// Values of a field that rows of label 1 were added to, by others than those its rows of label 0 are of.
        AddedOnes = "added_ones",
        /// The same for rows of label 0.
        AddedZeros = "added_zeros",
        /// A cell of two fields of which a share of the labels 0 became 1.
        TurnedOnes = "turned_ones",
        /// A cell of two fields of which a share of the labels 1 became 0.
        TurnedZeros = "turned_zeros",
        /// A window of time whose labels are all 0.
        ZeroWindow = "zero_window",
        /// A window of time whose labels are all 1.
        OneWindow = "one_window",
        /// A window of time whose labels are turned round.
        InvertedWindow = "inverted_window",
        /// A window of time whose labels are at random.
        RandomWindow = "random_window",
        /// Labels 1 that have not arrived yet, the more the nearer to the end of time.
        Immature = "immature",
        /// Rows that were written more than once.
        Repeats = "repeats",
        /// Labels that may be wrong here and there: no place is blamed, and each row has a soft label by judges that have not
        /// seen it. Those gain where labels are right, too, if the judges know more than a model of the job would learn.
        RowNoise = "row_noise",
    }
);

choice!(
    /// What is done about corrupt rows.
    RemedyKind {
        /// They are left out.
        Drop = "drop",
        /// They count as of the other label.
        Relabel = "relabel",
        /// Each counts as of label 1 with a probability.
        SoftLabels = "soft_labels",
        /// Each weighs as much as it probably belongs.
        Weigh = "weigh",
    }
);

/// What the method `robust` made of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Findings {
    /// The most that the rate at which labels are wrong outside of all that was found may be. Judges who are surer than they
    /// should be, as on small tables, look the same as wrong labels.
    pub noise_rate: f64,
    /// Validation rows outside of all that was found: what was tried is judged on them.
    #[serde(default)]
    pub judged_rows: u64,
    /// The weight decay that models were tried with. Absent where nothing was tried.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// Mean AUC on those rows of models trained on all rows as they are labelled.
    #[serde(default)]
    pub auc: Option<f64>,
    /// The strongest evidence first; labels that are wrong here and there come last.
    #[serde(default)]
    pub corruptions: Vec<CorruptionFound>,
}

/// Corruption in one place of the table, and what came of doing something about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CorruptionFound {
    pub kind: Corruption,
    /// Whose values it is about: one field, or two whose values form cells. Of added rows the second is the field that told.
    pub fields: Vec<String>,
    /// How many values or cells.
    pub values: u64,
    /// Those of most rows: at most 10.
    pub examples: Vec<ExampleValue>,
    /// Training rows that the remedy is about, and their share.
    pub rows: u64,
    pub share: f64,
    /// How sure it is, in nats: a log-likelihood ratio against the best honest explanation.
    pub evidence: f64,
    /// How far it goes. Values: the slope of their labels on what is expected, where honest ones have 1. Cells: the share of
    /// labels turned. Added rows: the share of rows of that label that were added. Windows: the share of label 1. Repeats:
    /// how often equal rows have equal labels. Row noise: its rate.
    pub strength: f64,
    /// First and last moment of a window, in the dataset's unit of time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window: Option<[i64; 2]>,
    pub remedy: RemedyKind,
    /// AUC with the remedy less AUC without, on the validation rows that are judged on, and its standard error. Absent
    /// where it was not tried.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gain: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gain_error: Option<f64>,
    /// Whether it was done.
    pub taken: bool,
}

/// A value, or a cell, that is corrupt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExampleValue {
    /// Global ids of the fields' values.
    pub ids: Vec<u32>,
    /// Their names in the table.
    #[serde(default)]
    pub names: Vec<String>,
    pub rows: u32,
}

/// What the drop does to the data as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Guard {
    /// Share of label 1 among the training rows before and after.
    pub label_rate_before: f64,
    pub label_rate_after: f64,
    /// Values of fields that lose far more or fewer of their rows than all values do, the farthest first: at most 20.
    pub slices: Vec<Slice>,
}

/// The rows of one value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Slice {
    pub field: String,
    pub value: String,
    pub kept: KeptShare,
    /// How far its dropped share is from that of all rows, in standard errors of a random drop.
    pub z: f64,
}

/// How far the rows kept depend on the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stability {
    pub seeds: u32,
    /// Mean over pairs of seeds of the share that both drop of what either drops.
    pub jaccard: f64,
    /// What random drops of the same sizes would have.
    pub jaccard_by_chance: f64,
    /// Rows kept by more than half of the seeds.
    pub consensus: KeptShare,
    /// The same as `jaccard` for rows that are dropped or count as of the other label. Absent where no seed relabels any, and
    /// in reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jaccard_with_relabelled: Option<f64>,
}

/// The value of a row's that the fewest training rows have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RarestValue {
    pub field: String,
    /// Absent for a bucket, and for a value outside of the vocabulary.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// Training rows with it.
    pub rows: u32,
}

/// What a job came to, for whoever was handed its results: signed, it stands in an [`Envelope`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Certificate {
    pub job_id: JobId,
    pub issued_at: DateTime<Utc>,
    /// The program that ran the job, and its version.
    pub program: String,
    /// `Profile::digest` of the dataset.
    pub dataset_digest: String,
    /// The uploaded table. Of one that is several files: the digest of a text with a line for each, its sha256, two blanks and
    /// its name, as `sha256sum` prints them.
    pub source: ArtifactDigest,
    /// The files, where the table is several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source_parts: Vec<ArtifactDigest>,
    /// sha256 of the resolved spec.
    pub spec_sha256: String,
    pub verdict: Verdict,
    /// Field that the test rows were clustered by for the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clustered_by: Option<String>,
    /// The rule that named the test rows whose labels counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<RowRule>,
    /// Where the verdict is by models that the program did not train: whose, as in the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
    /// Which verdict on its table's test rows it is, and what it may err by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_read: Option<TestRead>,
    pub kept: KeptShare,
    /// Every result of the job.
    pub artifacts: Vec<ArtifactDigest>,
}

/// A file by its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ArtifactDigest {
    pub name: String,
    /// Hexadecimal.
    pub sha256: String,
    pub bytes: u64,
}

/// A signed certificate, as DSSE has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    pub payload_type: String,
    /// The [`Certificate`] as JSON, in base64.
    pub payload: String,
    pub signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// The public key: `ed25519:` and its bytes in hexadecimal.
    pub keyid: String,
    /// In base64.
    pub sig: String,
}
