//! What a result is worth: the flags that ask for it, its words on a terminal, and its exit code.

use super::{
    error::CliError,
    tables::{table, table_that_fits},
    view::{arm_words, human_seconds},
};
use crate::{
    metrics::{mean, sample_sd},
    report::{number, times},
    types::{
        Arm, Certification, CertifiedRun, Certify, Corruption, Findings, Guard, JobSpec, Plan, ReadGain, Report,
        RowRule, SelfCheck, SelfCheckResult, Stability, TestRows, Verdict, signed,
    },
};
use clap::Args;
use comfy_table::Table;

/// What a job proves.
#[derive(Debug, Args)]
#[command(next_help_heading = "The evidence")]
pub struct EvidenceArgs {
    #[command(flatten)]
    pub certify: CertifyArgs,

    /// Also flip this share of the labels, and see whether the method finds the flips
    #[arg(long, value_name = "RATE", num_args = 0..=1, default_missing_value = "0.1")]
    pub self_check: Option<f64>,
}

/// How a verdict is reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "The evidence")]
pub struct CertifyArgs {
    /// Number of seeds for the verdict; with each, models are trained on kept, all and random rows [default: 5]
    #[arg(long, value_name = "N")]
    pub certify_seeds: Option<u32>,

    /// Chance of error that all verdicts on the table's test rows share; the first one uses .641 of it [default: 0.05]
    #[arg(long, value_name = "P")]
    pub alpha: Option<f64>,

    /// The gain in AUC must be above this [default: 0]
    #[arg(long, value_name = "AUC")]
    pub min_delta_auc: Option<f64>,

    /// Log-loss may rise by at most this, after recalibration on validation rows [default: 0.002]
    #[arg(long, value_name = "LOSS")]
    pub max_delta_logloss: Option<f64>,

    /// Field to cluster the test rows by, for example users [default: the category with the most rows for each value]
    #[arg(long, value_name = "FIELD")]
    pub cluster: Option<String>,

    /// Rule for test rows whose labels are known to be right; only those count for the verdict: `rating >= 4`,
    /// `source = panel`. The column does not have to be a field: --exclude hides it from the models
    #[arg(long, value_name = "RULE")]
    pub trusted: Option<RowRule>,

    /// Choose the rows anew with each seed of the verdict, so that a lucky choice is not certified
    #[arg(long)]
    pub reselect: bool,
}

impl EvidenceArgs {
    /// Puts the flags over `spec`. A verdict is asked for where `certify` says so, the spec or a flag.
    pub fn apply(&self, spec: &mut JobSpec, certify: bool) {
        self.certify.apply(spec, certify);
        if let Some(planted_rate) = self.self_check {
            spec.self_check = Some(SelfCheck { planted_rate });
        }
    }
}

impl CertifyArgs {
    /// Puts the flags over `spec`. A verdict is asked for where `certify` says so, the spec or a flag.
    pub fn apply(&self, spec: &mut JobSpec, certify: bool) {
        let flags = self.certify_seeds.is_some()
            || self.alpha.is_some()
            || self.min_delta_auc.is_some()
            || self.max_delta_logloss.is_some()
            || self.cluster.is_some()
            || self.trusted.is_some()
            || self.reselect;
        if certify || flags || spec.certify.is_some() {
            let base = spec.certify.take().unwrap_or_default();
            spec.certify = Some(Certify {
                seeds: self.certify_seeds.unwrap_or(base.seeds),
                alpha: self.alpha.unwrap_or(base.alpha),
                min_delta_auc: self.min_delta_auc.unwrap_or(base.min_delta_auc),
                max_delta_logloss: self.max_delta_logloss.unwrap_or(base.max_delta_logloss),
                cluster: self.cluster.clone().or(base.cluster),
                trusted: self.trusted.clone().or(base.trusted),
                reselect: self.reselect || base.reselect,
            });
        }
    }
}

/// An error unless the job's verdict is good, or none was asked for.
pub fn check_verdict(report: &Report) -> Result<(), CliError> {
    match report.verdict {
        Verdict::Certified | Verdict::NotEvaluated => Ok(()),
        verdict => Err(CliError::refused(verdict)),
    }
}

/// All evidence of a report, in words and tables; nothing where there is none.
pub fn describe_evidence(report: &Report) -> String {
    let mut text = String::new();
    if let Some(findings) = &report.findings {
        text += &format!("\n{}\n", describe_findings(findings));
    }
    if let Some(guard) = &report.guard {
        text += &format!("\n{}\n", describe_guard(guard));
    }
    if let Some(stability) = &report.stability {
        text += &format!("\n{}\n", describe_stability(stability));
    }
    if let Some(check) = &report.self_check {
        text += &format!("\n{}\n", describe_check(check));
    }
    for certification in &report.transfers {
        text += &format!("\n{}{}", describe_gains(certification), describe_reasons(certification));
    }
    if let Some(certification) = &report.certification {
        text += &format!("\n{}", describe_reasons(certification));
    }
    text
}

/// What was found, and what was tried, a line each.
pub fn describe_findings(findings: &Findings) -> String {
    let mut text = String::new();
    if findings.corruptions.iter().all(|found| found.kind == Corruption::RowNoise) {
        text += "no corruption with a structure was found\n";
    }
    for found in &findings.corruptions {
        let heading = if found.kind == Corruption::RowNoise { "tried" } else { "found" };
        text += &format!("{heading}: {}\n", found.describe());
    }
    text
}

fn describe_guard(guard: &Guard) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let mut text = format!(
        "label 1 is {} of all training rows and {} of those kept",
        percent(guard.label_rate_before),
        percent(guard.label_rate_after)
    );
    if !guard.slices.is_empty() {
        let rows = guard.slices.iter().take(5).map(|slice| {
            vec![
                slice.field.clone(),
                slice.value.clone(),
                number(slice.kept.of),
                percent(1.0 - slice.kept.share()),
                signed(slice.z, 1),
            ]
        });
        let header = ["field", "value", "rows", "dropped", "z"];
        text += &format!("\nvalues that lose far more or fewer rows than the rest:\n\n{}", table(&header, rows, 2));
        if guard.slices.len() > 5 {
            text += &format!("\n and {} more in the report", guard.slices.len() - 5);
        }
    }
    text
}

fn describe_stability(stability: &Stability) -> String {
    let mut text = format!(
        "{} seeds agree on {:.1} % of what two of them drop (chance: {:.1} %); more than half of them keep {} of {} rows",
        stability.seeds,
        100.0 * stability.jaccard,
        100.0 * stability.jaccard_by_chance,
        number(stability.consensus.rows),
        number(stability.consensus.of)
    );
    if let Some(jaccard) = stability.jaccard_with_relabelled {
        text += &format!("; of what two of them drop or relabel they agree on {:.1} %", 100.0 * jaccard);
    }
    text
}

fn describe_check(check: &SelfCheckResult) -> String {
    let found = &check.found;
    let share = |share: Option<f64>| share.map_or("nan".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    let auroc = match (found.auroc, found.auroc_standard_error) {
        (Some(auroc), Some(error)) => format!("{auroc:.3} ± {error:.3}"),
        _ => "nan".to_owned(),
    };
    format!(
        "self-check {}: of {:.0} % labels flipped on purpose, AUROC {auroc} (chance: 0.5); {} of the dropped rows were \
         flipped, {} of the flipped rows were dropped",
        if check.passed { "passed" } else { "failed" },
        100.0 * check.planted_rate,
        share(found.precision),
        share(found.recall),
    )
}

/// What was compared for a verdict, what regularisation and denoising gain, and what to do.
pub fn describe_gains(certification: &Certification) -> String {
    let mut text = describe_arms(certification);
    if !certification.answer.is_empty() {
        text += &format!("{}\n", certification.answer);
    }
    text
}

/// The tuned models that were compared for a verdict, a line each: for a screen with little room.
pub fn describe_arms_shortly(certification: &Certification) -> String {
    let compared = certification.arms.iter().filter(|arm| arm.arm != Arm::Untuned);
    let rows = compared.map(|arm| {
        let auc = arm.runs.iter().map(|run| run.test.auc.unwrap_or(f64::NAN)).collect::<Vec<_>>();
        let logloss = arm.runs.iter().map(|run| run.test.logloss).collect::<Vec<_>>();
        vec![arm_words(arm.arm).to_owned(), number(arm.rows), with_deviation(&auc), with_deviation(&logloss)]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return String::new();
    }
    let model = certification.judged_by.clone().unwrap_or_else(|| certification.backbone.to_string());
    let trained = format!("{model}, {} seeds", certification.asked.seeds);
    let header = [trained.as_str(), "rows", "test AUC", "test log-loss"];
    format!("{}\n", table_that_fits(&header, rows, 1, &["rows", "test log-loss"]))
}

/// A mean, and the standard deviation where there are several.
fn with_deviation(values: &[f64]) -> String {
    let deviation = sample_sd(values).map(|sd| format!(" ± {sd:.4}")).unwrap_or_default();
    format!("{:.4}{deviation}", mean(values))
}

/// What was compared for a verdict, and what regularisation and denoising gain.
fn describe_arms(certification: &Certification) -> String {
    let spread = |runs: &[CertifiedRun], of: &dyn Fn(&CertifiedRun) -> f64| {
        with_deviation(&runs.iter().map(of).collect::<Vec<_>>())
    };
    // What models of others are trained with is not known.
    let tuned = certification.judged_by.is_none();
    let rows = certification.arms.iter().map(|arm| {
        let decay = arm.weight_decay.map_or_else(String::new, |decay| format!("{decay:e}"));
        let what = if tuned && arm.arm != Arm::Untuned { ", tuned" } else { "" };
        let cells = [
            Some(format!("{}{what}", arm_words(arm.arm))),
            tuned.then_some(decay),
            Some(number(arm.rows)),
            Some(spread(&arm.runs, &|run| run.test.auc.unwrap_or(f64::NAN))),
            Some(spread(&arm.runs, &|run| run.test.logloss)),
            Some(spread(&arm.runs, &|run| run.calibration.expected_error)),
        ];
        cells.into_iter().flatten().collect()
    });
    let header = ["trained on", "weight decay", "rows", "test AUC", "test log-loss", "calibration error"];
    let header: Vec<_> = header.into_iter().filter(|column| tuned || *column != "weight decay").collect();
    let model = match &certification.judged_by {
        Some(model) => format!("models of `{model}`"),
        None => certification.backbone.to_string(),
    };
    let mut text = format!("{model}, {} seeds\n", certification.asked.seeds);
    if !certification.arms.is_empty() {
        let spare = ["calibration error", "rows", "weight decay"];
        text += &format!("\n{}\n\n", table_that_fits(&header, rows, 1, &spare));
    }
    if !certification.readings.is_empty() {
        text += &format!("{}\n\n", reading_table(certification));
    }
    let gains = [("regularisation", certification.regularisation.as_ref()), ("denoising", certification.gains.first())];
    let told = gains.into_iter().filter_map(|(what, gain)| {
        let gain = gain?;
        Some(format!("{what} {}", with_interval(gain.mean, gain.ci95)))
    });
    let told: Vec<_> = told.collect();
    if !told.is_empty() {
        text += &format!("AUC: {}\n", told.join(", "));
    }
    text
}

/// `+0.0100 [+0.0040, +0.0160]`
fn with_interval(mean: f64, [low, high]: [f64; 2]) -> String {
    format!("{} [{}, {}]", signed(mean, 4), signed(low, 4), signed(high, 4))
}

/// What denoising gains on all test rows and on parts of them.
fn reading_table(certification: &Certification) -> Table {
    let trusts = certification.asked.trusted.is_some();
    let rows = certification.readings.iter().map(|reading| {
        let (on, is_judged) = match reading.on {
            TestRows::All => ("labels as given", !trusts),
            TestRows::Trusted => ("trusted labels", true),
            TestRows::OutsideFindings => ("outside of what was found", false),
        };
        let over = |arm| {
            let gain = reading.over(arm);
            gain.map_or_else(String::new, |ReadGain { mean, ci95, .. }| with_interval(*mean, *ci95))
        };
        let verdict = if is_judged { ", the verdict's" } else { "" };
        vec![format!("{on}{verdict}"), number(reading.rows.rows), over(Arm::Full), over(Arm::Random)]
    });
    let header = ["gain in test AUC on", "rows", "over all rows", "over random rows"];
    table_that_fits(&header, rows, 1, &["rows", "over random rows"])
}

fn describe_reasons(certification: &Certification) -> String {
    certification.reasons.iter().map(|reason| format!("{reason}\n")).collect()
}

/// A plan in words.
pub fn describe_plan(plan: &Plan) -> String {
    let mut text = format!(
        "{} training, {} validation and {} test rows\nit takes about {} and {} MiB of memory\n{} models in {} passes over the \
         training rows; the test labels are read {}\nthe time is estimated from {}",
        number(plan.rows.train),
        number(plan.rows.valid),
        number(plan.rows.test),
        human_seconds(plan.seconds.value),
        number(plan.memory_bytes.div_ceil(1 << 20)),
        number(plan.trainings),
        number(plan.passes),
        times(plan.test_reads),
        plan.seconds.basis,
    );
    if let Some(read) = &plan.test_read {
        text += &format!("\n{}", read.describe());
    }
    if let Some(gain) = &plan.detectable_gain {
        text += &format!("\nthe smallest gain in AUC it can certify: about {:.4}, given {}", gain.value, gain.basis);
    } else if let Some(certify) = &plan.spec.certify {
        text += &format!("\n{} seeds are too few to certify anything", certify.seeds);
    }
    text
}
