//! `serve`, `worker`, `migrate`: the long-running side of the program.

use super::error::CliError;
use crate::{
    api::{self, ApiConfig, AppState, ConnectionLimits, EventHub, Probes},
    certificate::SigningKey,
    config::{AccessConfig, DrainConfig, ServerConfig, StorageConfig, WebhookConfig, WorkerConfig, bucket_settings},
    files::Files,
    ingest::{self, IngestError, IngestLimits, Ingested},
    store::{Durability, EmbeddedPostgres, Store, keys},
    trainer::Trainers,
    types::DatasetSpec,
    webhooks::{Courier, Guard},
    worker::{Encoded, IngestFailure, Worker},
};
use clap::Args;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::postgres::PgConnectOptions;
use std::{
    io::Write,
    net::SocketAddr,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix,
    sync::watch,
    task::{JoinError, JoinHandle},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How long connections to the database may take to end, once nobody should use them any more.
const CLOSE: Duration = Duration::from_secs(3);
/// Database connections: requests of the API, and a few of the worker's.
const CONNECTIONS: u32 = 20;

#[derive(Args)]
pub struct ServeArgs {
    #[command(flatten)]
    server: ServerConfig,
    #[command(flatten)]
    access: AccessConfig,
    #[command(flatten)]
    storage: StorageConfig,
    #[command(flatten)]
    worker: WorkerConfig,
    #[command(flatten)]
    webhooks: WebhookConfig,
    #[command(flatten)]
    drain: DrainConfig,
    /// Serve the API only; `autodenoise worker` runs the jobs
    #[arg(long)]
    no_worker: bool,
}

#[derive(Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    storage: StorageConfig,
    #[command(flatten)]
    worker: WorkerConfig,
    #[command(flatten)]
    drain: DrainConfig,
    /// Address to answer /healthz, /readyz and /metrics on [default: none]
    #[arg(long, env = "AUTODENOISE_HEALTH_LISTEN", value_name = "ADDR:PORT")]
    health_listen: Option<SocketAddr>,
}

#[derive(Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    storage: StorageConfig,
}

pub fn serve(args: ServeArgs) -> Result<(), CliError> {
    run(async {
        let stop = stop_signal()?;
        let prometheus = prometheus()?;
        let tls = match (&args.access.tls_cert, &args.access.tls_key) {
            (Some(certificate), Some(key)) => Some(api::tls(certificate, key).map_err(CliError::failed)?),
            _ => None,
        };
        let storage = Storage::open(&args.storage).await?;
        // Bound before anything runs, so that a port in use costs nothing.
        let (listener, address) = listen(args.server.listen, "--listen").await?;
        let is_loopback = address.ip().is_loopback();
        if !is_loopback && !storage.has_usable_key().await? {
            return Err(CliError::failed_because(format!(
                "{address} is not a loopback address, and there is no API key that is good: make one with \
                 `autodenoise keys create --scope admin` and the same --data-dir or --database-url, or listen on 127.0.0.1"
            )));
        }
        let worker = (!args.no_worker).then(|| storage.start_worker(&args.worker, &stop)).transpose()?;
        let (worker, unfit) = match worker {
            Some((task, unfit)) => (Some(task), unfit),
            None => (None, watch::channel(Vec::new()).1),
        };
        let guard = Guard { allow_insecure: args.webhooks.allow_insecure };
        let courier = tokio::spawn(Courier::new(storage.store.clone(), guard, &args.webhooks).run(stop.clone()));
        let hub_stop = CancellationToken::new();
        let config = ApiConfig {
            max_upload_bytes: args.server.max_upload_bytes,
            upload_expiry: Duration::from_secs_f64(args.server.upload_expiry_seconds),
            max_rows: IngestLimits::default().max_rows,
            signing_key: storage.signing_key.public(),
            require_keys: args.access.require_keys || !is_loopback,
            quota: args.access.quota(),
            max_requests: args.access.max_requests as usize,
            webhooks: guard,
        };
        let (events, hub) = EventHub::start(storage.store.clone(), hub_stop.clone());
        let state = AppState::new(
            storage.store.clone(),
            storage.files.clone(),
            config,
            events,
            prometheus,
            unfit,
            stop.clone(),
        );
        let gauges = AbortOnDropHandle::new(tokio::spawn(api::refresh_gauges(storage.store.clone())));
        if !is_loopback && tls.is_none() {
            tracing::warn!(%address, "keys and tables pass in the clear: give --tls-cert and --tls-key, or let a proxy do TLS");
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        // For people, and for scripts that asked for port 0.
        println!("listening on {scheme}://{address}");
        std::io::stdout().flush().map_err(CliError::failed)?;
        tracing::info!(%address, "the service is ready");

        let limits =
            ConnectionLimits { connections: args.access.max_connections as usize, ..ConnectionLimits::default() };
        let closing = CancellationToken::new();
        let server = tokio::spawn(api::serve(listener, tls, api::router(state), limits, closing.clone()));
        stop.cancelled().await;
        let deadline = Instant::now() + args.drain.time();
        tracing::info!(drain_seconds = args.drain.drain_seconds, "stopping: running jobs go back to the queue");
        // The door stays open meanwhile, so that it can be seen that readiness says no; new work is sent away at it.
        let lead = timeout_at(deadline, sleep(args.drain.lead()));
        let handed_back = async {
            match worker {
                Some(worker) => {
                    until(deadline, worker, "jobs were not handed back in time; their leases run out").await
                }
                None => Ok(()),
            }
        };
        let (_, handed_back) = tokio::join!(lead, handed_back);
        closing.cancel();
        let (answered, sent) = tokio::join!(
            until(deadline, server, "requests that did not end in time were broken off"),
            until(deadline, courier, "webhooks under way were broken off; they are sent again"),
        );
        handed_back.and(answered).and(sent).map_err(CliError::failed)?;
        hub_stop.cancel();
        hub.await.map_err(CliError::failed)?;
        drop(gauges);
        storage.close().await;
        Ok(())
    })
}

pub fn worker(args: WorkerArgs) -> Result<(), CliError> {
    if args.storage.database_url.is_none() {
        return Err(CliError::usage("a worker needs the database of a server: give --database-url or DATABASE_URL"));
    }
    run(async {
        let stop = stop_signal()?;
        let prometheus = prometheus()?;
        let storage = Storage::open(&args.storage).await?;
        let health = match args.health_listen {
            Some(address) => Some(listen(address, "--health-listen").await?),
            None => None,
        };
        let (mut worker, unfit) = storage.start_worker(&args.worker, &stop)?;
        let probes = health.map(|(listener, address)| {
            println!("health on http://{address}");
            let probes = Probes { store: storage.store.clone(), prometheus, unfit, draining: stop.clone() };
            AbortOnDropHandle::new(tokio::spawn(async { axum::serve(listener, api::probes(probes)).await }))
        });
        tracing::info!(slots = args.worker.slots, "the worker is ready");
        tokio::select! {
            ended = &mut worker => ended.map_err(CliError::failed)?,
            () = stop.cancelled() => {
                let deadline = Instant::now() + args.drain.time();
                let late = "jobs were not handed back in time; their leases run out";
                until(deadline, worker, late).await.map_err(CliError::failed)?;
            }
        }
        // Until here it has answered that the worker is stopping.
        drop(probes);
        storage.close().await;
        Ok(())
    })
}

pub fn migrate(args: MigrateArgs) -> Result<(), CliError> {
    run(async {
        let storage = Storage::open(&args.storage).await?;
        eprintln!("the schema is up to date");
        storage.close().await;
        Ok(())
    })
}

/// Runs a command to its end.
pub(super) fn run(future: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs only threads and a poller");
    let ended = runtime.block_on(future);
    // What was broken off may sit in a system call.
    runtime.shutdown_background();
    ended
}

/// Waits for a task, at most until the deadline; then it is broken off, which is logged as `late` says.
async fn until<T>(deadline: Instant, mut task: JoinHandle<T>, late: &str) -> Result<(), JoinError> {
    match timeout_at(deadline, &mut task).await {
        Ok(ended) => ended.map(drop),
        Err(_) => {
            tracing::warn!("{late}");
            task.abort();
            Ok(())
        }
    }
}

/// Binds an address; port 0 gives the one that was free.
async fn listen(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), CliError> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        CliError::failed_because(format!("cannot listen on {address}: {error}; choose another address with {flag}"))
    })?;
    let address = listener.local_addr().map_err(CliError::failed)?;
    Ok((listener, address))
}

/// The database, migrated, and the files.
pub(super) struct Storage {
    pub(super) store: Store,
    pub(super) files: Files,
    signing_key: Arc<SigningKey>,
    /// Stopped last.
    embedded: Option<EmbeddedPostgres>,
}

impl Storage {
    async fn open(config: &StorageConfig) -> Result<Self, CliError> {
        let (files, signing_key) = open_folder(config)?;
        let (options, embedded) = match &config.database_url {
            Some(url) => {
                let wrong = |error| CliError::usage(format!("--database-url is not a PostgreSQL address: {error}"));
                (url.parse::<PgConnectOptions>().map_err(wrong)?, None)
            }
            None => {
                let bin = config.postgres_bin.as_deref();
                let started = EmbeddedPostgres::start(&private_database(config), bin, Durability::Full).await;
                let embedded = started.map_err(CliError::failed)?;
                (embedded.connect_options(), Some(embedded))
            }
        };
        let store = Store::connect(options, CONNECTIONS).await.map_err(CliError::failed)?;
        store.migrate().await.map_err(CliError::failed)?;
        Ok(Self { store, files, signing_key, embedded })
    }

    /// As `open`, for a command beside a server that may be running: where its private database is up, that is used.
    pub(super) async fn attach(config: &StorageConfig) -> Result<Self, CliError> {
        if config.database_url.is_some() {
            return Self::open(config).await;
        }
        let running = EmbeddedPostgres::running(&private_database(config)).await.map_err(CliError::failed)?;
        let Some(options) = running else { return Self::open(config).await };
        let (files, signing_key) = open_folder(config)?;
        let store = Store::connect(options, 2).await.map_err(CliError::failed)?;
        Ok(Self { store, files, signing_key, embedded: None })
    }

    async fn has_usable_key(&self) -> Result<bool, CliError> {
        let mut connection = self.store.acquire().await.map_err(CliError::failed)?;
        keys::any_usable(&mut connection).await.map_err(CliError::failed)
    }

    /// The worker's task, and what keeps it from claiming.
    fn start_worker(
        &self,
        config: &WorkerConfig,
        stop: &CancellationToken,
    ) -> Result<(JoinHandle<()>, watch::Receiver<Vec<String>>), CliError> {
        let trainers = Trainers::find(config.torch_trainer.as_deref()).map_err(CliError::failed)?;
        let worker = Worker::new(
            self.store.clone(),
            self.files.clone(),
            config.clone(),
            trainers,
            Arc::new(read_table),
            self.signing_key.clone(),
        );
        let unfit = worker.watch_fitness();
        Ok((tokio::spawn(worker.run(stop.clone())), unfit))
    }

    pub(super) async fn close(self) {
        if timeout(CLOSE, self.store.close()).await.is_err() {
            tracing::warn!("connections to the database were broken off");
        }
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
    }
}

fn private_database(config: &StorageConfig) -> PathBuf {
    config.data_dir().join("postgres")
}

/// The data folder, made where it is missing: its files, and the key beside them.
fn open_folder(config: &StorageConfig) -> Result<(Files, Arc<SigningKey>), CliError> {
    let folder = config.data_dir();
    std::fs::create_dir_all(&folder).map_err(|error| {
        CliError::failed_because(format!(
            "cannot make the data folder {}: {error}; choose another with --data-dir",
            folder.display()
        ))
    })?;
    let files = match &config.object_store {
        None => Files::open(&folder),
        Some(url) => Files::open_with_bucket(&folder, url, &bucket_settings()),
    };
    let files = files.map_err(CliError::failed)?;
    let key = config.signing_key.clone().unwrap_or_else(|| folder.join("signing.key"));
    Ok((files, Arc::new(SigningKey::open(&key).map_err(CliError::failed)?)))
}

/// How this program's workers read tables.
fn read_table(
    source: &Path,
    spec: &DatasetSpec,
    out: &Path,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Encoded, IngestFailure> {
    match ingest::ingest(source, spec, out, &IngestLimits::default(), &mut |at| progress(at.rows)) {
        Ok(Ingested { spec, feature_map, profile }) => Ok(Encoded { spec, feature_map, profile }),
        Err(IngestError::Cancelled) => Err(IngestFailure::Stopped),
        Err(IngestError::Invalid(table)) => {
            let total = table.faults();
            let errors = table.into_items();
            Err(IngestFailure::Invalid { errors, total })
        }
        Err(error) => Err(IngestFailure::Failed(api::Chain(&error).to_string())),
    }
}

/// A token cancelled by SIGTERM or Ctrl-C. A second signal ends the process at once, which loses nothing: jobs go on from
/// their checkpoints.
fn stop_signal() -> Result<CancellationToken, CliError> {
    let token = CancellationToken::new();
    let mut terminate = unix::signal(unix::SignalKind::terminate()).map_err(CliError::failed)?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt()).map_err(CliError::failed)?;
    let stop = token.clone();
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if round == 1 {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(token)
}

fn prometheus() -> Result<PrometheusHandle, CliError> {
    let seconds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 600.0, 3600.0];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(CliError::failed)
}
