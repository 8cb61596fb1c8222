//! What ids stand for in the table, in words.

use crate::ingest::{Dataset, DatasetError};
use crate::types::Field;
use std::collections::{HashMap, HashSet};

/// The names of global ids; also of those that stand for no value of the table.
pub(super) fn name_values(dataset: &Dataset, ids: &HashSet<u32>) -> Result<HashMap<u32, String>, DatasetError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut names = dataset.values(ids)?;
    for id in ids {
        let fields = &dataset.feature_map.fields;
        let field = fields.iter().find(|field| (field.offset..field.offset + field.cardinality).contains(id));
        if let Some(field) = field {
            names.entry(*id).or_insert_with(|| name_valueless(field, *id));
        }
    }
    Ok(names)
}

/// The name of a global id of a field that stands for no value of the table.
pub(super) fn name_valueless(field: &Field, id: u32) -> String {
    match (Some(id) == field.unknown, Some(id) == field.padding) {
        (true, _) => "(not in the vocabulary)".to_owned(),
        (_, true) => "(empty)".to_owned(),
        _ => format!("bucket {}", id - field.offset),
    }
}
