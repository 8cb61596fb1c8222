//! What a tenant may have: the bytes of its uploads, finished or not, of its tables and judgements, and its unfinished jobs.
//! What is counted is held until it is written, so that requests side by side do not come to more together.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    state::AppState,
    upload_parts::expired,
};
use crate::{
    store::{
        StoreError,
        datasets::{self, Created, NewDataset},
        jobs::{self, Creation, Idempotency},
        judgements::{self, NewJudgement, PredictionsRow, Taken},
        tenants,
        uploads::{self, NewUpload, UploadRow},
    },
    types::{JobId, JudgementId, ResolvedSpec, UploadId},
};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// When to look again: by then a job may have ended, or the tenant may have deleted something.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Judgements of a tenant that may wait for predictions or their verdict at once: each keeps arrays of the size of its table.
const MOST_JUDGEMENTS: i64 = 50;

/// Bytes the caller's tenant may still upload, where there is a limit.
pub async fn bytes_left(state: &AppState, caller: &Caller) -> Result<Option<u64>, ApiError> {
    let Some(most) = caller.quota.max_bytes else { return Ok(None) };
    let usage = tenants::usage(&mut *state.connection().await?, &caller.tenant).await?;
    Ok(Some(most.saturating_sub(usage.all_bytes())))
}

/// As `datasets::create`, within the tenant's bytes. After an error the caller's transaction must not be committed.
pub async fn create_dataset(tx: &mut PgConnection, caller: &Caller, new: &NewDataset) -> Result<Created, ApiError> {
    tenants::hold(tx, &caller.tenant).await?;
    let created = datasets::create(tx, new).await?;
    if let Some(most) = caller.quota.max_bytes.filter(|_| created.new)
        && tenants::usage(tx, &caller.tenant).await?.all_bytes() > most
    {
        return Err(too_many_bytes(caller));
    }
    Ok(created)
}

/// As `uploads::create`, within the tenant's bytes and in a transaction of its own.
pub async fn create_upload(
    conn: &mut PgConnection,
    caller: &Caller,
    new: &NewUpload,
    expiry: Duration,
    most: u32,
) -> Result<Option<UploadRow>, ApiError> {
    let mut tx = conn.begin().await.map_err(StoreError::from)?;
    tenants::hold(&mut tx, &caller.tenant).await?;
    let made = uploads::create(&mut tx, new, expiry, most).await?;
    if let Some(most) = caller.quota.max_bytes
        && tenants::usage(&mut tx, &caller.tenant).await?.all_bytes() > most
    {
        return Err(too_many_bytes(caller));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(made)
}

/// Grants more bytes to an upload whose length is not known: `at_best` in all where the tenant has room for them, and never less
/// than `at_least`. Gives what it may come to now. What is granted counts before it is written, so that uploads side by side
/// do not come to more than the tenant may have.
pub async fn grant_upload(
    conn: &mut PgConnection,
    caller: &Caller,
    id: UploadId,
    at_least: u64,
    at_best: u64,
) -> Result<u64, ApiError> {
    let mut tx = conn.begin().await.map_err(StoreError::from)?;
    tenants::hold(&mut tx, &caller.tenant).await?;
    let found = uploads::find(&mut tx, &caller.tenant, id).await?;
    let has = found.filter(|row| !row.length_known).ok_or_else(|| expired(id))?.length as u64;
    let granted = match caller.quota.max_bytes {
        Some(most) => {
            let left = most.saturating_sub(tenants::usage(&mut tx, &caller.tenant).await?.all_bytes());
            at_best.min(has.saturating_add(left))
        }
        None => at_best,
    };
    if granted < at_least {
        return Err(too_many_bytes(caller));
    }
    uploads::grant(&mut tx, id, granted).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(granted.max(has))
}

/// As `uploads::set_length`, within the tenant's bytes and in a transaction of its own.
pub async fn set_upload_length(
    conn: &mut PgConnection,
    caller: &Caller,
    id: UploadId,
    length: u64,
) -> Result<Option<UploadRow>, ApiError> {
    let mut tx = conn.begin().await.map_err(StoreError::from)?;
    tenants::hold(&mut tx, &caller.tenant).await?;
    let set = uploads::set_length(&mut tx, id, length).await?;
    if let Some(most) = caller.quota.max_bytes
        && tenants::usage(&mut tx, &caller.tenant).await?.all_bytes() > most
    {
        return Err(too_many_bytes(caller));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(set)
}

/// As `jobs::create`, within the tenant's jobs and in a transaction of its own.
pub async fn create_job(
    conn: &mut PgConnection,
    caller: &Caller,
    spec: &ResolvedSpec,
    idempotency: Option<&Idempotency>,
    reproduces: Option<JobId>,
) -> Result<Creation, ApiError> {
    let mut tx = conn.begin().await.map_err(StoreError::from)?;
    tenants::hold(&mut tx, &caller.tenant).await?;
    let creation = jobs::create(&mut tx, &caller.tenant, spec, idempotency, reproduces).await?;
    if let (Creation::New(_), Some(most)) = (&creation, caller.quota.max_jobs)
        && tenants::usage(&mut tx, &caller.tenant).await?.jobs > i64::from(most)
    {
        let detail =
            format!("{} may have {most} unfinished jobs, and has them; wait for one, or cancel it", caller.tenant);
        return Err(ApiError::new(Kind::QuotaExceeded, detail).retry_after(LOOK_AGAIN));
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(creation)
}

/// As `judgements::create`, within what a tenant may have open, and in a transaction of its own.
pub async fn create_judgement(
    conn: &mut PgConnection,
    caller: &Caller,
    new: &NewJudgement,
    idempotency: Option<&Idempotency>,
) -> Result<judgements::Creation, ApiError> {
    let mut tx = conn.begin().await.map_err(StoreError::from)?;
    tenants::hold(&mut tx, &caller.tenant).await?;
    let creation = judgements::create(&mut tx, &caller.tenant, new, idempotency).await?;
    if matches!(creation, judgements::Creation::New(_)) {
        if judgements::count_unfinished(&mut tx, &caller.tenant).await? > MOST_JUDGEMENTS {
            let detail = format!(
                "{} may have {MOST_JUDGEMENTS} judgements without a verdict, and has them; ask for the verdict of one, or \
                 delete it",
                caller.tenant
            );
            return Err(ApiError::new(Kind::QuotaExceeded, detail).retry_after(LOOK_AGAIN));
        }
        check_bytes(&mut tx, caller).await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(creation)
}

/// As `judgements::take_predictions`, within the tenant's bytes and in a transaction of its own.
pub async fn take_predictions(
    conn: &mut PgConnection,
    caller: &Caller,
    judgement: JudgementId,
    new: &PredictionsRow,
    expiry: Duration,
) -> Result<Taken, ApiError> {
    let mut tx = conn.begin().await.map_err(StoreError::from)?;
    tenants::hold(&mut tx, &caller.tenant).await?;
    let taken = judgements::take_predictions(&mut tx, &caller.tenant, judgement, new, expiry).await?;
    if matches!(taken, Taken::In { .. }) {
        check_bytes(&mut tx, caller).await?;
    }
    tx.commit().await.map_err(StoreError::from)?;
    Ok(taken)
}

/// Refuses where the tenant has more bytes than it may.
async fn check_bytes(tx: &mut PgConnection, caller: &Caller) -> Result<(), ApiError> {
    match caller.quota.max_bytes {
        Some(most) if tenants::usage(tx, &caller.tenant).await?.all_bytes() > most => Err(too_many_bytes(caller)),
        _ => Ok(()),
    }
}

/// An upload that the tenant has no room for.
pub fn too_many_bytes(caller: &Caller) -> ApiError {
    let most = caller.quota.max_bytes.unwrap_or(u64::MAX);
    let detail = format!(
        "uploads, tables and judgements of {} may have {most} bytes together; delete datasets, judgements or unfinished uploads \
         to make room",
        caller.tenant
    );
    ApiError::new(Kind::QuotaExceeded, detail).retry_after(LOOK_AGAIN)
}
