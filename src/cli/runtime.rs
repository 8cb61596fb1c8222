//! What a command's future runs on.

use super::error::CliError;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

/// Runs a command on one thread, to its end.
pub fn run_client(command: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    one_thread().block_on(command)
}

/// Runs a command until it ends, the user interrupts it or the system wants it to end, which sets the flag it was given.
/// Dropping the command's future ends what it started.
pub fn run_interruptible<F: Future<Output = Result<(), CliError>>>(
    command: impl FnOnce(Arc<AtomicBool>) -> F,
) -> Result<(), CliError> {
    let interrupted = Arc::new(AtomicBool::new(false));
    one_thread().block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::failed)?;
        let ended = tokio::select! {
            result = command(interrupted.clone()) => return result,
            _ = tokio::signal::ctrl_c() => CliError::interrupted(),
            _ = terminate.recv() => CliError::terminated(),
        };
        interrupted.store(true, Ordering::Relaxed);
        Err(ended)
    })
}

/// Runs a part of the service on as many threads as there are cores, to its end.
pub fn run_service(command: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = built(Builder::new_multi_thread());
    let ended = runtime.block_on(command);
    // A task that was broken off may sit in a system call, which nobody waits for.
    runtime.shutdown_background();
    ended
}

fn one_thread() -> Runtime {
    built(Builder::new_current_thread())
}

fn built(mut builder: Builder) -> Runtime {
    builder.enable_all().build().expect("a runtime needs only threads and a poller")
}
