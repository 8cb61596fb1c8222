//! Instance selection: which rows the classical methods keep (spec `baselines.md`, sections 0 to 5).
//!
//! The exact methods look at pairs of rows, so a large table is dealt into blocks and the method runs in each. Distances
//! are f64 throughout: the tie rules round them to 12 decimals, and on categorical rows ties are the norm. Neither the
//! number of threads, nor the instruction set, nor the way neighbours are searched for changes what is kept.

mod bdis;
mod blocks;
mod cnn;
mod drop3;
mod enn;
mod local_sets;
mod pace;
mod points;
mod postings;
#[cfg(test)]
mod reference;
mod search;
mod space;
#[cfg(test)]
mod testing;
mod tree;

use crate::random::{Purpose, Stream};
use crate::types::{BdisInit, EnemyTies, Knn};
use pace::Pace;
use points::Points;
use rayon::prelude::*;
pub use space::Space;

/// A method and its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Wilson's edited nearest neighbours (section 1): rows whose `k` nearest outvote them go.
    Enn { k: usize },
    /// Hart's condensed nearest neighbours (section 2). It starts with the first row of each class, or with one drawn.
    Cnn { seed: Option<u64> },
    /// Wilson and Martinez' DROP3 (section 3). With `enn_associates` the rows that ENN removed still have a say.
    Drop3 { k: usize, enn_associates: bool },
    /// Leyva, González and Pérez' local set smoother (section 4).
    Lssm { include_self: bool, enemy_ties: EnemyTies },
    /// Their border selector, after the smoother (section 4).
    Lsbo { include_self: bool, enemy_ties: EnemyTies },
    /// Chen, Cao, Xing and Liang's BDIS (section 5). `subsample`: rows 2-means is trained on at most; 0: all.
    Bdis { t1: i32, t2: u32, init: BdisInit, subsample: usize },
}

/// How a selection is made.
#[derive(Debug, Clone, Copy)]
pub struct Config<'a> {
    pub method: Algorithm,
    pub space: Space<'a>,
    /// Rows of a block, at most; 0: one block of all.
    pub block_size: usize,
    pub knn: Knn,
    /// Of the blocks, and of what BDIS draws.
    pub seed: u64,
}

/// A block, as a method sees it.
struct Block<'a> {
    points: Points,
    /// `[rows]`: 0 or 1.
    labels: Vec<u8>,
    knn: Knn,
    /// What the method draws from; the method's own numbers follow.
    draws: Stream,
    pace: &'a Pace<'a>,
}

impl Block<'_> {
    fn len(&self) -> u32 {
        self.labels.len() as u32
    }

    fn class(&self, row: u32) -> usize {
        usize::from(self.labels[row as usize])
    }

    /// Those of `rows` with each label.
    fn classes(&self, rows: &[u32]) -> [Vec<u32>; 2] {
        let (of_one, of_zero) = rows.iter().partition(|row| self.labels[**row as usize] == 1);
        [of_zero, of_one]
    }
}

/// The positions kept, ascending; none at all is a possible answer. `ids`: `[n, F]`, row-major, global. `labels`: `[n]`,
/// 0 or 1. `tick` is told the share done, from several threads.
///
/// # Panics
/// Where `knn` does not serve the distance (`Knn::serves`), and for BDIS in Hamming's space, which has no centres.
pub fn select(ids: &[i32], labels: &[u8], fields: usize, config: &Config, tick: &(dyn Fn(f64) + Sync)) -> Vec<u32> {
    assert_eq!(ids.len(), labels.len() * fields, "ids are [n, F]");
    let source = config.space.source(ids, labels, fields);
    let pace = Pace::new(tick, labels.len() as u64 * config.method.sweeps());
    let blocks = blocks::deal(labels, config.block_size, config.seed);
    let kept = blocks.into_par_iter().enumerate().map(|(number, rows)| {
        let seed = if let Algorithm::Cnn { seed: Some(seed) } = config.method { seed } else { config.seed };
        let block = Block {
            points: source.points(&rows),
            labels: rows.iter().map(|row| labels[*row as usize]).collect(),
            knn: config.knn,
            draws: Stream::new(seed, Purpose::Instances, &[number as u32]),
            pace: &pace,
        };
        let kept = config.method.select_rows(&block);
        kept.into_iter().map(|row| rows[row as usize]).collect()
    });
    let mut kept = kept.collect::<Vec<Vec<u32>>>().concat();
    kept.sort_unstable();
    kept
}

impl Algorithm {
    /// Rows of the block that are kept.
    fn select_rows(self, block: &Block) -> Vec<u32> {
        match self {
            Self::Enn { k } => enn::select_rows(block, k),
            Self::Cnn { seed } => cnn::select_rows(block, seed.is_some()),
            Self::Drop3 { k, enn_associates } => drop3::select_rows(block, k, enn_associates),
            Self::Lssm { include_self, enemy_ties } => local_sets::select_smooth(block, include_self, enemy_ties),
            Self::Lsbo { include_self, enemy_ties } => local_sets::select_border(block, include_self, enemy_ties),
            Self::Bdis { t1, t2, init, subsample } => bdis::select_rows(block, t1, t2, init, subsample),
        }
    }

    /// How often the method goes over its rows.
    fn sweeps(self) -> u64 {
        match self {
            Self::Enn { .. } | Self::Cnn { .. } | Self::Bdis { .. } => 1,
            Self::Lssm { .. } => 3,
            Self::Drop3 { .. } => 4,
            Self::Lsbo { .. } => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BDIS: Algorithm = Algorithm::Bdis { t1: -1, t2: 7, init: BdisInit::Random, subsample: 50 };

    /// Rows of three fields, 40, 7 and 3 values, whose labels follow the first.
    fn table(rows: usize) -> (Vec<i32>, Vec<u8>) {
        let word = |row: usize, field: u64| Stream::new(5, Purpose::Init, &[row as u32]).u32_at(field);
        let ids = (0..rows).flat_map(|row| [word(row, 0) % 40, 40 + word(row, 1) % 7, 47 + word(row, 2) % 3]);
        let ids: Vec<i32> = ids.map(|id| id as i32).collect();
        let labels = (0..rows).map(|row| u8::from(word(row, 3) % 40 < ids[3 * row] as u32)).collect();
        (ids, labels)
    }

    fn config(method: Algorithm) -> Config<'static> {
        Config { method, space: Space::Hvdm { smoothing: 0.0 }, block_size: 400, knn: Knn::Brute, seed: 7 }
    }

    #[test]
    fn threads_do_not_change_what_is_kept() {
        let (ids, labels) = table(1000);
        let (ties, method) = (EnemyTies::Split, Algorithm::Cnn { seed: Some(2) });
        for method in [Algorithm::Lssm { include_self: false, enemy_ties: ties }, method, BDIS] {
            let kept = [1, 4].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| select(&ids, &labels, 3, &config(method), &|_| ()))
            });
            assert!(!kept[0].is_empty() && kept[0].len() < 1000, "{method:?}: {}", kept[0].len());
            assert_eq!(kept[0], kept[1], "{method:?}");
        }
    }

    #[test]
    fn seeds_decide_what_is_drawn() {
        let (ids, labels) = table(300);
        let kept = |method, seed| {
            let config = Config { block_size: 0, seed, ..config(method) };
            select(&ids, &labels, 3, &config, &|_| ())
        };
        assert_ne!(kept(BDIS, 1), kept(BDIS, 2));
        let cnn = |seed| kept(Algorithm::Cnn { seed }, 1);
        let drawn: Vec<_> = (0..5).map(|seed| cnn(Some(seed))).collect();
        assert!(drawn.iter().any(|kept| *kept != drawn[0]) && drawn.iter().any(|kept| *kept != cnn(None)));
        assert_eq!(kept(Algorithm::Cnn { seed: Some(3) }, 1), kept(Algorithm::Cnn { seed: Some(3) }, 2));
    }

    #[test]
    fn a_selection_tells_its_share_to_the_end() {
        let (ids, labels) = table(1000);
        let (include_self, enemy_ties) = (false, EnemyTies::Lowest);
        for method in [
            Algorithm::Enn { k: 3 },
            Algorithm::Cnn { seed: None },
            Algorithm::Drop3 { k: 3, enn_associates: false },
            Algorithm::Lssm { include_self, enemy_ties },
            Algorithm::Lsbo { include_self, enemy_ties },
            BDIS,
        ] {
            let greatest = std::sync::Mutex::new(0.0_f64);
            let tick = |share: f64| {
                let mut greatest = greatest.lock().unwrap();
                *greatest = greatest.max(share);
            };
            select(&ids, &labels, 3, &config(method), &tick);
            assert_eq!(*greatest.lock().unwrap(), 1.0, "{method:?}");
        }
    }
}
