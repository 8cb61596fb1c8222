//! What a finished job came to, in words and tables.

use super::{
    evidence::{describe_arms_shortly, describe_evidence, describe_findings, describe_gains},
    screen::{Screen, Tone},
    tables::{format_auc, format_logloss, table_that_fits},
    view::arm_words,
};
use crate::{
    metrics::{mean, sample_sd},
    report::{Summary, number, times},
    types::{ArmResult, CorruptionFound, KeptShare, LabelColumns, MethodName, Report, RunResult, TableLine, Verdict},
};
use comfy_table::Table;
use serde::Serialize;

/// A report for another program: with the words that a person is told.
#[derive(Serialize)]
pub struct ToldReport<'a> {
    #[serde(flatten)]
    report: &'a Report,
    summary: ToldSummary,
}

#[derive(Serialize)]
struct ToldSummary {
    /// What came out, in a sentence.
    outcome: String,
    /// What to do, the first thing first.
    next: Vec<String>,
    /// The findings, in their order.
    findings: Vec<String>,
}

impl<'a> ToldReport<'a> {
    pub fn new(report: &'a Report) -> Self {
        let Summary { outcome, next, .. } = Summary::new(report);
        let found = report.findings.iter().flat_map(|findings| &findings.corruptions);
        let findings = found.map(CorruptionFound::describe).collect();
        Self { report, summary: ToldSummary { outcome, next, findings } }
    }
}

/// Every method of a job with every backbone that was trained on what it chose.
fn method_table(lines: &[TableLine]) -> Table {
    let header =
        ["method", "trained", "kept %", "of labels 1 / 0", "test AUC", "test log-loss", "choosing s", "training s"];
    let rows = lines.iter().map(|line| {
        let over = |digits: usize, number: &dyn Fn(&RunResult) -> f64| {
            let values: Vec<f64> = line.runs.iter().map(number).collect();
            let spread = sample_sd(&values).map(|sd| format!(" ± {sd:.digits$}")).unwrap_or_default();
            format!("{:.digits$}{spread}", mean(&values))
        };
        let share = |kept: KeptShare| 100.0 * kept.share();
        let mean_of = |number: &dyn Fn(&RunResult) -> f64| mean(&line.runs.iter().map(number).collect::<Vec<_>>());
        vec![
            if line.method == MethodName::None { "all rows".to_owned() } else { line.label.clone() },
            if line.backbone == line.chosen_with {
                line.backbone.to_string()
            } else {
                format!("{}, rows of {}", line.backbone, line.chosen_with)
            },
            format!("{:.2}", mean_of(&|run| share(run.kept))),
            format!(
                "{:.2} / {:.2}",
                mean_of(&|run| share(run.kept_positive)),
                mean_of(&|run| share(run.kept_negative))
            ),
            over(4, &|run| run.test.auc.unwrap_or(f64::NAN)),
            over(4, &|run| run.test.logloss),
            format!("{:.1}", mean_of(&|run| run.select_seconds)),
            format!("{:.1}", mean_of(&|run| run.train_seconds)),
        ]
    });
    table_that_fits(&header, rows, 2, &["choosing s", "training s", "of labels 1 / 0", "test log-loss"])
}

/// Kept training rows that are trained on otherwise than they are given: how many there are and what is done, kind by kind.
fn list_changes(report: &Report) -> Vec<(u64, &'static str)> {
    let kinds = [
        (report.relabelled, "given the other label"),
        (report.softened, "given a probability between 0 and 1 as label"),
        (report.reweighted, "given another weight"),
    ];
    kinds.into_iter().filter(|(rows, _)| *rows > 0).collect()
}

/// What to train on, to be said behind the name of a denoised table; empty where its rows are to be taken as they are.
pub fn describe_label_columns(report: &Report) -> String {
    let Some(LabelColumns { target, weight }) = &report.label_columns else { return String::new() };
    let changes: Vec<_> = list_changes(report).iter().map(|(rows, what)| format!("{} {what}", number(*rows))).collect();
    format!(": {}: train on its last two columns, {target} (the label) and {weight}", changes.join(", "))
}

/// How a result is told.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    pub screen: Screen,
    /// All of it; without, a terminal gets what fits it.
    pub verbose: bool,
    /// Where the results are, to be said with what to do; empty where it is said elsewhere.
    pub files: &'a str,
}

impl Telling<'_> {
    /// On standard output.
    pub fn on_stdout(verbose: bool) -> Self {
        Self { screen: Screen::stdout(), verbose, files: "" }
    }
}

/// What a finished job came to: on a terminal the essence, elsewhere and where `verbose` all of it; the last lines say what
/// came out, what to do next and where the results are.
pub fn describe_report(report: &Report, how: Telling) -> String {
    let Telling { screen, verbose, files } = how;
    let is_short = !verbose && screen.is_terminal();
    let text = if is_short { describe_essence(report) } else { describe_all(report) };
    let mut text = screen.wrap(text.trim_end(), 2);
    text += "\n\n";
    text += &close(report, screen, files);
    text
}

/// What came out, what to do next, where the results are, and the verdict.
fn close(report: &Report, screen: Screen, files: &str) -> String {
    let summary = Summary::new(report);
    let outcome = screen.wrap(&summary.outcome, 0);
    let mut text: Vec<String> = outcome.lines().map(|line| screen.paint(Tone::Strong, line)).collect();
    for (number, step) in summary.next.iter().enumerate() {
        let heading = if number == 0 { "Next: " } else { "      " };
        text.push(screen.wrap(&format!("{heading}{step}"), 6));
    }
    if !files.is_empty() {
        text.push(screen.wrap(files, 6));
    }
    if report.spec.method.name() != MethodName::None {
        let tone = match report.verdict {
            Verdict::Certified => Tone::Good,
            Verdict::NotBetter => Tone::Bad,
            Verdict::Inconclusive | Verdict::NotEvaluated => Tone::Unsure,
        };
        text.push(format!("verdict: {}", screen.paint(tone, report.verdict.as_str())));
    }
    text.join("\n")
}

/// Findings that are told where there is little room.
const FEW: usize = 4;

/// What fits a screen, with what follows it: the models in a line each, what was found, and what became of the rows.
fn describe_essence(report: &Report) -> String {
    let mut text = match &report.certification {
        Some(own) => describe_arms_shortly(own),
        None => format!("{}\n", arm_table(&report.arms)),
    };
    if report.table.len() > 2 || report.spec.seeds > 1 {
        text += &format!("\n{}\n\n", method_table(&report.table));
    }
    if let Some(findings) = &report.findings {
        let told = describe_findings(findings);
        let lines: Vec<&str> = told.lines().collect();
        text += &format!("{}\n", lines[..lines.len().min(FEW)].join("\n"));
        if lines.len() > FEW {
            text += &format!("and {} more, which -v and the report tell\n", lines.len() - FEW);
        }
    }
    let changes = list_changes(report);
    let changes: String = changes.iter().map(|(rows, what)| format!("; {} {what}", number(*rows))).collect();
    text += &format!("{}{changes}\n", describe_dropped("rows", report.kept));
    for transfer in &report.transfers {
        text += &format!("{}: {}\n", transfer.backbone, transfer.answer);
    }
    for warning in &report.warnings {
        text += &format!("warning: {}\n", warning.message);
    }
    text
}

fn describe_all(report: &Report) -> String {
    let mut text = report.certification.as_ref().map(|own| describe_gains(own) + "\n").unwrap_or_default();
    text += &arm_table(&report.arms).to_string();
    text.push('\n');
    for (what, kept) in [
        ("rows", report.kept),
        ("rows with label 1", report.kept_positive),
        ("rows with label 0", report.kept_negative),
    ] {
        text += &format!("\n{}", describe_dropped(what, kept));
    }
    for (rows, what) in list_changes(report) {
        text += &format!("\n{} of {} kept training rows {what}", number(rows), number(report.kept.rows));
    }
    if let Some(valid) = report.kept_valid {
        let [out, all] = [valid.of - valid.rows, valid.of].map(number);
        text += &format!("\nleft out {out} of {all} validation rows, which lie in what was found");
    }
    if report.table.len() > 2 || report.spec.seeds > 1 {
        text += &format!("\n\n{}\n", method_table(&report.table));
    }
    let seeds = match report.spec.seeds {
        1 if let Some(own) = &report.certification => {
            format!("each method was trained with one seed, and for the verdict with {}", own.asked.seeds)
        }
        1 => "one seed, so no claim about a difference can be made from it".to_owned(),
        n => format!("{n} seeds; ± is the standard deviation over them"),
    };
    text += &describe_evidence(report);
    text += &format!("\nthe test labels were read {}; {seeds}", times(report.test_reads));
    for warning in &report.warnings {
        text += &format!("\nwarning: {}", warning.message);
    }
    text
}

fn describe_dropped(what: &str, kept: KeptShare) -> String {
    let share = 100.0 - 100.0 * kept.share();
    format!("dropped {} of {} training {what} ({share:.2} %)", number(kept.of - kept.rows), number(kept.of))
}

/// The job's own backbone with its first seed.
fn arm_table(arms: &[ArmResult]) -> Table {
    let header =
        ["trained on", "rows", "passes", "best pass", "valid AUC", "valid log-loss", "test AUC", "test log-loss"];
    let lines = arms.iter().map(|arm| {
        vec![
            arm_words(arm.arm).to_owned(),
            number(arm.train_rows),
            arm.passes.to_string(),
            arm.best_pass.to_string(),
            format_auc(Some(&arm.valid)),
            format_logloss(Some(&arm.valid)),
            format_auc(Some(&arm.test)),
            format_logloss(Some(&arm.test)),
        ]
    });
    table_that_fits(&header, lines, 1, &["best pass", "passes", "valid log-loss"])
}
