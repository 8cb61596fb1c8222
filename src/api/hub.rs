//! News of jobs for the requests that wait for it, and the pages that their streams share.
//!
//! A notification only says "look again"; what is sent is read from the tables. Streams of one job that wait for the same
//! event share what is read: however many listen, the database is asked a few times a second.

use crate::{
    store::{JOB_EVENT, Store},
    types::JobId,
};
use axum::response::sse::Event;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};
use tokio::{
    sync::{
        OnceCell,
        broadcast::{self, error::RecvError},
    },
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A notification can be lost with its connection; this long later the tables are read anyhow.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// All streams look for events at the same moments, this far apart. Otherwise a job of many short passes would cost two reads
/// of the database for each pass and listener.
const PACE: Duration = Duration::from_millis(200);
/// Before a database that is away is tried again.
const PAUSE: Duration = Duration::from_secs(1);

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
            while stop.run_until_cancelled(forward_news(&store, &sender)).await.is_some() {
                if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                    break;
                }
            }
        });
        (hub, task)
    }

    /// To be called before the tables are read: an event that comes in between then still wakes the waiter.
    pub(super) fn subscribe(&self) -> Waiter {
        Waiter(self.news.subscribe())
    }

    /// The page after an event of a job, which the first stream that asks for it fills.
    pub(super) fn find_page(&self, job: JobId, after: i64) -> Arc<PageSlot> {
        self.pages.find(job, after)
    }

    /// When streams look next.
    pub(super) fn next_look(&self) -> Instant {
        let looks = self.start.elapsed().as_millis() / PACE.as_millis() + 1;
        self.start + PACE * u32::try_from(looks).expect("27 years of looks")
    }
}

/// What comes after an event of a job, as streams send it. Never empty: a stream that finds nothing keeps nothing.
pub(super) struct StreamPage {
    pub events: Vec<Event>,
    /// `seq` of the last of them.
    pub last: i64,
    pub has_more: bool,
    /// Whether the last of them is the job's last.
    pub is_terminal: bool,
}

/// A place for a page: empty until a stream has read it.
pub(super) type PageSlot = OnceCell<StreamPage>;
type HeldPages = HashMap<(JobId, i64), Weak<PageSlot>>;

/// The pages that streams hold, by job and by the event before them. The first stream that asks reads the page; others find
/// it as long as one of them holds it.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<HeldPages>>);

impl Pages {
    fn find(&self, job: JobId, after: i64) -> Arc<PageSlot> {
        let mut pages = self.0.lock().expect("no holder panics");
        if let Some(page) = pages.get(&(job, after)).and_then(Weak::upgrade) {
            return page;
        }
        pages.retain(|_, page| page.strong_count() > 0);
        let page = Arc::<PageSlot>::default();
        pages.insert((job, after), Arc::downgrade(&page));
        page
    }
}

/// Passes notifications on until the connection fails.
async fn forward_news(store: &Store, sender: &broadcast::Sender<Uuid>) {
    let mut listener = match store.listen(&[JOB_EVENT]).await {
        Ok(listener) => listener,
        Err(error) => return tracing::warn!(%error, "cannot listen for job events; streams poll meanwhile"),
    };
    loop {
        match listener.try_recv().await {
            // Nobody may be waiting, and the payload may be no id where somebody else notifies: neither is an error.
            Ok(Some(notification)) => drop(notification.payload().parse().map(|id| sender.send(id))),
            // Reconnected: something may have been missed, and every waiter polls within `POLL`.
            Ok(None) => {}
            Err(error) => return tracing::warn!(%error, "lost the listener for job events; streams poll meanwhile"),
        }
    }
}

/// A request that waits for news of a job.
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
