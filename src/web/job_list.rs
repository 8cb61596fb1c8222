//! `/jobs`: what runs, what waits for what, and what came of it.

use super::{
    ask::Ask,
    error::PageError,
    extract::Query,
    shell::{Shell, render},
    words::{self, Badge, Moment},
};
use crate::{
    api::{DatasetView, JobView, Page},
    types::{DatasetId, JobState},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Filters of the list, and where its page begins. An empty one is none, as an empty field of the form has it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct JobListQuery {
    #[serde(default)]
    status: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    dataset_id: String,
    #[serde(default)]
    after: String,
}

impl JobListQuery {
    /// The query of the API, or of this page.
    fn to_query(&self, after: &str) -> String {
        let pairs =
            [("status", &self.status[..]), ("label", &self.label), ("dataset_id", &self.dataset_id), ("after", after)];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", words::encode(value))).collect::<Vec<_>>().join("&")
    }

    fn filters(&self) -> bool {
        !(self.status.is_empty() && self.label.is_empty() && self.dataset_id.is_empty())
    }
}

#[derive(Template)]
#[template(path = "job_list.html", config = "src/web/askama.toml")]
struct JobListPage {
    shell: Shell,
    query: JobListQuery,
    states: Vec<&'static str>,
    jobs: Vec<JobLine>,
    /// Whether something of the page will change by itself.
    is_live: bool,
    older: Option<String>,
}

/// A job in the list.
struct JobLine {
    id: String,
    name: String,
    dataset: String,
    state: Badge,
    verdict: Option<Badge>,
    /// What it is doing, waits for, or ended of.
    doing: String,
    progress: Option<Bar>,
    labels: Vec<(String, String)>,
    created: Moment,
    took: Option<String>,
}

/// How far something is.
pub struct Bar {
    pub done: u64,
    pub total: u64,
    pub left: Option<String>,
}

impl Bar {
    /// Of a job that has not ended.
    pub fn of(job: &JobView) -> Option<Self> {
        let progress = job.progress.filter(|progress| !job.is_terminal && progress.total > 0)?;
        let left = progress.eta_seconds.filter(|_| job.status == JobState::Running);
        Some(Self {
            done: progress.done,
            total: progress.total,
            left: left.map(|seconds| format!("about {} left", words::seconds(seconds))),
        })
    }
}

pub async fn show(shell: Shell, ask: Ask, Query(query): Query<JobListQuery>) -> Result<Response, PageError> {
    let page: Page<JobView> = ask.get(&format!("/v1/jobs?{}", query.to_query(&query.after))).await?;
    let names = name_datasets(&ask, &page.data).await?;
    Ok(render(&JobListPage {
        shell,
        states: JobState::ALL.iter().map(|state| state.as_str()).collect(),
        is_live: page.data.iter().any(|job| !job.is_terminal),
        jobs: page.data.iter().map(|job| describe(job, &names)).collect(),
        older: page.next.map(|next| format!("/jobs?{}", query.to_query(&next))),
        query,
    }))
}

/// What the datasets of jobs are called; those that were deleted have no name.
async fn name_datasets(ask: &Ask, jobs: &[JobView]) -> Result<BTreeMap<DatasetId, String>, PageError> {
    let ids: BTreeSet<DatasetId> = jobs.iter().map(|job| job.dataset_id).collect();
    let mut names = BTreeMap::new();
    for id in ids {
        names.insert(id, name_dataset(ask, id).await?);
    }
    Ok(names)
}

/// The client's name of a dataset, else the end of its id.
pub async fn name_dataset(ask: &Ask, id: DatasetId) -> Result<String, PageError> {
    let dataset: Option<DatasetView> = ask.find(&format!("/v1/datasets/{id}")).await?;
    let name = dataset.and_then(|dataset| dataset.name);
    Ok(name.unwrap_or_else(|| format!("dataset …{}", words::short_id(id))))
}

fn describe(job: &JobView, datasets: &BTreeMap<DatasetId, String>) -> JobLine {
    JobLine {
        id: job.id.to_string(),
        name: name_job(job),
        dataset: datasets.get(&job.dataset_id).cloned().unwrap_or_default(),
        state: words::state_badge(job.status),
        verdict: job.verdict.and_then(words::verdict_badge),
        doing: describe_doing(job),
        progress: Bar::of(job),
        labels: job.spec.labels.clone().into_iter().collect(),
        created: Moment::new(job.created_at),
        took: took(job),
    }
}

/// The method and the backbone, which tell a reader what a job does.
pub fn name_job(job: &JobView) -> String {
    format!("{} · {}", job.spec.method.label, job.spec.method.backbone)
}

/// What a job is doing, waits for, or ended of.
pub fn describe_doing(job: &JobView) -> String {
    match (job.status, &job.waiting_for, job.phase, &job.error) {
        (JobState::Queued, Some(what), ..) => format!("waits for {what}"),
        (JobState::Running, _, Some(phase), _) => words::phase(phase).to_owned(),
        (JobState::Failed, _, _, Some(error)) => error.clone(),
        _ => String::new(),
    }
}

/// How long it has run, from its first start to its end or now.
pub fn took(job: &JobView) -> Option<String> {
    let end = job.finished_at.unwrap_or_else(chrono::Utc::now);
    job.started_at.map(|start| words::seconds((end - start).num_milliseconds() as f64 / 1000.0))
}
