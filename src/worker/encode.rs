//! Reads an uploaded table into the encoded dataset's folder, on a thread of its own.

use super::{
    fitness::LEAST_FREE_BYTES,
    ingest::{Encoded, IngestFailure},
    shared::Shared,
};
use crate::{
    files::{FilesError, Key},
    types::{DatasetId, DatasetSpec},
};
use metrics::histogram;
use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

/// Stops the thread when whoever waits for it is gone.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// The folder of the encoded dataset on this machine. If it is missing, the table is read anew.
    pub(super) async fn dataset_dir(
        &self,
        dataset: DatasetId,
        object: &str,
        spec: &DatasetSpec,
    ) -> Result<PathBuf, IngestFailure> {
        let dir = self.files.dataset_dir(dataset);
        if !dir.exists() {
            self.encode(dataset, object, spec, Arc::default()).await?;
        }
        Ok(dir)
    }

    /// Reads the table and puts the result in the dataset's place. Dropping the future stops the reading.
    pub(super) async fn encode(
        &self,
        dataset: DatasetId,
        object: &str,
        spec: &DatasetSpec,
        rows: Arc<AtomicU64>,
    ) -> Result<Encoded, IngestFailure> {
        let started = Instant::now();
        let failed = |error: FilesError| IngestFailure::Failed(error.to_string());
        let key = Key::upload(object).map_err(|error| IngestFailure::Failed(error.to_string()))?;
        let source = self.files.fetch(&key, object).await.map_err(failed)?;
        let folder = self.files.new_dataset_dir().await.map_err(failed)?;
        let out = folder.join("encoded");
        let stop = StopOnDrop(Arc::default());
        let (ingest, files, spec, stopped) = (self.ingest.clone(), self.files.clone(), spec.clone(), stop.0.clone());
        let (thread_folder, thread_out) = (folder.clone(), out.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut disk_full = false;
            let result = ingest(&source, &spec, &thread_out, &mut |read| {
                rows.store(read, Ordering::Relaxed);
                // A few bytes may unpack to more than the disk has, and everything else here needs some of it.
                disk_full = files.free_bytes().is_ok_and(|free| free < LEAST_FREE_BYTES);
                if disk_full || stopped.load(Ordering::Relaxed) {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            let result = match result {
                Err(IngestFailure::Stopped) if disk_full => {
                    Err(IngestFailure::Failed("the disk is nearly full, so that the table was not read on".to_owned()))
                }
                result => result,
            };
            // Removed on this thread, because nobody may be waiting for it any more.
            if (result.is_err() || stopped.load(Ordering::Relaxed))
                && let Err(error) = std::fs::remove_dir_all(&thread_folder)
            {
                tracing::warn!(%error, path = %thread_folder.display(), "a half-encoded dataset could not be removed");
            }
            result
        });
        let encoded = match reading.await {
            Ok(result) => result?,
            Err(error) => {
                self.files.remove_dir(&folder).await.map_err(failed)?;
                return Err(IngestFailure::Failed(format!("reading the table panicked: {error}")));
            }
        };
        self.files.store_dataset_dir(dataset, &out).await.map_err(failed)?;
        self.files.remove_dir(&folder).await.map_err(failed)?;
        histogram!("autodenoise_ingest_seconds").record(started.elapsed().as_secs_f64());
        Ok(encoded)
    }
}
