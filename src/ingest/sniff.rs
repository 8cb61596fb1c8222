//! Looks at the first rows of a table to tell numbers from categories.

use super::{
    batch::{BATCH_ROWS, Batch},
    cell::parse_number,
    draft::Treatment,
    error::{IngestError, ReadError},
    limits::IngestLimits,
    progress::Ticker,
    table::{SNIFF_ROWS, Table},
};
use crate::types::NumericSpec;

/// Buckets of a column found to be numeric.
const DEFAULT_BUCKETS: u32 = 32;

/// Decides the treatment of the columns that are treated by content: decimal numbers are numeric, anything else is a
/// category.
///
/// A column of integers alone is a category, because most integers of a click table are ids.
pub(super) fn settle_by_content(
    fields: Vec<(usize, Treatment)>,
    table: &Table,
    limits: &IngestLimits,
    ticker: &mut Ticker,
) -> Result<Vec<(usize, Treatment)>, IngestError> {
    struct Seen {
        numbers_only: bool,
        decimal: bool,
    }
    let mut seen: Vec<Option<Seen>> = (0..table.columns.len()).map(|_| None).collect();
    let mut needed = vec![false; table.columns.len()];
    for (column, treatment) in &fields {
        if matches!(treatment, Treatment::ByContent) {
            seen[*column] = Some(Seen { numbers_only: true, decimal: false });
            needed[*column] = true;
        }
    }
    if !needed.contains(&true) {
        return Ok(fields);
    }
    let mut rows = table.rows(&needed, limits)?;
    let (mut batch, mut left, mut more) = (Batch::default(), SNIFF_ROWS as usize, true);
    while more && left > 0 {
        ticker.tick()?;
        more = match rows.fill(&mut batch, left.min(BATCH_ROWS)) {
            Ok(more) => more,
            // The first reading will stop at the same place and report it with its row.
            Err(ReadError::Content(_)) => false,
            Err(error) => return Err(error.at_start(table.path)),
        };
        left -= batch.rows.len();
        for row in 0..batch.rows.len() {
            for (cell, seen) in batch.cells(row).iter().zip(&mut seen) {
                let cell = cell.slice(&batch.text);
                if let Some(seen) = seen
                    && seen.numbers_only
                    && !cell.is_empty()
                {
                    seen.numbers_only = parse_number(cell).is_some();
                    seen.decimal |= cell.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
                }
            }
        }
    }
    let settle = |(column, treatment): (usize, Treatment)| match &seen[column] {
        Some(Seen { numbers_only: true, decimal: true }) => {
            (column, Treatment::Numeric(NumericSpec::Quantile { buckets: DEFAULT_BUCKETS }))
        }
        _ => (column, treatment),
    };
    Ok(fields.into_iter().map(settle).collect())
}
