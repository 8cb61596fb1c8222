//! Test rows that depend on each other, because they are of one user or one item: those with the same value of a field.

use crate::ingest::Dataset;
use crate::types::{Clusters, Field, FieldKind, Split};
use std::collections::HashMap;

/// A field is taken where nobody names one only if the test rows have at least so many of its values: the variance between few
/// clusters is known too badly.
const FEWEST_VALUES: usize = 30;

/// The test rows by the values of a field.
pub(super) struct RowClusters {
    pub clusters: Clusters,
    /// `[n]` of the test rows that count in the verdict, below `count`.
    pub of_row: Vec<u32>,
    pub count: usize,
}

impl RowClusters {
    /// Of the test rows that count (`trusted`: their places; absent: all), by the field of this name; else by the field whose
    /// values have the most of them each, of those that are categories and have at least `FEWEST_VALUES`: rows that share much
    /// are the least independent. None where there is no such field.
    pub fn new(dataset: &Dataset, trusted: Option<&[u32]>, named: Option<&str>) -> Option<Self> {
        let fields = &dataset.feature_map.fields;
        if let Some(name) = named {
            let at = fields.iter().position(|field| field.name == name)?;
            return Some(Self::by(dataset, trusted, at, true));
        }
        let is_category = |at: &usize| matches!(fields[*at].kind, FieldKind::Category);
        let all = (0..fields.len()).filter(is_category).map(|at| Self::by(dataset, trusted, at, false));
        let usable = all.filter(|found| found.clusters.values as usize >= FEWEST_VALUES);
        // Of fields alike the first.
        let larger = |best: Self, other: Self| {
            if other.clusters.rows_per_value > best.clusters.rows_per_value { other } else { best }
        };
        usable.reduce(larger)
    }

    /// A row whose value is not in the vocabulary is a cluster of its own: what it shares with others is not known.
    fn by(dataset: &Dataset, trusted: Option<&[u32]>, at: usize, named: bool) -> Self {
        let Field { name, unknown, .. } = &dataset.feature_map.fields[at];
        let id = |row: usize| dataset.split(Split::Test).ids[row * dataset.fields() + at];
        let ids: Vec<i32> = match trusted {
            None => (0..dataset.len(Split::Test)).map(id).collect(),
            Some(rows) => rows.iter().map(|row| id(*row as usize)).collect(),
        };
        let (mut numbers, mut count, mut known) = (HashMap::new(), 0, 0_u64);
        let mut next = || {
            count += 1;
            count as u32 - 1
        };
        let mut of_row = Vec::with_capacity(ids.len());
        for id in ids {
            let is_known = Some(id as u32) != *unknown;
            known += u64::from(is_known);
            of_row.push(if is_known { *numbers.entry(id).or_insert_with(&mut next) } else { next() });
        }
        let values = numbers.len() as u64;
        let rows_per_value = known as f64 / values.max(1) as f64;
        Self { clusters: Clusters { field: name.clone(), values, rows_per_value, named }, of_row, count }
    }
}
