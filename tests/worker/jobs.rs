//! Jobs, from the claim to their end, with trainers that succeed, crash, hang and babble.

use crate::{
    common::{event_types, tenant},
    stage::Stage,
};
use autodenoise::{
    files::Key,
    store::{artifacts, checkpoints, jobs, metrics},
    types::{Certify, ErrorKind, JobState},
};
use std::time::{Duration, Instant};

async fn outcomes(stage: &Stage, job: autodenoise::types::JobId) -> Vec<String> {
    let rows = jobs::list_attempts(&mut stage.db.store.acquire().await.unwrap(), &tenant(), job, 0, 100).await.unwrap();
    rows.into_iter().map(|row| row.outcome.unwrap_or_default()).collect()
}

#[tokio::test]
async fn a_run_that_ends_well_leaves_all_it_said() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("succeed");
    let row = stage.until_ended(job).await;
    assert_eq!((row.state, row.attempt, row.deaths), (JobState::Succeeded, 1, 0), "{:?}", row.error);
    assert_eq!(row.report.as_ref().unwrap().spec, row.spec.0);
    let progress = row.progress.unwrap().0;
    assert_eq!((progress.done, progress.total), (100, 100), "the last progress is written");
    assert_eq!(
        event_types(&stage.db.store, job).await,
        [
            "job.queued",
            "job.started",
            "phase.started",
            "epoch.completed",
            "log",
            "checkpoint.saved",
            "checkpoint.saved",
            "checkpoint.saved",
            "seed.completed",
            "seed.completed",
            "job.succeeded"
        ]
    );
    worker.stop().await;

    let conn = &mut *stage.db.store.acquire().await.unwrap();
    let artifact = artifacts::find(conn, &tenant(), job, "indices").await.unwrap().unwrap();
    let path = stage.files.local_path(&Key::parse(artifact.object).unwrap());
    assert_eq!((std::fs::read_to_string(path).unwrap().as_str(), artifact.bytes), ("rows", 4));
    let kept = checkpoints::list(conn, &tenant(), job).await.unwrap();
    assert_eq!(kept.len(), 2);
    let folder = stage.files.local_path(&Key::parse(&*kept[0].object).unwrap());
    assert_eq!(folder.parent().unwrap().read_dir().unwrap().count(), 2, "the oldest checkpoint's file is gone");
    let work = stage.files.work_dir(job, 9).await.unwrap();
    assert_eq!(work.parent().unwrap().read_dir().unwrap().count(), 1, "the trainer's folder is gone");
}

#[tokio::test]
async fn a_crash_is_followed_by_an_attempt_from_the_newest_checkpoint() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("crash_once");
    stage.until(job, |row| row.epoch == Some(2)).await;
    stage.go();
    let row = stage.until_ended(job).await;
    assert_eq!((row.state, row.attempt, row.deaths), (JobState::Succeeded, 2, 1), "{:?}", row.error);
    worker.stop().await;
    assert_eq!(outcomes(&stage, job).await, ["died", "succeeded"]);
    let conn = &mut *stage.db.store.acquire().await.unwrap();
    let rows = metrics::list(conn, &tenant(), job, &metrics::MetricFilter::default(), 0, 10).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.row.epoch, row.attempt)).collect::<Vec<_>>(),
        [(1, 1), (2, 2)],
        "a pass told again is not written again"
    );
    let types = event_types(&stage.db.store, job).await;
    assert_eq!(types.iter().filter(|kind| *kind == "job.requeued").count(), 1);
    let reason = jobs::list_attempts(conn, &tenant(), job, 0, 100).await.unwrap()[0].error.clone().unwrap();
    assert!(reason.contains("signal 9"), "{reason}");
}

/// The trainer has no database: the worker counts the verdicts on the table's test rows and hands the count over.
#[tokio::test]
async fn a_trainer_is_told_how_many_verdicts_there_were_and_a_later_attempt_the_same() {
    let stage = Stage::new().await;
    let run = async |seed: u64, mode: &str| {
        let job = stage.queue_job_with(|spec| (spec.seed, spec.certify) = (seed, Some(Certify::default()))).await;
        let worker = stage.start(mode);
        stage.go();
        let row = stage.until_ended(job).await;
        assert_eq!(row.state, JobState::Succeeded, "{:?}", row.error);
        worker.stop().await;
        row.test_read
    };
    assert_eq!(run(1, "succeed").await, Some(1));
    assert_eq!(run(2, "crash_once").await, Some(2));
    assert_eq!(run(1, "succeed").await, Some(1));
    let told = std::fs::read_to_string(stage.shared("earlier-reads")).unwrap();
    assert_eq!(told, "1:0 1:1 2:1 1:0 ");
    let silent = stage.queue_job().await;
    let worker = stage.start("succeed");
    assert_eq!(stage.until_ended(silent).await.test_read, None, "it asked for no verdict");
    worker.stop().await;
}

#[tokio::test]
async fn a_cancelled_job_stops_at_once_with_all_its_processes() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("hang");
    stage.until_hanging(job, 1).await;
    let asked = Instant::now();
    jobs::request_cancel(&mut stage.db.store.acquire().await.unwrap(), &tenant(), job).await.unwrap();
    assert_eq!(stage.until_ended(job).await.state, JobState::Cancelled);
    assert!(asked.elapsed() < Duration::from_secs(5), "not with the next heartbeat, 10 s later");
    stage.until_dead(1).await;
    assert_eq!(outcomes(&stage, job).await, ["cancelled"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_past_its_deadline_has_failed() {
    let stage = Stage::new().await;
    // Long enough for the trainer to come up on a busy machine.
    let job = stage.queue_job_with(|spec| spec.deadline_seconds = Some(5)).await;
    let worker = stage.start("hang");
    stage.until_hanging(job, 1).await;
    let row = stage.until_ended(job).await;
    assert_eq!(row.state, JobState::Failed);
    assert!(row.error.unwrap().message.contains("deadline_seconds of 5"));
    stage.until_dead(1).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_graceful_stop_hands_the_job_back() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("hang_once");
    stage.until_hanging(job, 1).await;
    worker.stop().await;
    stage.until_dead(1).await;
    let row = stage.job(job).await;
    assert_eq!((row.state, row.deaths, row.worker), (JobState::Queued, 0, None));
    assert_eq!(event_types(&stage.db.store, job).await.last().unwrap(), "job.requeued");
    let next = stage.start("hang_once");
    assert_eq!(stage.until_ended(job).await.state, JobState::Succeeded);
    next.stop().await;
    assert_eq!(outcomes(&stage, job).await, ["released", "succeeded"]);
}

#[tokio::test]
async fn a_worker_that_vanishes_loses_its_job_to_another() {
    let mut stage = Stage::new().await;
    let job = stage.queue_job().await;
    stage.config.lease_seconds = 1.0;
    let first = stage.start("hang_once");
    stage.until_hanging(job, 1).await;
    first.task.abort();
    let second = stage.start("hang_once");
    let row = stage.until_ended(job).await;
    assert_eq!((row.state, row.attempt, row.deaths), (JobState::Succeeded, 2, 1));
    stage.until_dead(1).await;
    second.stop().await;
    assert_eq!(outcomes(&stage, job).await, ["lost", "succeeded"]);
}

/// The lease is taken away under a worker that runs: it must kill its trainer and write nothing.
#[tokio::test]
async fn a_lease_that_went_to_another_stops_the_trainer() {
    let mut stage = Stage::new().await;
    let job = stage.queue_job().await;
    // A heartbeat every two seconds, which may be late without losing the lease.
    stage.config.lease_seconds = 6.0;
    let worker = stage.start("hang");
    stage.until_hanging(job, 1).await;
    sqlx::query("update jobs set attempt = attempt + 1, lease_until = now() + interval '1 hour', worker = 'another'")
        .execute(stage.db.store.pool())
        .await
        .unwrap();
    stage.until_dead(1).await;
    worker.stop().await;
    let row = stage.job(job).await;
    assert_eq!((row.state, row.attempt, row.worker.as_deref()), (JobState::Running, 2, Some("another")));
    assert_eq!(event_types(&stage.db.store, job).await, ["job.queued", "job.started", "phase.started"]);
}

#[tokio::test]
async fn a_job_that_kills_every_trainer_has_failed_with_the_reason() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("poison");
    let row = stage.until_ended(job).await;
    assert_eq!((row.state, row.attempt, row.deaths), (JobState::Failed, 3, 3));
    let message = &row.error.unwrap().message;
    assert!(message.contains("code 3") && message.contains("no such column `user`"), "{message}");
    worker.stop().await;
}

#[tokio::test]
async fn a_trainer_that_is_refused_memory_says_so_by_its_last_words() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("gluttony");
    let error = stage.until_ended(job).await.error.unwrap();
    assert_eq!(error.kind, Some(ErrorKind::OutOfMemory), "{}", error.message);
    worker.stop().await;
}

#[tokio::test]
async fn what_no_attempt_can_cure_fails_at_once() {
    for (mode, reason) in
        [("refuse", "the dataset is too small"), ("garbage", "cannot read"), ("endless", "a line of more than")]
    {
        let stage = Stage::new().await;
        let job = stage.queue_job().await;
        let worker = stage.start(mode);
        let row = stage.until_ended(job).await;
        assert_eq!((row.state, row.attempt), (JobState::Failed, 1), "{mode}");
        let message = &row.error.unwrap().message;
        assert!(message.contains(reason), "{mode}: {message}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_result_outside_the_trainers_folder_is_refused() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("escape");
    let row = stage.until_ended(job).await;
    assert!(row.error.unwrap().message.contains("is not below the trainer's folder"));
    worker.stop().await;
}

#[tokio::test]
async fn a_database_that_drops_every_connection_costs_nothing() {
    let stage = Stage::new().await;
    let job = stage.queue_job().await;
    let worker = stage.start("wait");
    stage.until(job, |row| row.epoch == Some(7)).await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .execute(stage.db.store.pool())
    .await
    .unwrap();
    stage.go();
    let row = stage.until_ended(job).await;
    assert_eq!((row.state, row.attempt), (JobState::Succeeded, 1), "{:?}", row.error);
    worker.stop().await;
    let conn = &mut *stage.db.store.acquire().await.unwrap();
    let rows = metrics::list(conn, &tenant(), job, &metrics::MetricFilter::default(), 0, 1000).await.unwrap();
    assert_eq!(rows.len(), 99);
}
