//! `/v1/jobs/{id}/overlap`: how far two jobs on the same table drop the same rows.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    jobs::find_succeeded,
    state::AppState,
    views::OverlapView,
};
use crate::{
    files::Key,
    store::artifacts,
    types::{JobId, TenantId},
};
use axum::extract::State;
use serde::Deserialize;
use std::{fs::File, io::BufReader, path::PathBuf};
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OverlapQuery {
    /// The other job.
    with: JobId,
}

/// Compare the rows that two finished jobs drop. Both must be on the same table.
#[utoipa::path(get, path = "/v1/jobs/{id}/overlap", tag = "results", params(("id" = JobId, Path), OverlapQuery),
    responses(
        (status = 200, body = OverlapView), (status = 400), (status = 404),
        (status = 409, description = "Not succeeded, on different tables, or the results are gone")
    ))]
pub async fn get_overlap(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<OverlapQuery>,
) -> Result<Json<OverlapView>, ApiError> {
    let job = find_succeeded(&state, &caller.tenant, id).await?;
    let other = find_succeeded(&state, &caller.tenant, query.with).await?;
    if job.spec.dataset_digest != other.spec.dataset_digest {
        return Err(ApiError::conflict(format!("{id} and {} are on different tables", query.with)));
    }
    let masks = [find_mask(&state, &caller.tenant, id).await?, find_mask(&state, &caller.tenant, query.with).await?];
    let read = tokio::task::spawn_blocking(move || count_dropped(&masks)).await;
    let counts = read.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(counts.view(query.with)))
}

/// The file of a job's keep mask.
async fn find_mask(state: &AppState, tenant: &TenantId, id: JobId) -> Result<PathBuf, ApiError> {
    let found = artifacts::find(&mut *state.connection().await?, tenant, id, "keep_mask").await?;
    let artifact = found.ok_or_else(|| ApiError::new(Kind::Conflict, format!("the results of {id} are no more")))?;
    let key = Key::parse(&artifact.object).map_err(|error| ApiError::internal(&error))?;
    state.files.locate(&key, &artifact.sha256).await.map_err(|error| ApiError::internal(&error))
}

/// Rows that each of two masks drops, and both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Dropped {
    one: u64,
    other: u64,
    both: u64,
}

impl Dropped {
    fn of(masks: &[Vec<u8>; 2]) -> Self {
        let mut dropped = Self::default();
        for (one, other) in masks[0].iter().zip(&masks[1]) {
            let (one, other) = (*one == 0, *other == 0);
            dropped.one += u64::from(one);
            dropped.other += u64::from(other);
            dropped.both += u64::from(one && other);
        }
        dropped
    }

    fn view(self, with: JobId) -> OverlapView {
        let either = self.one + self.other - self.both;
        OverlapView {
            with,
            dropped: self.one,
            dropped_by_other: self.other,
            dropped_by_both: self.both,
            jaccard: (either > 0).then(|| self.both as f64 / either as f64),
        }
    }
}

fn count_dropped(paths: &[PathBuf; 2]) -> std::io::Result<Dropped> {
    let read = |path: &PathBuf| npyz::NpyFile::new(BufReader::new(File::open(path)?))?.into_vec::<u8>();
    Ok(Dropped::of(&[read(&paths[0])?, read(&paths[1])?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_drop_is_held_against_what_either_drops() {
        let dropped = Dropped::of(&[vec![0, 0, 1, 1], vec![0, 1, 0, 1]]);
        assert_eq!(dropped, Dropped { one: 2, other: 2, both: 1 });
        assert_eq!(dropped.view(JobId::new()).jaccard, Some(1.0 / 3.0));
        assert_eq!(Dropped::of(&[vec![1], vec![1]]).view(JobId::new()).jaccard, None);
    }
}
