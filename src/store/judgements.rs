//! Judgements as clients see them: create, find, list, take predictions in, ask for the verdict, delete. What workers do
//! for them is `judgement_queue`.

use super::{Cursor, Page, StoreError, jobs::Idempotency, leave, test_reads};
use crate::types::{Certification, Certify, JobId, JudgementId, JudgementManifest, JudgementState, TenantId};
use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection, types::Json};
use std::{collections::HashSet, time::Duration};

macro_rules! columns {
    () => {
        "id, job_id, state, model, certify, manifest, test_read, certification, error, created_at, expires_at, ended_at"
    };
}

#[derive(Debug, Clone, FromRow)]
pub struct JudgementRow {
    pub id: JudgementId,
    pub job_id: JobId,
    pub state: JudgementState,
    pub model: String,
    pub certify: Json<Certify>,
    /// Present once it was prepared.
    pub manifest: Option<Json<JudgementManifest>>,
    /// Present once the verdict was asked for, where there is anything to read.
    pub test_read: Option<i32>,
    /// Present where it is judged.
    pub certification: Option<Json<Certification>>,
    /// Present where it failed.
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    /// An open one is deleted then.
    pub expires_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone)]
pub struct NewJudgement {
    pub job: JobId,
    pub model: String,
    pub certify: Certify,
    /// How long it may be open without a prediction.
    pub expiry: Duration,
}

#[derive(Debug)]
pub enum Creation {
    New(Box<JudgementRow>),
    /// The same request came with the same key before; this is what it made.
    Replayed(Box<JudgementRow>),
    /// Another request came with the same key before.
    KeyReused,
    /// There is no such job, or it has not succeeded.
    NoResults,
}

/// A file that is handed out.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct FileRow {
    pub name: String,
    pub object: String,
    pub bytes: i64,
    /// In hexadecimal.
    pub sha256: String,
    pub media_type: String,
    pub download_name: String,
}

/// What a model predicts.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct PredictionsRow {
    pub training: String,
    /// Of the validation rows; else of the test rows.
    pub of_valid: bool,
    pub object: String,
    pub bytes: i64,
    /// In hexadecimal.
    pub sha256: String,
}

/// What taking predictions in came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// They are in. The caller deletes the object of those that they replace.
    In {
        replaced: Option<String>,
    },
    /// Predictions are not awaited in this state.
    Refused(JudgementState),
    Missing,
}

/// What asking for the verdict came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It is being computed from now on.
    Judging,
    /// It was asked for before.
    Unchanged,
    /// It cannot be asked for in this state.
    Refused(JudgementState),
    /// Predictions are missing: of the test rows, or of the validation rows where some trainings have them.
    Incomplete {
        of_valid: bool,
        trainings: Vec<String>,
    },
    Missing,
}

/// Makes a judgement for a worker to prepare, in the caller's transaction.
pub async fn create(
    tx: &mut PgConnection,
    tenant: &TenantId,
    new: &NewJudgement,
    idempotency: Option<&Idempotency>,
) -> Result<Creation, StoreError> {
    // No header holds a line break, so tenants cannot come upon each other's keys, nor jobs.
    let key = idempotency.map(|it| format!("{tenant}\n{}\n{}", new.job, it.key));
    // A key is good for a day.
    sqlx::query(
        "update judgements set idempotency_key = null
         where idempotency_key = $1 and created_at < now() - interval '24 hours'",
    )
    .bind(&key)
    .execute(&mut *tx)
    .await?;
    // The job is locked, so that it cannot be deleted before its judgement is there.
    let inserted: Option<JudgementRow> = sqlx::query_as(concat!(
        "insert into judgements (id, job_id, tenant, model, certify, idempotency_key, request_sha256, expires_at)
         select $1, id, tenant, $4, $5, $6, $7, now() + make_interval(secs => $8) from jobs
         where id = $2 and tenant = $3 and state = 'succeeded' for key share
         on conflict (idempotency_key) where idempotency_key is not null do nothing
         returning ",
        columns!()
    ))
    .bind(JudgementId::new())
    .bind(new.job)
    .bind(tenant)
    .bind(&new.model)
    .bind(Json(&new.certify))
    .bind(&key)
    .bind(idempotency.map(|it| &it.request_sha256))
    .bind(new.expiry.as_secs_f64())
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(row) = inserted {
        return Ok(Creation::New(Box::new(row)));
    }
    let same: Option<bool> =
        sqlx::query_scalar("select request_sha256 = $2 from judgements where idempotency_key = $1")
            .bind(&key)
            .bind(idempotency.map(|it| &it.request_sha256))
            .fetch_optional(&mut *tx)
            .await?;
    match same {
        None => Ok(Creation::NoResults),
        Some(false) => Ok(Creation::KeyReused),
        Some(true) => {
            let row = sqlx::query_as(concat!("select ", columns!(), " from judgements where idempotency_key = $1"))
                .bind(&key)
                .fetch_one(tx)
                .await?;
            Ok(Creation::Replayed(Box::new(row)))
        }
    }
}

/// How many of the tenant's judgements have not ended.
pub async fn count_unfinished(conn: &mut PgConnection, tenant: &TenantId) -> Result<i64, StoreError> {
    let sql = "select count(*) from judgements where tenant = $1 and ended_at is null";
    Ok(sqlx::query_scalar(sql).bind(tenant).fetch_one(conn).await?)
}

pub async fn find(
    conn: &mut PgConnection,
    tenant: &TenantId,
    job: JobId,
    id: JudgementId,
) -> Result<Option<JudgementRow>, StoreError> {
    let sql = concat!("select ", columns!(), " from judgements where id = $1 and job_id = $2 and tenant = $3");
    Ok(sqlx::query_as(sql).bind(id).bind(job).bind(tenant).fetch_optional(conn).await?)
}

/// Those of a job, newest first.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    job: JobId,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<JudgementRow>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from judgements
          where job_id = $1 and tenant = $2 and ($3::timestamptz is null or (created_at, id) < ($3, $4))
          order by created_at desc, id desc limit $5"
    ))
    .bind(job)
    .bind(tenant)
    .bind(after.map(|cursor| cursor.created_at))
    .bind(after.map(|cursor| cursor.id))
    .bind(i64::from(limit) + 1)
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, limit, |row: &JudgementRow| Cursor { created_at: row.created_at, id: row.id.0 }))
}

/// What a judgement hands out, by name.
pub async fn list_files(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: JudgementId,
) -> Result<Vec<FileRow>, StoreError> {
    let rows = sqlx::query_as(
        "select name, object, bytes, sha256, media_type, download_name from judgement_files
         where judgement_id = (select id from judgements where id = $1 and tenant = $2) order by name",
    )
    .bind(id)
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The predictions that are in, by training.
pub async fn list_predictions(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: JudgementId,
) -> Result<Vec<PredictionsRow>, StoreError> {
    let rows = sqlx::query_as(
        "select training, of_valid, object, bytes, sha256 from judgement_predictions
         where judgement_id = (select id from judgements where id = $1 and tenant = $2) order by training, of_valid",
    )
    .bind(id)
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Takes in what the model of a training predicts, in place of what it predicted before. The judgement is kept for another
/// `expiry`.
pub async fn take_predictions(
    tx: &mut PgConnection,
    tenant: &TenantId,
    id: JudgementId,
    new: &PredictionsRow,
    expiry: Duration,
) -> Result<Taken, StoreError> {
    match lock_state(tx, tenant, id).await? {
        None => return Ok(Taken::Missing),
        Some(JudgementState::Open) => {}
        Some(state) => return Ok(Taken::Refused(state)),
    }
    let replaced = sqlx::query_scalar(
        "select object from judgement_predictions where judgement_id = $1 and training = $2 and of_valid = $3",
    )
    .bind(id)
    .bind(&new.training)
    .bind(new.of_valid)
    .fetch_optional(&mut *tx)
    .await?;
    sqlx::query(
        "insert into judgement_predictions (judgement_id, training, of_valid, object, bytes, sha256)
         values ($1, $2, $3, $4, $5, $6)
         on conflict on constraint judgement_predictions_pkey do update
         set object = excluded.object, bytes = excluded.bytes, sha256 = excluded.sha256",
    )
    .bind(id)
    .bind(&new.training)
    .bind(new.of_valid)
    .bind(&new.object)
    .bind(new.bytes)
    .bind(&new.sha256)
    .execute(&mut *tx)
    .await?;
    sqlx::query("update judgements set expires_at = now() + make_interval(secs => $2) where id = $1")
        .bind(id)
        .bind(expiry.as_secs_f64())
        .execute(tx)
        .await?;
    Ok(Taken::In { replaced })
}

/// Asks for the verdict. From then on the predictions cannot be changed, and the test rows count as read once more, whatever
/// comes of it.
pub async fn ask_for_verdict(conn: &mut PgConnection, tenant: &TenantId, id: JudgementId) -> Result<Asked, StoreError> {
    let mut tx = conn.begin().await?;
    match lock_state(&mut tx, tenant, id).await? {
        None => return leave(tx, Asked::Missing).await,
        Some(JudgementState::Open) => {}
        Some(JudgementState::Judging | JudgementState::Judged) => return leave(tx, Asked::Unchanged).await,
        Some(state) => return leave(tx, Asked::Refused(state)).await,
    }
    let manifest: Json<JudgementManifest> =
        sqlx::query_scalar("select manifest from judgements where id = $1").bind(id).fetch_one(&mut *tx).await?;
    let predictions = list_predictions(&mut tx, tenant, id).await?;
    for of_valid in [false, true] {
        let there: HashSet<&str> =
            predictions.iter().filter(|row| row.of_valid == of_valid).map(|row| &row.training[..]).collect();
        // Those of validation rows may be left out altogether.
        if of_valid && there.is_empty() {
            continue;
        }
        let trainings: Vec<String> = manifest.trainings.iter().map(|training| training.name.clone()).collect();
        let trainings: Vec<_> = trainings.into_iter().filter(|name| !there.contains(&name[..])).collect();
        if !trainings.is_empty() {
            return leave(tx, Asked::Incomplete { of_valid, trainings }).await;
        }
    }
    // Where the method changed nothing there is no model, and no test label is read.
    let test_read = match manifest.trainings.is_empty() {
        true => None,
        false => Some(test_reads::take_for_judgement(&mut tx, id).await?),
    };
    sqlx::query("update judgements set state = 'judging', test_read = $2, deaths = 0 where id = $1")
        .bind(id)
        .bind(test_read.map(|number| number as i32))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Asked::Judging)
}

/// Deletes a judgement in any state. What it read stays read. Returns its objects, which the caller deletes; none where there
/// is no such judgement.
pub async fn delete(
    conn: &mut PgConnection,
    tenant: &TenantId,
    job: JobId,
    id: JudgementId,
) -> Result<Option<Vec<String>>, StoreError> {
    let mut tx = conn.begin().await?;
    if find(&mut tx, tenant, job, id).await?.is_none() {
        return leave(tx, None).await;
    }
    let objects = delete_all(&mut tx, &[id]).await?;
    tx.commit().await?;
    Ok(Some(objects))
}

/// Deletes open judgements that were left lying, and those that ended at least `kept` ago, where that is given; at most
/// `limit` at once. Returns their objects, which the caller deletes, and how many judgements there were.
pub async fn expire(
    conn: &mut PgConnection,
    kept: Option<Duration>,
    limit: u32,
) -> Result<(Vec<String>, usize), StoreError> {
    let mut tx = conn.begin().await?;
    let expired: Vec<JudgementId> = sqlx::query_scalar(
        "select id from judgements
         where (state = 'open' and expires_at < now()) or ended_at < now() - make_interval(secs => $1)
         order by created_at limit $2 for update skip locked",
    )
    .bind(kept.map(|kept| kept.as_secs_f64()))
    .bind(i64::from(limit))
    .fetch_all(&mut *tx)
    .await?;
    let objects = delete_all(&mut tx, &expired).await?;
    tx.commit().await?;
    Ok((objects, expired.len()))
}

async fn delete_all(tx: &mut PgConnection, ids: &[JudgementId]) -> Result<Vec<String>, StoreError> {
    let objects = sqlx::query_scalar(
        "select object from judgement_files where judgement_id = any($1)
         union all select object from judgement_predictions where judgement_id = any($1)",
    )
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("delete from judgements where id = any($1)").bind(ids).execute(tx).await?;
    Ok(objects)
}

/// Locks a tenant's judgement until the transaction ends; none where the tenant has no such judgement.
async fn lock_state(
    tx: &mut PgConnection,
    tenant: &TenantId,
    id: JudgementId,
) -> Result<Option<JudgementState>, StoreError> {
    let sql = "select state from judgements where id = $1 and tenant = $2 for update";
    Ok(sqlx::query_scalar(sql).bind(id).bind(tenant).fetch_optional(tx).await?)
}
