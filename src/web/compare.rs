//! `/compare`: jobs beside each other, those of a tag over nights for example.

use super::{
    ask::Ask,
    error::PageError,
    extract::Query,
    job_list,
    shell::{Shell, render},
    words::{self, Badge, Moment},
};
use crate::{
    api::{JobSummary, JobView, OverlapView, Page},
    chart::{Chart, Interval, IntervalChart},
    types::{Arm, Gain, JobId, JobState, ParseIdError, Report},
};
use askama::Template;
use axum::response::Response;

/// Most jobs that are compared, or offered.
const MOST: usize = 30;

#[derive(Template)]
#[template(path = "compare.html", config = "src/web/askama.toml")]
struct ComparePage {
    shell: Shell,
    tag: String,
    /// What is wrong with what was asked for.
    slip: Option<String>,
    /// Jobs to choose from, where none were chosen.
    choices: Vec<Choice>,
    jobs: Vec<ComparedJob>,
    gains: Option<String>,
}

struct Choice {
    id: String,
    name: String,
    dataset: String,
    verdict: Option<Badge>,
    created: Moment,
    labels: Vec<(String, String)>,
}

struct ComparedJob {
    id: String,
    name: String,
    created: Moment,
    state: Badge,
    verdict: Option<Badge>,
    labels: Vec<(String, String)>,
    kept: Option<KeptBar>,
    gain: String,
    auc: String,
    /// How far it drops the rows that the first one drops.
    overlap: String,
}

struct KeptBar {
    rows: u64,
    of: u64,
    words: String,
}

/// A job with its report, where it has one.
struct Found {
    job: JobSummary,
    report: Option<Report>,
}

pub async fn show(shell: Shell, ask: Ask, Query(query): Query<Vec<(String, String)>>) -> Result<Response, PageError> {
    let value = |wanted: &str| query.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.trim());
    // Links of earlier versions say `label`, as the API does.
    let tag = value("tag").or_else(|| value("label")).unwrap_or_default().to_owned();
    let slip = (!tag.is_empty() && !tag.contains('=')).then(|| {
        format!("A tag is a name and its value, and `{tag}` is a name alone: write {tag}=value, as night=12. Or choose jobs below.")
    });
    let asked = if slip.is_some() { "" } else { &tag[..] };
    let ids: Vec<&str> = query.iter().filter(|(name, _)| name == "job").map(|(_, id)| id.as_str()).collect();
    let chosen = match (&ids[..], asked.is_empty()) {
        ([], true) => Vec::new(),
        ([], false) => list(&ask, &format!("&label={}", words::encode(asked))).await?,
        (ids, _) => find(&ask, ids).await?,
    };
    let choices = if chosen.is_empty() && asked.is_empty() { list_choices(&ask).await? } else { Vec::new() };
    // The oldest first: what changed from night to night reads downwards.
    let mut found = Vec::new();
    for job in chosen.into_iter().rev().take(MOST) {
        let report = match job.status {
            JobState::Succeeded => ask.find(&format!("/v1/jobs/{}/report", job.id)).await?,
            _ => None,
        };
        found.push(Found { job, report });
    }
    let mut jobs = Vec::new();
    for one in &found {
        let overlap = overlap(&ask, &found[0], one).await;
        jobs.push(describe(one, overlap));
    }
    Ok(render(&ComparePage {
        shell,
        tag: if slip.is_some() { String::new() } else { tag },
        slip,
        choices,
        gains: draw_gains(&found),
        jobs,
    }))
}

async fn list(ask: &Ask, filter: &str) -> Result<Vec<JobSummary>, PageError> {
    let page: Page<JobSummary> = ask.get(&format!("/v1/jobs?limit={MOST}{filter}")).await?;
    Ok(page.data)
}

/// The jobs of these ids, the newest first.
async fn find(ask: &Ask, ids: &[&str]) -> Result<Vec<JobSummary>, PageError> {
    let mut jobs: Vec<JobSummary> = Vec::new();
    for id in ids.iter().take(MOST) {
        let id: JobId = id.parse().map_err(|error: ParseIdError| PageError::bad_request(error.to_string()))?;
        let job: JobView = ask.get(&format!("/v1/jobs/{id}")).await?;
        jobs.push(job.into());
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.created_at));
    Ok(jobs)
}

async fn list_choices(ask: &Ask) -> Result<Vec<Choice>, PageError> {
    let mut choices = Vec::new();
    for job in list(ask, "&status=succeeded").await? {
        choices.push(Choice {
            id: job.id.to_string(),
            name: job_list::name_job(&job),
            dataset: job_list::name_dataset(ask, job.dataset_id, job.dataset_name.as_ref()).await?,
            verdict: job.verdict.and_then(words::verdict_badge),
            created: Moment::new(job.created_at),
            labels: job.labels.clone().into_iter().collect(),
        });
    }
    Ok(choices)
}

/// In words; nothing where the two cannot be compared, which the API says.
async fn overlap(ask: &Ask, first: &Found, one: &Found) -> String {
    if first.job.id == one.job.id {
        return "the first one".to_owned();
    }
    let address = format!("/v1/jobs/{}/overlap?with={}", one.job.id, first.job.id);
    match ask.get::<OverlapView>(&address).await {
        Ok(OverlapView { jaccard: Some(jaccard), dropped_by_both, .. }) => {
            format!("{} ({})", words::percent(jaccard), words::counted(dropped_by_both, "row"))
        }
        Ok(_) => "neither drops any".to_owned(),
        Err(_) => "–".to_owned(),
    }
}

fn gain(found: &Found) -> Option<&Gain> {
    found.report.as_ref()?.certification.as_ref()?.gains.iter().find(|gain| gain.over == Arm::Full)
}

fn describe(found: &Found, overlap: String) -> ComparedJob {
    let Found { job, report } = found;
    let kept = report.as_ref().map(|report| report.kept);
    let auc = report.as_ref().and_then(|report| {
        let arm = report.arms.iter().find(|arm| arm.arm == Arm::Denoised).or(report.arms.first())?;
        arm.test.auc
    });
    ComparedJob {
        id: job.id.to_string(),
        name: job_list::name_job(job),
        created: Moment::new(job.created_at),
        state: words::state_badge(job.status),
        verdict: job.verdict.and_then(words::verdict_badge),
        labels: job.labels.clone().into_iter().collect(),
        kept: kept.map(|kept| KeptBar { rows: kept.rows, of: kept.of, words: words::percent(kept.share()) }),
        gain: gain(found).map_or("–".to_owned(), |gain| {
            format!("{} [{}, {}]", words::gain(gain.mean), words::gain(gain.ci95[0]), words::gain(gain.ci95[1]))
        }),
        auc: auc.map_or("–".to_owned(), |auc| format!("{auc:.4}")),
        overlap: if report.is_some() { overlap } else { "–".to_owned() },
    }
}

/// The gain that each job's verdict is about.
fn draw_gains(all: &[Found]) -> Option<String> {
    // A tag that all have tells none of them from another.
    let is_shared =
        |(name, value): &(&String, &String)| all.iter().all(|one| one.job.labels.get(*name) == Some(*value));
    let interval = |found: &Found| {
        let gain = gain(found)?;
        let own = found.job.labels.iter().find(|label| !is_shared(label));
        let name = own.map(|(name, value)| format!("{name}={value}"));
        Some(Interval {
            name: name.unwrap_or_else(|| found.job.created_at.format("%Y-%m-%d %H:%M").to_string()),
            style: 1,
            mean: gain.mean,
            ends: gain.ci95,
            dots: Vec::new(),
        })
    };
    let intervals: Vec<Interval> = all.iter().filter_map(interval).collect();
    if intervals.is_empty() {
        return None;
    }
    let chart = IntervalChart {
        title: "Gain in AUC of the rows kept over all rows, by job".to_owned(),
        axis: "gain in AUC on the test rows".to_owned(),
        intervals,
        bound: None,
    };
    Some(chart.svg_pair())
}
