//! The job queue: claim, renew, hand back, end. `types::JobState::can_become` has the states.
//!
//! A claim is a short transaction; the job runs outside of any. The lease is (job, attempt): `attempt` grows with every
//! claim, so a worker that was thought dead finds no row to write to. A claim that ended badly counts one death.

use super::{StoreError, checkpoints::CheckpointRow, error::int, events, jobs::JobFailure};
use crate::types::{
    Arm, Certification, DatasetSpec, EventType, JobId, JobState, Phase, Progress, Report, ResolvedSpec,
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row, postgres::PgRow, types::Json};
use std::time::Duration;

/// The right to write to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub attempt: i32,
}

impl Lease {
    pub(super) fn lost(&self) -> StoreError {
        StoreError::LeaseLost { of: self.job.to_string(), attempt: self.attempt }
    }

    /// Locks the job's row until the transaction ends, or fails because the lease is lost. Every write of a worker
    /// starts with it.
    pub(super) async fn hold(&self, tx: &mut PgConnection) -> Result<JobState, StoreError> {
        sqlx::query_scalar(
            "select state from jobs where id = $1 and attempt = $2 and state in ('running', 'cancelling') for update",
        )
        .bind(self.job)
        .bind(self.attempt)
        .fetch_optional(tx)
        .await?
        .ok_or_else(|| self.lost())
    }
}

/// A job to run.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    pub lease: Lease,
    pub spec: ResolvedSpec,
    /// sha256 of the dataset's uploaded bytes, and how they are to be read.
    pub object: String,
    pub dataset_spec: DatasetSpec,
    /// The newest checkpoint of an earlier attempt.
    pub checkpoint: Option<CheckpointRow>,
    /// How long earlier attempts ran.
    pub ran: Duration,
    pub deaths: i32,
}

/// What a heartbeat brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// A client wants the job stopped.
    pub cancel: bool,
}

/// Claims the job that has waited longest. Claimers do not wait for each other.
pub async fn claim(conn: &mut PgConnection, worker: &str, lease: Duration) -> Result<Option<ClaimedJob>, StoreError> {
    let row = sqlx::query(
        "with next as (
             select id from jobs where state = 'queued' order by created_at, id limit 1 for update skip locked
         ), claimed as (
             update jobs j
             set state = 'running', attempt = attempt + 1, worker = $1, lease_until = now() + make_interval(secs => $2),
                 started_at = coalesce(started_at, now())
             from next where j.id = next.id
             returning j.id, j.attempt, j.spec, j.dataset_id, j.deaths
         ), opened as (
             insert into job_attempts (job_id, attempt, worker) select id, attempt, $1 from claimed
         )
         select c.id, c.attempt, c.spec, c.deaths, d.object, d.spec as dataset_spec,
                (select coalesce(extract(epoch from sum(a.ended_at - a.started_at)), 0)::float8
                 from job_attempts a where a.job_id = c.id) as ran_seconds,
                k.seq, k.attempt as checkpoint_attempt, k.phase, k.epoch, k.object as checkpoint_object, k.bytes,
                k.sha256, k.created_at
         from claimed c
         join datasets d on d.id = c.dataset_id
         left join lateral (select * from checkpoints where job_id = c.id order by seq desc limit 1) k on true",
    )
    .bind(worker)
    .bind(lease.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(claimed).transpose()
}

fn claimed(row: &PgRow) -> Result<ClaimedJob, StoreError> {
    let checkpoint = match row.try_get::<Option<i64>, _>("seq")? {
        None => None,
        Some(seq) => Some(CheckpointRow {
            seq,
            attempt: row.try_get("checkpoint_attempt")?,
            phase: row.try_get("phase")?,
            epoch: row.try_get("epoch")?,
            object: row.try_get("checkpoint_object")?,
            bytes: row.try_get("bytes")?,
            sha256: row.try_get("sha256")?,
            created_at: row.try_get("created_at")?,
        }),
    };
    Ok(ClaimedJob {
        lease: Lease { job: row.try_get("id")?, attempt: row.try_get("attempt")? },
        spec: row.try_get::<Json<_>, _>("spec")?.0,
        object: row.try_get("object")?,
        dataset_spec: row.try_get::<Json<_>, _>("dataset_spec")?.0,
        checkpoint,
        ran: Duration::from_secs_f64(row.try_get::<f64, _>("ran_seconds")?.max(0.0)),
        deaths: row.try_get("deaths")?,
    })
}

/// Ends the claims whose workers have not been heard of: their jobs go back to the queue, or have failed when
/// `max_deaths` claims ended badly, or are cancelled where that was asked for. Returns the jobs and their new states.
pub async fn recover_expired(conn: &mut PgConnection, max_deaths: i32) -> Result<Vec<(JobId, JobState)>, StoreError> {
    let rows = sqlx::query_as(
        "with expired as (
             select id, attempt, worker, deaths + 1 as deaths,
                    (case when state = 'cancelling' then 'cancelled'
                          when deaths + 1 >= $1 then 'failed' else 'queued' end)::job_state as next,
                    format('worker %s was not heard of until its lease ended', worker) as reason
             from jobs where state in ('running', 'cancelling') and lease_until < now()
             order by lease_until limit 100 for update skip locked
         ), closed as (
             update job_attempts a set ended_at = now(), outcome = 'lost', error = e.reason
             from expired e where a.job_id = e.id and a.attempt = e.attempt
         ), moved as (
             update jobs j
             set state = e.next, deaths = e.deaths, lease_until = null, worker = null,
                 phase = case when e.next <> 'queued' then j.phase end,
                 epoch = case when e.next <> 'queued' then j.epoch end,
                 finished_at = case when e.next <> 'queued' then now() end,
                 error = case when e.next = 'failed' then jsonb_build_object('message', e.reason, 'attempt', e.attempt) end,
                 last_event_seq = last_event_seq + 1
             from expired e where j.id = e.id
             returning j.id, j.state, j.attempt, j.last_event_seq, e.reason
         ), told as (
             insert into job_events (job_id, seq, type, data)
             select id, last_event_seq,
                    case state when 'queued' then 'job.requeued' when 'failed' then 'job.failed' else 'job.cancelled' end,
                    case state when 'queued' then jsonb_build_object('attempt', attempt, 'reason', reason)
                               when 'failed' then jsonb_build_object('attempt', attempt, 'message', reason)
                               else '{}' end
             from moved
         )
         select id, state from moved",
    )
    .bind(max_deaths)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Renews the lease. A lease that ran out and was not given to another is renewed too.
pub async fn heartbeat(conn: &mut PgConnection, lease: &Lease, time: Duration) -> Result<Beat, StoreError> {
    let state: Option<JobState> = sqlx::query_scalar(
        "update jobs set lease_until = now() + make_interval(secs => $3)
         where id = $1 and attempt = $2 and state in ('running', 'cancelling') returning state",
    )
    .bind(lease.job)
    .bind(lease.attempt)
    .bind(time.as_secs_f64())
    .fetch_optional(conn)
    .await?;
    let state = state.ok_or_else(|| lease.lost())?;
    Ok(Beat { cancel: state == JobState::Cancelling })
}

/// What the job does now, and for which of its methods; the `phase.started` event is written where that is new.
pub async fn start_phase(
    conn: &mut PgConnection,
    lease: &Lease,
    contender: u32,
    phase: Phase,
    epoch: u32,
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    let changed = sqlx::query(
        "update jobs set phase = $2, epoch = $3, contender = $4
         where id = $1 and (phase, epoch, contender) is distinct from ($2, $3, $4)",
    )
    .bind(lease.job)
    .bind(phase)
    .bind(int("the epoch", epoch)?)
    .bind(int("the contender", contender)?)
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() > 0 {
        let data = json!({"contender": contender, "phase": phase, "epoch": epoch});
        events::append(&mut tx, lease.job, EventType::PhaseStarted, &data).await?;
    }
    tx.commit().await?;
    Ok(())
}

pub async fn set_progress(conn: &mut PgConnection, lease: &Lease, progress: Progress) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update jobs set progress = $3 where id = $1 and attempt = $2 and state in ('running', 'cancelling')",
    )
    .bind(lease.job)
    .bind(lease.attempt)
    .bind(Json(progress))
    .execute(conn)
    .await?;
    if done.rows_affected() == 0 { Err(lease.lost()) } else { Ok(()) }
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
    let end = End { state: JobState::Succeeded, outcome: "succeeded", died: false, reason: None, report: Some(report) };
    end.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// The verdict and the numbers it is read with; the report has the rest.
fn verdict_issued(certification: &Certification) -> Value {
    let gain = |arm| {
        certification.gains.iter().find(|gain| gain.over == arm).map(|gain| {
            json!({
                "delta_auc": gain.mean, "ci95": gain.ci95, "p": gain.p_seeds.max(gain.p_rows),
            })
        })
    };
    json!({
        "verdict": certification.verdict, "backbone": certification.backbone, "seeds": certification.asked.seeds,
        "over_full": gain(Arm::Full), "over_random": gain(Arm::Random),
        "delta_logloss": certification.delta_logloss, "reasons": certification.reasons,
    })
}

/// The job failed for a reason another attempt would meet too.
pub async fn finish_failed(conn: &mut PgConnection, lease: &Lease, message: &str) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    let end = End { state: JobState::Failed, outcome: "failed", died: true, reason: Some(message), report: None };
    end.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// The job was stopped because a client asked for it.
pub async fn finish_cancelled(conn: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    let end = End { state: JobState::Cancelled, outcome: "cancelled", died: false, reason: None, report: None };
    end.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(())
}

/// The attempt died for a reason another one may not meet: back to the queue, or failed when that was death number
/// `max_deaths`, or cancelled where that was asked for. Returns the new state.
pub async fn retry_or_fail(
    conn: &mut PgConnection,
    lease: &Lease,
    reason: &str,
    max_deaths: i32,
) -> Result<JobState, StoreError> {
    let mut tx = conn.begin().await?;
    let held = lease.hold(&mut tx).await?;
    let deaths: i32 =
        sqlx::query_scalar("select deaths + 1 from jobs where id = $1").bind(lease.job).fetch_one(&mut *tx).await?;
    let state = match held {
        JobState::Cancelling => JobState::Cancelled,
        _ if deaths >= max_deaths => JobState::Failed,
        _ => JobState::Queued,
    };
    let end = End { state, outcome: "died", died: true, reason: Some(reason), report: None };
    end.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(state)
}

/// Hands the job back without counting a death, because the worker stops; cancelled where that was asked for. Returns
/// the new state.
pub async fn release(conn: &mut PgConnection, lease: &Lease, reason: &str) -> Result<JobState, StoreError> {
    let mut tx = conn.begin().await?;
    let state = match lease.hold(&mut tx).await? {
        JobState::Cancelling => JobState::Cancelled,
        _ => JobState::Queued,
    };
    let end = End { state, outcome: "released", died: false, reason: Some(reason), report: None };
    end.write(&mut tx, lease).await?;
    tx.commit().await?;
    Ok(state)
}

/// The end of a claim. The caller holds the job's row.
struct End<'a> {
    state: JobState,
    outcome: &'static str,
    died: bool,
    reason: Option<&'a str>,
    report: Option<&'a Report>,
}

impl End<'_> {
    async fn write(&self, tx: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
        let error = (self.state == JobState::Failed)
            .then(|| Json(JobFailure { message: self.reason.unwrap_or_default().to_owned(), attempt: lease.attempt }));
        sqlx::query(
            "update jobs
             set state = $2, deaths = deaths + $3, lease_until = null, worker = null, error = $4, report = $5,
                 phase = case when $2 <> 'queued' then phase end,
                 epoch = case when $2 <> 'queued' then epoch end,
                 finished_at = case when $2 <> 'queued' then now() end
             where id = $1",
        )
        .bind(lease.job)
        .bind(self.state)
        .bind(i32::from(self.died))
        .bind(error)
        .bind(self.report.map(Json))
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "update job_attempts set ended_at = now(), outcome = $3, error = $4 where job_id = $1 and attempt = $2",
        )
        .bind(lease.job)
        .bind(lease.attempt)
        .bind(self.outcome)
        .bind(self.reason)
        .execute(&mut *tx)
        .await?;
        let (event, data) = match self.state {
            JobState::Queued => (EventType::JobRequeued, json!({"attempt": lease.attempt, "reason": self.reason})),
            JobState::Failed => (EventType::JobFailed, json!({"attempt": lease.attempt, "message": self.reason})),
            JobState::Cancelled => (EventType::JobCancelled, json!({})),
            JobState::Succeeded => (EventType::JobSucceeded, json!({})),
            JobState::Running | JobState::Cancelling => unreachable!("a claim does not end in a leased state"),
        };
        events::append(tx, lease.job, event, &data).await?;
        Ok(())
    }
}

fn to_value(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("results are plain data")
}
