//! What both doors of `POST /v1/datasets` have in common: a body that is the table (`from_body`), and one that names an upload
//! in parts (`from_upload`).

use super::error::ApiError;
use crate::types::{DatasetSpec, FieldError, TableParts, WrongParts};

/// The spec that a request comes to: its parts over the whole spec that it may hold too.
pub fn make_spec(parts: TableParts, whole: Option<DatasetSpec>) -> Result<DatasetSpec, ApiError> {
    parts.apply(whole).map_err(|wrong_parts| match wrong_parts {
        WrongParts::NoLabel => wrong(
            "/label",
            "is needed: a column of 0 and 1 (`label=click`), or a rule (`label=rating > 3`, URL-encoded)",
        ),
        WrongParts::Part { name, rule } => wrong(&format!("/{name}"), rule),
    })
}

/// A dataset's name is at most 200 bytes.
pub fn check_name(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        Some(name) if name.len() > 200 => Err(wrong("/name", "at most 200 bytes")),
        _ => Ok(()),
    }
}

/// One wrong part of what was asked for, which the pointer names.
pub fn wrong(pointer: &str, rule: impl Into<String>) -> ApiError {
    ApiError::invalid_spec(vec![FieldError::new(pointer, rule)])
}
