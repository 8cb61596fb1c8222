//! Which columns belong to a user or an item: each of its values has one value of them.

use super::table::{Column, Table};

/// The columns, beside `key` itself, of which each value of the column `key` has one value in all rows.
pub fn find_dependents(table: &Table, key: usize) -> Vec<usize> {
    let depends = |column: &usize| *column != key && depends_on(&table.columns[*column], &table.columns[key]);
    (0..table.columns.len()).filter(depends).collect()
}

fn depends_on(column: &Column, key: &Column) -> bool {
    let mut seen = vec![None; key.cardinality()];
    column.codes().iter().zip(key.codes()).all(|(code, key)| seen[*key as usize].get_or_insert(*code) == code)
}
