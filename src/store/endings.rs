//! How claims of jobs end: the job ended, failed, was handed back, or its worker is gone.
//!
//! A claim that ended badly counts one death, and the job waits before it is claimed again, longer each time.

use super::{Lease, StoreError, events};
use crate::types::{Arm, Certification, ErrorKind, EventType, Failure, Gain, JobFailure, JobId, JobState, Report};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, types::Json};
use std::time::Duration;

/// What becomes of a job whose attempt died.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    /// The death that is the last.
    pub max_deaths: i32,
    /// How long the job waits after its first death; twice as long after each further one, up to ten minutes. Up to half of
    /// it, at random, is left out, so that jobs that died together do not come back together.
    pub pause: Duration,
}

/// SQL for the seconds that a job waits after one more death: its `deaths` are those before, and `$2` is the first pause.
macro_rules! pause {
    () => {
        "least($2::float8 * 2 ^ least(deaths, 20), 600) * (0.5 + 0.5 * random())"
    };
}

/// Ends the claims of workers that have not been heard of: their jobs go back to the queue, or fail where that was the last
/// death allowed, or are cancelled or paused where a client asked for it. Returns the jobs and their new states.
///
/// Only a worker to which the database has answered for the length of a lease without a break may call this. While the
/// database is away no worker can renew its lease, so right after an outage every lease may have run out, and ending them
/// would stop jobs that run well.
///
/// `now` is the database's time as it gave it a moment ago. A database that stops with this call in its hands may carry it
/// out much later; leases that ran out meanwhile are not ended then.
pub async fn recover_expired(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    retries: Retries,
) -> Result<Vec<(JobId, JobState)>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "with expired as (
             select id, attempt, worker, lease_until, deaths + 1 as deaths, ",
        pause!(),
        " as pause,
                    (case when state = 'cancelling' then 'cancelled'
                          when deaths + 1 >= $1 then 'failed'
                          when state = 'pausing' then 'paused' else 'queued' end)::job_state as next,
                    format('worker %s was not heard of until its lease ended', worker) as reason
             from jobs where lease_until < $3
             order by lease_until limit 100 for update skip locked
         ), closed as (
             -- It ran until its lease ended at most, however much later that is found out.
             update job_attempts a
             set ended_at = greatest(a.started_at, e.lease_until), outcome = 'lost', error_kind = 'lost', error = e.reason
             from expired e where a.job_id = e.id and a.attempt = e.attempt
         ), moved as (
             update jobs j
             set state = e.next, deaths = e.deaths, lease_until = null, worker = null,
                 not_before = case when e.next = 'queued' then now() + make_interval(secs => e.pause) end,
                 phase = case when e.next not in ('queued', 'paused') then j.phase end,
                 epoch = case when e.next not in ('queued', 'paused') then j.epoch end,
                 finished_at = case when e.next not in ('queued', 'paused') then now() end,
                 error = case when e.next = 'failed'
                              then jsonb_build_object('message', e.reason, 'attempt', e.attempt, 'kind', 'lost') end,
                 last_event_seq = last_event_seq + 1
             from expired e where j.id = e.id
             returning j.id, j.state, j.attempt, j.last_event_seq, j.not_before, e.reason
         ), told as (
             insert into job_events (job_id, seq, type, data)
             select id, last_event_seq,
                    case state when 'queued' then 'job.requeued' when 'paused' then 'job.paused'
                               when 'failed' then 'job.failed' else 'job.cancelled' end,
                    case state when 'queued' then jsonb_build_object('attempt', attempt, 'kind', 'lost', 'reason', reason,
                                                                     'not_before', not_before)
                               when 'failed' then jsonb_build_object('attempt', attempt, 'kind', 'lost', 'message', reason)
                               else '{}' end
             from moved
         )
         select id, state from moved"
    ))
    .bind(retries.max_deaths)
    .bind(retries.pause.as_secs_f64())
    .bind(now)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The job ended well. Allowed while cancelling too: the result was there first.
pub async fn finish_succeeded(conn: &mut PgConnection, lease: &Lease, report: &Report) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    for line in &report.table {
        for run in &line.runs {
            let mut data = json!({
                "contender": line.contender, "method": line.method, "label": line.label,
                "chosen_with": line.chosen_with, "backbone": line.backbone,
            });
            if let (Some(data), Value::Object(run)) = (data.as_object_mut(), to_value(run)) {
                data.extend(run);
            }
            events::append(&mut tx, lease.job, EventType::SeedCompleted, &data).await?;
        }
    }
    if let Some(result) = &report.self_check {
        events::append(&mut tx, lease.job, EventType::SelfcheckCompleted, &to_value(result)).await?;
    }
    if let Some(certification) = &report.certification {
        events::append(&mut tx, lease.job, EventType::VerdictIssued, &verdict_issued(certification)).await?;
    }
    End { report: Some(report), ..End::new(JobState::Succeeded, "succeeded") }.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// The verdict and the numbers it is read with; the report has the rest.
fn verdict_issued(certification: &Certification) -> Value {
    let told = |gain: &Gain| {
        json!({
            "delta_auc": gain.mean, "ci95": gain.ci95, "p": gain.p_seeds.max(gain.p_rows),
        })
    };
    let gain = |arm| certification.gains.iter().find(|gain| gain.over == arm).map(told);
    json!({
        "verdict": certification.verdict, "backbone": certification.backbone, "seeds": certification.asked.seeds,
        "over_full": gain(Arm::Full), "over_random": gain(Arm::Random),
        "regularisation": certification.regularisation.as_ref().map(told), "answer": certification.answer,
        "delta_logloss": certification.delta_logloss, "reasons": certification.reasons,
    })
}

/// The job failed for a reason another attempt would meet too.
pub async fn finish_failed(conn: &mut PgConnection, lease: &Lease, failure: &Failure) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    End { failure: Some(failure), ..End::new(JobState::Failed, "failed") }.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// The job was stopped because a client asked for it.
pub async fn finish_cancelled(conn: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    End::new(JobState::Cancelled, "cancelled").write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// The attempt died for a reason another one may not meet: back to the queue for later, or failed when that was the last
/// death allowed, or cancelled or paused where that was asked for. Returns the new state.
pub async fn retry_or_fail(
    conn: &mut PgConnection,
    lease: &Lease,
    failure: &Failure,
    retries: Retries,
) -> Result<JobState, StoreError> {
    let mut tx = conn.begin().await?;
    let held = lease.hold(&mut tx).await?;
    let deaths: i32 =
        sqlx::query_scalar("select deaths + 1 from jobs where id = $1").bind(lease.job).fetch_one(&mut *tx).await?;
    let state = match held {
        JobState::Cancelling => JobState::Cancelled,
        _ if deaths >= retries.max_deaths => JobState::Failed,
        JobState::Pausing => JobState::Paused,
        _ => JobState::Queued,
    };
    let end = End { failure: Some(failure), pause: Some(retries.pause), ..End::new(state, "died") };
    end.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(state)
}

/// Hands the job back without counting a death, because the worker stops or a client asked for a pause; cancelled where
/// that was asked for. Back in the queue it waits for `pause`. Returns the new state.
pub async fn release(
    conn: &mut PgConnection,
    lease: &Lease,
    reason: &str,
    pause: Duration,
) -> Result<JobState, StoreError> {
    let mut tx = conn.begin().await?;
    let (state, outcome) = match lease.hold(&mut tx).await? {
        JobState::Cancelling => (JobState::Cancelled, "cancelled"),
        JobState::Pausing => (JobState::Paused, "paused"),
        _ => (JobState::Queued, "released"),
    };
    let pause = (!pause.is_zero()).then_some(pause);
    End { reason: Some(reason), pause, ..End::new(state, outcome) }.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(state)
}

/// The end of a claim. The caller holds the job's row.
struct End<'a> {
    state: JobState,
    outcome: &'static str,
    /// Counts one death.
    failure: Option<&'a Failure>,
    /// Why the claim ended, where that is no failure.
    reason: Option<&'a str>,
    /// How long the job waits in the queue, if it goes back there.
    pause: Option<Duration>,
    report: Option<&'a Report>,
}

impl End<'_> {
    const fn new(state: JobState, outcome: &'static str) -> Self {
        Self { state, outcome, failure: None, reason: None, pause: None, report: None }
    }

    async fn write(&self, tx: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
        let failed = self.failure.filter(|_| self.state == JobState::Failed);
        let error = failed.map(|Failure { kind, message }| {
            Json(JobFailure { message: message.clone(), attempt: lease.attempt, kind: Some(*kind) })
        });
        let not_before: Option<DateTime<Utc>> = sqlx::query_scalar(concat!(
            "update jobs
             set state = $3, deaths = deaths + $4, lease_until = null, worker = null, error = $5, report = $6,
                 not_before = case when $3 = 'queued' and $2 is not null then now() + make_interval(secs => ",
            pause!(),
            ") end,
                 phase = case when $3 not in ('queued', 'paused') then phase end,
                 epoch = case when $3 not in ('queued', 'paused') then epoch end,
                 finished_at = case when $3 not in ('queued', 'paused') then now() end
             where id = $1 returning not_before"
        ))
        .bind(lease.job)
        .bind(self.pause.map(|pause| pause.as_secs_f64()))
        .bind(self.state)
        .bind(i32::from(self.failure.is_some()))
        .bind(error)
        .bind(self.report.map(Json))
        .fetch_one(&mut *tx)
        .await?;
        let reason = self.failure.map(|failure| failure.message.as_str()).or(self.reason);
        let kind = self.failure.map(|failure| failure.kind);
        sqlx::query(
            "update job_attempts set ended_at = now(), outcome = $3, error_kind = $4, error = $5
             where job_id = $1 and attempt = $2",
        )
        .bind(lease.job)
        .bind(lease.attempt)
        .bind(self.outcome)
        .bind(kind.map(ErrorKind::as_str))
        .bind(reason)
        .execute(&mut *tx)
        .await?;
        let (event, data) = match self.state {
            JobState::Queued => {
                let data = json!({"attempt": lease.attempt, "kind": kind, "reason": reason, "not_before": not_before});
                (EventType::JobRequeued, data)
            }
            JobState::Paused => (EventType::JobPaused, json!({})),
            JobState::Failed => {
                (EventType::JobFailed, json!({"attempt": lease.attempt, "kind": kind, "message": reason}))
            }
            JobState::Cancelled => (EventType::JobCancelled, json!({})),
            JobState::Succeeded => (EventType::JobSucceeded, json!({})),
            JobState::Running | JobState::Pausing | JobState::Cancelling => {
                unreachable!("a claim does not end in a leased state")
            }
        };
        events::append(tx, lease.job, event, &data).await?;
        Ok(())
    }
}

fn to_value(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("results are plain data")
}
