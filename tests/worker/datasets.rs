//! Datasets, from the claim to ready or invalid.

use crate::stage::Stage;
use autodenoise::types::{DatasetStatus, JobState};
use std::{sync::atomic::Ordering, time::Duration};

#[tokio::test]
async fn a_table_that_can_be_read_becomes_ready() {
    let stage = Stage::new().await;
    let worker = stage.start("succeed");
    // After the worker looked in vain: what wakes it is the notification.
    let dataset = stage.upload("click").await;
    let row = stage.dataset_after(DatasetStatus::Processing, dataset).await;
    assert_eq!((row.status, row.rows_read), (DatasetStatus::Ready, 10));
    assert_eq!(row.spec.separator.as_deref(), Some(","), "what was found out is filled in");
    assert_eq!(
        (row.feature_map.unwrap().0, row.profile.unwrap().0),
        (crate::common::feature_map(), crate::common::profile())
    );
    assert!(stage.files.dataset_dir(dataset).join("feature_map.json").exists());
    worker.stop().await;
}

#[tokio::test]
async fn a_table_that_cannot_be_read_becomes_invalid_with_its_errors() {
    let stage = Stage::new().await;
    let dataset = stage.upload("bad").await;
    let worker = stage.start("succeed");
    let row = stage.dataset_after(DatasetStatus::Processing, dataset).await;
    assert_eq!((row.status, row.error_total, row.errors.len()), (DatasetStatus::Invalid, 5, 1));
    assert!(!stage.files.dataset_dir(dataset).exists());
    worker.stop().await;
}

#[tokio::test]
async fn a_reader_that_panics_does_not_take_the_worker_along() {
    let stage = Stage::new().await;
    let dataset = stage.upload("panic").await;
    let worker = stage.start("succeed");
    let row = stage.dataset_after(DatasetStatus::Processing, dataset).await;
    assert_eq!((row.status, row.deaths), (DatasetStatus::Invalid, 3));
    let other = stage.upload("click").await;
    assert_eq!(stage.dataset_after(DatasetStatus::Processing, other).await.status, DatasetStatus::Ready);
    worker.stop().await;
}

#[tokio::test]
async fn a_graceful_stop_hands_the_dataset_back() {
    let stage = Stage::new().await;
    let dataset = stage.upload("slow").await;
    let worker = stage.start("succeed");
    let reading = async {
        while stage.reads.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap();
    worker.stop().await;
    let row = stage.dataset(dataset).await;
    assert_eq!((row.status, row.deaths, row.worker), (DatasetStatus::Processing, 0, None));
}

#[tokio::test]
async fn a_job_on_a_machine_without_the_encoded_table_reads_it_again() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let dataset = stage.job(job).await.spec.dataset_id;
    std::fs::remove_dir_all(stage.files.dataset_dir(dataset)).unwrap();
    let worker = stage.start("succeed");
    let row = stage.until_ended(job).await;
    assert_eq!(row.state, JobState::Succeeded, "{:?}", row.error);
    assert_eq!(stage.reads.load(Ordering::SeqCst), 2);
    worker.stop().await;
}
