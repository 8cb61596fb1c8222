//! What a finished job proved, as its page shows it: a sentence, what to do next, and what both rest on.

use super::words::{self, Badge};
use crate::{
    chart::{Chart, Interval, IntervalChart},
    metrics::{mean, sample_sd},
    report::Summary,
    types::{Arm, Certification, CertifiedRun, Gain, Report, TestRows, Verdict, two_digits},
};

/// The verdict on one backbone.
pub struct VerdictView {
    pub badge: Option<Badge>,
    /// What came out.
    pub sentence: String,
    /// What to do, the first thing first.
    pub next: Vec<String>,
    /// Whose models were judged.
    pub model: String,
    pub gains: Option<String>,
    pub logloss: Option<String>,
    pub arms: Vec<ArmLine>,
    pub readings: Vec<ReadingLine>,
    pub reasons: Vec<String>,
    /// What it was asked and how it was judged.
    pub terms: Vec<(&'static str, String)>,
}

/// Models trained on an arm's rows.
pub struct ArmLine {
    pub name: String,
    pub style: usize,
    pub rows: String,
    pub weight_decay: String,
    pub auc: String,
    pub logloss: String,
    pub calibration: String,
}

/// Gains on some of the test rows.
pub struct ReadingLine {
    pub on: &'static str,
    pub rows: String,
    pub over_all: String,
    pub over_random: String,
}

impl VerdictView {
    /// Of the job's own method and backbone, in the words of its report.
    pub fn of_job(report: &Report, certification: &Certification) -> Self {
        let Summary { outcome, next, .. } = Summary::new(report);
        Self { sentence: outcome, next, ..Self::new(certification) }
    }

    /// Of another backbone on the same rows.
    pub fn new(certification: &Certification) -> Self {
        Self {
            badge: words::verdict_badge(certification.verdict),
            sentence: sentence(certification),
            next: vec![next_step(certification)],
            model: match &certification.judged_by {
                Some(model) => format!("models of {model}"),
                None => certification.backbone.to_string(),
            },
            gains: draw_gains(certification),
            logloss: draw_logloss(certification),
            arms: list_arms(certification),
            readings: list_readings(certification),
            reasons: certification.reasons.clone(),
            terms: list_terms(certification),
        }
    }
}

/// What came out, with its number.
fn sentence(certification: &Certification) -> String {
    let over_all = gain_over(certification, Arm::Full).map(|gain| {
        format!(
            " ({} AUC over all rows, 95 % interval {} to {})",
            words::gain(gain.mean),
            words::gain(gain.ci95[0]),
            words::gain(gain.ci95[1])
        )
    });
    let gain = over_all.unwrap_or_default();
    match certification.verdict {
        Verdict::Certified => format!("The rows kept are worth more than all rows{gain}."),
        Verdict::NotBetter => format!("The rows kept are not worth more than all rows{gain}."),
        Verdict::Inconclusive => {
            format!("The runs do not tell whether the rows kept are worth more than all rows{gain}.")
        }
        Verdict::NotEvaluated => "No verdict was asked for.".to_owned(),
    }
}

/// What to do now: the report's own answer, where it has one.
fn next_step(certification: &Certification) -> String {
    if !certification.answer.is_empty() {
        return certification.answer.clone();
    }
    match certification.verdict {
        Verdict::Certified => "Train on the denoised table.",
        Verdict::NotBetter => "Train on all rows.",
        Verdict::Inconclusive => "Train on all rows until more seeds or more test rows tell.",
        Verdict::NotEvaluated => "",
    }
    .to_owned()
}

fn gain_over(certification: &Certification, arm: Arm) -> Option<&Gain> {
    certification.gains.iter().find(|gain| gain.over == arm)
}

/// Regularisation and denoising apart, a dot a seed.
fn draw_gains(certification: &Certification) -> Option<String> {
    let first_seed = certification.arms.first().and_then(|arm| arm.runs.first()).map_or(0, |run| run.seed);
    let interval = |name: &str, style: usize, gain: &Gain| Interval {
        name: name.to_owned(),
        style,
        mean: gain.mean,
        ends: gain.ci95,
        dots: (first_seed..).zip(&gain.deltas).map(|(seed, delta)| (format!("seed {seed}"), *delta)).collect(),
    };
    let denoising = [("kept rows over all rows", 1, Arm::Full), ("kept rows over random rows", 2, Arm::Random)];
    let denoising = denoising.into_iter();
    let mut intervals: Vec<Interval> = denoising
        .filter_map(|(name, style, arm)| Some(interval(name, style, gain_over(certification, arm)?)))
        .collect();
    intervals.extend(certification.regularisation.as_ref().map(|gain| interval("tuning alone, on all rows", 4, gain)));
    if intervals.is_empty() {
        return None;
    }
    let bound = certification.asked.min_delta_auc;
    let chart = IntervalChart {
        title: "Gain in AUC on the test rows, with the 95 % interval and a dot for each seed".to_owned(),
        axis: "gain in AUC on the test rows".to_owned(),
        intervals,
        bound: (bound > 0.0).then(|| ("must be above".to_owned(), bound)),
    };
    Some(chart.svg_pair())
}

/// How much the log-loss rises, against what is allowed.
fn draw_logloss(certification: &Certification) -> Option<String> {
    let rise = certification.logloss?;
    let name = if rise.recalibrated { "recalibrated" } else { "as predicted" };
    let interval =
        Interval { name: name.to_owned(), style: 1, mean: rise.mean, ends: [rise.lower, rise.upper], dots: Vec::new() };
    let chart = IntervalChart {
        title: "Rise of the log-loss on the test rows".to_owned(),
        axis: "rise of the log-loss over all rows (to the left is better)".to_owned(),
        intervals: vec![interval],
        bound: Some(("allowed".to_owned(), certification.asked.max_delta_logloss)),
    };
    Some(chart.svg_pair())
}

fn list_arms(certification: &Certification) -> Vec<ArmLine> {
    let spread = |runs: &[CertifiedRun], of: &dyn Fn(&CertifiedRun) -> f64| {
        let values: Vec<f64> = runs.iter().map(of).collect();
        let sd = sample_sd(&values).map(|sd| format!(" ± {sd:.4}")).unwrap_or_default();
        format!("{:.4}{sd}", mean(&values))
    };
    let line = |arm: &crate::types::CertifiedArm| ArmLine {
        name: words::arm(arm.arm).to_owned(),
        style: words::arm_style(arm.arm),
        rows: words::count(arm.rows),
        weight_decay: arm.weight_decay.map_or("–".to_owned(), |decay| format!("{decay:e}")),
        auc: spread(&arm.runs, &|run| run.test.auc.unwrap_or(f64::NAN)),
        logloss: spread(&arm.runs, &|run| run.test.logloss),
        calibration: spread(&arm.runs, &|run| run.calibration.expected_error),
    };
    certification.arms.iter().map(line).collect()
}

fn list_readings(certification: &Certification) -> Vec<ReadingLine> {
    let line = |reading: &crate::types::GainReading| {
        let over = |arm| {
            let gain = reading.over(arm);
            gain.map_or("–".to_owned(), |gain| {
                format!("{} [{}, {}]", words::gain(gain.mean), words::gain(gain.ci95[0]), words::gain(gain.ci95[1]))
            })
        };
        ReadingLine {
            on: match reading.on {
                TestRows::All => "all test rows, labels as given",
                TestRows::Trusted => "test rows with trusted labels",
                TestRows::OutsideFindings => "test rows outside of what was found",
            },
            rows: words::count(reading.rows.rows),
            over_all: over(Arm::Full),
            over_random: over(Arm::Random),
        }
    };
    certification.readings.iter().map(line).collect()
}

fn list_terms(certification: &Certification) -> Vec<(&'static str, String)> {
    let asked = &certification.asked;
    let mut terms = vec![
        ("Seeds", asked.seeds.to_string()),
        ("Gain must be above", format!("{}", asked.min_delta_auc)),
        ("Log-loss may rise by", format!("{}", asked.max_delta_logloss)),
    ];
    if let Some(read) = &certification.test_read {
        terms.push(("Verdicts on these test rows so far", read.number.to_string()));
        terms.push(("May err by", format!("{} of alpha {}", two_digits(read.own_alpha), read.alpha)));
    }
    if let Some(clusters) = &certification.clusters {
        let rows = format!(
            "{} ({} values, {:.1} rows each)",
            clusters.field,
            words::count(clusters.values),
            clusters.rows_per_value
        );
        terms.push(("Test rows clustered by", rows));
    }
    if let Some(gain) = gain_over(certification, Arm::Full) {
        terms.push((
            "p over seeds, over test rows",
            format!("{}, {}", two_digits(gain.p_seeds), two_digits(gain.p_rows)),
        ));
    }
    terms
}
