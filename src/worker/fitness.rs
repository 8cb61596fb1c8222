//! Whether this worker can run jobs at all. A bad environment would fail every job, one after the other: while there is
//! something wrong with it nothing is claimed, and readiness says why.

use crate::{config::WorkerConfig, files::Files, types::Device};
use metrics::gauge;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};
use tracing::{error, info};

/// With less than this on the disk nothing is claimed, and no table is read on.
pub(super) const LEAST_FREE_BYTES: u64 = 256 << 20;
/// How long nothing is claimed after a trainer could not be started; then it is tried again.
const TRAINER_REST: Duration = Duration::from_secs(30);

pub(super) struct Fitness {
    /// What is wrong; nothing where all is well.
    reasons: watch::Sender<Vec<String>>,
    database_away: AtomicBool,
    /// Why a trainer could not be started, and until when that counts.
    trainer: Mutex<Option<(String, Instant)>>,
}

impl Fitness {
    pub(super) fn new() -> Self {
        Self {
            reasons: watch::Sender::new(Vec::new()),
            database_away: AtomicBool::new(false),
            trainer: Mutex::default(),
        }
    }

    /// What is wrong, for whoever reports it.
    pub(super) fn watch(&self) -> watch::Receiver<Vec<String>> {
        self.reasons.subscribe()
    }

    pub(super) fn reasons(&self) -> Vec<String> {
        self.reasons.borrow().clone()
    }

    pub(super) fn set_database_away(&self, away: bool) {
        self.database_away.store(away, Ordering::Relaxed);
    }

    /// Remembers that the trainer could not be started: another job would fare no better.
    pub(super) fn note_trainer_failure(&self, reason: String) {
        *self.trainer.lock().expect("no holder panics") = Some((reason, Instant::now() + TRAINER_REST));
    }

    /// Looks at everything anew; returns whether jobs can be run.
    pub(super) async fn check(&self, files: &Files, gpus: &[Device]) -> bool {
        let reasons = self.find_reasons(files, gpus).await;
        let fit = reasons.is_empty();
        gauge!("autodenoise_worker_fit").set(if fit { 1.0 } else { 0.0 });
        self.reasons.send_if_modified(|known| {
            if *known == reasons {
                return false;
            }
            if fit {
                info!("what kept this worker from claiming has passed");
            } else {
                error!(reasons = reasons.join("; "), "nothing is claimed");
            }
            *known = reasons;
            true
        });
        fit
    }

    async fn find_reasons(&self, files: &Files, gpus: &[Device]) -> Vec<String> {
        let mut reasons = Vec::new();
        match files.free_bytes() {
            Ok(free) if free < LEAST_FREE_BYTES => {
                reasons
                    .push(format!("the disk of the data folder is full: less than {LEAST_FREE_BYTES} bytes are free"));
            }
            Ok(_) => {}
            Err(error) => reasons.push(format!("the data folder cannot be used: {error}")),
        }
        if let Err(error) = files.check_writable().await {
            // The name of the file differs each time.
            let kind = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            reasons.push(format!("nothing can be written to the data folder: {kind}"));
        }
        if self.database_away.load(Ordering::Relaxed) {
            reasons.push("the database does not answer".to_owned());
        }
        let present = WorkerConfig::gpus_present();
        for gpu in gpus {
            if matches!(gpu, Device::Cuda(number) if *number >= present) {
                reasons.push(format!("{gpu} was promised to jobs (--gpus), and this machine shows {present} GPUs"));
            }
        }
        let mut trainer = self.trainer.lock().expect("no holder panics");
        match &*trainer {
            Some((reason, until)) if Instant::now() < *until => reasons.push(reason.clone()),
            _ => *trainer = None,
        }
        reasons
    }
}
