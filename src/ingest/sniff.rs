//! Looks at the first rows of a table for columns that may come to hold more different numbers than there is memory for.
//!
//! What a column is, all its rows decide (`content`). The first ones decide only how much room its cells get.

use super::{
    batch::{BATCH_ROWS, Batch},
    content::{Said, read},
    draft::Treatment,
    error::{IngestError, ReadError},
    limits::IngestLimits,
    missing::Missing,
    progress::Ticker,
    table::{SNIFF_ROWS, Table},
};

/// Whether the first rows of each column hold numbers alone, some of them with fractions: by column, of those that are
/// treated by content.
pub(super) fn find_decimals(
    fields: &[(usize, Treatment)],
    table: &Table,
    missing: &Missing,
    limits: &IngestLimits,
    ticker: &mut Ticker,
) -> Result<Vec<bool>, IngestError> {
    let (mut needed, mut decimal) = (vec![false; table.columns.len()], vec![false; table.columns.len()]);
    for (column, treatment) in fields {
        needed[*column] = matches!(treatment, Treatment::ByContent);
    }
    if !needed.contains(&true) {
        return Ok(decimal);
    }
    let mut numbers_only = needed.clone();
    let mut rows = table.rows(&needed, limits)?;
    let (mut batch, mut left, mut more) = (Batch::default(), SNIFF_ROWS as usize, true);
    while more && left > 0 {
        ticker.tick()?;
        more = match rows.fill(&mut batch, left.min(BATCH_ROWS)) {
            Ok(more) => more,
            // The first reading will stop at the same place and report it with its row.
            Err(ReadError::Content(_)) => false,
            Err(error) => return Err(rows.explain(error)),
        };
        left -= batch.rows.len();
        for row in 0..batch.rows.len() {
            for (column, cell) in batch.cells(row).iter().enumerate().take(needed.len()) {
                if numbers_only[column] {
                    match read(cell.slice(&batch.text), missing) {
                        Said::Gap => {}
                        Said::Number(number) => decimal[column] |= number.fract() != 0.0,
                        Said::Word => numbers_only[column] = false,
                    }
                }
            }
        }
    }
    Ok(decimal.into_iter().zip(numbers_only).map(|(decimal, numbers)| decimal && numbers).collect())
}
