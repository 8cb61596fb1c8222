//! What is known of a job's dataset while its spec is resolved.

use super::faults::Faults;
use super::{FeatureMap, Profile};

/// What is absent is not checked.
#[derive(Debug, Clone, Default)]
pub struct DatasetFacts {
    /// `Profile::digest`.
    pub digest: String,
    pub train_rows: Option<u64>,
    /// Names of the fields.
    pub fields: Option<Vec<String>>,
    /// Names of the table's columns.
    pub columns: Option<Vec<String>>,
}

impl DatasetFacts {
    pub fn new(profile: Option<&Profile>, map: Option<&FeatureMap>) -> Self {
        Self {
            digest: profile.map(|profile| profile.digest.clone()).unwrap_or_default(),
            train_rows: profile.map(|profile| profile.rows.train),
            fields: map.map(|map| map.fields.iter().map(|field| field.name.clone()).collect()),
            columns: profile.map(|profile| profile.columns.clone()),
        }
    }

    /// An option that names a field there is not is a fault.
    pub(super) fn check_field(&self, option: &str, name: &str, faults: &mut Faults) {
        if let Some(rule) = self.without_field(name) {
            faults.add(option, rule);
        }
    }

    /// What to write instead of the name of a column that there is not, nor a field of that name.
    pub(super) fn without_column(&self, name: &str) -> Option<String> {
        let is_field = self.without_field(name).is_none();
        let columns =
            self.columns.as_ref().filter(|columns| !is_field && !columns.iter().any(|column| column == name))?;
        Some(format!("one of the table's columns: {}", columns.join(", ")))
    }

    /// What to write instead of the name of a field that there is not.
    pub(super) fn without_field(&self, name: &str) -> Option<String> {
        let fields = self.fields.as_ref().filter(|fields| !fields.iter().any(|field| field == name))?;
        Some(format!("one of the dataset's fields: {}", fields.join(", ")))
    }
}
