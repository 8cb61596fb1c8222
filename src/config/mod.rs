//! Settings: one documented struct a topic, each value from a flag or an `AUTODENOISE_*` variable. Nothing else reads the
//! environment.

mod access;

pub use access::AccessConfig;

use crate::types::{Ability, Device};
use clap::Args;
use std::{
    net::SocketAddr,
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

    /// Key that certificates are signed with (Ed25519, PKCS #8); made where it is missing [default: signing.key in the data
    /// folder]
    #[arg(long, env = "AUTODENOISE_SIGNING_KEY", value_name = "FILE")]
    pub signing_key: Option<PathBuf>,
}

impl StorageConfig {
    /// The data folder, defaulted by who runs the program.
    pub fn data_dir(&self) -> PathBuf {
        if let Some(dir) = &self.data_dir {
            return dir.clone();
        }
        // SAFETY: no preconditions.
        if unsafe { libc::geteuid() } == 0 {
            return PathBuf::from("/var/lib/autodenoise");
        }
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/tmp".into())).join(".local/share");
        std::env::var_os("XDG_DATA_HOME").map_or_else(home, PathBuf::from).join("autodenoise")
    }
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

    /// What this worker can run.
    pub fn ability(&self) -> Ability {
        let gpus = self.gpus.clone().unwrap_or_else(|| (0..Self::gpus_present()).map(Device::Cuda).collect());
        Ability { labels: self.labels.iter().cloned().collect(), gpus }
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
    /// Address to listen on; anything but loopback needs an API key (`autodenoise keys create`)
    #[arg(long, env = "AUTODENOISE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    pub listen: SocketAddr,

    /// Largest upload, in bytes
    #[arg(long, env = "AUTODENOISE_MAX_UPLOAD_BYTES", default_value_t = 64 << 30, value_name = "BYTES")]
    pub max_upload_bytes: u64,
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

fn seconds(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=1e9).contains(seconds))
        .ok_or_else(|| "expected a number of seconds, 0 or more".to_owned())
}

fn positive_seconds(text: &str) -> Result<f64, String> {
    seconds(text).and_then(|s| if s >= 0.1 { Ok(s) } else { Err("expected at least 0.1 seconds".to_owned()) })
}
