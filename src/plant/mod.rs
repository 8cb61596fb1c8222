//! Corruption put into a table on purpose, and which rows it touched.
//!
//! A [`Table`] is text in memory, made by a command or read from any file that `ingest` reads. [`plant`] puts one kind of
//! [`Corruption`] into it, more than one after the other where it is called again; every draw is of a stream keyed by the
//! seed and the kind, so that the same table and seed give the same rows. `write` puts the result on disk: the table with
//! columns of its own for label and split, and beside it the truth, which says of every row whether it was corrupted.

mod depend;
mod draw;
mod error;
mod files;
mod kind;
mod labels;
mod natural;
mod pairs;
mod rows;
mod sample;
mod table;
mod times;

pub use error::PlantError;
pub use files::{read_ratings, read_table, read_truth, write_csv, write_table, write_truth};
pub use kind::{Corruption, Kind, OutageLabels, SPELLINGS};
pub use labels::list_cells;
pub use natural::{Natural, Rivals};
pub use sample::draw_users;
pub use table::{Column, Table};
pub use times::add_times;

use crate::random::{PLANTED_TABLE, Purpose, Stream};

/// Puts `corruption` into the table. Its training and validation rows are corrupted, and its test rows where the corruption
/// says so. Fails where the table lacks a column or has no value that the kind needs.
pub fn plant(table: &mut Table, corruption: &Corruption, seed: u64) -> Result<(), PlantError> {
    let open = table.open_rows(corruption.in_test);
    let stream = Stream::new(seed, Purpose::Plant, &[PLANTED_TABLE]).named(&corruption.kind.to_string());
    match &corruption.kind {
        Kind::Flips { rate } => labels::flip(table, &open, *rate, stream),
        Kind::Random { field, share } => labels::randomise(table, &open, field, *share, stream)?,
        Kind::Inverted { field, share } => labels::invert(table, &open, field, *share, stream)?,
        Kind::Bots { user, item, share, rows } => rows::add_bots(table, &open, (user, item), *share, *rows, stream)?,
        Kind::Likes { item, user, share, count } => {
            rows::add_likes(table, &open, (item, user), *share, *count, stream)?;
        }
        Kind::Outage { time, field, share, labels } => {
            labels::black_out(table, &open, (time, field), *share, *labels, stream)?;
        }
        Kind::Clicks { first, second, rate } => {
            labels::click_by_accident(table, &open, (first, second), *rate, stream)?;
        }
        Kind::Delayed { time, tau } => labels::delay(table, &open, time, *tau, stream)?,
        Kind::Repeats { rate } => rows::repeat(table, &open, *rate, stream),
    }
    Ok(())
}
