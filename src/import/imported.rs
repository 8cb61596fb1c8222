//! What an import wrote.

use super::table::Written;
use crate::types::{DatasetSpec, FieldSpec};

/// A table that was written, and how it is to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub spec: DatasetSpec,
    pub rows: u64,
    /// Rows with label 1.
    pub positives: u64,
    /// Distinct values of each field, in the order of the spec's.
    pub cardinalities: Vec<(String, u64)>,
    pub densities: Vec<Density>,
}

/// Share of all pairs of a user and an item that are rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Density {
    /// Whose users and items.
    pub of: &'static str,
    pub users: u64,
    pub items: u64,
    pub rows: u64,
}

impl Density {
    pub fn share(&self) -> f64 {
        self.rows as f64 / (self.users as f64 * self.items as f64)
    }
}

impl Imported {
    /// `columns` are the table's, in the order of `written`'s counts.
    pub(super) fn new(columns: &[String], written: Written, spec: DatasetSpec) -> Self {
        let counted = |field: &FieldSpec| {
            let at = columns.iter().position(|column| column == field.column()).expect("fields are columns");
            (field.column().to_owned(), written.values[at])
        };
        let cardinalities = spec.fields.iter().flatten().map(counted).collect();
        Self { spec, rows: written.rows, positives: written.positives, cardinalities, densities: Vec::new() }
    }

    /// Adds the density of the table's own users and items, where it has both.
    pub(super) fn with_density(mut self, user: &str, item: &str) -> Self {
        let count = |name: &str| self.cardinalities.iter().find(|(field, _)| field == name).map(|(_, count)| *count);
        if let (Some(users), Some(items)) = (count(user), count(item)) {
            self.densities.push(Density { of: "the table", users, items, rows: self.rows });
        }
        self
    }
}
