//! What ids stand for in the table, in words.

use crate::ingest::{Dataset, DatasetError};
use std::collections::{HashMap, HashSet};

/// The names of global ids; also of those that stand for no value of the table.
pub(super) fn name_values(dataset: &Dataset, ids: &HashSet<u32>) -> Result<HashMap<u32, String>, DatasetError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut names = dataset.values(ids)?;
    for id in ids {
        let field = dataset
            .feature_map
            .fields
            .iter()
            .find(|field| (field.offset..field.offset + field.cardinality).contains(id));
        let Some(field) = field else { continue };
        let nameless = || match (Some(*id) == field.unknown, Some(*id) == field.padding) {
            (true, _) => "(not in the vocabulary)".to_owned(),
            (_, true) => "(empty)".to_owned(),
            _ => format!("bucket {}", id - field.offset),
        };
        names.entry(*id).or_insert_with(nameless);
    }
    Ok(names)
}
