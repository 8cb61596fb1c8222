//! Rows of a user and an item that the table did not have.

use super::{depend::find_dependents, error::PlantError, table::Table};

/// Users and items, with the columns that belong to each.
pub struct Pairs {
    pub user: usize,
    pub item: usize,
    of_user: Vec<usize>,
    of_item: Vec<usize>,
    /// A row of each user there is.
    pub users: Vec<u32>,
    /// `[items]`: a row of each item.
    items: Vec<Option<u32>>,
}

impl Pairs {
    pub fn new(table: &Table, user: &str, item: &str) -> Result<Self, PlantError> {
        let (user, item) = (table.find(user)?, table.find(item)?);
        Ok(Self {
            user,
            item,
            of_user: find_dependents(table, user),
            of_item: find_dependents(table, item),
            users: table.columns[user].examples().into_iter().flatten().collect(),
            items: table.columns[item].examples(),
        })
    }

    /// Appends a row of the user of the row `user` and of an item, and returns its number. What belongs to neither, the split
    /// too, is that of `row`; a column that belongs to both is the item's.
    pub fn add(&self, table: &mut Table, row: usize, user: usize, item: u32, label: u8) -> usize {
        let added = table.push_copy(row, label);
        let example = self.items[item as usize].map_or(row, |row| row as usize);
        let of_user = self.of_user.iter().filter(|column| **column != self.item).map(|column| (*column, user));
        let of_item = self.of_item.iter().filter(|column| **column != self.user).map(|column| (*column, example));
        for (column, from) in of_user.chain(of_item).chain([(self.user, user), (self.item, example)]) {
            let code = table.columns[column].codes()[from];
            table.columns[column].set(added, code);
        }
        added
    }
}
