//! `/v1/workers`: who runs jobs, for operators; and what a queued job waits for.

use super::{
    access::Caller,
    error::ApiError,
    extract::{Json, Query},
    page::{PageParams, answer_page},
    state::AppState,
    views::{Page, WorkerView},
};
use crate::{
    store::{
        StoreError,
        jobs::JobRow,
        workers::{self, WorkerRow},
    },
    types::{Device, JobState, TORCH_TRAINER},
};
use axum::extract::State;
use chrono::{SecondsFormat, Utc};
use sqlx::PgConnection;

/// Most workers that are looked at to say what a job waits for.
const MOST: u32 = 1000;

/// List the workers that are heard of, the newest first. They are the operator's, of no tenant.
#[utoipa::path(get, path = "/v1/workers", tag = "service", params(PageParams),
    responses((status = 200, body = Page<WorkerView>), (status = 400)))]
pub async fn list_workers(
    State(state): State<AppState>,
    _caller: Caller,
    Query(page): Query<PageParams>,
) -> Result<Json<Page<WorkerView>>, ApiError> {
    let (limit, after) = page.check()?;
    let page = workers::list(&mut *state.connection().await?, limit, after).await?;
    Ok(answer_page(page, |row| WorkerView {
        name: row.name,
        state: row.state,
        reasons: row.reasons,
        labels: row.labels.0,
        gpus: row.gpus,
        torch: row.torch,
        slots: row.slots as u32,
        busy: row.busy as u32,
        version: row.version,
        started_at: row.started_at,
        seen_at: row.seen_at,
    }))
}

/// The workers; none, and none read, where no job waits in the queue.
pub async fn list_for_waiting(conn: &mut PgConnection, jobs: &[&JobRow]) -> Result<Vec<WorkerRow>, StoreError> {
    if jobs.iter().any(|job| job.state == JobState::Queued) {
        Ok(workers::list(conn, MOST, None).await?.rows)
    } else {
        Ok(Vec::new())
    }
}

/// What a queued job waits for, in words; nothing of a job that is not queued.
pub fn describe_wait(job: &JobRow, workers: &[WorkerRow]) -> Option<String> {
    if job.state != JobState::Queued {
        return None;
    }
    if let Some(time) = job.not_before.filter(|time| *time > Utc::now()) {
        let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Some(format!("another try, not before {time}: attempt {} ended badly", job.attempt));
    }
    if workers.is_empty() {
        return Some("a worker: none is running".to_owned());
    }
    let spec = &job.spec.0;
    let offers: Vec<_> = workers.iter().map(|worker| (worker, worker.ability())).collect();
    let suited: Vec<_> = offers.iter().filter(|(_, ability)| ability.suits(spec)).collect();
    let free = |worker: &&WorkerRow| worker.busy < worker.slots;
    let ready = |worker: &&WorkerRow| worker.state == "ready";
    Some(if !offers.iter().any(|(_, ability)| ability.has_device(spec.device)) {
        format!("a worker with {}: no running worker has it", spec.device)
    } else if !offers.iter().any(|(_, ability)| ability.has_engines(spec)) {
        format!("a worker with libtorch: no running worker has {TORCH_TRAINER}")
    } else if suited.is_empty() {
        let device = if spec.device == Device::Auto { Vec::new() } else { vec![spec.device.to_string()] };
        let labels: Vec<_> = spec.requires.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("a worker with {}: no running worker has all of it", [device, labels].concat().join(" and "))
    } else if !suited.iter().any(|(worker, _)| ready(worker)) {
        "a worker that claims: those that could run it are stopping or unfit".to_owned()
    } else if suited.iter().any(|(worker, _)| ready(worker) && free(worker)) {
        "a worker to take it".to_owned()
    } else {
        "a free slot".to_owned()
    })
}
