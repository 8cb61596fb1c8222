//! Reads an uploaded table into the encoded dataset's folder, on a thread of its own.

use super::{
    fitness::LEAST_FREE_BYTES,
    ingest::{Encoded, IngestFailure},
    shared::Shared,
};
use crate::{
    files::FilesError,
    types::{DatasetId, DatasetSpec, UploadedTable},
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
        table: &UploadedTable,
        spec: &DatasetSpec,
    ) -> Result<PathBuf, IngestFailure> {
        let dir = self.files.dataset_dir(dataset);
        if !dir.exists() {
            self.encode(dataset, table, spec, Arc::default()).await?;
        }
        Ok(dir)
    }

    /// Reads the table and puts the result in the dataset's place. Dropping the future stops the reading.
    pub(super) async fn encode(
        &self,
        dataset: DatasetId,
        table: &UploadedTable,
        spec: &DatasetSpec,
        rows: Arc<AtomicU64>,
    ) -> Result<Encoded, IngestFailure> {
        let started = Instant::now();
        let failed = |error: FilesError| IngestFailure::Failed(error.to_string());
        let source = self.files.fetch_table(table).await.map_err(failed)?;
        let folder = self.files.new_dataset_dir().await.map_err(failed)?;
        let out = folder.join("encoded");
        let stop = StopOnDrop(Arc::default());
        let (ingest, files, spec, stopped) = (self.ingest.clone(), self.files.clone(), spec.clone(), stop.0.clone());
        let (thread_folder, thread_out) = (folder.clone(), out.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let result = while_disk_lasts(
                || files.free_bytes().ok(),
                |look| {
                    ingest(&source, &spec, &thread_out, &mut |read| {
                        rows.store(read, Ordering::Relaxed);
                        if stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { look() }
                    })
                },
            );
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

/// What `read` comes to, which looks at the disk whenever it reports progress, and stops where that is nearly full: a few bytes
/// may unpack to more than the disk has, and everything else here needs some of it. `free` are the bytes free, where known.
fn while_disk_lasts<T>(
    free: impl Fn() -> Option<u64>,
    read: impl FnOnce(&mut dyn FnMut() -> ControlFlow<()>) -> Result<T, IngestFailure>,
) -> Result<T, IngestFailure> {
    let mut is_full = false;
    let result = read(&mut || {
        is_full = free().is_some_and(|free| free < LEAST_FREE_BYTES);
        if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match result {
        Err(IngestFailure::Stopped) if is_full => {
            Err(IngestFailure::Failed("the disk is nearly full, so that the table was not read on".to_owned()))
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_table_that_fills_the_disk_is_not_read_on() {
        let free = Cell::new(3 * LEAST_FREE_BYTES);
        let mut spilled = 0;
        let mut read = |most: u32| {
            while_disk_lasts(
                || Some(free.get()),
                |look| {
                    for _ in 0..most {
                        free.set(free.get().saturating_sub(LEAST_FREE_BYTES / 2));
                        spilled += 1;
                        if look().is_break() {
                            return Err(IngestFailure::Stopped);
                        }
                    }
                    Ok(())
                },
            )
        };
        assert!(read(3).is_ok());
        let stopped = read(1000);
        assert!(
            matches!(&stopped, Err(IngestFailure::Failed(why)) if why.contains("disk is nearly full")),
            "{stopped:?}"
        );
        assert!(spilled < 10, "{spilled}");
        let asked = while_disk_lasts(|| None, |_| Err::<(), _>(IngestFailure::Stopped));
        assert!(matches!(asked, Err(IngestFailure::Stopped)), "a stop that was asked for is no fault of the disk");
    }
}
