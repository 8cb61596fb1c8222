//! `serve`, `worker`, `migrate`: the long-running side of the program.

use super::{error::CliError, figures, first_key, runtime, screen::note, storage::Storage};
use crate::{
    api::{self, ApiConfig, AppState, ConnectionLimits, EventHub, Listener, ObjectsProbe, Probes},
    config::{AccessConfig, DrainConfig, ListenAt, ServerConfig, StorageConfig, WebhookConfig, WorkerConfig},
    ingest::IngestLimits,
    judging::make_judge,
    reader::TableReader,
    trainer::Trainers,
    types::{DatasetSpec, TableSource},
    web,
    webhooks::{Courier, Guard},
    worker::Worker,
};
use clap::Args;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{io::Write, net::SocketAddr, ops::ControlFlow, path::Path, sync::Arc, time::Duration};
use tokio::{
    signal::unix,
    sync::watch,
    task::{JoinError, JoinHandle},
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// What is logged where a worker is still at work when its time is up.
const LATE_JOBS: &str = "jobs were not handed back in time; their leases run out";

/// Connections at once to the address for health.
const HEALTH_CONNECTIONS: usize = 64;

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
    #[command(flatten)]
    health: HealthArgs,
    /// Serve the API only; `autodenoise worker` runs the jobs
    #[arg(long)]
    no_worker: bool,
}

#[derive(Args)]
struct HealthArgs {
    /// Address to answer /healthz, /readyz and /metrics on, to whoever reaches it [default: none of its own]
    #[arg(long, env = "AUTODENOISE_HEALTH_LISTEN", value_name = "ADDR:PORT")]
    health_listen: Option<SocketAddr>,
}

impl HealthArgs {
    /// Answers on the address, if there is one, until what comes back is dropped.
    async fn start(
        &self,
        storage: &Storage,
        prometheus: &PrometheusHandle,
        unfit: &watch::Receiver<Vec<String>>,
        stop: &CancellationToken,
    ) -> Result<Option<AbortOnDropHandle<()>>, CliError> {
        let Some(address) = self.health_listen else { return Ok(None) };
        let (listener, address) = listen(&ListenAt::Address(address), "--health-listen").await?;
        println!("health on {}", address.map_or(String::new(), |address| format!("http://{address}")));
        let (store, objects) = (storage.store.clone(), ObjectsProbe::new(storage.files.clone()));
        let (prometheus, unfit) = (prometheus.clone(), unfit.clone());
        let probes = api::probes(Probes { store, objects, prometheus, unfit, draining: stop.clone() });
        let limits = ConnectionLimits { connections: HEALTH_CONNECTIONS, ..ConnectionLimits::default() };
        let never = CancellationToken::new();
        Ok(Some(AbortOnDropHandle::new(tokio::spawn(api::serve(listener, None, probes, limits, never)))))
    }
}

#[derive(Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    storage: StorageConfig,
    #[command(flatten)]
    worker: WorkerConfig,
    #[command(flatten)]
    drain: DrainConfig,
    #[command(flatten)]
    health: HealthArgs,
}

#[derive(Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    storage: StorageConfig,
}

pub fn serve(args: ServeArgs) -> Result<(), CliError> {
    runtime::run_service(async {
        let stop = watch_signals()?;
        let service = Service::start(&args, &stop).await?;
        stop.cancelled().await;
        service.stop(&args.drain).await
    })
}

/// A server that runs, as the parts that are stopped one after the other.
struct Service {
    /// The worker slots of this process, if it has any.
    worker: Option<JoinHandle<()>>,
    /// Sends webhooks.
    courier: JoinHandle<()>,
    /// Answers requests, until `closing`.
    server: JoinHandle<()>,
    closing: CancellationToken,
    /// Listens for events of jobs, until `hub_stop`.
    hub: JoinHandle<()>,
    hub_stop: CancellationToken,
    gauges: AbortOnDropHandle<()>,
    /// Forgets what the audit need not keep.
    audit: AbortOnDropHandle<()>,
    /// Answers on the address for health, if there is one.
    probes: Option<AbortOnDropHandle<()>>,
    storage: Storage,
}

impl Service {
    /// Starts every part. `stop` is cancelled when the server is to stop: worker, courier and API watch it.
    async fn start(args: &ServeArgs, stop: &CancellationToken) -> Result<Self, CliError> {
        let prometheus = install_recorder()?;
        let tls = read_tls(&args.access)?;
        let storage = Storage::open(&args.storage).await?;
        // Bound before anything runs, so that a port in use costs nothing.
        let (listener, address) = listen(&args.server.listen, "--listen").await?;
        if let Some(file) = &args.access.first_key_file {
            first_key::adopt(&storage.store, file).await?;
        }
        check_exposure(address, tls.is_some(), &storage).await?;
        let (worker, unfit) = if args.no_worker {
            (None, watch::channel(Vec::new()).1)
        } else {
            let (task, unfit) = start_worker(&storage, &args.worker, stop)?;
            (Some(task), unfit)
        };
        let guard =
            Guard { allow_insecure: args.webhooks.allow_insecure, allowed: Arc::new(args.webhooks.allow.clone()) };
        let courier =
            tokio::spawn(Courier::new(storage.store.clone(), guard.clone(), &args.webhooks).run(stop.clone()));
        let hub_stop = CancellationToken::new();
        let (events, hub) = EventHub::start(storage.store.clone(), hub_stop.clone());
        let state = AppState::new(
            storage.store.clone(),
            storage.files.clone(),
            api_config(args, &storage, address, guard)?,
            events,
            prometheus.clone(),
            unfit.clone(),
            stop.clone(),
        );
        let gauges = AbortOnDropHandle::new(tokio::spawn(api::refresh_gauges(storage.store.clone())));
        let kept = Duration::from_secs_f64(args.access.audit_days * 24.0 * 3600.0);
        let audit = AbortOnDropHandle::new(tokio::spawn(api::sweep_audit(storage.store.clone(), kept)));
        let scheme = if tls.is_some() { "https" } else { "http" };
        // For people, and for scripts that asked for port 0.
        let place = address.map_or(args.server.listen.to_string(), |address| format!("{scheme}://{address}"));
        println!("listening on {place}");
        std::io::stdout().flush().map_err(CliError::failed)?;
        let probes = args.health.start(&storage, &prometheus, &unfit, stop).await?;
        tracing::info!(%place, "the service is ready");

        let limits =
            ConnectionLimits { connections: args.access.max_connections as usize, ..ConnectionLimits::default() };
        let closing = CancellationToken::new();
        let router = api::router(state.clone(), web::pages(state));
        let server = tokio::spawn(api::serve(listener, tls, router, limits, closing.clone()));
        Ok(Self { worker, courier, server, closing, hub, hub_stop, gauges, audit, probes, storage })
    }

    /// Stops the parts in order: jobs first, while the door is still open; then requests and webhooks; last what they read
    /// from.
    async fn stop(self, drain: &DrainConfig) -> Result<(), CliError> {
        let deadline = Instant::now() + drain.time();
        tracing::info!(drain_seconds = drain.drain_seconds, "stopping: running jobs go back to the queue");
        let handed_back = hand_back_jobs(self.worker, drain.lead(), deadline).await;
        self.closing.cancel();
        let ended = end_requests(self.server, self.courier, deadline).await;
        handed_back.and(ended).map_err(CliError::failed)?;
        self.hub_stop.cancel();
        self.hub.await.map_err(CliError::failed)?;
        drop((self.gauges, self.audit, self.probes));
        self.storage.close().await;
        Ok(())
    }
}

/// Waits until the worker has handed back its jobs, and for at least `lead`. The server answers meanwhile: whoever asks for
/// its readiness hears no, and new work is refused.
async fn hand_back_jobs(worker: Option<JoinHandle<()>>, lead: Duration, deadline: Instant) -> Result<(), JoinError> {
    let lead = timeout_at(deadline, sleep(lead));
    let handed_back = async {
        match worker {
            Some(worker) => wait_until(deadline, worker, LATE_JOBS).await,
            None => Ok(()),
        }
    };
    tokio::join!(lead, handed_back).1
}

/// Waits for requests and webhooks under way.
async fn end_requests(server: JoinHandle<()>, courier: JoinHandle<()>, deadline: Instant) -> Result<(), JoinError> {
    let (answered, sent) = tokio::join!(
        wait_until(deadline, server, "requests that did not end in time were broken off"),
        wait_until(deadline, courier, "webhooks under way were broken off; they are sent again"),
    );
    answered.and(sent)
}

/// The certificate and its key, where there is one.
fn read_tls(access: &AccessConfig) -> Result<Option<TlsAcceptor>, CliError> {
    match (&access.tls_cert, &access.tls_key) {
        (Some(certificate), Some(key)) => api::tls(certificate, key).map(Some).map_err(CliError::failed),
        _ => Ok(None),
    }
}

/// Refuses an address that others can reach where there is no key, since anybody could use the service; warns where keys would
/// pass unencrypted.
async fn check_exposure(address: Option<SocketAddr>, is_secured: bool, storage: &Storage) -> Result<(), CliError> {
    let Some(address) = address.filter(|address| !address.ip().is_loopback()) else { return Ok(()) };
    if !storage.has_usable_key().await? {
        return Err(CliError::failed_because(format!(
            "{address} is not a loopback address, and there is no API key that is good: make one with \
             `autodenoise keys create --scope admin` and the same --data-dir or --database-url, give one by \
             --first-key-file, or listen on 127.0.0.1"
        )));
    }
    if !is_secured {
        tracing::warn!(%address, "keys and tables pass in the clear: give --tls-cert and --tls-key, or let a proxy do TLS");
    }
    Ok(())
}

fn api_config(
    args: &ServeArgs,
    storage: &Storage,
    address: Option<SocketAddr>,
    webhooks: Guard,
) -> Result<ApiConfig, CliError> {
    Ok(ApiConfig {
        max_upload_bytes: args.server.max_upload_bytes,
        upload_expiry: Duration::from_secs_f64(args.server.upload_expiry_seconds),
        max_rows: IngestLimits::default().max_rows,
        signing_key: storage.signing_key.public(),
        require_keys: args.access.require_keys || address.is_some_and(|address| !address.ip().is_loopback()),
        quota: args.access.quota(),
        max_requests: args.access.max_requests as usize,
        max_waits: args.access.max_waits as usize,
        tenant_max_waits: args.access.tenant_max_waits as usize,
        job_max_memory: args.worker.job_max_memory,
        job_threads: args.worker.threads(),
        max_priority: args.server.max_priority,
        max_run_seconds: args.server.max_run_seconds,
        cors_origins: args.access.cors_origins.clone(),
        reader: TableReader::new(args.worker.table_max_memory).map_err(CliError::failed)?,
        webhooks,
    })
}

pub fn worker(args: WorkerArgs) -> Result<(), CliError> {
    if args.storage.database_url.is_none() {
        return Err(CliError::usage("a worker needs the database of a server: give --database-url or DATABASE_URL"));
    }
    runtime::run_service(async {
        let stop = watch_signals()?;
        let prometheus = install_recorder()?;
        let storage = Storage::open(&args.storage).await?;
        let (mut worker, unfit) = start_worker(&storage, &args.worker, &stop)?;
        let probes = args.health.start(&storage, &prometheus, &unfit, &stop).await?;
        tracing::info!(slots = args.worker.slots, "the worker is ready");
        tokio::select! {
            ended = &mut worker => ended.map_err(CliError::failed)?,
            () = stop.cancelled() => {
                let deadline = Instant::now() + args.drain.time();
                wait_until(deadline, worker, LATE_JOBS).await.map_err(CliError::failed)?;
            }
        }
        // Dropped only now: until here it has said that the worker is stopping.
        drop(probes);
        storage.close().await;
        Ok(())
    })
}

pub fn migrate(args: MigrateArgs) -> Result<(), CliError> {
    runtime::run_service(async {
        let storage = Storage::open(&args.storage).await?;
        note("the schema is up to date");
        storage.close().await;
        Ok(())
    })
}

/// The worker's task, and what keeps it from claiming.
fn start_worker(
    storage: &Storage,
    config: &WorkerConfig,
    stop: &CancellationToken,
) -> Result<(JoinHandle<()>, watch::Receiver<Vec<String>>), CliError> {
    let reader = TableReader::new(config.table_max_memory).map_err(CliError::failed)?;
    let worker = Worker::new(
        storage.store.clone(),
        storage.files.clone(),
        config.clone(),
        Trainers::find(config.torch_trainer.as_deref()).map_err(CliError::failed)?,
        Arc::new(
            move |source: &TableSource,
                  spec: &DatasetSpec,
                  out: &Path,
                  progress: &mut dyn FnMut(u64) -> ControlFlow<()>| {
                reader.read(source, spec, out, progress)
            },
        ),
        storage.signing_key.clone(),
    )
    .with_judge(make_judge().map_err(CliError::failed)?);
    let unfit = worker.watch_fitness();
    Ok((tokio::spawn(worker.run(stop.clone())), unfit))
}

/// Waits for a task until the deadline. Then the task is broken off, and `late` is logged.
async fn wait_until<T>(deadline: Instant, mut task: JoinHandle<T>, late: &str) -> Result<(), JoinError> {
    match timeout_at(deadline, &mut task).await {
        Ok(ended) => ended.map(drop),
        Err(_) => {
            tracing::warn!("{late}");
            task.abort();
            Ok(())
        }
    }
}

/// Begins to listen; the address of the network is said where it is one, with the port that was free where 0 was asked for.
async fn listen(at: &ListenAt, flag: &str) -> Result<(Listener, Option<SocketAddr>), CliError> {
    let listener = Listener::bind(at).await.map_err(|error| {
        CliError::failed_because(format!("cannot listen on {at}: {error}; choose another address with {flag}"))
    })?;
    let address = listener.address().map_err(CliError::failed)?;
    Ok((listener, address))
}

/// A token cancelled by SIGTERM or Ctrl-C. A second signal ends the process at once, which loses nothing: jobs go on from
/// their checkpoints.
fn watch_signals() -> Result<CancellationToken, CliError> {
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

fn install_recorder() -> Result<PrometheusHandle, CliError> {
    let seconds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 600.0, 3600.0];
    let installed = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
        .and_then(PrometheusBuilder::install_recorder);
    let prometheus = installed.map_err(CliError::failed)?;
    figures::start();
    Ok(prometheus)
}
