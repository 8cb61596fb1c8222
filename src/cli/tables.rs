//! Tables for a terminal.

use super::screen::{Screen, printable};
use crate::types::{EpochRow, Metrics, ResolvedMethod};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use unicode_width::UnicodeWidthStr;

/// A table whose columns from `first_number` on are right-aligned. Where it is shown on a terminal that is too narrow for it,
/// cells are wrapped.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, first_number: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if let Some(width) = Screen::columns_of_stdout() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width as u16);
    }
    table
}

/// The same without columns that the terminal has no room for: of those named in `spare` the first go first.
pub fn table_that_fits(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    first_number: usize,
    spare: &[&str],
) -> Table {
    let mut rows: Vec<Vec<String>> = rows.into_iter().collect();
    let (mut header, mut first_number) = (header.to_vec(), first_number);
    let Some(width) = Screen::columns_of_stdout() else { return table(&header, rows, first_number) };
    for name in spare {
        if natural_width(&header, &rows) <= width {
            break;
        }
        let Some(at) = header.iter().position(|column| column == name) else { continue };
        header.remove(at);
        rows.iter_mut().for_each(|row| drop(row.remove(at)));
        first_number -= usize::from(at < first_number);
    }
    table(&header, rows, first_number)
}

/// Columns of a terminal that a table takes with nothing wrapped: each cell has a space on either side.
fn natural_width(header: &[&str], rows: &[Vec<String>]) -> usize {
    let column = |at: usize| {
        let cells = rows.iter().map(|row| row[at].width());
        cells.chain([header[at].width()]).max().unwrap_or(0) + 2
    };
    (0..header.len()).map(column).sum()
}

/// An AUC with four digits; nothing where it was not measured, `nan` where the rows have one label only.
pub fn format_auc(metrics: Option<&Metrics>) -> String {
    metrics.map_or(String::new(), |m| m.auc.map_or("nan".to_owned(), |auc| format!("{auc:.4}")))
}

/// A log-loss with four digits; nothing where it was not measured.
pub fn format_logloss(metrics: Option<&Metrics>) -> String {
    metrics.map_or(String::new(), |m| format!("{:.4}", m.logloss))
}

/// One line per pass.
pub fn epoch_table(rows: &[EpochRow], methods: &[&ResolvedMethod]) -> Table {
    let header = [
        "method",
        "seed",
        "phase",
        "epoch",
        "pass",
        "train AUC",
        "train log-loss",
        "valid AUC",
        "valid log-loss",
        "kept %",
        "seconds",
    ];
    let lines = rows.iter().map(|row| {
        vec![
            methods.get(row.contender as usize).map_or(String::new(), |method| method.label.clone()),
            row.seed.to_string(),
            row.phase.as_str().to_owned(),
            row.epoch.to_string(),
            row.pass.to_string(),
            format_auc(row.train.as_ref()),
            format_logloss(row.train.as_ref()),
            format_auc(row.valid.as_ref()),
            format_logloss(row.valid.as_ref()),
            row.kept.map_or(String::new(), |kept| format!("{:.2}", 100.0 * kept)),
            format!("{:.2}", row.seconds),
        ]
    });
    table_that_fits(&header, lines, 3, &["train log-loss", "valid log-loss", "train AUC", "seed", "method"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_give_no_orders_to_a_terminal() {
        let shown = table(&["name"], [vec!["a\u{1b}[2Jb".to_owned()]], 1).to_string();
        assert!(!shown.contains('\u{1b}') && shown.contains("a\\u{1b}[2Jb"), "{shown:?}");
    }

    #[test]
    fn a_table_is_as_wide_as_its_longest_cells() {
        let rows = vec![vec!["a".to_owned(), "12345".to_owned()], vec!["abc".to_owned(), "1".to_owned()]];
        assert_eq!(natural_width(&["x", "y"], &rows), 3 + 5 + 4);
        let shown = table(&["x", "y"], rows, 1).to_string();
        assert!(shown.lines().all(|line| line.chars().count() == 12), "{shown}");
    }
}
