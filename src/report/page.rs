//! A report as one page: no script, nothing loaded from elsewhere, light or dark as the reader's system is.

use super::charts::{self, Figure};
use super::explained::{ExplainedRow, ShownRows};
use super::meaning::explain_finding;
use super::summary::Summary;
use super::words::{number, percent, signed, times};
use crate::chart;
use crate::metrics::{mean, sample_sd};
use crate::types::{
    Arm, Certification, CertifiedArm, CertifiedRun, Corruption, CorruptionFound, EpochRow, ExampleValue, GainReading,
    Guard, JobId, KeptShare, MethodName, Origin, Profile, ReadGain, Report, RunResult, Slice, TableLine, TestRows,
    Verdict,
};
use askama::Template;
use chrono::Utc;

/// The file of the page, and the name of the artifact.
pub const PAGE: &str = "report.html";

/// Rows that the page shows.
pub const SHOWN_ROWS: usize = 50;

/// Rows of each finding that it shows beside it.
pub const SAMPLE_ROWS: usize = 3;

/// What may become of the labels and the weights of rows.
const CHANGED: [&str; 3] = ["given the other label", "given a probability as label", "given another weight"];

/// Values that it shows of those that lose far more or fewer rows than the rest.
const SHOWN_SLICES: usize = 8;

/// What a report is about: the table, and the job where a service ran it.
#[derive(Debug, Clone, Copy)]
pub struct Heading<'a> {
    table: &'a str,
    rows: u64,
    job: Option<JobId>,
}

impl<'a> Heading<'a> {
    pub fn new(origin: &'a Origin, profile: &Profile) -> Self {
        let table = if origin.table.is_empty() { "a table without a name" } else { &origin.table };
        Self { table, rows: profile.rows_of_file(), job: origin.job }
    }
}

/// The page of a report. `rows` are of the explanations, and `epochs` the passes of the job's own method and of the
/// training on all rows with the first seed; either may be empty where nobody has them.
pub fn report_page(report: &Report, heading: Heading, rows: &ShownRows, epochs: &[EpochRow]) -> String {
    let certification = report.certification.as_ref();
    let shown: Vec<&ExplainedRow> = rows.spread.iter().collect();
    let page = Page {
        palette: chart::PALETTE,
        chart_style: chart::STYLE,
        style: include_str!("templates/report.css"),
        cards: chart::CARDS,
        badge: match report.verdict {
            Verdict::Certified => "badge good",
            Verdict::NotBetter => "badge bad",
            Verdict::Inconclusive | Verdict::NotEvaluated => "badge unsure",
        },
        summary: Summary::new(report),
        table: heading.table.to_owned(),
        made: describe_making(report, heading),
        facts: list_facts(report),
        gains: certification.and_then(charts::gains),
        kept: charts::kept(report),
        epochs: charts::epochs(epochs),
        arms: certification.map(list_arms).unwrap_or_default(),
        readings: certification.map(list_readings).unwrap_or_default(),
        reasons: certification.map(|own| own.reasons.clone()).unwrap_or_default(),
        transfers: report.transfers.iter().map(describe_transfer).collect(),
        wrong: list_wrong(report),
        audited: report.findings.is_some(),
        findings: list_findings(report, rows),
        slices: report.guard.as_ref().map(list_slices).unwrap_or_default(),
        fields: name_fields(shown.iter().copied()),
        rows: shown.into_iter().map(RowLine::new).collect(),
        methods: if report.table.len() > 2 || report.spec.seeds > 1 { list_methods(&report.table) } else { Vec::new() },
        warnings: report.warnings.iter().map(|warning| warning.message.clone()).collect(),
        spec: serde_json::to_string_pretty(&report.spec).expect("a spec is plain data"),
    };
    page.render().expect("no part of the page can fail")
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    palette: &'static str,
    chart_style: &'static str,
    style: &'static str,
    cards: &'static str,
    /// Classes of the verdict.
    badge: &'static str,
    summary: Summary,
    /// What the table is called.
    table: String,
    /// How large it is, and what made the report when.
    made: Vec<String>,
    /// A name and a value each.
    facts: Vec<[String; 2]>,
    gains: Option<Figure>,
    kept: Option<Figure>,
    epochs: Vec<Figure>,
    arms: Vec<ArmLine>,
    readings: Vec<ReadingLine>,
    reasons: Vec<String>,
    transfers: Vec<String>,
    /// What was found, in plain sentences: what it is about, and what it means.
    wrong: Vec<[String; 2]>,
    /// Whether the method looks for findings.
    audited: bool,
    findings: Vec<FindingLine>,
    slices: Vec<SliceLine>,
    /// Names of the fields of the rows that are shown.
    fields: Vec<String>,
    rows: Vec<RowLine>,
    methods: Vec<MethodLine>,
    warnings: Vec<String>,
    spec: String,
}

/// What was trained for the verdict.
struct ArmLine {
    name: String,
    rows: String,
    weight_decay: String,
    auc: String,
    logloss: String,
}

/// The gain on some of the test rows.
struct ReadingLine {
    on: String,
    rows: String,
    over_all: String,
    over_random: String,
}

/// Something that was found.
struct FindingLine {
    what: String,
    examples: String,
    rows: String,
    sure: String,
    done: String,
    gain: String,
    /// Some of its rows, and the names of their fields.
    rows_of: Vec<RowLine>,
    fields: Vec<String>,
}

/// A value that loses far more or fewer rows than the rest.
struct SliceLine {
    field: String,
    value: String,
    rows: String,
    dropped: String,
}

/// A row that was dropped or changed.
struct RowLine {
    row: String,
    label: u8,
    done: String,
    reason: String,
    values: Vec<String>,
}

impl RowLine {
    /// Its values with the names of their fields.
    fn named<'a>(&'a self, fields: &'a [String]) -> impl Iterator<Item = (&'a String, &'a String)> {
        fields.iter().zip(&self.values)
    }
}

/// A method with a backbone.
struct MethodLine {
    method: String,
    backbone: String,
    kept: String,
    auc: String,
    logloss: String,
}

/// The size of the table, the date, the program, and the job where a service knows it.
fn describe_making(report: &Report, heading: Heading) -> Vec<String> {
    let mut made = vec![
        format!("{} rows", number(heading.rows)),
        format!("{} with {}, seed {}", report.spec.method.label, report.spec.method.backbone, report.spec.seed),
        Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
        format!("AutoDenoise {}", env!("CARGO_PKG_VERSION")),
    ];
    made.extend(heading.job.map(|job| job.to_string()));
    made
}

fn list_facts(report: &Report) -> Vec<[String; 2]> {
    let spec = &report.spec;
    let KeptShare { rows, of } = report.kept;
    let seeds = report.certification.as_ref().map_or(spec.seeds, |own| own.asked.seeds);
    let model = match report.certification.as_ref().and_then(|own| own.judged_by.as_ref()) {
        Some(model) => model.clone(),
        None => spec.method.backbone.to_string(),
    };
    let mut facts = vec![
        ["method".to_owned(), spec.method.label.clone()],
        ["model".to_owned(), model],
        ["training rows".to_owned(), number(of)],
        ["dropped".to_owned(), format!("{} ({})", number(of - rows), percent(1.0 - report.kept.share()))],
    ];
    for (name, count) in
        [(CHANGED[0], report.relabelled), (CHANGED[1], report.softened), (CHANGED[2], report.reweighted)]
    {
        if count > 0 {
            facts.push([name.to_owned(), number(count)]);
        }
    }
    facts.push(["seeds".to_owned(), seeds.to_string()]);
    facts.push(["test labels were read".to_owned(), times(report.test_reads)]);
    facts
}

fn list_arms(own: &Certification) -> Vec<ArmLine> {
    let arm = |arm: &CertifiedArm| {
        let over = |of: &dyn Fn(&CertifiedRun) -> f64| with_spread(&arm.runs.iter().map(of).collect::<Vec<_>>());
        let name = match arm.arm {
            Arm::Untuned => "all rows, not tuned",
            Arm::Full => "all rows",
            Arm::Denoised => "denoised rows",
            Arm::Random => "random rows treated alike",
        };
        ArmLine {
            name: name.to_owned(),
            rows: number(arm.rows),
            weight_decay: arm.weight_decay.map_or_else(String::new, |decay| format!("{decay:e}")),
            auc: over(&|run| run.test.auc.unwrap_or(f64::NAN)),
            logloss: over(&|run| run.test.logloss),
        }
    };
    own.arms.iter().map(arm).collect()
}

fn list_readings(own: &Certification) -> Vec<ReadingLine> {
    let reading = |reading: &GainReading| {
        let over = |arm| {
            let told =
                |gain: &ReadGain| format!("{} [{}, {}]", signed(gain.mean), signed(gain.ci95[0]), signed(gain.ci95[1]));
            reading.over(arm).map_or_else(String::new, told)
        };
        let on = match reading.on {
            TestRows::All => "all labels as given",
            TestRows::Trusted => "trusted labels",
            TestRows::OutsideFindings => "outside of what was found",
        };
        ReadingLine {
            on: on.to_owned(),
            rows: number(reading.rows.rows),
            over_all: over(Arm::Full),
            over_random: over(Arm::Random),
        }
    };
    own.readings.iter().map(reading).collect()
}

/// What was found and what it means, beside the verdict.
fn list_wrong(report: &Report) -> Vec<[String; 2]> {
    let found = report.findings.iter().flat_map(|found| &found.corruptions);
    // Soft labels are taken where they help, which does not prove that any label is wrong.
    let is_wrong = |found: &&CorruptionFound| found.taken && found.kind != Corruption::RowNoise;
    found.filter(is_wrong).map(|found| [found.what(), explain_finding(found)]).collect()
}

fn list_findings(report: &Report, rows: &ShownRows) -> Vec<FindingLine> {
    let found = report.findings.iter().flat_map(|found| &found.corruptions).enumerate();
    let samples = |number: usize| rows.of_findings.get(number).map_or(&[][..], |rows| rows);
    found.map(|(number, found)| FindingLine::new(found, samples(number))).collect()
}

/// The fields of rows that come with their values.
fn name_fields<'a>(mut rows: impl Iterator<Item = &'a ExplainedRow>) -> Vec<String> {
    let row = rows.find(|row| !row.values.is_empty());
    row.map_or_else(Vec::new, |row| row.values.iter().map(|cell| cell.field.clone()).collect())
}

fn describe_transfer(own: &Certification) -> String {
    format!("{}: {}. {}", own.backbone, own.verdict.as_str().replace('_', " "), own.answer)
}

impl FindingLine {
    fn new(found: &CorruptionFound, samples: &[ExplainedRow]) -> Self {
        let name =
            |example: &ExampleValue| format!("{} ({} rows)", example.names.join(" × "), number(example.rows.into()));
        let mut examples: Vec<String> = found.examples.iter().take(5).map(name).collect();
        if found.values > examples.len() as u64 && !examples.is_empty() {
            examples.push(format!("and {} more", number(found.values - examples.len() as u64)));
        }
        let gain = match (found.gain, found.gain_error) {
            (Some(gain), Some(error)) => format!("{} ± {error:.4}", signed(gain)),
            _ => "not tried".to_owned(),
        };
        Self {
            what: found.what(),
            examples: examples.join(", "),
            rows: format!("{} ({})", number(found.rows), percent(found.share)),
            sure: describe_evidence(found.evidence),
            done: found.action().to_owned(),
            gain,
            rows_of: samples.iter().map(RowLine::new).collect(),
            fields: name_fields(samples.iter()),
        }
    }
}

/// A log-likelihood ratio against the best honest explanation, in words.
pub fn describe_evidence(nats: f64) -> String {
    let words = match nats {
        ..5.0 => "likely",
        5.0..10.0 => "sure",
        10.0..20.0 => "very sure",
        _ => "beyond doubt",
    };
    format!("{words} ({nats:.0} nats)")
}

fn list_slices(guard: &Guard) -> Vec<SliceLine> {
    let slice = |slice: &Slice| SliceLine {
        field: slice.field.clone(),
        value: slice.value.clone(),
        rows: number(slice.kept.of),
        dropped: percent(1.0 - slice.kept.share()),
    };
    guard.slices.iter().take(SHOWN_SLICES).map(slice).collect()
}

impl RowLine {
    fn new(row: &ExplainedRow) -> Self {
        Self {
            row: number(row.row),
            label: row.label,
            done: row.what_was_done(),
            reason: row.reason.clone().unwrap_or_default(),
            values: row.values.iter().map(|cell| cell.value.clone()).collect(),
        }
    }
}

fn list_methods(table: &[TableLine]) -> Vec<MethodLine> {
    let line = |line: &TableLine| {
        let over = |of: &dyn Fn(&RunResult) -> f64| line.runs.iter().map(of).collect::<Vec<_>>();
        let backbone = match line.backbone == line.chosen_with {
            true => line.backbone.to_string(),
            false => format!("{}, rows of {}", line.backbone, line.chosen_with),
        };
        MethodLine {
            method: name_method(line),
            backbone,
            kept: percent(mean(&over(&|run| run.kept.share()))),
            auc: with_spread(&over(&|run| run.test.auc.unwrap_or(f64::NAN))),
            logloss: with_spread(&over(&|run| run.test.logloss)),
        }
    };
    table.iter().map(line).collect()
}

/// All rows are a method of every job, and named by what they are.
fn name_method(line: &TableLine) -> String {
    if line.method == MethodName::None { "all rows".to_owned() } else { line.label.clone() }
}

fn with_spread(values: &[f64]) -> String {
    let spread = sample_sd(values).map(|sd| format!(" ± {sd:.4}")).unwrap_or_default();
    format!("{:.4}{spread}", mean(values))
}
