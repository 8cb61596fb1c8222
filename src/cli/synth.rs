//! `autodenoise synth`: a table with planted noise.

use super::error::CliError;
use crate::synth::{self, SynthSpec};
use clap::Args;
use std::path::PathBuf;

/// Users and items with latent factors, clicks drawn from them, and a share of the training and validation labels turned
/// over; the test rows stay clean.
#[derive(Args)]
pub struct SynthArgs {
    /// Where the table (CSV) goes
    out: PathBuf,
    /// Where the truth goes: which rows were flipped
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Number of users
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// Number of items
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
    /// Share of all user-item pairs that are rows
    #[arg(long, default_value_t = 0.08, value_name = "SHARE", value_parser = share)]
    density: f64,
    /// Number of rows, instead of --density
    #[arg(long, value_name = "N", conflicts_with = "density")]
    rows: Option<u64>,
    /// More columns of categories, for a wide table
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1000))]
    contexts: u32,
    /// Values of each of them
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    context_values: u32,
    /// Share of training and validation labels that are turned over
    #[arg(long, default_value_t = 0.1, value_name = "SHARE", value_parser = flip_share)]
    flip_rate: f64,
    /// Seed of the table
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0).ok_or_else(|| "above 0 and at most 1".to_owned())
}

fn flip_share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=0.5).contains(share)).ok_or_else(|| "from 0 to 0.5".to_owned())
}

pub fn synth(args: SynthArgs) -> Result<(), CliError> {
    let pairs = f64::from(args.users) * f64::from(args.items);
    let rows = args.rows.unwrap_or((pairs * args.density).round() as u64);
    let spec = SynthSpec {
        users: args.users,
        items: args.items,
        rows,
        flip_rate: args.flip_rate,
        contexts: args.contexts,
        context_values: args.context_values,
        seed: args.seed,
    };
    synth::write(&spec, &args.out, args.truth.as_deref()).map_err(CliError::failed)?;
    eprintln!("wrote {rows} rows to {}", args.out.display());
    Ok(())
}
