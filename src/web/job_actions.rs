//! What is done with a job from its page: the page is shown again after it.

use super::{ask::Ask, error::PageError, extract::Path};
use crate::{api::JobView, types::JobId};
use axum::{http::Method, response::Redirect};

pub async fn pause(ask: Ask, Path(id): Path<JobId>) -> Result<Redirect, PageError> {
    act(&ask, id, "pause").await
}

pub async fn resume(ask: Ask, Path(id): Path<JobId>) -> Result<Redirect, PageError> {
    act(&ask, id, "resume").await
}

pub async fn cancel(ask: Ask, Path(id): Path<JobId>) -> Result<Redirect, PageError> {
    act(&ask, id, "cancel").await
}

async fn act(ask: &Ask, id: JobId, what: &str) -> Result<Redirect, PageError> {
    ask.act(Method::POST, &format!("/v1/jobs/{id}/{what}")).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")))
}

/// Leads to the job that runs it again.
pub async fn run_again(ask: Ask, Path(id): Path<JobId>) -> Result<Redirect, PageError> {
    let job: JobView = ask.post(&format!("/v1/jobs/{id}/reproductions"), &()).await?;
    Ok(Redirect::to(&format!("/jobs/{}", job.id)))
}

pub async fn delete(ask: Ask, Path(id): Path<JobId>) -> Result<Redirect, PageError> {
    ask.act(Method::DELETE, &format!("/v1/jobs/{id}")).await?;
    Ok(Redirect::to("/jobs"))
}
