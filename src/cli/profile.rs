//! What a table looks like, for a terminal: how each column was read, and which rows repeat others.

use super::{screen::Screen, tables::table_that_fits};
use crate::{
    report::number,
    types::{FieldReading, Profile},
};

/// The columns that models see in a table, those that they do not see, and rows that repeat others.
pub fn describe_table(profile: &Profile) -> String {
    let screen = Screen::stdout();
    let mut text = String::new();
    if !profile.fields.is_empty() {
        text += &format!("\n{}\n", field_table(profile));
    }
    let is_field = |column: &String| profile.fields.iter().any(|field| field.column == *column);
    let unseen: Vec<_> =
        profile.columns.iter().filter(|column| !is_field(column)).map(|column| format!("`{column}`")).collect();
    if !unseen.is_empty() {
        text += &format!("\n{}\n", screen.wrap(&format!("not seen by the models: {}", unseen.join(", ")), 2));
    }
    let twins = format!(
        "training rows that repeat an earlier one: {}; that equal another but for the label: {}",
        number(profile.duplicate_rows),
        number(profile.contradicting_rows)
    );
    text + &screen.wrap(&twins, 2)
}

fn field_table(profile: &Profile) -> comfy_table::Table {
    let header = ["column", "read as", "values", "missing", "new later", "AUC alone", "drift", "for example", "why"];
    let lines = profile.fields.iter().map(|field: &FieldReading| {
        vec![
            field.column.clone(),
            field.read_as.as_str().to_owned(),
            field.values.map(number).unwrap_or_default(),
            number(field.missing),
            profile.unknown_cells.get(&field.column).copied().map(number).unwrap_or_default(),
            field.auc.map(|auc| format!("{auc:.3}")).unwrap_or_default(),
            field.drift.map(|drift| format!("{:.1} %", 100.0 * drift)).unwrap_or_default(),
            field.examples.join(", "),
            field.reason.clone().unwrap_or_default(),
        ]
    });
    let mut table = table_that_fits(&header, lines, 2, &["why", "for example", "new later", "missing"]);
    // Behind seven columns of names and numbers come words.
    for words in table.column_iter_mut().skip(7) {
        words.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    table
}
