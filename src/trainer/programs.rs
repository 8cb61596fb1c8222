//! The programs that train, each as a child process that speaks the same protocol: this one, with the engine fused, and
//! `autodenoise-torch`, with libtorch, where it is installed.

use crate::types::{Ability, Device, Engine, ResolvedSpec, TORCH_TRAINER};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What `autodenoise-torch probe` prints: that it runs, and what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Of the program: both programs must be of one version, because the protocol between them is.
    pub version: String,
    /// Of libtorch.
    pub libtorch: String,
}

/// How a trainer is started.
#[derive(Debug, Clone)]
pub struct TrainerCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

impl TrainerCommand {
    fn new(program: PathBuf) -> Self {
        Self { program, args: vec!["trainer".into()] }
    }

    /// The process to be, without its pipes. Threads of libtorch that wait give way instead of spinning: on a machine
    /// that does something else as well, spinning costs a pass many times its own time.
    pub fn command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).env_clear().envs(environment()).env("OMP_WAIT_POLICY", "passive");
        command
    }
}

/// The trainers of this machine.
#[derive(Debug, Clone)]
pub struct Trainers {
    fused: TrainerCommand,
    torch: Option<TrainerCommand>,
}

impl Trainers {
    /// This program, and `autodenoise-torch` where it is found: at `torch`, else beside this program, else on PATH. One
    /// that is named and does not run is an error; one that is found and does not run is as good as absent, and is logged.
    pub fn find(torch: Option<&Path>) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let torch = match torch {
            Some(program) => {
                check(program).map_err(|reason| io::Error::other(format!("{}: {reason}", program.display())))?;
                Some(program.to_owned())
            }
            None => candidates(&own).into_iter().find(|program| match check(program) {
                Ok(()) => true,
                Err(reason) => {
                    tracing::warn!("{} cannot be used: {reason}", program.display());
                    false
                }
            }),
        };
        Ok(Self { fused: TrainerCommand::new(own), torch: torch.map(TrainerCommand::new) })
    }

    /// This program alone, for jobs that need no other.
    pub fn fused_only() -> io::Result<Self> {
        Ok(Self { fused: TrainerCommand::new(std::env::current_exe()?), torch: None })
    }

    /// One command for every job.
    pub fn only(command: TrainerCommand) -> Self {
        Self { torch: Some(command.clone()), fused: command }
    }

    pub fn has_torch(&self) -> bool {
        self.torch.is_some()
    }

    /// The trainer of a job on a machine with these abilities. A job that takes any device gets the GPU where there is one.
    /// None where it needs libtorch and there is none.
    pub fn for_job(&self, spec: &ResolvedSpec, ability: &Ability) -> Option<&TrainerCommand> {
        let gpu = spec.device == Device::Auto && spec.engine != Engine::Fused && !ability.gpus.is_empty();
        match &self.torch {
            Some(torch) if gpu || spec.needs_torch() => Some(torch),
            _ if spec.needs_torch() => None,
            _ => Some(&self.fused),
        }
    }
}

/// Variables that a trainer needs, and beginnings of their names. Everything else stays with the service: it may hold keys of
/// the bucket or the database's password, and a trainer works on what strangers upload.
const PASSED_ON: [&str; 8] =
    ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "RUST_BACKTRACE", "SSL_CERT_FILE", "SSL_CERT_DIR"];
const PASSED_ON_PREFIXES: [&str; 14] = [
    "LC_",
    "LD_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "ATEN_",
    "DNNL_",
    "ONEDNN_",
    "CUDA_",
    "NVIDIA_",
    "OTEL_",
    "AUTODENOISE_LOG",
    "AUTODENOISE_CUDA_GRAPHS",
];

pub(crate) fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let Some(name) = name.to_str() else { return false };
        PASSED_ON.contains(&name) || PASSED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// Where `autodenoise-torch` may stand.
fn candidates(own: &Path) -> Vec<PathBuf> {
    let beside = own.parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = beside.into_iter().chain(std::env::split_paths(&path));
    let mut programs: Vec<PathBuf> =
        folders.map(|folder| folder.join(TORCH_TRAINER)).filter(|program| program.is_file()).collect();
    programs.dedup();
    programs
}

/// Starts the program to see that it finds libtorch and is of this version.
fn check(program: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg("probe").env_clear().envs(environment()).stdin(Stdio::null());
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("it does not run ({}): {}", output.status, said.trim().lines().next_back().unwrap_or("")));
    }
    let probe: Probe =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("it is another program: {error}"))?;
    let own = env!("CARGO_PKG_VERSION");
    if probe.version == own {
        Ok(())
    } else {
        Err(format!("it is of version {}, and this program of {own}: install the same of both", probe.version))
    }
}
