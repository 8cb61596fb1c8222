//! Users, items and clicks, each drawn when it is asked for.
//!
//! Users and items have latent factors u, i of d = 4 standard normals and biases; a click has the log-odds
//! `SCALE (0.6 b_u + 0.6 b_i + 0.5 <u, i>)`, with which the best possible AUC on clean labels is about .85. Rows are
//! distinct (user, item) pairs. Side fields are factors cut into classes, so they carry signal. Context columns are
//! categories of a skewed distribution, each value of which adds its own small effect to the log-odds.
//!
//! Every draw is SplitMix64's mix of (seed, purpose, position): the same spec gives the same bytes.

use super::spec::{SynthError, SynthSpec};
use crate::{ingest::Permutation, random::mix, types::Split};
use std::io::{self, Write};

const FACTORS: usize = 4;
const SCALE: f64 = 1.48;
const FIRST_TIME: u64 = 1_700_000_000;
/// Seconds between two rows, on average.
const INTERVAL: u64 = 30;

const GENRES: [&str; 8] = ["Drama", "Comedy", "Action", "Thriller", "Romance", "Horror", "Sci-Fi", "Documentary"];
const DEVICES: [&str; 4] = ["phone", "tablet", "desktop", "tv"];
const AGES: [&str; 7] = ["1", "18", "25", "35", "45", "50", "56"];

/// What a draw is for. Its number is part of the draw, so a new purpose goes to the end.
#[derive(Clone, Copy)]
enum Purpose {
    User,
    Item,
    Pair,
    Split,
    Time,
    Click,
    Flip,
    Context,
    ContextEffect,
}

/// Random numbers addressed by their purpose and position.
#[derive(Clone, Copy)]
struct Draws {
    seed: u64,
}

impl Draws {
    fn bits(self, purpose: Purpose, at: u64) -> u64 {
        let stream = mix(self.seed.wrapping_add((purpose as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        mix(stream.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Uniform in [0, 1).
    fn unit(self, purpose: Purpose, at: u64) -> f64 {
        (self.bits(purpose, at) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(self, purpose: Purpose, at: u64) -> f64 {
        let (radius, angle) = (1.0 - self.unit(purpose, 2 * at), self.unit(purpose, 2 * at + 1));
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

/// What a user or an item is like.
struct Latent {
    bias: f64,
    factors: [f64; FACTORS],
}

impl Latent {
    /// Draws `count` users or items.
    fn draw_all(draws: Draws, purpose: Purpose, count: u32) -> Vec<Self> {
        let one = |at: u64| {
            let normal = |k: usize| draws.normal(purpose, at * (FACTORS as u64 + 1) + k as u64);
            Self { bias: normal(FACTORS), factors: std::array::from_fn(normal) }
        };
        (0..u64::from(count)).map(one).collect()
    }

    /// The class of factor `k`: about equal numbers in each.
    fn class<'a>(&self, k: usize, names: &[&'a str]) -> &'a str {
        // The logistic curve that follows the normal distribution to within 0.01.
        let share = 1.0 / (1.0 + (-1.702 * self.factors[k]).exp());
        names[((share * names.len() as f64) as usize).min(names.len() - 1)]
    }
}

/// Users, items and how they click.
pub(super) struct World {
    draws: Draws,
    users: Vec<Latent>,
    items: Vec<Latent>,
    pairs: Permutation,
    splits: Permutation,
    rows: u64,
    flip_rate: f64,
    contexts: u32,
    context_values: u32,
}

/// A row of the table.
pub(super) struct Row {
    user: usize,
    item: usize,
    /// The value of each context column.
    contexts: Vec<u32>,
    age: &'static str,
    device: &'static str,
    genre: &'static str,
    timestamp: u64,
    /// The label before it is flipped.
    clean: bool,
    pub(super) flipped: bool,
    split: Split,
}

impl Row {
    /// Writes the row as a line of the CSV.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { user, item, contexts, age, device, genre, timestamp, split, .. } = self;
        let click = self.label();
        let split = split.as_str();
        write!(out, "{user},{item},{age},{device},{genre},{timestamp},{click},{split}")?;
        contexts.iter().try_for_each(|value| write!(out, ",{value}"))?;
        writeln!(out)
    }

    /// A text for each column but those of the label and the split.
    pub(super) fn cells(&self) -> Vec<String> {
        let own = [self.user.to_string(), self.item.to_string(), self.age.to_owned(), self.device.to_owned()];
        let rest = [self.genre.to_owned(), self.timestamp.to_string()];
        own.into_iter().chain(rest).chain(self.contexts.iter().map(u32::to_string)).collect()
    }

    pub(super) fn label(&self) -> u8 {
        u8::from(self.clean != self.flipped)
    }

    pub(super) fn split(&self) -> Split {
        self.split
    }
}

impl World {
    pub(super) fn new(spec: &SynthSpec) -> Result<Self, SynthError> {
        let &SynthSpec { users, items, rows, flip_rate, contexts, context_values, seed, .. } = spec;
        let pairs = u64::from(users) * u64::from(items);
        if rows < 10 || rows > pairs {
            return Err(SynthError::Rows { rows, users, items, pairs });
        }
        if !(0.0..=0.5).contains(&flip_rate) {
            return Err(SynthError::FlipRate(flip_rate));
        }
        let draws = Draws { seed };
        Ok(Self {
            draws,
            users: Latent::draw_all(draws, Purpose::User, users),
            items: Latent::draw_all(draws, Purpose::Item, items),
            pairs: Permutation::new(pairs, draws.bits(Purpose::Pair, 0)),
            splits: Permutation::new(rows, draws.bits(Purpose::Split, 0)),
            rows,
            flip_rate,
            contexts,
            context_values,
        })
    }

    fn pair(&self, row: u64) -> (usize, usize) {
        let (pair, items) = (self.pairs.image(row), self.items.len() as u64);
        ((pair / items) as usize, (pair % items) as usize)
    }

    /// The row's value in each context column: low values are frequent, as in the logs of a service.
    fn contexts(&self, row: u64) -> Vec<u32> {
        let value = |column: u64| {
            let u = self.draws.unit(Purpose::Context, row * u64::from(self.contexts) + column);
            (u.powi(3) * f64::from(self.context_values)) as u32
        };
        (0..u64::from(self.contexts)).map(value).collect()
    }

    /// What the context adds to the log-odds: about a standard normal number in all.
    fn context_effect(&self, contexts: &[u32]) -> f64 {
        let effect = |(column, value): (u64, &u32)| {
            let at = column * u64::from(self.context_values) + u64::from(*value);
            self.draws.unit(Purpose::ContextEffect, at) - 0.5
        };
        // The variance of a uniform number is 1/12.
        let scale = (12.0 / contexts.len().max(1) as f64).sqrt();
        scale * (0..).zip(contexts).map(effect).sum::<f64>()
    }

    fn click_chance(&self, user: usize, item: usize, contexts: &[u32]) -> f64 {
        let (u, i) = (&self.users[user], &self.items[item]);
        let product: f64 = u.factors.iter().zip(&i.factors).map(|(u, i)| u * i).sum();
        let logit = SCALE * (0.6 * u.bias + 0.6 * i.bias + 0.5 * product) + self.context_effect(contexts);
        1.0 / (1.0 + (-logit).exp())
    }

    /// Row number `row`; the same each time it is asked for.
    pub(super) fn row(&self, row: u64) -> Row {
        let (user, item) = self.pair(row);
        let (u, i) = (&self.users[user], &self.items[item]);
        let contexts = self.contexts(row);
        let place = self.splits.image(row);
        let split = match place {
            _ if place < self.rows * 8 / 10 => Split::Train,
            _ if place < self.rows * 9 / 10 => Split::Valid,
            _ => Split::Test,
        };
        Row {
            user,
            item,
            age: u.class(0, &AGES),
            device: u.class(1, &DEVICES),
            genre: i.class(0, &GENRES),
            timestamp: FIRST_TIME + row * INTERVAL + self.draws.bits(Purpose::Time, row) % INTERVAL,
            clean: self.draws.unit(Purpose::Click, row) < self.click_chance(user, item, &contexts),
            contexts,
            flipped: split != Split::Test && self.draws.unit(Purpose::Flip, row) < self.flip_rate,
            split,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_best_auc_on_clean_labels_is_about_85() {
        let mean = (0..5)
            .map(|seed| bayes_auc(&SynthSpec { users: 2000, items: 1000, rows: 40_000, seed, ..SynthSpec::default() }))
            .sum::<f64>()
            / 5.0;
        assert!((mean - 0.85).abs() < 0.01, "{mean}");
    }

    fn bayes_auc(spec: &SynthSpec) -> f64 {
        let world = World::new(spec).unwrap();
        let mut rows: Vec<_> = (0..spec.rows).map(|row| world.row(row)).collect();
        let chance = |row: &Row| world.click_chance(row.user, row.item, &row.contexts);
        rows.sort_by(|a, b| chance(a).total_cmp(&chance(b)));
        let positives = rows.iter().filter(|row| row.clean).count() as f64;
        let ranks: f64 = rows.iter().zip(1..).filter(|(row, _)| row.clean).map(|(_, rank)| f64::from(rank)).sum();
        (ranks - positives * (positives + 1.0) / 2.0) / (positives * (rows.len() as f64 - positives))
    }

    #[test]
    fn rows_are_distinct_and_only_train_and_valid_are_noisy() {
        let spec = SynthSpec { flip_rate: 0.2, ..SynthSpec::default() };
        let world = World::new(&spec).unwrap();
        let rows: Vec<_> = (0..spec.rows).map(|row| world.row(row)).collect();
        assert_eq!(rows.iter().map(|row| (row.user, row.item)).collect::<HashSet<_>>().len(), rows.len());
        let of = |split: &str| rows.iter().filter(|row| row.split.as_str() == split).collect::<Vec<_>>();
        assert_eq!(["train", "valid", "test"].map(|split| of(split).len()), [3840, 480, 480]);
        assert!(of("test").iter().all(|row| !row.flipped));
        // Binomial(4320, 0.2): mean 864, deviation 26.3.
        let flipped = rows.iter().filter(|row| row.flipped).count();
        assert!(flipped.abs_diff(864) < 120, "{flipped}");
        for values in
            [rows.iter().map(|row| row.age).collect::<HashSet<_>>(), rows.iter().map(|row| row.genre).collect()]
        {
            assert!(values.len() >= 7, "every class occurs: {values:?}");
        }
    }

    #[test]
    fn context_columns_are_skewed_and_carry_signal() {
        let spec = SynthSpec { rows: 20_000, contexts: 6, context_values: 50, ..SynthSpec::default() };
        let world = World::new(&spec).unwrap();
        let rows: Vec<_> = (0..spec.rows).map(|row| world.row(row)).collect();
        for column in 0..6 {
            let low = rows.iter().filter(|row| row.contexts[column] < 10).count();
            // u^3 < 1/5 for u < .585: mean 11696, deviation 70.
            assert!(low.abs_diff(11_696) < 280, "{low}");
            assert!(rows.iter().all(|row| row.contexts[column] < 50));
        }
        let bare = bayes_auc(&SynthSpec { contexts: 0, ..spec.clone() });
        assert!(bayes_auc(&spec) > bare + 0.01, "{} {bare}", bayes_auc(&spec));
    }

    #[test]
    fn impossible_specs_are_refused() {
        let refuse = |spec: SynthSpec| World::new(&spec).err().unwrap().to_string();
        assert!(refuse(SynthSpec { rows: 60_001, ..SynthSpec::default() }).contains("users x items = 60000"));
        assert!(refuse(SynthSpec { flip_rate: f64::NAN, ..SynthSpec::default() }).contains("0 to 0.5"));
    }
}
