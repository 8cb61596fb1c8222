//! Tables for a terminal.

use crate::types::{EpochRow, Metrics, ResolvedMethod};
use comfy_table::{CellAlignment, Table, presets};

/// A table whose columns from `first_number` on are right-aligned.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, first_number: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(first_number) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
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
    table(&header, lines, 3)
}
