//! What the jobs of a section came to: a line a method, as numbers and as a table of at most 100 columns.

use crate::{
    metrics::{mean, mean_interval},
    types::{MethodName, Report, RunResult, signed},
};
use serde::Serialize;

/// The name in the tables of training on exactly the rows that the noise left alone.
const ORACLE: &str = "oracle";

/// A method over the jobs of a section. Absent is what was not measured.
#[derive(Debug, Serialize)]
pub struct Line {
    pub method: String,
    /// Jobs.
    pub tables: usize,
    /// Jobs in which it dropped any rows.
    pub tables_with_drops: usize,
    /// Means over jobs: the share of the training rows it kept; how well it told corrupted rows.
    pub kept: f64,
    pub auroc: Option<f64>,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub test_auc: Option<f64>,
    pub test_logloss: f64,
    /// Test AUC less that of all rows with the same seed: the mean, and its 95 % interval over seeds by Student's t.
    pub gain: Option<f64>,
    pub gain_ci95: Option<[f64; 2]>,
    /// Mean share of the oracle's gain, seed by seed; absent where the oracle does not gain with every seed.
    pub recovered: Option<f64>,
    pub select_seconds: f64,
}

/// A line a method in the order of the job, the oracle last where there is one.
pub fn list_lines(reports: &[Report]) -> Vec<Line> {
    let Some(first) = reports.first() else { return Vec::new() };
    let runs = |label: &str| -> Vec<Option<&RunResult>> {
        let of = |report: &'_ Report| report.table.iter().position(|line| line.label == label);
        reports.iter().map(|report| report.table[of(report)?].runs.first()).collect()
    };
    let none = first.table.iter().find(|line| line.method == MethodName::None);
    let none = none.map_or_else(Vec::new, |line| runs(&line.label));
    let oracle: Vec<Option<&RunResult>> = reports.iter().map(|report| report.oracle.first()).collect();
    let mut lines: Vec<Line> =
        first.table.iter().map(|line| measure(&line.label, &runs(&line.label), &none, &oracle)).collect();
    if oracle.iter().any(Option::is_some) {
        lines.push(measure(ORACLE, &oracle, &none, &oracle));
    }
    lines
}

fn measure(
    method: &str,
    runs: &[Option<&RunResult>],
    none: &[Option<&RunResult>],
    oracle: &[Option<&RunResult>],
) -> Line {
    let of = |value: &dyn Fn(&RunResult) -> Option<f64>| {
        runs.iter().flatten().filter_map(|run| value(run)).collect::<Vec<_>>()
    };
    let average = |values: Vec<f64>| (!values.is_empty()).then(|| mean(&values));
    let auc = |run: &Option<&RunResult>| run.as_ref().and_then(|run| run.test.auc);
    let gains = |runs: &[Option<&RunResult>]| -> Vec<Option<f64>> {
        runs.iter().zip(none).map(|(own, none)| Some(auc(own)? - auc(none)?)).collect()
    };
    let (own, best) = (gains(runs), gains(oracle));
    // A share of a loss would look like a gain.
    let gains_always = best.iter().flatten().all(|best| *best > 0.0);
    let shares = own.iter().zip(&best).filter_map(|(own, best)| Some((*own)? / (*best)?));
    let recovered: Vec<f64> = shares.filter(|_| gains_always).collect();
    let gains: Vec<f64> = own.into_iter().flatten().collect();
    Line {
        method: method.to_owned(),
        tables: runs.iter().flatten().count(),
        tables_with_drops: runs.iter().flatten().filter(|run| run.kept.rows < run.kept.of).count(),
        kept: mean(&of(&|run| Some(run.kept.share()))),
        auroc: average(of(&|run| run.found?.auroc)),
        precision: average(of(&|run| run.found?.precision)),
        recall: average(of(&|run| run.found?.recall)),
        test_auc: average(of(&|run| run.test.auc)),
        test_logloss: mean(&of(&|run| Some(run.test.logloss))),
        gain_ci95: mean_interval(&gains, 0.05),
        gain: average(gains),
        recovered: average(recovered),
        select_seconds: mean(&of(&|run| Some(run.select_seconds))),
    }
}

pub const HEADER: [&str; 9] =
    ["method", "kept %", "AUROC", "prec.", "recall", "AUC", "over all rows", "log-loss", "recovered %"];
/// Of tables that count, in which there is nothing to find.
pub const TABLES_HEADER: [&str; 5] = ["method", "tables with drops", "kept %", "AUC", "over all rows"];

/// A row of cells for each line.
pub fn list_cells(lines: &[Line], counts_tables: bool) -> Vec<Vec<String>> {
    let number = |value: Option<f64>, digits: usize| value.map_or(String::new(), |value| format!("{value:.digits$}"));
    let gain = |line: &Line| {
        let half = line.gain_ci95.map_or(String::new(), |[low, high]| format!(" ±{:.4}", 0.5 * (high - low)));
        line.gain.map_or(String::new(), |gain| signed(gain, 4) + &half)
    };
    let row = |line: &Line| {
        let kept = format!("{:.1}", 100.0 * line.kept);
        if counts_tables {
            let drops = format!("{} of {}", line.tables_with_drops, line.tables);
            return vec![line.method.clone(), drops, kept, number(line.test_auc, 4), gain(line)];
        }
        vec![
            line.method.clone(),
            kept,
            number(line.auroc, 3),
            number(line.precision, 2),
            number(line.recall, 2),
            number(line.test_auc, 4),
            gain(line),
            number(Some(line.test_logloss), 4),
            number(line.recovered.map(|share| 100.0 * share), 1),
        ]
    };
    lines.iter().map(row).collect()
}

pub fn markdown(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let names: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let rule = format!("|---|{}", "--:|".repeat(header.len() - 1));
    let lines: Vec<String> = [line(&names), rule].into_iter().chain(rows.iter().map(|row| line(row))).collect();
    lines.join("\n")
}
