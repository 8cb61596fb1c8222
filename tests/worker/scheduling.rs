//! Pauses, stalls, deadlines over several attempts, and workers that cannot work.

use crate::{
    common::{event_types, tenant},
    stage::Stage,
};
use autodenoise::{
    store::{
        jobs::{self, PauseOutcome},
        metrics, workers,
    },
    trainer::TrainerCommand,
    types::{Device, ErrorKind, JobId, JobState},
};

async fn pause(stage: &Stage, job: JobId) -> PauseOutcome {
    jobs::request_pause(&mut stage.db.store.acquire().await.unwrap(), &tenant(), job).await.unwrap()
}

async fn resume(stage: &Stage, job: JobId) -> PauseOutcome {
    jobs::request_resume(&mut stage.db.store.acquire().await.unwrap(), &tenant(), job).await.unwrap()
}

async fn attempts(stage: &Stage, job: JobId) -> Vec<(String, Option<String>)> {
    let rows = jobs::list_attempts(&mut stage.db.store.acquire().await.unwrap(), &tenant(), job, 0, 100).await.unwrap();
    rows.into_iter().map(|row| (row.outcome.unwrap_or_default(), row.error_kind)).collect()
}

#[tokio::test]
async fn a_paused_job_goes_on_from_where_its_trainer_stopped() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("pause");
    stage.until(job, |row| row.phase.is_some()).await;
    assert_eq!(pause(&stage, job).await, PauseOutcome::Changed(JobState::Pausing));
    let row = stage.until(job, |row| row.state == JobState::Paused).await;
    assert_eq!((row.worker, row.lease_until, row.deaths), (None, None, 0));
    assert_eq!(resume(&stage, job).await, PauseOutcome::Changed(JobState::Queued));
    let row = stage.until_ended(job).await;
    assert_eq!((row.state, row.attempt, row.deaths), (JobState::Succeeded, 2, 0), "{:?}", row.error);
    worker.stop().await;
    let types = event_types(&stage.db.store, job).await;
    let types: Vec<_> = types.iter().map(String::as_str).filter(|kind| kind.starts_with("job.")).collect();
    let expected =
        ["job.queued", "job.started", "job.pausing", "job.paused", "job.resumed", "job.started", "job.succeeded"];
    assert_eq!(types, expected);
    let conn = &mut *stage.db.store.acquire().await.unwrap();
    let rows = metrics::list(conn, &tenant(), job, &metrics::MetricFilter::default(), 0, 10).await.unwrap();
    let passes: Vec<_> = rows.iter().map(|row| (row.row.epoch, row.attempt)).collect();
    assert_eq!(passes, [(1, 1), (2, 1), (3, 2)], "the pass under way was ended and kept");
}

#[tokio::test]
async fn a_trainer_that_says_and_does_nothing_has_died_and_one_at_work_has_not() {
    let mut stage = Stage::new().await;
    stage.config.stall_seconds = 1.0;
    let job = stage.queue_job().await;
    let worker = stage.start("stall");
    let row = stage.until_ended(job).await;
    assert_eq!((row.state, row.attempt), (JobState::Succeeded, 2), "{:?}", row.error);
    worker.stop().await;
    stage.until_dead(1).await;
    let expected = [("died".to_owned(), Some("stalled".to_owned())), ("succeeded".to_owned(), None)];
    assert_eq!(attempts(&stage, job).await, expected);
}

/// Waiting is not counted; all that ran is.
#[tokio::test]
async fn a_deadline_is_over_all_attempts_and_a_pause_stops_its_clock() {
    let stage = Stage::new().await;
    let job = stage.queue_job_with(|spec| spec.deadline_seconds = Some(1000)).await;
    let worker = stage.start("pause");
    stage.until(job, |row| row.phase.is_some()).await;
    pause(&stage, job).await;
    stage.until(job, |row| row.state == JobState::Paused).await;
    let change = async |sql: &'static str| sqlx::query(sql).execute(stage.db.store.pool()).await.unwrap();
    change(
        "update job_attempts set started_at = started_at - interval '1 day', ended_at = ended_at - interval '1 day'",
    )
    .await;
    assert_eq!(stage.job(job).await.state, JobState::Paused, "it waits as long as it likes");
    change("update job_attempts set started_at = ended_at - interval '1001 seconds'").await;
    resume(&stage, job).await;
    let error = stage.until_ended(job).await.error.unwrap().0;
    assert_eq!((error.kind, error.attempt), (Some(ErrorKind::Deadline), 2), "{}", error.message);
    worker.stop().await;
    assert_eq!(attempts(&stage, job).await[1], ("failed".to_owned(), Some("deadline".to_owned())));
}

#[tokio::test]
async fn a_trainer_that_cannot_be_started_costs_the_job_nothing_and_stops_the_worker() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let mut worker = stage.start_with(TrainerCommand { program: "/no/such/program".into(), args: vec![] });
    let reasons = worker.until_unfit().await;
    assert!(reasons.contains("/no/such/program"), "{reasons}");
    let row = stage.until(job, |row| row.state == JobState::Queued && row.attempt == 1).await;
    assert_eq!(row.deaths, 0);
    let other = stage.start("succeed");
    assert_eq!(stage.until_ended(job).await.state, JobState::Succeeded);
    assert_eq!(attempts(&stage, job).await[0], ("released".to_owned(), None));
    worker.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_worker_without_its_folder_or_its_gpu_claims_nothing_until_it_has_them() {
    let mut stage = Stage::new().await;
    let job = stage.queue_job().await;
    stage.config.lease_seconds = 1.0;
    let incoming = stage.files.local_path(&autodenoise::files::Key::parse("uploads/x").unwrap());
    let incoming = incoming.ancestors().nth(3).unwrap().join("incoming");
    std::fs::rename(&incoming, incoming.with_extension("away")).unwrap();
    let mut worker = stage.start("succeed");
    let reasons = worker.until_unfit().await;
    assert!(reasons.contains("nothing can be written to the data folder"), "{reasons}");
    let listed = async || workers::list(&mut stage.db.store.acquire().await.unwrap(), 9, None).await.unwrap().rows;
    let saying = async {
        while !listed().await.iter().any(|row| row.state == "unfit" && !row.reasons.is_empty()) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), saying).await.expect("its row says so");
    assert_eq!(stage.job(job).await.attempt, 0);
    std::fs::rename(incoming.with_extension("away"), &incoming).unwrap();
    worker.until_fit().await;
    assert_eq!(stage.until_ended(job).await.state, JobState::Succeeded);
    worker.stop().await;
    assert!(listed().await.is_empty(), "a worker that stops is off the list");

    stage.config.gpus = Some(vec![Device::Cuda(999)]);
    let mut worker = stage.start("succeed");
    let reasons = worker.until_unfit().await;
    assert!(reasons.contains("cuda:999 was promised"), "{reasons}");
    worker.stop().await;
}
