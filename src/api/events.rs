//! `/v1/jobs/{id}/events`: what happened to a job, as pages or as a stream (SSE), always from the tables.
//!
//! What is sent is read from `job_events`, so that a client that comes back with `Last-Event-ID` misses nothing, whatever
//! happened in between.

use super::{
    accept::Preferences,
    access::Caller,
    error::{ApiError, Kind},
    extract::{Json, Path, Query},
    hub::{POLL, PageSlot, StreamPage, Waiter},
    places::{Place, Seat},
    state::AppState,
    views::{EventPage, EventView},
};
use crate::{
    store::{StoreError, answered, events, jobs},
    types::{EventType, JobId, JobState, TenantId},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};
use utoipa::IntoParams;

/// Events of a page.
const PAGE: u32 = 500;
/// A silent stream says this often that it lives, before a proxy closes it.
const HEARTBEAT: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListEventsQuery {
    /// Only events with a greater `seq`.
    after: Option<i64>,
    /// JSON only: wait up to this many seconds (at most 60) for an event after `after`.
    wait: Option<u64>,
}

/// Events of a job, from the first or after a sequence number.
///
/// With `Accept: text/event-stream` the answer is a stream that ends after the job's last event; `id` is `seq`, so that a
/// client that reconnects with `Last-Event-ID` goes on where it was. Ignore types you do not know.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(
        ("id" = JobId, Path), ListEventsQuery,
        ("last-event-id" = Option<i64>, Header, minimum = 0, description = "As `after`")
    ),
    responses(
        (status = 200, content((EventPage = "application/json"), (String = "text/event-stream"))),
        (status = 204, description = "Stream: the job has ended and you have all its events"), (status = 400),
        (status = 404), (status = 406)
    ))]
pub async fn list_events(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListEventsQuery>,
    seat: Seat,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last_event_id = match headers.get("last-event-id") {
        None => None,
        Some(value) => {
            Some(value.to_str().ok().and_then(|text| text.parse::<i64>().ok()).filter(|seq| *seq >= 0).ok_or_else(
                || ApiError::new(Kind::BadCursor, "Last-Event-ID must be the `seq` of an event of this job"),
            )?)
        }
    };
    if query.wait.is_some_and(|seconds| i64::try_from(seconds).is_err()) {
        return Err(ApiError::bad_request("wait is a number of seconds; more than 60 are 60"));
    }
    let after = last_event_id.or(query.after).unwrap_or(0).max(0);
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("*/*");
    let wanted = Preferences::read(accept);
    let (stream, json) = (wanted.weight("text/event-stream"), wanted.weight("application/json"));
    let job = jobs::find(&mut *state.connection().await?, &caller.tenant, id).await?;
    let job = job.ok_or_else(|| ApiError::not_found("job", id))?;
    // Whoever takes anything gets a page, which ends.
    if stream > json || stream == json && accept.to_ascii_lowercase().contains("text/event-stream") && stream > 0.0 {
        // A client that has every event of an ended job is told not to come back.
        if has_every_event(job.state, job.last_event_seq, after) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let place = seat.wait(&state.waits, &caller.tenant)?;
        let stream = stream_events(state, caller.tenant, id, after, place);
        let stream = Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("ping"));
        // nginx would else gather events before it passes them on.
        return Ok(([("x-accel-buffering", "no")], stream).into_response());
    }
    if json == 0.0 {
        return Err(ApiError::new(
            Kind::NotAcceptable,
            format!("`{accept}` names neither application/json nor text/event-stream"),
        ));
    }
    let deadline = Instant::now() + Duration::from_secs(query.wait.unwrap_or(0).min(60));
    let mut waiter = state.events.subscribe();
    let mut waiting = None;
    loop {
        let page = read_page(&state, &caller.tenant, id, after).await?;
        if !page.data.is_empty() || page.is_terminal || Instant::now() >= deadline || state.draining.is_cancelled() {
            return Ok(Json(page).into_response());
        }
        if waiting.is_none() {
            waiting = Some(seat.wait(&state.waits, &caller.tenant)?);
        }
        let _ = state.draining.run_until_cancelled(waiter.wait(id, deadline)).await;
    }
}

async fn read_page(state: &AppState, tenant: &TenantId, id: JobId, after: i64) -> Result<EventPage, StoreError> {
    let mut connection = state.store.acquire().await?;
    let rows = events::list(&mut connection, tenant, id, after, PAGE).await?;
    let data: Vec<EventView> =
        rows.into_iter().map(|row| EventView { seq: row.seq, kind: row.kind, at: row.at, data: row.data }).collect();
    let is_terminal = match data.last() {
        Some(last) => is_terminal(&last.kind),
        None => jobs::find(&mut connection, tenant, id)
            .await?
            .is_none_or(|job| has_every_event(job.state, job.last_event_seq, after)),
    };
    Ok(EventPage { has_more: data.len() == PAGE as usize, data, is_terminal })
}

/// Whether the job has ended and no event comes after this one. A job may end between the look at its events and the look at
/// its state: its last event is then still to be read.
fn has_every_event(state: JobState, last_event_seq: i64, after: i64) -> bool {
    state.is_terminal() && after >= last_event_seq
}

fn is_terminal(kind: &str) -> bool {
    EventType::parse(kind).is_some_and(EventType::is_terminal)
}

enum NoPage {
    NotYet,
    /// The job has ended, and its last event was before.
    Ended,
    Failed(StoreError),
}

/// Every event after `after`, then those that come, until the last one or until the server stops.
fn stream_events(
    state: AppState,
    tenant: TenantId,
    id: JobId,
    after: i64,
    place: Place,
) -> impl Stream<Item = Result<Event, Infallible>> {
    struct Reading {
        state: AppState,
        tenant: TenantId,
        waiter: Waiter,
        after: i64,
        has_more: bool,
        ended: bool,
        /// Among those that wait, until the stream ends.
        _place: Place,
        /// Kept for those who come to the same page a little later.
        _page: Option<Arc<PageSlot>>,
    }
    let waiter = state.events.subscribe();
    let begun = Reading { state, tenant, waiter, after, has_more: true, ended: false, _place: place, _page: None };
    let pages = stream::unfold(begun, move |mut reading| async move {
        let draining = reading.state.draining.clone();
        while !reading.ended {
            if !reading.has_more {
                let news = reading.waiter.wait(id, Instant::now() + POLL);
                draining.run_until_cancelled(news).await?;
                draining.run_until_cancelled(sleep_until(reading.state.events.next_look())).await?;
                // What was told until here is read below.
                reading.waiter = reading.state.events.subscribe();
            }
            let slot = reading.state.events.find_page(id, reading.after);
            let read = slot.get_or_try_init(|| async {
                let page = answered(POLL, read_page(&reading.state, &reading.tenant, id, reading.after)).await;
                let EventPage { data, has_more, is_terminal } = page.map_err(NoPage::Failed)?;
                let last = data.last().ok_or(if is_terminal { NoPage::Ended } else { NoPage::NotYet })?.seq;
                Ok(StreamPage { events: data.into_iter().map(as_sse).collect(), last, has_more, is_terminal })
            });
            match draining.run_until_cancelled(read).await? {
                Ok(page) => {
                    let events = page.events.clone();
                    (reading.after, reading.has_more, reading.ended) = (page.last, page.has_more, page.is_terminal);
                    reading._page = Some(slot);
                    return Some((events, reading));
                }
                Err(NoPage::NotYet) => reading.has_more = false,
                Err(NoPage::Ended) => break,
                // The client reconnects with Last-Event-ID and learns then whether the database is back.
                Err(NoPage::Failed(error)) => {
                    tracing::warn!(%error, job_id = %id, "an event stream ends early");
                    break;
                }
            }
        }
        None
    });
    futures_util::StreamExt::flat_map(pages, |page| stream::iter(page.into_iter().map(Ok)))
}

fn as_sse(event: EventView) -> Event {
    let mut data = event.data;
    if let Some(object) = data.as_object_mut() {
        object.insert("seq".to_owned(), event.seq.into());
        object.insert("at".to_owned(), serde_json::to_value(event.at).expect("a time"));
    }
    Event::default().id(event.seq.to_string()).event(event.kind).data(data.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_ended_behind_the_last_look_at_its_events_has_one_more() {
        assert!(!has_every_event(JobState::Succeeded, 7, 6), "its last event is still to be read");
        assert!(has_every_event(JobState::Succeeded, 7, 7));
        assert!(!has_every_event(JobState::Running, 7, 7));
    }
}
