//! `/jobs/{id}`: what a job does, and what came of it.

use super::{
    ask::Ask,
    error::PageError,
    extract::Path,
    job_charts::{self, Figure},
    job_list::{self, Bar},
    shell::{Shell, render},
    verdict::VerdictView,
    words::{self, Badge, Moment},
};
use crate::{
    api::{AttemptPage, JobSummary, JobView, MetricsView, Page, PartState, PartView, RowWithCells},
    metrics::{mean, sample_sd},
    report::{ExplainedRow, SAMPLE_ROWS, describe_evidence, explain_finding},
    types::{
        Corruption, CorruptionFound, EpochRow, Guard, JobId, JobState, KeptShare, MethodName, Phase, Report, RunResult,
        TableLine, signed,
    },
};
use askama::Template;
use axum::response::Response;

/// Most passes that are drawn.
const MOST_PASSES: usize = 20_000;

#[derive(Template)]
#[template(path = "job.html", config = "src/web/askama.toml")]
struct JobPage {
    shell: Shell,
    head: JobHead,
    doing: String,
    progress: Option<Bar>,
    facts: Vec<(&'static str, String)>,
    error: Option<String>,
    /// Absent before there is one.
    result: Option<ResultView>,
    figures: Vec<Figure>,
    attempts: Vec<AttemptLine>,
    /// How far the parts are; absent where there are none.
    parts_done: Option<String>,
    parts: Vec<PartLine>,
    settings: String,
    /// Where news of it comes from; absent where nothing will change.
    news: Option<String>,
}

/// What stands above every page of a job.
pub struct JobHead {
    pub id: String,
    pub name: String,
    pub dataset_id: String,
    pub dataset: String,
    pub state: Badge,
    pub verdict: Option<Badge>,
    pub labels: Vec<(String, String)>,
    pub is_done: bool,
    pub can_pause: bool,
    pub can_resume: bool,
    pub can_cancel: bool,
    pub can_delete: bool,
}

impl JobHead {
    pub async fn of(ask: &Ask, job: &JobView) -> Result<Self, PageError> {
        Ok(Self {
            id: job.id.to_string(),
            name: job_list::name_job(&job.clone().into()),
            dataset_id: job.dataset_id.to_string(),
            dataset: job_list::name_dataset(ask, job.dataset_id, job.dataset_name.as_ref()).await?,
            state: words::state_badge(job.status),
            verdict: job.verdict.and_then(words::verdict_badge),
            labels: job.spec.labels.clone().into_iter().collect(),
            is_done: job.status == JobState::Succeeded,
            can_pause: matches!(job.status, JobState::Queued | JobState::Running),
            can_resume: matches!(job.status, JobState::Paused | JobState::Pausing),
            can_cancel: !job.is_terminal && job.status != JobState::Cancelling,
            can_delete: job.is_terminal,
        })
    }
}

/// A start of the job.
struct AttemptLine {
    number: u32,
    worker: String,
    started: Moment,
    took: String,
    outcome: String,
    error: String,
}

/// A training that any worker may do.
struct PartLine {
    what: String,
    backbone: String,
    seed: u64,
    state: &'static str,
    worker: String,
}

/// What a finished job came to.
struct ResultView {
    verdict: Option<VerdictView>,
    transfers: Vec<VerdictView>,
    findings: Vec<FindingView>,
    /// Whether the method looks for corruption at all.
    looked: bool,
    kept: Vec<KeptLine>,
    changed: Vec<String>,
    arms: Vec<ResultArm>,
    table: Vec<MethodLine>,
    has_methods: bool,
    guard: Option<GuardView>,
    notes: Vec<String>,
    warnings: Vec<String>,
}

/// Something that is wrong with the table.
struct FindingView {
    /// What is wrong, in a line.
    what: String,
    /// What that means, and what was done, in plain words.
    meaning: String,
    /// How far it goes.
    extent: String,
    action: &'static str,
    /// Where it is: values of fields, with their rows.
    examples: Vec<(String, String)>,
    more: u64,
    evidence: String,
    gain: Option<String>,
    /// Some of its rows; none where nothing is told of single rows.
    sample: Option<RowSample>,
}

/// Some rows of a finding, and where all are.
struct RowSample {
    fields: Vec<String>,
    rows: Vec<SampleRow>,
    address: String,
}

impl RowSample {
    /// The values of a row with the names of their fields.
    fn named<'a>(&'a self, row: &'a SampleRow) -> impl Iterator<Item = (&'a String, &'a String)> {
        self.fields.iter().zip(&row.values)
    }
}

struct SampleRow {
    number: String,
    /// Whether it was kept as it is.
    untouched: bool,
    done: String,
    label: u8,
    values: Vec<String>,
    reason: String,
}

struct KeptLine {
    what: &'static str,
    kept: u64,
    of: u64,
    words: String,
}

struct ResultArm {
    name: &'static str,
    style: usize,
    rows: String,
    passes: String,
    valid: [String; 2],
    test: [String; 2],
}

struct MethodLine {
    method: String,
    backbone: String,
    kept: String,
    auc: String,
    logloss: String,
    seconds: String,
}

struct GuardView {
    before: String,
    after: String,
    slices: Vec<SliceLine>,
}

struct SliceLine {
    value: String,
    rows: String,
    dropped: String,
    z: String,
}

pub async fn show(shell: Shell, ask: Ask, Path(id): Path<JobId>) -> Result<Response, PageError> {
    let job: JobView = ask.get(&format!("/v1/jobs/{id}")).await?;
    let passes = read_passes(&ask, id).await?;
    let attempts: AttemptPage = ask.get(&format!("/v1/jobs/{id}/attempts?limit=100")).await?;
    let report: Option<Report> = match job.status {
        JobState::Succeeded => Some(ask.get(&format!("/v1/jobs/{id}/report")).await?),
        _ => None,
    };
    let mut result = report.as_ref().map(ResultView::new);
    for (number, finding) in result.iter_mut().flat_map(|result| &mut result.findings).enumerate() {
        finding.show_rows(&ask, id, number).await?;
    }
    let summary = JobSummary::from(job.clone());
    let page = JobPage {
        shell,
        head: JobHead::of(&ask, &job).await?,
        doing: job_list::describe_doing(&summary),
        progress: Bar::of(&summary),
        facts: list_facts(&job, job_list::took(&summary), report.as_ref()),
        error: job.error.clone().filter(|_| job.status == JobState::Failed),
        result,
        figures: job_charts::draw(&passes, &job.spec),
        attempts: attempts.data.iter().map(describe_attempt).collect(),
        parts_done: job.describe_parts(),
        parts: job.parts.iter().map(describe_part).collect(),
        settings: serde_json::to_string_pretty(&job.spec).expect("a spec is plain data"),
        news: (!job.is_terminal).then(|| format!("/jobs/{id}/events?after={}", job.last_event_seq)),
    };
    Ok(render(&page))
}

async fn read_passes(ask: &Ask, id: JobId) -> Result<Vec<EpochRow>, PageError> {
    let mut rows: Vec<EpochRow> = Vec::new();
    let mut after = 0;
    loop {
        let page: MetricsView = ask.get(&format!("/v1/jobs/{id}/metrics?limit=1000&after={after}")).await?;
        rows.extend(page.data);
        match page.next {
            Some(next) if rows.len() < MOST_PASSES => after = next,
            _ => return Ok(rows),
        }
    }
}

fn list_facts(job: &JobView, took: Option<String>, report: Option<&Report>) -> Vec<(&'static str, String)> {
    let spec = &job.spec;
    let seeds = match spec.seeds {
        1 => spec.seed.to_string(),
        seeds => format!("{seeds}, from {}", spec.seed),
    };
    let mut facts = vec![
        ("Method", spec.method.label.clone()),
        ("Backbone", spec.method.backbone.to_string()),
        ("Seed", seeds),
        ("Device", report.map_or(spec.device.to_string(), |report| report.device.clone())),
        ("Created", job.created_at.format("%Y-%m-%d %H:%M UTC").to_string()),
    ];
    facts.extend(took.map(|took| (if job.is_terminal { "Took" } else { "Runs for" }, took)));
    if job.priority != 0 {
        facts.push(("Priority", job.priority.to_string()));
    }
    if let Some(report) = report {
        facts.push(("Test labels read", words::counted(report.test_reads, "time")));
        facts.extend(report.peak_memory_bytes.map(|bytes| ("Most memory", words::bytes(bytes))));
    }
    facts.extend(job.test_read.map(|read| ("Verdict on this table", format!("number {}", read.number))));
    facts.extend(job.reproduces.map(|id| ("Runs again", id.to_string())));
    facts
}

fn describe_attempt(attempt: &crate::api::AttemptView) -> AttemptLine {
    let end = attempt.ended_at.unwrap_or_else(chrono::Utc::now);
    AttemptLine {
        number: attempt.attempt,
        worker: attempt.worker.clone(),
        started: Moment::new(attempt.started_at),
        took: words::seconds((end - attempt.started_at).num_milliseconds() as f64 / 1000.0),
        outcome: attempt.outcome.clone().unwrap_or_else(|| "running".to_owned()),
        error: attempt.error.clone().unwrap_or_default(),
    }
}

fn describe_part(part: &PartView) -> PartLine {
    let arm = words::arm(part.work.arm);
    PartLine {
        what: if part.work.phase == Phase::Tune { format!("tuning, {arm}") } else { arm.to_owned() },
        backbone: part.work.backbone.to_string(),
        seed: part.work.seed,
        state: match part.state {
            PartState::Waiting => "waiting",
            PartState::Running => "at work",
            PartState::Done => "done",
        },
        worker: part.worker.clone().unwrap_or_default(),
    }
}

impl ResultView {
    fn new(report: &Report) -> Self {
        let found = report.findings.as_ref().map(|findings| &findings.corruptions[..]).unwrap_or_default();
        Self {
            verdict: report.certification.as_ref().map(|own| VerdictView::of_job(report, own)),
            transfers: report.transfers.iter().map(VerdictView::new).collect(),
            findings: found.iter().map(FindingView::new).collect(),
            looked: report.findings.is_some(),
            kept: list_kept(report),
            changed: list_changed(report),
            arms: report.arms.iter().map(describe_arm).collect(),
            table: report.table.iter().map(describe_method).collect(),
            has_methods: report.table.len() > 2 || report.spec.seeds > 1,
            guard: report.guard.as_ref().map(GuardView::new),
            notes: list_notes(report),
            warnings: report.warnings.iter().map(|warning| warning.message.clone()).collect(),
        }
    }
}

impl FindingView {
    fn new(found: &CorruptionFound) -> Self {
        let name = |example: &crate::types::ExampleValue| {
            let named = found.fields.iter().zip(&example.names).map(|(field, name)| format!("{field} = {name}"));
            named.collect::<Vec<_>>().join(", ")
        };
        let examples = found.examples.iter().map(|example| (name(example), words::count(u64::from(example.rows))));
        let examples: Vec<_> = examples.filter(|(name, _)| !name.is_empty()).collect();
        let told = if found.kind == Corruption::RowNoise { 0 } else { found.values };
        Self {
            what: found.what(),
            meaning: explain_finding(found),
            extent: found.extent(),
            action: found.action(),
            more: told.saturating_sub(examples.len() as u64),
            examples,
            evidence: describe_evidence(found.evidence),
            gain: found.gain.zip(found.gain_error).map(|(gain, error)| format!("{} ± {error:.4}", words::gain(gain))),
            sample: None,
        }
    }

    /// Puts some of its rows beside it. `number` is its place in the report.
    async fn show_rows(&mut self, ask: &Ask, job: JobId, number: usize) -> Result<(), PageError> {
        let address = format!("/v1/jobs/{job}/rows?finding={number}&limit={SAMPLE_ROWS}");
        let page: Option<Page<RowWithCells>> = ask.find(&address).await?;
        let rows: Vec<ExplainedRow> =
            page.map(|page| page.data).unwrap_or_default().into_iter().map(|it| it.row).collect();
        let Some(first) = rows.first() else { return Ok(()) };
        self.sample = Some(RowSample {
            fields: first.values.iter().map(|cell| cell.field.clone()).collect(),
            rows: rows.iter().map(SampleRow::new).collect(),
            address: format!("/jobs/{job}/rows?finding={number}"),
        });
        Ok(())
    }
}

impl SampleRow {
    fn new(row: &ExplainedRow) -> Self {
        Self {
            number: row.row.to_string(),
            untouched: !row.is_touched(),
            done: row.what_was_done(),
            label: row.label,
            values: row.values.iter().map(|cell| cell.value.clone()).collect(),
            reason: row.reason.clone().unwrap_or_default(),
        }
    }
}

fn list_kept(report: &Report) -> Vec<KeptLine> {
    let lines: [(&'static str, KeptShare); 3] =
        [("all rows", report.kept), ("label 1", report.kept_positive), ("label 0", report.kept_negative)];
    let line = |(what, kept): (&'static str, KeptShare)| KeptLine {
        what,
        kept: kept.rows,
        of: kept.of,
        words: format!("{} of {} ({})", words::count(kept.rows), words::count(kept.of), words::percent(kept.share())),
    };
    lines.into_iter().map(line).collect()
}

/// Kept rows that are trained on otherwise than they are given.
fn list_changed(report: &Report) -> Vec<String> {
    let kinds = [
        (report.relabelled, "count as of the other label"),
        (report.softened, "have a probability between 0 and 1 as label"),
        (report.reweighted, "weigh more or less than others"),
    ];
    let changed = kinds.into_iter().filter(|(rows, _)| *rows > 0);
    changed.map(|(rows, what)| format!("{} {what}.", words::counted(rows, "kept row"))).collect()
}

fn describe_arm(arm: &crate::types::ArmResult) -> ResultArm {
    let numbers = |metrics: &crate::types::Metrics| {
        [metrics.auc.map_or("–".to_owned(), |auc| format!("{auc:.4}")), format!("{:.4}", metrics.logloss)]
    };
    ResultArm {
        name: words::arm(arm.arm),
        style: words::arm_style(arm.arm),
        rows: words::count(arm.train_rows),
        passes: format!("{} of {}", arm.best_pass, arm.passes),
        valid: numbers(&arm.valid),
        test: numbers(&arm.test),
    }
}

fn describe_method(line: &TableLine) -> MethodLine {
    let over = |digits: usize, number: &dyn Fn(&RunResult) -> f64| {
        let values: Vec<f64> = line.runs.iter().map(number).collect();
        let spread = sample_sd(&values).map(|sd| format!(" ± {sd:.digits$}")).unwrap_or_default();
        format!("{:.digits$}{spread}", mean(&values))
    };
    MethodLine {
        method: if line.method == MethodName::None { "all rows".to_owned() } else { line.label.clone() },
        backbone: if line.backbone == line.chosen_with {
            line.backbone.to_string()
        } else {
            format!("{}, rows of {}", line.backbone, line.chosen_with)
        },
        kept: over(2, &|run| 100.0 * run.kept.share()),
        auc: over(4, &|run| run.test.auc.unwrap_or(f64::NAN)),
        logloss: over(4, &|run| run.test.logloss),
        seconds: over(1, &|run| run.select_seconds + run.train_seconds),
    }
}

impl GuardView {
    fn new(guard: &Guard) -> Self {
        let slices = guard.slices.iter().map(|slice| SliceLine {
            value: format!("{} = {}", slice.field, slice.value),
            rows: words::count(slice.kept.of),
            dropped: words::percent(1.0 - slice.kept.share()),
            z: signed(slice.z, 1),
        });
        Self {
            before: words::percent(guard.label_rate_before),
            after: words::percent(guard.label_rate_after),
            slices: slices.collect(),
        }
    }
}

/// What else is known of the choice.
fn list_notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(stability) = &report.stability {
        notes.push(format!(
            "{} seeds agree on {} of what two of them drop; by chance it would be {}.",
            stability.seeds,
            words::percent(stability.jaccard),
            words::percent(stability.jaccard_by_chance),
        ));
    }
    if let Some(check) = &report.self_check {
        let found = check.found.auroc.map_or(String::new(), |auroc| format!(" (AUROC {auroc:.3}, chance is 0.5)"));
        notes.push(match check.passed {
            true => format!("The self-check passed: the method finds labels that were flipped on purpose{found}."),
            false => {
                format!("The self-check failed: the method does not find labels that were flipped on purpose{found}.")
            }
        });
    }
    notes
}
