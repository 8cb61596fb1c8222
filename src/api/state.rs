//! What every handler may use.

use super::{
    audit::SignIns, error::ApiError, hub::EventHub, keyless::Keyless, objects_probe::ObjectsProbe, places::Pool,
    throttle::Throttle,
};
use crate::{
    files::{Files, FilesError},
    reader::TableReader,
    store::{Store, StoreError},
    types::Quota,
    webhooks::Guard,
};
use metrics_exporter_prometheus::PrometheusHandle;
use sqlx::{Postgres, pool::PoolConnection};
use std::{ops::Deref, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Uploads that are read for clients at once: each takes a process and its memory.
const MOST_READINGS: usize = 4;

/// Limits the API publishes and keeps.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    pub max_upload_bytes: u64,
    /// An upload in parts that nothing was sent to for this long is removed.
    pub upload_expiry: Duration,
    pub max_rows: u64,
    /// Public key of the certificates.
    pub signing_key: String,
    /// Ask for keys even while there are none.
    pub require_keys: bool,
    /// What a tenant may have that has no limits of its own.
    pub quota: Quota,
    /// Requests at once; half of them of one tenant.
    pub max_requests: usize,
    /// Requests that wait for news and streams of events at once, and those of one tenant.
    pub max_waits: usize,
    pub tenant_max_waits: usize,
    /// Most bytes of memory that a job's trainer may be planned to take, where there is a limit.
    pub job_max_memory: Option<u64>,
    /// Threads of a job's engine, as far as this machine's workers run it.
    pub job_threads: usize,
    /// Highest priority of a job.
    pub max_priority: i32,
    /// Longest that a job may run, in seconds.
    pub max_run_seconds: Option<u64>,
    /// Origins whose pages browsers may let use the API.
    pub cors_origins: Vec<String>,
    /// Reads what was uploaded, for clients that want to see it.
    pub reader: TableReader,
    /// Which addresses webhooks may have.
    pub webhooks: Guard,
}

/// Shared by all requests; clones are cheap.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

pub struct Inner {
    pub store: Store,
    pub files: Files,
    pub objects: ObjectsProbe,
    pub config: ApiConfig,
    pub events: EventHub,
    pub prometheus: PrometheusHandle,
    pub keyless: Keyless,
    pub throttle: Throttle,
    /// Sign-ins that were refused and written down.
    pub sign_ins: SignIns,
    /// One for each request that may be under way, whoever sent it.
    pub places: Arc<Semaphore>,
    /// The same for those of each tenant.
    pub requests: Arc<Pool>,
    /// Uploads that are read for clients at once.
    pub readings: Arc<Semaphore>,
    /// Those that wait for news.
    pub waits: Arc<Pool>,
    /// What keeps the worker of this process from claiming; nothing where all is well, or where there is none.
    pub unfit: watch::Receiver<Vec<String>>,
    /// Cancelled when the server begins to stop: open streams end, readiness says no.
    pub draining: CancellationToken,
}

impl AppState {
    pub fn new(
        store: Store,
        files: Files,
        config: ApiConfig,
        events: EventHub,
        prometheus: PrometheusHandle,
        unfit: watch::Receiver<Vec<String>>,
        draining: CancellationToken,
    ) -> Self {
        let objects = ObjectsProbe::new(files.clone());
        let (keyless, throttle) = (Keyless::new(config.require_keys), Throttle::default());
        let places = Arc::new(Semaphore::new(config.max_requests));
        let requests = Pool::new("are answered", config.max_requests, config.max_requests / 2);
        let waits = Pool::new("wait for news", config.max_waits, config.tenant_max_waits);
        Self(Arc::new(Inner {
            store,
            files,
            objects,
            config,
            events,
            prometheus,
            keyless,
            throttle,
            sign_ins: SignIns::default(),
            places,
            requests,
            readings: Arc::new(Semaphore::new(MOST_READINGS)),
            waits,
            unfit,
            draining,
        }))
    }

    /// A database connection for this request.
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>, ApiError> {
        Ok(self.store.acquire().await?)
    }
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() { Self::unavailable(&error) } else { Self::internal(&error) }
    }
}

impl From<FilesError> for ApiError {
    fn from(error: FilesError) -> Self {
        if error.is_transient() || error.is_of_bucket() { Self::unavailable(&error) } else { Self::internal(&error) }
    }
}
