//! `/v1/jobs/{id}/artifacts`: results out, whole or in part.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    state::AppState,
    stored::{StoredFile, hand_out},
    views::{ArtifactList, ArtifactView, Binary},
};
use crate::{
    store::{
        artifacts::{self, ArtifactRow},
        jobs::JobRow,
    },
    types::{JobId, Verdict},
};
use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// List a finished job's results.
#[utoipa::path(get, path = "/v1/jobs/{id}/artifacts", tag = "results", params(("id" = JobId, Path)),
    responses((status = 200, body = ArtifactList), (status = 404), (status = 409)))]
pub async fn list_artifacts(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
) -> Result<Json<ArtifactList>, ApiError> {
    find_succeeded(&state, &caller.tenant, id).await?;
    let rows = artifacts::list(&mut *state.connection().await?, &caller.tenant, id).await?;
    Ok(Json(ArtifactList { data: rows.into_iter().map(view).collect() }))
}

fn view(row: ArtifactRow) -> ArtifactView {
    ArtifactView {
        name: row.name,
        bytes: row.bytes as u64,
        sha256: row.sha256,
        media_type: row.media_type,
        download_name: row.download_name,
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GetArtifactQuery {
    /// Hand out `denoised` whatever the verdict.
    #[param(inline)]
    allow: Option<Allow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Allow {
    Uncertified,
}

/// Download one result. The ETag is its sha256; `Range` takes up a broken download.
///
/// Where the job asked for a verdict, `denoised` is handed out once that is `certified`, or with `allow=uncertified`.
#[utoipa::path(get, path = "/v1/jobs/{id}/artifacts/{name}", tag = "results",
    params(
        ("id" = JobId, Path),
        (
            "name" = String, Path,
            description = "As listed: denoised, indices, keep_mask, scores, weights, labels, explanations, policy, model, \
                           report.html, report.json, certificate"
        ),
        GetArtifactQuery
    ),
    responses(
        (
            status = 200, description = "In the media type that the list gives it",
            content((inline(Binary) = "application/octet-stream"), (inline(Binary) = "*/*"))
        ),
        (status = 206, description = "The part asked for"), (status = 400),
        (status = 304, description = "As in If-None-Match"),
        (status = 412, description = "Another than If-Match names"), (status = 416), (status = 404), (status = 409)
    ))]
pub async fn get_artifact(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, name)): Path<(JobId, String)>,
    Query(query): Query<GetArtifactQuery>,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    if name == "denoised" && query.allow != Some(Allow::Uncertified) {
        refuse_uncertified(&job)?;
    }
    let mut connection = state.connection().await?;
    let Some(row) = artifacts::find(&mut connection, &caller.tenant, id, &name).await? else {
        let artifacts = artifacts::list(&mut connection, &caller.tenant, id).await?;
        let names: Vec<_> = artifacts.into_iter().map(|row| row.name).collect();
        return Err(ApiError::new(
            Kind::NotFound,
            format!("{id} has no artifact `{name}`; it has {}", names.join(", ")),
        ));
    };
    // The download may take long, and would keep a connection from other requests.
    drop(connection);
    let file = StoredFile {
        name: row.name,
        object: row.object,
        bytes: row.bytes as u64,
        sha256: row.sha256,
        media_type: row.media_type,
        download_name: row.download_name,
    };
    hand_out(&state, &request, file).await
}

/// Refuses the denoised table of a job that asked for a verdict, unless the verdict is `certified`.
fn refuse_uncertified(job: &JobRow) -> Result<(), ApiError> {
    let asked = job.spec.certify.is_some();
    match &job.verdict {
        Some(verdict) if asked && verdict != Verdict::Certified.as_str() => Err(ApiError::new(
            Kind::NotCertified,
            format!("the verdict on {} is {verdict}; ?allow=uncertified hands the table out all the same", job.id),
        )),
        _ => Ok(()),
    }
}
