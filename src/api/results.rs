//! What a finished job came to, `/v1/jobs/{id}/report` and `/verdict`; and the same job again, `/reproductions`.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path},
    jobs::{answer_created, find, find_succeeded},
    quota,
    state::AppState,
    views::{JobView, Reproduction, VerdictView},
};
use crate::{
    store::{
        artifacts::{self, ArtifactRow},
        jobs::Creation,
    },
    types::{JobId, Report, TenantId},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};

/// What a finished job came to.
#[utoipa::path(get, path = "/v1/jobs/{id}/report", tag = "results", params(("id" = JobId, Path)),
    responses((status = 200, body = Report), (status = 404), (status = 409)))]
pub async fn get_report(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Json<Report>, ApiError> {
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    let report = job.report.expect("the constraint jobs_succeeded_has_report");
    Ok(Json(report.0))
}

/// What a finished job proved: the verdict, and what it rests on.
#[utoipa::path(get, path = "/v1/jobs/{id}/verdict", tag = "results", params(("id" = JobId, Path)),
    responses((status = 200, body = VerdictView), (status = 404), (status = 409)))]
pub async fn get_verdict(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Json<VerdictView>, ApiError> {
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    let reproduction = match job.reproduces {
        Some(of) => compare_results(&state, &caller.tenant, of, id).await?,
        None => None,
    };
    let report = job.report.expect("the constraint jobs_succeeded_has_report").0;
    Ok(Json(VerdictView {
        verdict: report.verdict,
        certification: report.certification,
        transfers: report.transfers,
        self_check: report.self_check,
        reproduction,
    }))
}

/// How a job's results compare with those of the job it runs again.
async fn compare_results(
    state: &AppState,
    tenant: &TenantId,
    of: JobId,
    again: JobId,
) -> Result<Option<Reproduction>, ApiError> {
    let conn = &mut *state.connection().await?;
    let (first, second) = (artifacts::list(conn, tenant, of).await?, artifacts::list(conn, tenant, again).await?);
    // Results whose time is over are deleted, and cannot be compared.
    if first.is_empty() || second.is_empty() {
        return Ok(None);
    }
    let timeless =
        first.iter().filter(|artifact| !["report.json", "report.html", "certificate"].contains(&&artifact.name[..]));
    let differs = |artifact: &&ArtifactRow| {
        second.iter().any(|other| other.name == artifact.name && other.sha256 != artifact.sha256)
    };
    let differing: Vec<String> = timeless.filter(differs).map(|artifact| artifact.name.clone()).collect();
    Ok(Some(Reproduction { of, identical: differing.is_empty(), differing }))
}

/// Run an ended job again, one that failed or was cancelled too: a new job with the same resolved spec. Where both have results,
/// its verdict says whether they are the same.
#[utoipa::path(post, path = "/v1/jobs/{id}/reproductions", tag = "results", params(("id" = JobId, Path)),
    responses(
        (status = 201, body = JobView), (status = 404),
        (status = 409, description = "Not finished, or the dataset is gone")
    ))]
pub async fn create_reproduction(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Response, ApiError> {
    let job = find(&state, &caller.tenant, id).await?;
    if !job.state.is_terminal() {
        let detail = format!("{id} is {}; it can be run again once it has ended", job.state.as_str());
        return Err(ApiError::new(Kind::NotFinished, detail));
    }
    let mut spec = job.spec.0;
    // The program that will run it may be another version than the one that ran the first.
    env!("CARGO_PKG_VERSION").clone_into(&mut spec.engine_version);
    match quota::create_job(&mut *state.connection().await?, &caller, &spec, None, Some(id)).await? {
        Creation::New(row) => Ok(answer_created(*row, "../").into_response()),
        _ => Err(ApiError::new(Kind::DatasetNotReady, format!("{}, the dataset of {id}, is gone", spec.dataset_id))),
    }
}
