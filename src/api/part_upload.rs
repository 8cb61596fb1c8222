//! Which uploads a dataset is made of, as a request names them.

use super::{complete_upload::CompleteUpload, error::ApiError, table_parts::wrong};
use crate::{
    ingest::{check_part_name, partitions_of},
    types::{Split, UploadId, UploadedPart},
};
use serde::Deserialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// Parts of a table. All are complete before a dataset is made of them, so there can be no more than unfinished uploads.
pub const MOST_PARTS: usize = super::uploads::MOST_UNFINISHED as usize;

/// A complete upload that is a part of a table.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartUpload {
    upload_id: UploadId,
    /// sha256 of the whole file, hexadecimal.
    sha256: String,
    /// What messages and results call it, for example `day=2024-01-01/part-0.csv`: a path, whose folders named `COLUMN=VALUE` add
    /// the column to all its rows. Absent: the file name that it was uploaded under, or `part-1`, `part-2` by its place.
    name: Option<String>,
    /// The split of all its rows. All parts have one or none has, and there are some of each; those of `train` are read first, then
    /// those of `valid`.
    split: Option<Split>,
}

/// An upload, and where the request names it.
pub struct NamedUpload {
    pub id: UploadId,
    /// In lower case.
    pub sha256: String,
    name: Option<String>,
    split: Option<Split>,
    /// Its place among the request's `uploads`, if it is one of them.
    place: Option<usize>,
}

impl NamedUpload {
    /// The JSON pointer to a member of what names it.
    pub fn pointer(&self, member: &str) -> String {
        match self.place {
            Some(place) => format!("/uploads/{place}/{member}"),
            None => format!("/{member}"),
        }
    }

    fn new(part: PartUpload, place: Option<usize>) -> Result<Self, ApiError> {
        let PartUpload { upload_id: id, sha256, name, split } = part;
        let named = Self { id, sha256: sha256.to_ascii_lowercase(), name, split, place };
        if named.sha256.len() != 64 || hex::decode(&named.sha256).is_err() {
            return Err(wrong(&named.pointer("sha256"), "must be 64 hexadecimal digits"));
        }
        if let Some(Err(rule)) = named.name.as_deref().map(check_part_name) {
            return Err(wrong(&named.pointer("name"), rule));
        }
        Ok(named)
    }
}

/// The one upload that is the table.
pub fn name_whole(id: UploadId, sha256: String) -> Result<NamedUpload, ApiError> {
    NamedUpload::new(PartUpload { upload_id: id, sha256, name: None, split: None }, None)
}

/// The uploads that are the table together, in the order of its rows.
pub fn name_parts(uploads: Vec<PartUpload>) -> Result<Vec<NamedUpload>, ApiError> {
    if uploads.is_empty() || uploads.len() > MOST_PARTS {
        let rule = format!("1 to {MOST_PARTS} parts, and these are {}; join some of them", uploads.len());
        return Err(wrong("/uploads", rule));
    }
    let mut named = Vec::with_capacity(uploads.len());
    let mut places = HashMap::new();
    for (place, part) in uploads.into_iter().enumerate() {
        let upload = NamedUpload::new(part, Some(place))?;
        if let Some(first) = places.insert(upload.id, place) {
            let rule = format!("{} is that of /uploads/{first} too; its rows would count twice", upload.id);
            return Err(wrong(&upload.pointer("upload_id"), rule));
        }
        named.push(upload);
    }
    check_splits(&named)?;
    named.sort_by_key(|upload| upload.split.map(|split| split as u8));
    Ok(named)
}

/// Whether parts say the split.
pub fn say_splits(uploads: &[NamedUpload]) -> bool {
    uploads.iter().any(|upload| upload.split.is_some())
}

fn check_splits(uploads: &[NamedUpload]) -> Result<(), ApiError> {
    if !say_splits(uploads) {
        return Ok(());
    }
    if let Some(without) = uploads.iter().find(|upload| upload.split.is_none()) {
        return Err(wrong(&without.pointer("split"), "is needed, because other parts have one: train, valid or test"));
    }
    match Split::ALL.iter().find(|split| uploads.iter().all(|upload| upload.split != Some(**split))) {
        Some(split) => {
            Err(wrong("/uploads", format!("no part is `{}`; there must be some of each split", split.as_str())))
        }
        None => Ok(()),
    }
}

/// The parts of a table, by what names and holds them. Empty where the table is one file, and nothing is said of its rows.
pub fn describe_parts(uploads: &[CompleteUpload]) -> Result<Vec<UploadedPart>, ApiError> {
    let mut parts = Vec::with_capacity(uploads.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for upload in uploads {
        let NamedUpload { name, sha256, split, place, .. } = &upload.named;
        let Some(place) = *place else { return Ok(Vec::new()) };
        let name = match name {
            Some(name) => name.clone(),
            None => {
                upload.file_name().filter(|name| check_part_name(name).is_ok()).unwrap_or(format!("part-{}", place + 1))
            }
        };
        if let Some(first) = places.insert(name.clone(), place) {
            let rule = format!("`{name}` is what /uploads/{first} is called too; give each part a name of its own");
            return Err(wrong(&upload.named.pointer("name"), rule));
        }
        let partitions = partitions_of(&name);
        parts.push(UploadedPart { name, sha256: sha256.clone(), bytes: upload.bytes(), split: *split, partitions });
    }
    if let [only] = &parts[..]
        && only.partitions.is_empty()
    {
        parts.clear();
    }
    Ok(parts)
}
