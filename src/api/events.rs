//! `/v1/jobs/{id}/events`: what happened to a job, as pages or as a stream (SSE), always from the tables.
//!
//! A notification only says "look again"; what is sent is read from `job_events`, so that a client that comes back with
//! `Last-Event-ID` misses nothing, whatever happened in between.

use super::{
    access::Caller,
    error::{ApiError, Kind, Problem},
    extract::{Json, Path, Query},
    state::AppState,
    views::{EventPage, EventView},
};
use crate::{
    store::{JOB_EVENT, Store, StoreError, events, jobs},
    types::{EventType, JobId, TenantId},
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
use std::{convert::Infallible, time::Duration};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;
use uuid::Uuid;

/// Events of a page.
const PAGE: u32 = 500;
/// A notification can be lost with its connection; this long later the tables are read anyhow.
const POLL: Duration = Duration::from_secs(5);
/// A stream looks for events no more often than this: a job of many short passes costs each of its listeners a few reads of
/// the database a second, and not two a pass.
const PACE: Duration = Duration::from_millis(200);
/// So that proxies do not close a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Tells waiting requests which jobs have new events: one database listener for all of them.
#[derive(Clone)]
pub struct EventHub(broadcast::Sender<Uuid>);

impl EventHub {
    /// Listens until `stop`; a database that is away is tried again every second.
    ///
    /// The task must have ended before the store is closed, which waits for listeners.
    pub fn start(store: Store, stop: CancellationToken) -> (Self, JoinHandle<()>) {
        let (sender, _) = broadcast::channel(1024);
        let hub = Self(sender.clone());
        let task = tokio::spawn(async move {
            while stop.run_until_cancelled(listen(&store, &sender)).await.is_some() {
                if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
                    break;
                }
            }
        });
        (hub, task)
    }

    /// Register before reading the tables: an event that comes in between is then not slept through.
    pub(super) fn subscribe(&self) -> Waiter {
        Waiter(self.0.subscribe())
    }
}

/// Passes notifications on until the connection fails.
async fn listen(store: &Store, sender: &broadcast::Sender<Uuid>) {
    let mut listener = match store.listen(&[JOB_EVENT]).await {
        Ok(listener) => listener,
        Err(error) => return tracing::warn!(%error, "cannot listen for job events; streams poll meanwhile"),
    };
    loop {
        match listener.try_recv().await {
            // No receiver is no error. A payload that is no id is not ours.
            Ok(Some(notification)) => drop(notification.payload().parse().map(|id| sender.send(id))),
            // Reconnected: something may have been missed, and every waiter polls within `POLL`.
            Ok(None) => {}
            Err(error) => return tracing::warn!(%error, "lost the listener for job events; streams poll meanwhile"),
        }
    }
}

pub(super) struct Waiter(broadcast::Receiver<Uuid>);

impl Waiter {
    /// Returns when the job has a new event, or may have, or at `until`.
    pub(super) async fn wait(&mut self, job: JobId, until: Instant) {
        let until = until.min(Instant::now() + POLL);
        let _ = tokio::time::timeout_at(until, async {
            loop {
                match self.0.recv().await {
                    Ok(id) if id == job.0 => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return,
                    // The hub is gone: only polling is left.
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        })
        .await;
    }
}

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
    params(("id" = JobId, Path), ListEventsQuery, ("last-event-id" = Option<i64>, Header, minimum = 0, description = "As `after`")),
    responses((status = 200, content((EventPage = "application/json"), (String = "text/event-stream"))),
        (status = 204, description = "Stream: the job has ended and you have all its events"),
        (status = 400, body = Problem, content_type = "application/problem+json"), (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 406, body = Problem, content_type = "application/problem+json")))]
pub async fn list_events(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<JobId>,
    Query(query): Query<ListEventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last_event_id = match headers.get("last-event-id") {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(|text| text.parse::<i64>().ok()).ok_or_else(|| {
            ApiError::new(Kind::BadCursor, "Last-Event-ID must be the `seq` of an event of this job")
        })?),
    };
    let after = last_event_id.or(query.after).unwrap_or(0).max(0);
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("*/*");
    let wants = |media_type: &str| {
        accept.split(',').any(|part| part.split(';').next().unwrap_or_default().trim() == media_type)
    };
    let job = jobs::find(&mut *state.connection().await?, &caller.tenant, id).await?;
    let job = job.ok_or_else(|| ApiError::not_found("job", id))?;
    if wants("text/event-stream") {
        // A client that has every event of an ended job is told not to come back.
        if job.state.is_terminal() && after >= job.last_event_seq {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        let stream = sse(state, caller.tenant, id, after);
        return Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("ping")).into_response());
    }
    if !["application/json", "application/*", "*/*"].into_iter().any(wants) {
        return Err(ApiError::new(
            Kind::NotAcceptable,
            format!("`{accept}` names neither application/json nor text/event-stream"),
        ));
    }
    let deadline = Instant::now() + Duration::from_secs(query.wait.unwrap_or(0).min(60));
    let mut waiter = state.events.subscribe();
    loop {
        let page = read_page(&state, &caller.tenant, id, after).await?;
        if !page.data.is_empty() || page.is_terminal || Instant::now() >= deadline || state.draining.is_cancelled() {
            return Ok(Json(page).into_response());
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
        None => jobs::find(&mut connection, tenant, id).await?.is_none_or(|job| job.state.is_terminal()),
    };
    Ok(EventPage { has_more: data.len() == PAGE as usize, data, is_terminal })
}

fn is_terminal(kind: &str) -> bool {
    EventType::parse(kind).is_some_and(EventType::is_terminal)
}

/// Every event after `after`, then those that come, until the last one or until the server stops.
fn sse(state: AppState, tenant: TenantId, id: JobId, after: i64) -> impl Stream<Item = Result<Event, Infallible>> {
    struct Reading {
        state: AppState,
        tenant: TenantId,
        waiter: Waiter,
        after: i64,
        next: Instant,
        ended: bool,
    }
    let waiter = state.events.subscribe();
    let begun = Reading { state, tenant, waiter, after, next: Instant::now(), ended: false };
    let pages = stream::unfold(begun, move |mut reading| async move {
        while !reading.ended {
            let draining = reading.state.draining.clone();
            if draining.run_until_cancelled(tokio::time::sleep_until(reading.next)).await.is_none() {
                break;
            }
            match read_page(&reading.state, &reading.tenant, id, reading.after).await {
                Ok(page) => {
                    reading.ended = page.is_terminal;
                    if let Some(last) = page.data.last() {
                        reading.after = last.seq;
                        reading.next = Instant::now() + if page.has_more { Duration::ZERO } else { PACE };
                        return Some((page.data, reading));
                    }
                    if page.is_terminal {
                        break;
                    }
                }
                // The client reconnects with Last-Event-ID and learns then whether the database is back.
                Err(error) => {
                    tracing::warn!(%error, job_id = %id, "an event stream ends early");
                    break;
                }
            }
            let forever = Instant::now() + Duration::from_secs(3600);
            if draining.run_until_cancelled(reading.waiter.wait(id, forever)).await.is_none() {
                break;
            }
        }
        None
    });
    futures_util::StreamExt::flat_map(pages, |page| stream::iter(page.into_iter().map(|event| Ok(as_sse(event)))))
}

fn as_sse(event: EventView) -> Event {
    let mut data = event.data;
    if let Some(object) = data.as_object_mut() {
        object.insert("seq".to_owned(), event.seq.into());
        object.insert("at".to_owned(), serde_json::to_value(event.at).expect("a time"));
    }
    Event::default().id(event.seq.to_string()).event(event.kind).data(data.to_string())
}
