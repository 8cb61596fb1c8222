//! Corruption that changes labels.

use super::{
    draw::{count_share, draw_numbers, draw_one},
    error::PlantError,
    kind::OutageLabels,
    table::Table,
    times::{Times, read_times},
};
use crate::random::Stream;

/// What a stream's draws decide. Its number is part of the draw.
#[derive(Clone, Copy)]
enum Of {
    Values = 1,
    Rows = 2,
    Window = 3,
}

fn stream_of(stream: Stream, of: Of) -> Stream {
    stream.child(&[of as u32])
}

pub fn flip(table: &mut Table, rows: &[usize], rate: f64, stream: Stream) {
    let draws = stream_of(stream, Of::Rows);
    for row in rows.iter().copied().filter(|row| f64::from(draws.uniform_at(*row as u64)) < rate) {
        table.corrupt(row, 1 - table.labels[row]);
    }
}

/// The rows of a share of the field's values; the same values in every split.
fn rows_of_values(
    table: &Table,
    rows: &[usize],
    field: &str,
    share: f64,
    stream: Stream,
) -> Result<Vec<usize>, PlantError> {
    let column = &table.columns[table.find(field)?];
    let mut chosen = vec![false; column.cardinality()];
    for value in draw_numbers(stream_of(stream, Of::Values), chosen.len(), count_share(chosen.len(), share)) {
        chosen[value as usize] = true;
    }
    Ok(rows.iter().copied().filter(|row| chosen[column.codes()[*row] as usize]).collect())
}

/// The rows of a share of the values get a coin's labels; all of them count as corrupted, also where the coin agrees.
pub fn randomise(table: &mut Table, rows: &[usize], field: &str, share: f64, stream: Stream) -> Result<(), PlantError> {
    let draws = stream_of(stream, Of::Rows);
    for row in rows_of_values(table, rows, field, share, stream)? {
        table.corrupt(row, u8::from(draws.uniform_at(row as u64) < 0.5));
    }
    Ok(())
}

pub fn invert(table: &mut Table, rows: &[usize], field: &str, share: f64, stream: Stream) -> Result<(), PlantError> {
    for row in rows_of_values(table, rows, field, share, stream)? {
        table.corrupt(row, 1 - table.labels[row]);
    }
    Ok(())
}

/// Within a window of `share` of the time, every row of one value of the field counts as corrupted, also where its label is
/// 0 already. The window opens at the time of a row, so that it falls where rows are.
pub fn black_out(
    table: &mut Table,
    rows: &[usize],
    (time, field): (&str, &str),
    share: f64,
    labels: OutageLabels,
    stream: Stream,
) -> Result<(), PlantError> {
    let times = read_times(table, time, rows)?;
    let column = &table.columns[table.find(field)?];
    let counts = column.counts();
    let frequent = |value: &u32| f64::from(counts[*value as usize]) >= 0.1 * table.len() as f64;
    let values: Vec<u32> = (0..counts.len() as u32).filter(frequent).collect();
    let draws = stream_of(stream, Of::Window);
    let Some(value) = draw_one(draws, 0, &values) else {
        let reason = format!("no value of `{field}` has a tenth of the rows");
        return Err(PlantError::Unsuitable { kind: "outage".to_owned(), reason });
    };
    let own: Vec<usize> = rows.iter().copied().filter(|row| column.codes()[*row] == value).collect();
    let Some(opening) = draw_one(draws, 1, &own) else {
        let reason = format!("`{field}` = `{}` has test rows only", column.value(value));
        return Err(PlantError::Unsuitable { kind: "outage".to_owned(), reason });
    };
    let from = times.at(opening).min(1.0 - share);
    let lost: Vec<usize> = own.into_iter().filter(|row| (from..=from + share).contains(&times.at(*row))).collect();
    for row in lost {
        let label = match labels {
            OutageLabels::Zero => 0,
            OutageLabels::Inverted => 1 - table.labels[row],
        };
        table.corrupt(row, label);
    }
    Ok(())
}

/// In one cell of the two fields labels 0 become 1 at `rate`. Those that became so count as corrupted.
pub fn click_by_accident(
    table: &mut Table,
    rows: &[usize],
    (first, second): (&str, &str),
    rate: f64,
    stream: Stream,
) -> Result<(), PlantError> {
    let cells = list_cells(table, first, second)?;
    let draws = stream_of(stream, Of::Values);
    let Some(cell) = draw_one(draws, 0, &cells) else {
        let reason = format!("no cell of `{first}` and `{second}` has 2 to 30 % of the rows");
        return Err(PlantError::Unsuitable { kind: "clicks".to_owned(), reason });
    };
    let (first, second) = (table.find(first)?, table.find(second)?);
    let draws = stream_of(stream, Of::Rows);
    for row in rows.iter().copied() {
        let own = (table.columns[first].codes()[row], table.columns[second].codes()[row]);
        if own == cell && table.labels[row] == 0 && f64::from(draws.uniform_at(row as u64)) < rate {
            table.corrupt(row, 1);
        }
    }
    Ok(())
}

/// The cells of two fields that have 2 to 30 % of the rows, in order.
pub fn list_cells(table: &Table, first: &str, second: &str) -> Result<Vec<(u32, u32)>, PlantError> {
    let (first, second) = (&table.columns[table.find(first)?], &table.columns[table.find(second)?]);
    let mut counts = std::collections::BTreeMap::new();
    for cell in first.codes().iter().copied().zip(second.codes().iter().copied()) {
        *counts.entry(cell).or_insert(0_usize) += 1;
    }
    let share = |rows: usize| rows as f64 / table.len() as f64;
    Ok(counts.into_iter().filter(|(_, rows)| (0.02..=0.3).contains(&share(*rows))).map(|(cell, _)| cell).collect())
}

/// A label 1 of age `a`, as a share of the time that the rows span, is a 0 with probability exp(-a / tau). Those that became
/// so count as corrupted.
pub fn delay(table: &mut Table, rows: &[usize], time: &str, tau: f64, stream: Stream) -> Result<(), PlantError> {
    let times: Times = read_times(table, time, rows)?;
    let draws = stream_of(stream, Of::Rows);
    for row in rows.iter().copied().filter(|row| table.labels[*row] == 1).collect::<Vec<_>>() {
        let age = 1.0 - times.at(row);
        if f64::from(draws.uniform_at(row as u64)) < (-age / tau).exp() {
            table.corrupt(row, 0);
        }
    }
    Ok(())
}
