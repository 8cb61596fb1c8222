//! What the sweep removes, and what it never does.

use crate::{common::tenant, stage::Stage};
use autodenoise::{
    files::{Files, Key, Stored},
    store::{artifacts, checkpoints, datasets, jobs, objects},
    types::{DatasetId, JobState},
};
use std::{
    path::Path,
    time::{Duration, SystemTime},
};

/// Bytes that came two hours ago.
async fn store_old_upload(stage: &Stage, content: &'static str) -> (Stored, Key) {
    let stored = stage.store_upload(content).await;
    let key = Key::upload(&stored.sha256).unwrap();
    make_old(&stage.files.local_path(&key));
    (stored, key)
}

/// As if it had lain there for two hours.
fn make_old(path: &Path) {
    let file = std::fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
}

async fn until_gone(files: &Files, key: &Key) {
    let gone = async {
        while files.contains(key).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the sweep has removed it");
}

#[tokio::test]
async fn bytes_that_come_again_while_they_are_swept_stay() {
    let stage = Stage::new().await;
    let mut all = Vec::new();
    for content in ["user,click\n", "b", "c", "d", "e"] {
        all.push(store_old_upload(&stage, content).await);
    }
    // The sweep goes by name: where the last one is gone it has passed the first.
    all.sort_by(|(_, one), (_, two)| one.as_str().cmp(two.as_str()));
    let (stored, key) = all.first().unwrap();
    let mut creating = stage.db.store.begin().await.unwrap();
    objects::hold(&mut creating, key.as_str()).await.unwrap();
    let worker = stage.start("succeed");
    until_gone(&stage.files, &all.last().unwrap().1).await;
    assert!(stage.files.contains(key).await.unwrap(), "somebody is about to name it");
    let new =
        datasets::NewDataset { sha256: stored.sha256.clone(), bytes: stored.bytes, ..crate::common::new_dataset("") };
    datasets::create(&mut creating, &new).await.unwrap();
    creating.commit().await.unwrap();
    worker.stop().await;

    // Named, it is as safe as held.
    let (_, other) = store_old_upload(&stage, "f").await;
    let worker = stage.start("succeed");
    until_gone(&stage.files, &other).await;
    worker.stop().await;
    assert!(stage.files.contains(key).await.unwrap());
}

#[tokio::test]
async fn results_go_when_their_time_is_over_and_the_job_stays() {
    let mut stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("succeed");
    assert_eq!(stage.until_ended(job).await.state, JobState::Succeeded);
    worker.stop().await;
    let conn = &mut *stage.db.store.acquire().await.unwrap();
    let mut kept: Vec<String> =
        artifacts::list(conn, &tenant(), job).await.unwrap().into_iter().map(|row| row.object).collect();
    kept.extend(checkpoints::list(conn, &tenant(), job).await.unwrap().into_iter().map(|row| row.object));
    let keys: Vec<Key> = kept.into_iter().map(|name| Key::parse(name).unwrap()).collect();
    assert!(keys.len() >= 4, "{keys:?}");
    // Old enough to be taken for leftovers, were they not named.
    keys.iter().for_each(|key| make_old(&stage.files.local_path(key)));

    // A day is not over, so nothing goes; then no time at all is given.
    for (days, gone) in [(1.0, false), (0.0, true)] {
        stage.config.keep_results_days = Some(days);
        let (_, orphan) = store_old_upload(&stage, "orphan").await;
        let worker = stage.start("succeed");
        until_gone(&stage.files, &orphan).await;
        worker.stop().await;
        for key in &keys {
            assert_eq!(stage.files.contains(key).await.unwrap(), !gone, "{key} after {days} days");
        }
        assert_eq!(artifacts::list(conn, &tenant(), job).await.unwrap().is_empty(), gone);
    }
    assert!(jobs::find(conn, &tenant(), job).await.unwrap().unwrap().report.is_some());
}

#[tokio::test]
async fn an_encoded_table_without_its_dataset_goes() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("succeed");
    stage.until_ended(job).await;
    worker.stop().await;
    let conn = &mut *stage.db.store.acquire().await.unwrap();
    let dataset = jobs::find(conn, &tenant(), job).await.unwrap().unwrap().spec.0.dataset_id;
    let [kept, orphan] = [dataset, DatasetId::new()].map(|id| stage.files.dataset_dir(id));
    for folder in [&kept, &orphan] {
        std::fs::create_dir_all(folder).unwrap();
        let opened = std::fs::File::open(folder).unwrap();
        opened.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    }
    let worker = stage.start("succeed");
    let gone = async {
        while orphan.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the sweep has removed it");
    worker.stop().await;
    assert!(kept.exists(), "a table whose dataset is there is as good as when it was made");
}
