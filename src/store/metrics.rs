//! One row per pass over the training rows, identified by (job, contender, arm, seed, phase, epoch, pass).

use super::{
    Lease, StoreError,
    error::{bigint, int},
    events,
};
use crate::types::{Arm, BackboneKind, DatasetId, EpochRow, EventType, JobId, Metrics, Phase, TenantId};
use sqlx::{Connection, FromRow, PgConnection, Row, postgres::PgRow};

/// A pass, with the number of its `epoch.completed` event.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    pub seq: i64,
    pub attempt: i32,
    pub row: EpochRow,
}

/// Which passes to list; all that is given must hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricFilter {
    /// Number of the method in the job.
    pub contender: Option<u32>,
    pub arm: Option<Arm>,
    pub seed: Option<u64>,
    pub phase: Option<Phase>,
}

/// Writes a pass and its `epoch.completed` event. A pass that was written before a resume stays as it is, without another
/// event; the result is then false.
pub async fn record(conn: &mut PgConnection, lease: &Lease, row: &EpochRow) -> Result<bool, StoreError> {
    let mut tx = conn.begin().await?;
    lease.hold(&mut tx).await?;
    // The job's row is held, so the event below gets the number written here.
    let inserted = sqlx::query(
        "insert into epoch_metrics (
             job_id, arm, seed, phase, epoch, pass, attempt, seq, seconds, train_auc, train_logloss, train_clipped,
             valid_auc, valid_logloss, valid_clipped, kept, reward_mean, reward_std, skipped_updates, contender)
         select id, $2, $3, $4, $5, $6, $7, last_event_seq + 1, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
         from jobs where id = $1
         on conflict on constraint epoch_metrics_pkey do nothing",
    )
    .bind(lease.job)
    .bind(row.arm)
    .bind(bigint("the seed", row.seed)?)
    .bind(row.phase)
    .bind(int("the epoch", row.epoch)?)
    .bind(int("the pass", row.pass)?)
    .bind(lease.attempt)
    .bind(row.seconds)
    .bind(row.train.and_then(|m| m.auc))
    .bind(row.train.map(|m| m.logloss))
    .bind(row.train.map(|m| bigint("the clipped rows", m.clipped)).transpose()?)
    .bind(row.valid.and_then(|m| m.auc))
    .bind(row.valid.map(|m| m.logloss))
    .bind(row.valid.map(|m| bigint("the clipped rows", m.clipped)).transpose()?)
    .bind(row.kept)
    .bind(row.reward_mean)
    .bind(row.reward_std)
    .bind(row.skipped_updates.map(|n| bigint("the skipped updates", n)).transpose()?)
    .bind(int("the contender", row.contender)?)
    .execute(&mut *tx)
    .await?;
    let new = inserted.rows_affected() > 0;
    if new {
        let data = serde_json::to_value(row).expect("metrics are plain data");
        events::append(&mut tx, lease.job, EventType::EpochCompleted, &data).await?;
    }
    tx.commit().await?;
    Ok(new)
}

/// The job's passes after event number `after` (0: all), oldest first, at most `limit`.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    job: JobId,
    filter: &MetricFilter,
    after: i64,
    limit: u32,
) -> Result<Vec<MetricRow>, StoreError> {
    let rows = sqlx::query(
        "select contender, arm, seed, phase, epoch, pass, attempt, seq, seconds, train_auc, train_logloss, train_clipped,
                valid_auc, valid_logloss, valid_clipped, kept, reward_mean, reward_std, skipped_updates
         from epoch_metrics
         where job_id = (select id from jobs where id = $1 and tenant = $8) and seq > $2
           and ($3::arm is null or arm = $3) and ($4::bigint is null or seed = $4) and ($5::phase is null or phase = $5)
           and ($6::int is null or contender = $6)
         order by seq limit $7",
    )
    .bind(job)
    .bind(after)
    .bind(filter.arm)
    .bind(filter.seed.map(|seed| bigint("the seed", seed)).transpose()?)
    .bind(filter.phase)
    .bind(filter.contender.map(|number| int("the contender", number)).transpose()?)
    .bind(i64::from(limit))
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok(read_metric_row(row)?)).collect()
}

/// How fast trainings have gone.
#[derive(Debug, Clone, Copy, PartialEq, FromRow)]
pub struct Pace {
    /// Passes that were measured.
    pub count: i64,
    /// Seconds that a pass takes, on average.
    pub seconds: f64,
    /// Passes that a training makes until it stops early, on average.
    pub passes: f64,
}

/// How fast trainings of a backbone on a dataset went in the last hundred jobs that made some; none where no job has.
pub async fn pace(
    conn: &mut PgConnection,
    tenant: &TenantId,
    dataset: DatasetId,
    backbone: BackboneKind,
) -> Result<Option<Pace>, StoreError> {
    let pace: Pace = sqlx::query_as(
        "with recent as (
             select id from jobs
             where dataset_id = $1 and tenant = $3 and spec #>> '{method,backbone}' = $2 and state = 'succeeded'
             order by created_at desc, id desc limit 100
         )
         select count(*) as count, coalesce(avg(seconds), 0) as seconds,
                coalesce(count(*)::float8 / nullif(count(*) filter (where pass = 1), 0), 0) as passes
         from epoch_metrics where job_id in (select id from recent) and phase = 'evaluate' and epoch = 1",
    )
    .bind(dataset)
    .bind(backbone.as_str())
    .bind(tenant)
    .fetch_one(conn)
    .await?;
    Ok(Some(pace).filter(|pace| pace.count > 0))
}

fn read_metric_row(row: &PgRow) -> Result<MetricRow, sqlx::Error> {
    Ok(MetricRow {
        seq: row.try_get("seq")?,
        attempt: row.try_get("attempt")?,
        row: EpochRow {
            contender: row.try_get::<i32, _>("contender")? as u32,
            arm: row.try_get("arm")?,
            seed: row.try_get::<i64, _>("seed")? as u64,
            phase: row.try_get("phase")?,
            epoch: row.try_get::<i32, _>("epoch")? as u32,
            pass: row.try_get::<i32, _>("pass")? as u32,
            seconds: row.try_get("seconds")?,
            train: read_metrics(row, "train_auc", "train_logloss", "train_clipped")?,
            valid: read_metrics(row, "valid_auc", "valid_logloss", "valid_clipped")?,
            kept: row.try_get("kept")?,
            reward_mean: row.try_get("reward_mean")?,
            reward_std: row.try_get("reward_std")?,
            skipped_updates: row.try_get::<Option<i64>, _>("skipped_updates")?.map(|n| n as u64),
        },
    })
}

/// None where there is no log-loss; a constraint keeps log-loss and clipped rows together.
fn read_metrics(row: &PgRow, auc: &str, logloss: &str, clipped: &str) -> Result<Option<Metrics>, sqlx::Error> {
    let Some(loss) = row.try_get::<Option<f64>, _>(logloss)? else { return Ok(None) };
    Ok(Some(Metrics { auc: row.try_get(auc)?, logloss: loss, clipped: row.try_get::<i64, _>(clipped)? as u64 }))
}
