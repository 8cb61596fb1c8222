//! Windows of time in which the labels of all rows, or of those of one value, are of one kind, turned round or at random: a
//! fault of whatever writes the log.
//!
//! Each row says how much likelier its label is under a fault than by what is expected of it. The window whose rows say
//! most together is found in one pass (the largest sum of neighbours). By Ville's inequality a sum beyond ln(starts / p) comes by
//! chance with a probability of at most p, wherever the window starts.

use super::halves::half;
use super::{Corruption, FALSE_DISCOVERIES, Finding, FoundValue, Remedy, Table};
use rayon::prelude::*;

/// A value is looked at if it has at least so many rows, and a field if it has at most so many values.
const FEWEST_ROWS: usize = 200;
const MOST_VALUES: usize = 1000;
/// The least share of a fault that is as it says: no log is wrong in every row.
const SURE: f32 = 0.98;
/// Rows of one user are alike, so a row counts for this much of what it says.
const TEMPER: f32 = 0.5;
/// The least rows of a window.
const FEWEST_IN_WINDOW: usize = 50;

/// What a fault makes of labels: the share of label 0 that becomes 1, and of label 1 that becomes 0.
const FAULTS: [(Corruption, f32, f32); 4] = [
    (Corruption::ZeroWindow, 1.0 - SURE, SURE),
    (Corruption::OneWindow, SURE, 1.0 - SURE),
    (Corruption::InvertedWindow, SURE, SURE),
    (Corruption::RandomWindow, 0.5, 0.5),
];

/// The rows of a value in the order of time.
struct Lane {
    field: Option<usize>,
    value: u32,
    rows: Vec<u32>,
}

/// The window of each value and fault that says most, where it says enough. None where the table does not say when rows
/// happened.
pub fn find_windows(table: &Table) -> Vec<Finding> {
    let Some([times, valid_times]) = table.times else { return Vec::new() };
    let mut order: Vec<u32> = (0..table.rows() as u32).collect();
    order.sort_by_key(|row| (times[*row as usize], *row));
    let lanes = list_lanes(table, order);
    let bound = ((table.rows() * (1 + table.columns.fields.len()) * FAULTS.len()) as f64 / FALSE_DISCOVERIES).ln();
    lanes
        .par_iter()
        .flat_map_iter(|lane| {
            FAULTS.iter().filter_map(move |fault| find_window(table, lane, fault, bound, times, valid_times))
        })
        .collect()
}

/// All rows, and those of each value of the coarser fields.
fn list_lanes(table: &Table, order: Vec<u32>) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for (field, column) in table.columns.fields.iter().enumerate() {
        if column.cardinality > MOST_VALUES || !column.is_category {
            continue;
        }
        let mut of_value = vec![Vec::new(); column.cardinality];
        order.iter().for_each(|row| of_value[column.train[*row as usize] as usize].push(*row));
        let long = (0..).zip(of_value).filter(|(_, rows)| rows.len() >= FEWEST_ROWS);
        lanes.extend(long.map(|(value, rows)| Lane { field: Some(field), value, rows }));
    }
    lanes.push(Lane { field: None, value: 0, rows: order });
    lanes
}

/// How much likelier a label is under a fault than with probability `p` of being 1: nats.
fn likelier(label: u8, p: f32, up: f32, down: f32) -> f32 {
    let q = (up + (1.0 - up - down) * p).clamp(0.01, 0.99);
    if label == 1 { (q / p).ln() } else { ((1.0 - q) / (1.0 - p)).ln() }
}

fn find_window(
    table: &Table,
    lane: &Lane,
    (kind, up, down): &(Corruption, f32, f32),
    bound: f64,
    times: &[i64],
    valid_times: &[i64],
) -> Option<Finding> {
    let says = |row: u32| {
        let p = crate::metrics::sigmoid(table.taste[row as usize]).clamp(1e-3, 1.0 - 1e-3);
        f64::from(TEMPER * likelier(table.labels[row as usize], p, *up, *down))
    };
    let (mut best, mut range, mut sum, mut start) = (0.0, 0..0, 0.0, 0);
    for (at, row) in lane.rows.iter().enumerate() {
        if sum <= 0.0 {
            (sum, start) = (0.0, at);
        }
        sum += says(*row);
        if sum > best {
            (best, range) = (sum, start..at + 1);
        }
    }
    let rows = &lane.rows[range];
    if best < bound || rows.len() < FEWEST_IN_WINDOW {
        return None;
    }
    let of_half = |own: usize| rows.iter().filter(|row| half(**row as usize) == own).map(|row| says(*row)).sum::<f64>();
    if of_half(0) < 0.2 * best || of_half(1) < 0.2 * best {
        return None;
    }
    let window = [times[rows[0] as usize], times[rows[rows.len() - 1] as usize]];
    let column = lane.field.map(|field| &table.columns.fields[field]);
    let is_in = |row: usize| {
        let at = valid_times[row];
        (window[0]..=window[1]).contains(&at) && column.is_none_or(|column| column.valid[row] == lane.value)
    };
    let remedy = |row: u32| match kind {
        Corruption::InvertedWindow => Remedy::Target(f32::from(1 - table.labels[row as usize])),
        _ => Remedy::Drop,
    };
    let mut remedies: Vec<(u32, Remedy)> = rows.iter().map(|row| (*row, remedy(*row))).collect();
    remedies.sort_unstable_by_key(|(row, _)| *row);
    let value = column.map(|column| FoundValue { ids: vec![column.offset + lane.value], rows: rows.len() as u32 });
    Some(Finding {
        kind: *kind,
        fields: column.map(|column| column.name.clone()).into_iter().collect(),
        values: value.into_iter().collect(),
        evidence: best,
        strength: rows.iter().filter(|row| table.labels[**row as usize] == 1).count() as f64 / rows.len() as f64,
        window: Some(window),
        remedies,
        valid: (0..valid_times.len()).filter(|row| is_in(*row)).map(|row| row as u32).collect(),
    })
}
