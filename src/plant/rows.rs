//! Corruption that adds rows. An added row is in the split of the row it was copied from, so that the splits get their shares.

use super::{
    draw::{count_share, draw_numbers, draw_one, draw_weighted},
    error::PlantError,
    pairs::Pairs,
    table::{Column, Table},
};
use crate::random::Stream;

/// What a stream's draws decide. Its number is part of the draw.
#[derive(Clone, Copy)]
enum Of {
    Users = 1,
    Items = 2,
    /// Copied rows.
    Rows = 3,
    Labels = 4,
    Places = 5,
    Value = 6,
}

fn stream_of(stream: Stream, of: Of, number: u32) -> Stream {
    stream.child(&[of as u32, number])
}

/// New users, `share` of those there are: `rows` rows each, at most one for every second item, of different items drawn by
/// their popularity; label 1 nine times in ten. What else belongs to a user is copied from one there is.
pub fn add_bots(
    table: &mut Table,
    open: &[usize],
    (user, item): (&str, &str),
    share: f64,
    rows: u32,
    stream: Stream,
) -> Result<(), PlantError> {
    let pairs = Pairs::new(table, user, item)?;
    let first = table.len();
    let popularity: Vec<f64> = table.columns[pairs.item].counts().into_iter().map(f64::from).collect();
    let rows = (rows as usize).min(popularity.len() / 2).max(1);
    let bots = count_share(pairs.users.len(), share) as u32;
    let prefix = free_prefix(table, pairs.user, "bot");
    for bot in 0..bots {
        let Some(like) = draw_one(stream_of(stream, Of::Users, bot), 0, &pairs.users) else { break };
        let code = table.columns[pairs.user].intern(&format!("{prefix}{}", bot + 1));
        let items = draw_weighted(stream_of(stream, Of::Items, bot), &popularity, rows);
        let (copied, labels) = (stream_of(stream, Of::Rows, bot), stream_of(stream, Of::Labels, bot));
        for (at, item) in (0..).zip(items) {
            let Some(row) = draw_one(copied, at, open) else { break };
            let label = u8::from(labels.uniform_at(at) < 0.9);
            let added = pairs.add(table, row, like as usize, item, label);
            table.columns[pairs.user].set(added, code);
        }
    }
    table.deal_out(first, stream_of(stream, Of::Places, 0));
    Ok(())
}

/// A share of the items gets `count` more rows of label 1 each, by different users, every user as likely as any other.
pub fn add_likes(
    table: &mut Table,
    open: &[usize],
    (item, user): (&str, &str),
    share: f64,
    count: u32,
    stream: Stream,
) -> Result<(), PlantError> {
    let pairs = Pairs::new(table, user, item)?;
    let first = table.len();
    let items = table.columns[pairs.item].cardinality();
    for item in draw_numbers(stream_of(stream, Of::Items, 0), items, count_share(items, share)) {
        let users = draw_numbers(stream_of(stream, Of::Users, item), pairs.users.len(), count as usize);
        for (at, user) in (0..).zip(users) {
            let Some(row) = draw_one(stream_of(stream, Of::Rows, item), at, open) else { break };
            pairs.add(table, row, pairs.users[user as usize] as usize, item, 1);
        }
    }
    table.deal_out(first, stream_of(stream, Of::Places, 0));
    Ok(())
}

/// A share of the rows stands there 2 to 20 times; what is beyond the first counts as corrupted. Rows of one value, of 2 to
/// 50 % of the rows, are ten times as likely to be repeated as the others.
pub fn repeat(table: &mut Table, open: &[usize], rate: f64, stream: Stream) {
    let first = table.len();
    let favoured = draw_one(stream_of(stream, Of::Value, 0), 0, &list_values(table));
    let is_favoured = |row: usize| favoured.is_some_and(|(column, code)| table.columns[column].codes()[row] == code);
    let weights: Vec<f64> = open.iter().map(|row| if is_favoured(*row) { 10.0 } else { 1.0 }).collect();
    let repeated = draw_weighted(stream_of(stream, Of::Rows, 0), &weights, count_share(open.len(), rate));
    let times = stream_of(stream, Of::Labels, 0);
    for at in repeated {
        let row = open[at as usize];
        for _ in 0..1 + (f64::from(times.uniform_at(u64::from(at))) * 19.0) as u32 {
            table.push_copy(row, table.labels[row]);
        }
    }
    table.deal_out(first, stream_of(stream, Of::Places, 0));
}

/// The values that 2 to 50 % of the rows have, each with its column.
fn list_values(table: &Table) -> Vec<(usize, u32)> {
    let share = |rows: u32| f64::from(rows) / table.len() as f64;
    let frequent = |(number, column): (usize, &Column)| {
        let codes = (0..).zip(column.counts()).filter(|(_, rows)| (0.02..=0.5).contains(&share(*rows)));
        codes.map(|(code, _)| (number, code)).collect::<Vec<_>>()
    };
    table.columns.iter().enumerate().flat_map(frequent).collect()
}

/// `word`, or it with as many underscores behind it as it takes for no value to begin like that.
fn free_prefix(table: &Table, column: usize, word: &str) -> String {
    let column = &table.columns[column];
    let mut prefix = word.to_owned();
    while (0..column.cardinality() as u32).any(|code| column.value(code).starts_with(&prefix)) {
        prefix.push('_');
    }
    prefix
}
