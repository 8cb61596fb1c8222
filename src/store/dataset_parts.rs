//! The files of tables that were uploaded in several. They come with their dataset, do not change, and go with it.

use super::{StoreError, error::int};
use crate::types::{DatasetId, Split, TenantId, UploadedPart};
use sqlx::{PgConnection, types::Json};

/// The parts of the dataset with this id, as JSON that `Vec<UploadedPart>` is read from.
macro_rules! parts_of {
    ($dataset:literal) => {
        concat!(
            "coalesce((select jsonb_agg(jsonb_build_object('name', p.name, 'sha256', p.object, 'bytes', o.bytes,
                                                           'split', p.split, 'partitions', p.partitions) order by p.number)
                       from dataset_parts p join objects o on o.sha256 = p.object
                       where p.dataset_id = ",
            $dataset,
            "), '[]'::jsonb)"
        )
    };
}
pub(super) use parts_of;

/// Writes the parts of a dataset, whose row and objects are there.
pub(super) async fn create(
    tx: &mut PgConnection,
    dataset: DatasetId,
    parts: &[UploadedPart],
) -> Result<(), StoreError> {
    for (number, part) in parts.iter().enumerate() {
        sqlx::query(
            "insert into dataset_parts (dataset_id, number, object, name, split, partitions)
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(dataset)
        .bind(int("the number of a part", number as u32)?)
        .bind(&part.sha256)
        .bind(&part.name)
        .bind(part.split.map(Split::as_str))
        .bind(Json(&part.partitions))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// The objects of the parts of the tenant's dataset.
pub(super) async fn objects(
    tx: &mut PgConnection,
    tenant: &TenantId,
    dataset: DatasetId,
) -> Result<Vec<String>, StoreError> {
    let objects = sqlx::query_scalar(
        "select distinct p.object from dataset_parts p join datasets d on d.id = p.dataset_id
         where d.id = $1 and d.tenant = $2",
    )
    .bind(dataset)
    .bind(tenant)
    .fetch_all(tx)
    .await?;
    Ok(objects)
}
