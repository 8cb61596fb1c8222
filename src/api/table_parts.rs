//! What both doors of `POST /v1/datasets` have in common: a body that is the table (`from_body`), and one that names an upload
//! in parts (`from_upload`).

use super::error::ApiError;
use crate::types::{DatasetSpec, FieldError, TableParts, WrongParts};
use serde_json::Value;

/// Most bytes of a column's name, and of every other text in a dataset's spec. Names are compared with each other and repeated
/// in messages.
const LONGEST_NAME: usize = 1024;

/// The spec that a request comes to: its parts over the whole spec that it may hold too.
pub fn make_spec(parts: TableParts, whole: Option<DatasetSpec>) -> Result<DatasetSpec, ApiError> {
    let spec = parts.apply(whole).map_err(|wrong_parts| match wrong_parts {
        WrongParts::NoLabel => wrong(
            "/label",
            "is needed: a column of 0 and 1 (`label=click`), or a rule (`label=rating > 3`, URL-encoded)",
        ),
        WrongParts::Part { name, rule } => wrong(&format!("/{name}"), rule),
    })?;
    let longest = longest_text(&serde_json::to_value(&spec).expect("a spec is plain data"));
    if longest > LONGEST_NAME {
        return Err(wrong("", format!("names and words of at most {LONGEST_NAME} bytes; one here has {longest}")));
    }
    Ok(spec)
}

/// Bytes of the longest text in a value, or of the longest name of a member.
fn longest_text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(longest_text).max().unwrap_or(0),
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len().max(longest_text(value))).max().unwrap_or(0)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
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
