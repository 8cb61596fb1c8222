//! Datasets as clients see them: create, find, list, delete. Reading the tables is `ingest_queue`.

use super::{Cursor, Page, StoreError, dataset_parts, dataset_parts::parts_of, error::bigint, leave};
use crate::types::{
    DatasetId, DatasetSpec, DatasetStatus, FeatureMap, ProblemItem, Profile, Split, TenantId, UploadedPart,
    UploadedTable, json_sha256,
};
use chrono::{DateTime, Utc};
use sqlx::{Connection, FromRow, PgConnection, types::Json};
use std::collections::BTreeMap;

macro_rules! columns {
    () => {
        concat!(
            "id, name, object, (select bytes from objects where sha256 = object) as object_bytes, ",
            parts_of!("datasets.id"),
            " as parts, spec, media_type, file_name, status, attempt, deaths, lease_until, worker, rows_read,
             feature_map, profile, errors, error_total, created_at, ready_at"
        )
    };
}

#[derive(Debug, Clone, FromRow)]
pub struct DatasetRow {
    pub id: DatasetId,
    pub name: Option<String>,
    /// sha256 of the uploaded bytes, in hexadecimal; of a table in parts, that of their list.
    pub object: String,
    /// Size of that object.
    pub object_bytes: i64,
    /// The files of a table in parts.
    pub parts: Json<Vec<UploadedPart>>,
    pub spec: Json<DatasetSpec>,
    pub media_type: Option<String>,
    pub file_name: Option<String>,
    pub status: DatasetStatus,
    pub attempt: i32,
    pub deaths: i32,
    pub lease_until: Option<DateTime<Utc>>,
    pub worker: Option<String>,
    /// How far a reader has come; 0 before one started.
    pub rows_read: i64,
    pub feature_map: Option<Json<FeatureMap>>,
    pub profile: Option<Json<Profile>>,
    /// The first problems found.
    pub errors: Json<Vec<ProblemItem>>,
    pub error_total: i64,
    pub created_at: DateTime<Utc>,
    pub ready_at: Option<DateTime<Utc>>,
}

impl DatasetRow {
    /// Bytes of the upload, or of all parts.
    pub fn bytes(&self) -> u64 {
        match &self.parts[..] {
            [] => self.object_bytes as u64,
            parts => parts.iter().map(|part| part.bytes).sum(),
        }
    }

    /// Where its bytes are.
    pub fn table(&self) -> UploadedTable {
        UploadedTable { sha256: self.object.clone(), parts: self.parts.0.clone() }
    }
}

/// What a client uploaded. The bytes must be durable already.
#[derive(Debug, Clone)]
pub struct NewDataset {
    pub tenant: TenantId,
    pub name: Option<String>,
    /// Of the uploaded bytes, or of the list of their parts, and their number.
    pub sha256: String,
    pub bytes: u64,
    /// The files of a table in parts.
    pub parts: Vec<UploadedPart>,
    pub spec: DatasetSpec,
    pub media_type: Option<String>,
    pub file_name: Option<String>,
}

/// A dataset, and whether this call made it.
#[derive(Debug)]
pub struct Created {
    pub row: DatasetRow,
    /// False: the same bytes with the same spec were there already.
    pub new: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// The sha256 of each object that it was read from, which other datasets may name too.
    Deleted(Vec<String>),
    /// A job that has not ended needs it.
    InUse,
    Missing,
}

/// Creates the dataset, or finds the tenant's one of the same bytes and spec. The caller's transaction holds the objects, so
/// that the bytes stay until the rows that name them are committed.
pub async fn create(tx: &mut PgConnection, new: &NewDataset) -> Result<Created, StoreError> {
    let spec_sha256 = spec_sha256(&new.tenant, &new.spec, &new.parts);
    let mut objects = BTreeMap::from([(&*new.sha256, bigint("the size of the upload", new.bytes)?)]);
    for part in &new.parts {
        objects.insert(&part.sha256, bigint("the size of a part", part.bytes)?);
    }
    // An object that is there already is updated, not left alone, because an update locks its row: `delete` then waits for
    // this transaction. Both lock in the order of the digests, so that neither waits for the other.
    sqlx::query(
        "insert into objects (sha256, bytes) select * from unnest($1::text[], $2::bigint[]) order by 1
         on conflict (sha256) do update set bytes = excluded.bytes",
    )
    .bind(objects.keys().map(|sha256| (*sha256).to_owned()).collect::<Vec<_>>())
    .bind(objects.into_values().collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    // A row in the way of the insert may be deleted before it is read; the next round then inserts.
    loop {
        let inserted: Option<DatasetRow> = sqlx::query_as(concat!(
            "insert into datasets (id, name, object, spec, spec_sha256, media_type, file_name, tenant)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (object, spec_sha256) where status <> 'invalid' do nothing
             returning ",
            columns!()
        ))
        .bind(DatasetId::new())
        .bind(&new.name)
        .bind(&new.sha256)
        .bind(Json(&new.spec))
        .bind(&spec_sha256)
        .bind(&new.media_type)
        .bind(&new.file_name)
        .bind(&new.tenant)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(mut row) = inserted {
            dataset_parts::create(tx, row.id, &new.parts).await?;
            row.parts = Json(new.parts.clone());
            return Ok(Created { row, new: true });
        }
        let found: Option<DatasetRow> = sqlx::query_as(concat!(
            "select ",
            columns!(),
            " from datasets where object = $1 and spec_sha256 = $2 and tenant = $3 and status <> 'invalid'"
        ))
        .bind(&new.sha256)
        .bind(&spec_sha256)
        .bind(&new.tenant)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = found {
            return Ok(Created { row, new: false });
        }
    }
}

pub async fn find(conn: &mut PgConnection, tenant: &TenantId, id: DatasetId) -> Result<Option<DatasetRow>, StoreError> {
    let row = sqlx::query_as(concat!("select ", columns!(), " from datasets where id = $1 and tenant = $2"))
        .bind(id)
        .bind(tenant)
        .fetch_optional(conn)
        .await?;
    Ok(row)
}

/// Newest first.
pub async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Page<DatasetRow>, StoreError> {
    let rows = sqlx::query_as(concat!(
        "select ",
        columns!(),
        " from datasets
          where tenant = $4 and ($1::timestamptz is null or (created_at, id) < ($1, $2))
          order by created_at desc, id desc limit $3"
    ))
    .bind(after.map(|cursor| cursor.created_at))
    .bind(after.map(|cursor| cursor.id))
    .bind(i64::from(limit) + 1)
    .bind(tenant)
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, limit, |row: &DatasetRow| Cursor { created_at: row.created_at, id: row.id.0 }))
}

/// Deletes the dataset, unless a job that has not ended needs it. Finished jobs keep their results.
///
/// The bytes are swept later, once no dataset refers to them (`Files::sweep`).
pub async fn delete(conn: &mut PgConnection, tenant: &TenantId, id: DatasetId) -> Result<Deletion, StoreError> {
    let mut tx = conn.begin().await?;
    // They go with the dataset's row.
    let mut objects = dataset_parts::objects(&mut tx, tenant, id).await?;
    let object = sqlx::query_scalar::<_, String>("delete from datasets where id = $1 and tenant = $2 returning object")
        .bind(id)
        .bind(tenant)
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::from);
    let object = match object {
        Ok(Some(object)) => object,
        Ok(None) => return leave(tx, Deletion::Missing).await,
        // The foreign key empties jobs.dataset_id, which this check allows for finished jobs only.
        Err(error) if error.constraint() == Some("jobs_active_has_dataset") => return leave(tx, Deletion::InUse).await,
        Err(error) => return Err(error),
    };
    objects.push(object);
    // Locked first: whoever creates a dataset from the same bytes holds these rows until it commits.
    sqlx::query("select from objects where sha256 = any($1) order by sha256 for update")
        .bind(&objects)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "delete from objects where sha256 = any($1)
           and not exists (select from datasets where object = sha256)
           and not exists (select from dataset_parts where object = sha256)",
    )
    .bind(&objects)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Deletion::Deleted(objects))
}

/// Those of these datasets that are not there any more, whoever they were of.
pub async fn missing(conn: &mut PgConnection, ids: &[DatasetId]) -> Result<Vec<DatasetId>, StoreError> {
    let rows = sqlx::query_scalar(
        "select id from unnest($1::uuid[]) as asked (id) where not exists (select from datasets d where d.id = asked.id)",
    )
    .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Two requests mean the same dataset where their bytes and this digest are the same. The tenant is part of it, so that the
/// unique index lets every tenant have a dataset of its own from the same bytes; the default tenant's digests are those of
/// the spec alone, as datasets older than tenants have them. Which split each part is belongs to it, too.
fn spec_sha256(tenant: &TenantId, spec: &DatasetSpec, parts: &[UploadedPart]) -> String {
    let splits: Vec<Option<Split>> = parts.iter().map(|part| part.split).collect();
    match splits.iter().any(Option::is_some) {
        true => json_sha256(&(tenant, spec, splits)),
        false if *tenant == TenantId::default() => json_sha256(spec),
        false => json_sha256(&(tenant, spec)),
    }
}
