//! `/v1/jobs/{id}/events`: what happened to a job, as pages or as a stream (SSE), always from the tables.
//!
//! A notification only says "look again"; what is sent is read from `job_events`, so that a client that comes back with
//! `Last-Event-ID` misses nothing, whatever happened in between. Streams of one job that wait for the same event share
//! what is read: however many listen, the database is asked a few times a second.

use super::{
    access::Caller,
    error::{ApiError, Kind, Problem},
    extract::{Json, Path, Query},
    state::AppState,
    views::{EventPage, EventView},
};
use crate::{
    store::{JOB_EVENT, Store, StoreError, answered, events, jobs},
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
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::{
    sync::{
        OnceCell,
        broadcast::{self, error::RecvError},
    },
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;
use uuid::Uuid;

/// Events of a page.
const PAGE: u32 = 500;
/// A notification can be lost with its connection; this long later the tables are read anyhow.
const POLL: Duration = Duration::from_secs(5);
/// Streams look for events no more often than this, all at the same moments: a job of many short passes costs a few reads of
/// the database a second, and not two a pass and listener.
const PACE: Duration = Duration::from_millis(200);
/// So that proxies do not close a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Tells waiting requests which jobs have new events: one database listener for all of them.
#[derive(Clone)]
pub struct EventHub {
    news: broadcast::Sender<Uuid>,
    pages: Pages,
    /// `PACE` is counted from here.
    start: Instant,
}

impl EventHub {
    /// Listens until `stop`; a database that is away is tried again every second.
    ///
    /// The task must have ended before the store is closed, which waits for listeners.
    pub fn start(store: Store, stop: CancellationToken) -> (Self, JoinHandle<()>) {
        let (sender, _) = broadcast::channel(1024);
        let hub = Self { news: sender.clone(), pages: Pages::default(), start: Instant::now() };
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
        Waiter(self.news.subscribe())
    }

    /// When streams look next.
    fn next_look(&self) -> Instant {
        let looks = self.start.elapsed().as_millis() / PACE.as_millis() + 1;
        self.start + PACE * u32::try_from(looks).expect("27 years of looks")
    }
}

/// What comes after an event of a job, as streams send it. Never empty: that nothing has come yet is not kept.
struct StreamPage {
    events: Vec<Event>,
    last: i64,
    has_more: bool,
    is_terminal: bool,
}

type Slot = OnceCell<StreamPage>;
type Held = HashMap<(JobId, i64), Weak<Slot>>;

/// The pages that streams hold, by job and by the event before them. The first stream that asks reads the page; others find
/// it as long as one of them holds it.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Held>>);

impl Pages {
    fn at(&self, job: JobId, after: i64) -> Arc<Slot> {
        let mut pages = self.0.lock().expect("no holder panics");
        if let Some(page) = pages.get(&(job, after)).and_then(Weak::upgrade) {
            return page;
        }
        pages.retain(|_, page| page.strong_count() > 0);
        let page = Arc::<Slot>::default();
        pages.insert((job, after), Arc::downgrade(&page));
        page
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

enum NoPage {
    NotYet,
    /// The job has ended, and its last event was before.
    Ended,
    Failed(StoreError),
}

/// Every event after `after`, then those that come, until the last one or until the server stops.
fn sse(state: AppState, tenant: TenantId, id: JobId, after: i64) -> impl Stream<Item = Result<Event, Infallible>> {
    struct Reading {
        state: AppState,
        tenant: TenantId,
        waiter: Waiter,
        after: i64,
        has_more: bool,
        ended: bool,
        /// Kept for those who come to the same page a little later.
        _page: Option<Arc<Slot>>,
    }
    let waiter = state.events.subscribe();
    let begun = Reading { state, tenant, waiter, after, has_more: true, ended: false, _page: None };
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
            let slot = reading.state.events.pages.at(id, reading.after);
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
