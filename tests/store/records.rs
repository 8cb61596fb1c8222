//! What a worker writes while a job runs: events, passes, checkpoints, results.

use crate::common::{claim, epoch, event_types, find_job, queued_job, tenant};
use autodenoise::{
    store::{artifacts, checkpoints, endings, events, metrics, queue, testing::TestDb},
    types::{Arm, EpochRow, EventType, Metrics, Phase, Progress},
};
use serde_json::json;

#[tokio::test]
async fn events_of_concurrent_writers_have_no_gap() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let lease = claim(&db.store, "w").await.unwrap().lease;
    let writers = (0..8).map(|writer| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let conn = &mut *store.acquire().await.unwrap();
            for n in 0..10 {
                events::record(conn, &lease, EventType::Log, &json!({"writer": writer, "n": n})).await.unwrap();
            }
        })
    });
    for done in futures_util::future::join_all(writers).await {
        done.unwrap();
    }
    assert_eq!(event_types(&db.store, job).await.len(), 81);
    let conn = &mut *db.store.acquire().await.unwrap();
    let page = events::list(conn, &tenant(), job, 79, 1).await.unwrap();
    assert_eq!(page.iter().map(|row| row.seq).collect::<Vec<_>>(), [80]);
    assert!(events::list(conn, &tenant(), job, 81, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_pass_told_twice_is_written_once() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let lease = claim(&db.store, "w").await.unwrap().lease;
    let conn = &mut *db.store.acquire().await.unwrap();
    assert!(metrics::record(conn, &lease, &epoch(1)).await.unwrap());
    let again = EpochRow { seconds: 99.0, ..epoch(1) };
    assert!(!metrics::record(conn, &lease, &again).await.unwrap());
    assert!(metrics::record(conn, &lease, &epoch(2)).await.unwrap());
    assert_eq!(event_types(&db.store, job).await, ["job.queued", "epoch.completed", "epoch.completed"]);
    let rows = metrics::list(conn, &tenant(), job, &metrics::MetricFilter::default(), 0, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.seq, row.row.clone())).collect::<Vec<_>>(), [(2, epoch(1)), (3, epoch(2))]);
    let event = &events::list(conn, &tenant(), job, 1, 1).await.unwrap()[0];
    assert_eq!(serde_json::from_value::<EpochRow>(event.data.clone()).unwrap(), epoch(1));
}

#[tokio::test]
async fn passes_are_filtered_and_go_on_from_a_number() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let lease = claim(&db.store, "w").await.unwrap().lease;
    let conn = &mut *db.store.acquire().await.unwrap();
    let full = EpochRow {
        arm: Arm::Full,
        seed: i64::MAX as u64,
        phase: Phase::Evaluate,
        train: None,
        valid: Some(Metrics { auc: None, logloss: 0.25, clipped: 0 }),
        kept: None,
        skipped_updates: None,
        ..epoch(1)
    };
    for row in [&epoch(1), &full, &epoch(2)] {
        metrics::record(conn, &lease, row).await.unwrap();
    }
    let mut list = async |filter: metrics::MetricFilter, after| -> Vec<EpochRow> {
        let rows = metrics::list(conn, &tenant(), job, &filter, after, 10).await.unwrap();
        rows.into_iter().map(|row| row.row).collect()
    };
    let any = metrics::MetricFilter::default();
    assert_eq!(list(metrics::MetricFilter { arm: Some(Arm::Full), ..any }, 0).await, std::slice::from_ref(&full));
    assert_eq!(list(metrics::MetricFilter { seed: Some(42), ..any }, 0).await, [epoch(1), epoch(2)]);
    assert_eq!(
        list(metrics::MetricFilter { phase: Some(Phase::Evaluate), ..any }, 0).await,
        std::slice::from_ref(&full)
    );
    assert_eq!(list(any, 2).await, [full, epoch(2)]);
}

#[tokio::test]
async fn a_phase_is_announced_once() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let lease = claim(&db.store, "w").await.unwrap().lease;
    let conn = &mut *db.store.acquire().await.unwrap();
    for (phase, epoch) in [(Phase::Warmup, 1), (Phase::Warmup, 1), (Phase::Warmup, 2), (Phase::Search, 1)] {
        queue::start_phase(conn, &lease, 0, phase, epoch).await.unwrap();
    }
    let progress = Progress { done: 3, total: 9, eta_seconds: Some(1.5) };
    queue::set_progress(conn, &lease, progress).await.unwrap();
    let row = find_job(&db.store, job).await;
    assert_eq!((row.phase, row.epoch, row.progress.unwrap().0), (Some(Phase::Search), Some(1), progress));
    assert_eq!(event_types(&db.store, job).await, ["job.queued", "phase.started", "phase.started", "phase.started"]);
}

#[tokio::test]
async fn the_newest_two_checkpoints_are_kept_and_the_newest_is_resumed() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let lease = claim(&db.store, "w").await.unwrap().lease;
    let conn = &mut *db.store.acquire().await.unwrap();
    let mut dropped = Vec::new();
    for epoch in 1..=4 {
        let new = checkpoints::NewCheckpoint {
            phase: Phase::Search,
            epoch,
            object: format!("checkpoints/{job}/1-{epoch}"),
            bytes: 10,
            sha256: "00".to_owned(),
        };
        dropped.extend(checkpoints::record(conn, &lease, &new).await.unwrap());
    }
    assert_eq!(dropped, [format!("checkpoints/{job}/1-1"), format!("checkpoints/{job}/1-2")]);
    let kept = checkpoints::list(conn, &tenant(), job).await.unwrap();
    assert_eq!(kept.iter().map(|row| row.epoch).collect::<Vec<_>>(), [4, 3]);
    assert!(checkpoints::list(conn, &"other".parse().unwrap(), job).await.unwrap().is_empty(), "another tenant's");
    let names: Vec<_> = kept.iter().map(|row| row.object.clone()).collect();
    assert!(artifacts::unreferenced(conn, &names, "uploads/").await.unwrap().is_empty());
    endings::release(conn, &lease, "x", std::time::Duration::ZERO).await.unwrap();
    assert_eq!(claim(&db.store, "w").await.unwrap().checkpoint.as_ref(), Some(&kept[0]));
}

#[tokio::test]
async fn a_result_written_again_replaces_the_earlier_one() {
    let db = TestDb::new().await;
    let job = queued_job(&db.store).await;
    let lease = claim(&db.store, "w").await.unwrap().lease;
    let conn = &mut *db.store.acquire().await.unwrap();
    let artifact = |attempt: i32| artifacts::NewArtifact {
        name: "indices".to_owned(),
        object: format!("results/{job}/{attempt}/indices"),
        bytes: 3,
        sha256: "00".to_owned(),
        media_type: "application/vnd.apache.parquet".to_owned(),
        download_name: "indices.parquet".to_owned(),
    };
    artifacts::record(conn, &lease, &artifact(1)).await.unwrap();
    artifacts::record(conn, &lease, &artifact(2)).await.unwrap();
    let rows = artifacts::list(conn, &tenant(), job).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.object.as_str()).collect::<Vec<_>>(), [artifact(2).object]);
    assert_eq!(artifacts::find(conn, &tenant(), job, "indices").await.unwrap().as_ref(), rows.first());
    assert_eq!(artifacts::find(conn, &tenant(), job, "mask").await.unwrap(), None);
}
