//! `/jobs`: what runs, what waits for what, and what came of it.

use super::{
    ask::Ask,
    dataset_list,
    error::PageError,
    extract::Query,
    shell::{Shell, render},
    words::{self, Badge, Moment},
};
use crate::{
    api::{DatasetView, JobSummary, Page},
    types::{DatasetId, JobState},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;
use std::collections::{BTreeMap, btree_map::Entry};

/// Filters of the list, and where its page begins. An empty one is none, as an empty field of the form has it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct JobListQuery {
    #[serde(default)]
    status: String,
    /// A name and its value; the API calls tags labels, and so did links of earlier versions.
    #[serde(default, alias = "label")]
    tag: String,
    #[serde(default)]
    dataset_id: String,
    #[serde(default)]
    after: String,
}

impl JobListQuery {
    /// The query of this page.
    fn to_query(&self, after: &str) -> String {
        self.pairs("tag", after)
    }

    /// The query of the API.
    fn of_api(&self) -> String {
        self.pairs("label", &self.after)
    }

    fn pairs(&self, tag: &str, after: &str) -> String {
        let pairs =
            [("status", &self.status[..]), (tag, &self.tag), ("dataset_id", &self.dataset_id), ("after", after)];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", words::encode(value))).collect::<Vec<_>>().join("&")
    }

    fn filters(&self) -> bool {
        !(self.status.is_empty() && self.tag.is_empty() && self.dataset_id.is_empty())
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
    pub percent: u64,
    pub left: Option<String>,
}

impl Bar {
    /// Of a job that has not ended.
    pub fn of(job: &JobSummary) -> Option<Self> {
        let progress = job.progress.filter(|progress| !job.is_terminal && progress.total > 0)?;
        let left = progress.eta_seconds.filter(|_| job.status == JobState::Running);
        Some(Self {
            percent: progress.percent(),
            left: left.map(|seconds| format!("about {} left", words::seconds(seconds))),
        })
    }
}

pub async fn show(shell: Shell, ask: Ask, Query(query): Query<JobListQuery>) -> Result<Response, PageError> {
    let page: Page<JobSummary> = ask.get(&format!("/v1/jobs?{}", query.of_api())).await?;
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

/// What the datasets of jobs are called; one that was deleted has no name but the end of its id.
async fn name_datasets(ask: &Ask, jobs: &[JobSummary]) -> Result<BTreeMap<DatasetId, String>, PageError> {
    let mut names = BTreeMap::new();
    for job in jobs {
        if let Entry::Vacant(unnamed) = names.entry(job.dataset_id) {
            unnamed.insert(name_dataset(ask, job.dataset_id, job.dataset_name.as_ref()).await?);
        }
    }
    Ok(names)
}

/// The name of a dataset that the job knows, else that of its files.
pub async fn name_dataset(ask: &Ask, id: DatasetId, known: Option<&String>) -> Result<String, PageError> {
    if let Some(name) = known {
        return Ok(name.clone());
    }
    let dataset: Option<DatasetView> = ask.find(&format!("/v1/datasets/{id}")).await?;
    Ok(dataset.map_or_else(|| format!("dataset …{}", words::short_id(id)), |dataset| dataset_list::name(&dataset)))
}

fn describe(job: &JobSummary, datasets: &BTreeMap<DatasetId, String>) -> JobLine {
    JobLine {
        id: job.id.to_string(),
        name: name_job(job),
        dataset: datasets.get(&job.dataset_id).cloned().unwrap_or_default(),
        state: words::state_badge(job.status),
        verdict: job.verdict.and_then(words::verdict_badge),
        doing: describe_doing(job),
        progress: Bar::of(job),
        labels: job.labels.clone().into_iter().collect(),
        created: Moment::new(job.created_at),
        took: took(job),
    }
}

/// The method and the backbone, which tell a reader what a job does.
pub fn name_job(job: &JobSummary) -> String {
    format!("{} · {}", job.method, job.backbone)
}

/// What a job is doing, waits for, or ended of.
pub fn describe_doing(job: &JobSummary) -> String {
    match (job.status, &job.waiting_for, job.phase, &job.error) {
        (JobState::Queued, Some(what), ..) => format!("waits for {what}"),
        (JobState::Running, _, Some(phase), _) => phase.as_waited_for().words().to_owned(),
        (JobState::Failed, _, _, Some(error)) => error.clone(),
        _ => String::new(),
    }
}

/// How long it has run, from its first start to its end or now.
pub fn took(job: &JobSummary) -> Option<String> {
    let end = job.finished_at.unwrap_or_else(chrono::Utc::now);
    job.started_at.map(|start| words::seconds((end - start).num_milliseconds() as f64 / 1000.0))
}
