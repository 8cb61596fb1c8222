//! `PUT /v1/jobs/{id}/judgements/{judgement_id}/predictions/{training}`: what a model predicts, checked as it comes.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    judgement_views::PredictionsView,
    judgements::{find, missing},
    quota,
    state::AppState,
    views::Binary,
};
use crate::{
    files::{FilesError, Key, Received},
    predictions::{PredictionsError, most_bytes, read_predictions_as},
    store::judgements::{PredictionsRow, Taken},
    types::{JobId, JudgementId, JudgementState},
    worker::JUDGEMENT_EXPIRY,
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PutPredictionsQuery {
    /// Of which rows: `test` (default) or `valid`. With predictions of the validation rows of every training, log-loss is judged
    /// after recalibration on them.
    #[param(inline)]
    split: Option<PredictedSplit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PredictedSplit {
    Test,
    Valid,
}

/// Hand in what the model of a training predicts, in place of what it predicted before.
///
/// The body is the probability of label 1 of each row, in the order of the rows: a line each (the first may be a header), or a
/// NumPy array of float64 or float32.
#[utoipa::path(put, path = "/v1/jobs/{id}/judgements/{judgement_id}/predictions/{training}", tag = "judgements",
    params(
        ("id" = JobId, Path), ("judgement_id" = JudgementId, Path),
        ("training" = String, Path, description = "As the judgement lists it: full-42, .."), PutPredictionsQuery
    ),
    request_body(
        content = inline(Binary), content_type = "application/octet-stream",
        description = "Text or an array, by its first bytes; whatever the media type"
    ),
    responses(
        (status = 200, body = PredictionsView), (status = 400), (status = 404),
        (status = 409, description = "No predictions are awaited: the verdict was asked for, or it is not open yet"),
        (status = 413), (status = 422, description = "The line, or the number, that is no probability")
    ))]
pub async fn put_predictions(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, judgement, training)): Path<(JobId, JudgementId, String)>,
    Query(query): Query<PutPredictionsQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PredictionsView>, ApiError> {
    let row = find(&mut *state.connection().await?, &caller.tenant, id, judgement).await?;
    let Some(sqlx::types::Json(manifest)) = row.manifest.filter(|_| row.state == JudgementState::Open) else {
        return Err(not_awaited(judgement, row.state));
    };
    if !manifest.trainings.iter().any(|known| known.name == training) {
        let detail = format!("{judgement} has no training `{training}`; its `trainings` are those there are");
        return Err(ApiError::new(Kind::NotFound, detail));
    }
    let of_valid = query.split == Some(PredictedSplit::Valid);
    let rows = if of_valid { manifest.valid_rows } else { manifest.test_rows };
    let received = receive(&state, &headers, body, rows).await?;
    let received = check(&state, received, rows).await?;
    let key = Key::judgement(judgement);
    let stored = state.files.put_file(&key, received.path()).await?;
    let new = PredictionsRow {
        training,
        of_valid,
        object: key.to_string(),
        bytes: stored.bytes as i64,
        sha256: stored.sha256,
    };
    let connection = &mut *state.connection().await?;
    let taken = quota::take_predictions(connection, &caller, judgement, &new, JUDGEMENT_EXPIRY).await;
    let (unneeded, answer) = match taken {
        Ok(Taken::In { replaced }) => {
            let PredictionsRow { training, sha256, .. } = new;
            (replaced, Ok(Json(PredictionsView { training, rows, bytes: stored.bytes, sha256 })))
        }
        Ok(Taken::Refused(state)) => (Some(new.object), Err(not_awaited(judgement, state))),
        Ok(Taken::Missing) => (Some(new.object), Err(missing(judgement))),
        Err(error) => (Some(new.object), Err(error)),
    };
    if let Some(key) = unneeded.and_then(|name| Key::parse(name).ok())
        && let Err(error) = state.files.delete(&key).await
    {
        // No row names it: the sweep finds it.
        tracing::warn!(%error, object = %key, "predictions could not be deleted");
    }
    answer
}

fn not_awaited(judgement: JudgementId, state: JudgementState) -> ApiError {
    let detail = format!("{judgement} is {}; predictions are taken in while it is open", state.as_str());
    ApiError::new(Kind::Conflict, detail)
}

/// Takes the body in, up to what so many predictions can need.
async fn receive(state: &AppState, headers: &HeaderMap, body: Body, rows: u64) -> Result<Received, ApiError> {
    let limit = most_bytes(rows);
    let refused = || {
        let detail = format!("{rows} predictions have at most {limit} bytes; write one number a line and nothing else");
        ApiError::new(Kind::TooLarge, detail)
    };
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(refused());
    }
    state.files.receive(body.into_data_stream(), limit).await.map_err(|error| match error {
        FilesError::TooLarge { .. } => refused(),
        FilesError::Upload(error) => ApiError::bad_request(format!("the predictions broke off: {error}")),
        other => other.into(),
    })
}

/// Reads the predictions as the judge will.
async fn check(state: &AppState, received: Received, rows: u64) -> Result<Received, ApiError> {
    // A few at a time: each is in memory whole.
    let place = state.readings.clone().acquire_owned().await.map_err(|error| ApiError::internal(&error))?;
    let read = tokio::task::spawn_blocking(move || {
        let _place = place;
        read_predictions_as("the body", received.path(), rows as usize).map(|_| received)
    });
    read.await.map_err(|error| ApiError::internal(&error))?.map_err(|error| match error {
        PredictionsError::Read { source, .. } => ApiError::internal(&source),
        error => ApiError::new(Kind::InvalidPredictions, error.to_string()),
    })
}
