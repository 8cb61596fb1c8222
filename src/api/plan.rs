//! `/v1/jobs/plan`: what a job would take and could show, without running it.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::Json,
    jobs::resolve_for,
    state::AppState,
    webhooks::check_webhook_ids,
};
use crate::{
    plan::{Pace, make_plan},
    store::{metrics, test_reads},
    types::{JobSpec, Plan, TestRead, json_sha256},
};
use axum::extract::State;

/// Plan a job: the same body as POST /v1/jobs, nothing is run.
#[utoipa::path(post, path = "/v1/jobs/plan", tag = "jobs", request_body = JobSpec,
    responses(
        (status = 200, body = Plan), (status = 400), (status = 409, description = "The dataset is not ready"),
        (status = 422)
    ))]
pub async fn plan_job(
    State(state): State<AppState>,
    caller: Caller,
    Json(spec): Json<JobSpec>,
) -> Result<Json<Plan>, ApiError> {
    let mut connection = state.connection().await?;
    let (dataset, spec) = resolve_for(&mut connection, &caller.tenant, &spec).await?;
    check_webhook_ids(&mut connection, &caller.tenant, &spec.webhook_ids).await?;
    let pace = metrics::pace(&mut connection, &caller.tenant, spec.dataset_id, spec.method.backbone).await?;
    let test_read = match &spec.certify {
        None => None,
        Some(certify) => {
            let digest = json_sha256(&spec);
            let number = test_reads::foresee(&mut connection, &caller.tenant, &spec.dataset_digest, &digest).await?;
            Some(TestRead::new(number, certify.alpha))
        }
    };
    let (Some(profile), Some(map)) = (dataset.profile, dataset.feature_map) else {
        return Err(ApiError::new(Kind::DatasetNotReady, format!("{} is not ready", dataset.id)));
    };
    let pace = pace.map(|pace| Pace {
        seconds: pace.seconds,
        passes: Some(pace.passes),
        basis: format!("the pace of {} earlier passes on this dataset with this backbone", pace.count),
    });
    Ok(Json(make_plan(spec, &profile, &map, pace.as_ref(), test_read, state.config.job_threads)))
}
