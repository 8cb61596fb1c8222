//! Settings: one documented struct a topic, each value from a flag or an `AUTODENOISE_*` variable. Nothing else reads the
//! environment.

mod access;
mod listen;
mod receivers;

pub use access::AccessConfig;
pub use listen::ListenAt;
pub use receivers::{Receivers, ReceiversError};

use crate::types::{Ability, Device};
use clap::{ArgAction, Args};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Where state lives.
#[derive(Debug, Clone, Args)]
pub struct StorageConfig {
    /// Folder for uploads, datasets, results and (without --database-url) the private PostgreSQL cluster
    /// [default: /var/lib/autodenoise as root, else $XDG_DATA_HOME/autodenoise or ~/.local/share/autodenoise]
    #[arg(long, env = "AUTODENOISE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// PostgreSQL to use instead of a private cluster, for example postgres://user:password@host/autodenoise
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Folder of `initdb` and `postgres` for the private cluster [default: the newest under /usr/lib/postgresql, then PATH]
    #[arg(long, env = "AUTODENOISE_POSTGRES_BIN", value_name = "DIR")]
    pub postgres_bin: Option<PathBuf>,

    /// Bucket for uploads, checkpoints and results instead of the data folder: s3://BUCKET/PREFIX, reached as the AWS_*
    /// variables say (AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT, AWS_ALLOW_HTTP)
    #[arg(long, env = "AUTODENOISE_OBJECT_STORE", value_name = "URL", value_parser = bucket)]
    pub object_store: Option<String>,

    /// Key that certificates are signed with (Ed25519, PKCS #8); made where it is missing [default: signing.key in the data
    /// folder]
    #[arg(long, env = "AUTODENOISE_SIGNING_KEY", value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
}

/// Whoever runs the program has no home, and names no folder either. Nothing is put into /tmp: anybody may prepare a folder there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("HOME is not set, so there is no folder to keep data in: name one with --data-dir or AUTODENOISE_DATA_DIR")]
pub struct NoHome;

impl StorageConfig {
    /// The data folder, defaulted by who runs the program.
    pub fn data_dir(&self) -> Result<PathBuf, NoHome> {
        if let Some(dir) = &self.data_dir {
            return Ok(dir.clone());
        }
        // SAFETY: no preconditions.
        if unsafe { libc::geteuid() } == 0 {
            return Ok(PathBuf::from("/var/lib/autodenoise"));
        }
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")));
        Ok(data.ok_or(NoHome)?.join("autodenoise"))
    }
}

/// The AWS_* variables, which say how a bucket is reached.
pub fn bucket_settings() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.into_string().ok();
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
    variables.filter(|(name, _)| name.starts_with("AWS_")).collect()
}

/// The trainer on libtorch that commands without a server are told to use.
pub fn torch_trainer() -> Option<PathBuf> {
    std::env::var_os("AUTODENOISE_TORCH_TRAINER").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// How workers claim and run jobs.
#[derive(Debug, Clone, Args)]
pub struct WorkerConfig {
    /// Jobs run at once by this process
    #[arg(long, env = "AUTODENOISE_SLOTS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub slots: u16,

    /// Threads of each job's numeric engine [default: cores / slots]
    #[arg(long, env = "AUTODENOISE_THREADS", value_name = "N")]
    pub threads: Option<usize>,

    /// A job whose worker has not been heard of for this long is given to another
    #[arg(long, env = "AUTODENOISE_LEASE_SECONDS", default_value_t = 30.0, value_name = "SECONDS", value_parser = positive_seconds)]
    pub lease_seconds: f64,

    /// Least time between two checkpoints of a job
    #[arg(long, env = "AUTODENOISE_CHECKPOINT_SECONDS", default_value_t = 10.0, value_name = "SECONDS", value_parser = seconds)]
    pub checkpoint_seconds: f64,

    /// A job whose trainer or worker died this many times has failed
    #[arg(long, env = "AUTODENOISE_MAX_ATTEMPTS", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub max_attempts: i32,

    /// A job whose trainer or worker died waits this long before it is tried again; twice as long each further time, at most
    /// ten minutes
    #[arg(long, env = "AUTODENOISE_RETRY_SECONDS", default_value_t = 2.0, value_name = "SECONDS", value_parser = seconds)]
    pub retry_seconds: f64,

    /// A trainer that says nothing and computes nothing for this long has died
    #[arg(long, env = "AUTODENOISE_STALL_SECONDS", default_value_t = 600.0, value_name = "SECONDS", value_parser = positive_seconds)]
    pub stall_seconds: f64,

    /// What this worker is: NAME=VALUE (repeatable), for jobs whose `requires` ask for it
    #[arg(long = "worker-label", env = "AUTODENOISE_WORKER_LABELS", value_delimiter = ',', value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// GPUs that jobs may ask for, separated by commas: cuda:0,cuda:1 [default: those of this machine that
    /// CUDA_VISIBLE_DEVICES leaves]
    #[arg(long, env = "AUTODENOISE_GPUS", value_delimiter = ',', value_name = "DEVICES", value_parser = gpu)]
    pub gpus: Option<Vec<Device>>,

    /// The trainer on libtorch [default: autodenoise-torch beside this program, or on PATH]
    #[arg(long, env = "AUTODENOISE_TORCH_TRAINER", value_name = "FILE")]
    pub torch_trainer: Option<PathBuf>,

    /// Most memory of a job's trainer, in bytes: a job that is planned to take more is refused, one that does is ended
    /// [default: four times the plan, and at least 2 GiB more than it]
    #[arg(long, env = "AUTODENOISE_JOB_MAX_MEMORY", value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1 << 28..))]
    pub job_max_memory: Option<u64>,

    /// Most memory that reading a table may take, in bytes: one that takes more cannot be used
    #[arg(long, env = "AUTODENOISE_TABLE_MAX_MEMORY", default_value_t = 2 << 30, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1 << 28..))]
    pub table_max_memory: u64,

    /// Lay the parts of jobs out for all workers, and do those that others lay out: yes or no
    #[arg(long, env = "AUTODENOISE_SPREAD", default_value = "yes", value_name = "YES", value_parser = yes_or_no, action = ArgAction::Set)]
    pub spread: bool,

    /// Remove results of jobs that ended this many days ago; their reports stay [default: keep all]
    #[arg(long, env = "AUTODENOISE_KEEP_RESULTS_DAYS", value_name = "DAYS", value_parser = days)]
    pub keep_results_days: Option<f64>,
}

impl WorkerConfig {
    pub fn lease(&self) -> Duration {
        Duration::from_secs_f64(self.lease_seconds)
    }

    pub fn stall(&self) -> Duration {
        Duration::from_secs_f64(self.stall_seconds)
    }

    pub fn retry(&self) -> Duration {
        Duration::from_secs_f64(self.retry_seconds)
    }

    /// What this worker can run, with libtorch or without.
    pub fn ability(&self, torch: bool) -> Ability {
        let gpus = self.gpus.clone().unwrap_or_else(|| (0..Self::gpus_present()).map(Device::Cuda).collect());
        Ability { labels: self.labels.iter().cloned().collect(), gpus, torch }
    }

    /// How many GPUs the machine shows to this process.
    pub fn gpus_present() -> u32 {
        let present = (0..).take_while(|number| Path::new(&format!("/dev/nvidia{number}")).exists()).count();
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").map_or(usize::MAX, |list| {
            // The list ends at its first word that names no GPU.
            list.split(',').map(str::trim).take_while(|word| !word.is_empty() && !word.starts_with('-')).count()
        });
        present.min(visible) as u32
    }

    /// Engine threads of one job.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            (cores / usize::from(self.slots)).max(1)
        })
    }
}

/// How the HTTP API listens and what it accepts.
#[derive(Debug, Clone, Args)]
pub struct ServerConfig {
    /// Address to listen on, ADDR:PORT (anything but loopback needs an API key, `autodenoise keys create`); or unix:/PATH for a
    /// socket of this machine, or systemd for the one that systemd hands over
    #[arg(long, env = "AUTODENOISE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: ListenAt,

    /// Largest upload, in bytes
    #[arg(long, env = "AUTODENOISE_MAX_UPLOAD_BYTES", default_value_t = 64 << 30, value_name = "BYTES")]
    pub max_upload_bytes: u64,

    /// Highest priority that a job may have
    #[arg(long, env = "AUTODENOISE_MAX_PRIORITY", default_value_t = 100, allow_negative_numbers = true, value_name = "N", value_parser = clap::value_parser!(i32).range(-100..=100))]
    pub max_priority: i32,

    /// Longest that a job may run; one that names no deadline has this one [default: no limit]
    #[arg(long, env = "AUTODENOISE_MAX_RUN_SECONDS", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64))]
    pub max_run_seconds: Option<u64>,

    /// An upload in parts that nothing was sent to for this long is removed
    #[arg(long, env = "AUTODENOISE_UPLOAD_EXPIRY_SECONDS", default_value_t = 86400.0, value_name = "SECONDS", value_parser = positive_seconds)]
    pub upload_expiry_seconds: f64,
}

fn bucket(text: &str) -> Result<String, String> {
    match text.strip_prefix("s3://") {
        Some(place) if !place.is_empty() && !place.starts_with('/') => Ok(text.to_owned()),
        _ => Err("expected s3://BUCKET or s3://BUCKET/PREFIX".to_owned()),
    }
}

fn days(text: &str) -> Result<f64, String> {
    let days = text.parse::<f64>().ok().filter(|days| (0.0..=1e5).contains(days));
    days.ok_or_else(|| "expected a number of days, 0 or more".to_owned())
}

/// How webhooks are sent.
#[derive(Debug, Clone, Args)]
pub struct WebhookConfig {
    /// Send webhooks over plain http too, and to this machine: for development, since whoever may make a webhook then reaches
    /// what listens on loopback
    #[arg(long = "webhooks-allow-insecure", env = "AUTODENOISE_WEBHOOKS_ALLOW_INSECURE")]
    pub allow_insecure: bool,

    /// Receivers to send to though they are not on the public internet, over plain http and to any port too: an address, a
    /// network (10.8.0.0/16), a host, or all hosts below a name (*.hooks.svc.cluster.local), separated by commas
    #[arg(
        long = "webhooks-allow",
        env = "AUTODENOISE_WEBHOOKS_ALLOW",
        default_value = "",
        hide_default_value = true,
        value_name = "RECEIVERS"
    )]
    pub allow: Receivers,

    /// Waits before the second attempt to deliver a message, the third, ..; there is one attempt more than waits
    #[arg(id = "webhooks_retry_seconds", long = "webhooks-retry-seconds", value_delimiter = ',', default_value = "5,30,120,600,3600,10800,28800,43200", value_parser = seconds, hide = true)]
    pub retry_seconds: Vec<f64>,
}

/// How a stop that was asked for goes.
#[derive(Debug, Clone, Args)]
pub struct DrainConfig {
    /// After SIGTERM, how long requests in flight may take and jobs may take to go back to the queue
    #[arg(long, env = "AUTODENOISE_DRAIN_SECONDS", default_value_t = 30.0, value_name = "SECONDS", value_parser = seconds)]
    pub drain_seconds: f64,

    /// Of that, how long the door stays open at least while /readyz says no: the interval at which a load balancer asks
    #[arg(long, env = "AUTODENOISE_DRAIN_LEAD_SECONDS", default_value_t = 0.0, value_name = "SECONDS", value_parser = seconds)]
    pub drain_lead_seconds: f64,
}

impl DrainConfig {
    pub fn lead(&self) -> Duration {
        Duration::from_secs_f64(self.drain_lead_seconds)
    }

    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.drain_seconds)
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("expected yes or no".to_owned()),
    }
}

/// As the words of a spec's `requires`.
fn label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, value)| (1..=64).contains(&name.len()) && value.len() <= 256)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "expected NAME=VALUE, a name of 1 to 64 bytes and a value of at most 256".to_owned())
}

fn gpu(text: &str) -> Result<Device, String> {
    match text.parse()? {
        device @ Device::Cuda(_) => Ok(device),
        other => Err(format!("{other} is no GPU: write cuda:0")),
    }
}

/// A number of seconds, as a flag has it.
pub fn seconds(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=1e9).contains(seconds))
        .ok_or_else(|| "expected a number of seconds, 0 or more".to_owned())
}

fn positive_seconds(text: &str) -> Result<f64, String> {
    seconds(text).and_then(|s| if s >= 0.1 { Ok(s) } else { Err("expected at least 0.1 seconds".to_owned()) })
}
