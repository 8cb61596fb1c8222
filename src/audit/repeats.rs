//! Rows that are there more than once: a log that is written at least once.
//!
//! The same user may see the same item twice and click once; then the labels of the two rows agree no more often than
//! those of like rows do. Rows that were written twice always agree. Where equal rows agree far more often than what is
//! expected of them says, those after the first are dropped.

use super::{Corruption, Finding, Remedy, Table};
use crate::random::mix;

/// Fewer repeats than this share of the rows are not worth a finding.
const LEAST_ROWS: f64 = 0.002;
/// Pairs of equal rows that have equal labels, at least.
const AGREEING: f64 = 0.98;
/// What is expected of pairs may be at most this, or nothing could be told from it.
const MOST_EXPECTED: f64 = 0.9;
const LEAST_EVIDENCE: f64 = 20.0;

pub fn find_repeats(table: &Table) -> Option<Finding> {
    let mut keys: Vec<(u64, u32)> = (0..table.rows()).map(|row| (key(table, row), row as u32)).collect();
    keys.sort_unstable();
    let (mut pairs, mut agreeing, mut expected, mut repeats) = (0_u64, 0_u64, 0.0, Vec::new());
    for equal in keys.chunk_by(|a, b| a.0 == b.0).filter(|equal| equal.len() > 1) {
        let first = equal[0].1;
        for (_, row) in &equal[1..] {
            let p = f64::from(crate::metrics::sigmoid(table.taste[*row as usize]));
            pairs += 1;
            expected += p * p + (1.0 - p) * (1.0 - p);
            if table.labels[*row as usize] == table.labels[first as usize] {
                agreeing += 1;
                repeats.push(*row);
            }
        }
    }
    if (repeats.len() as f64) < LEAST_ROWS * table.rows() as f64 {
        return None;
    }
    let (share, expected) = (agreeing as f64 / pairs as f64, expected / pairs as f64);
    let evidence = pairs as f64 * divergence(share, expected);
    if share < AGREEING || expected > MOST_EXPECTED || evidence < LEAST_EVIDENCE {
        return None;
    }
    repeats.sort_unstable();
    Some(Finding {
        kind: Corruption::Repeats,
        fields: Vec::new(),
        values: Vec::new(),
        evidence,
        strength: share,
        window: None,
        remedies: repeats.into_iter().map(|row| (row, Remedy::Drop)).collect(),
        valid: Vec::new(),
    })
}

/// Of equal rows it is equal; of others it differs but for one in 2^64.
fn key(table: &Table, row: usize) -> u64 {
    let fields = table.columns.fields.iter().fold(0, |key, column| mix(key ^ u64::from(column.train[row])));
    table.times.map_or(fields, |[times, _]| mix(fields ^ times[row] as u64))
}

/// How far a share is from what was expected: nats a pair.
fn divergence(share: f64, expected: f64) -> f64 {
    let part = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    part(share, expected) + part(1.0 - share, 1.0 - expected)
}
