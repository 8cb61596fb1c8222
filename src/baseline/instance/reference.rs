//! The methods as the spec writes them, over a matrix of distances and whole sorted lists; and the tests that hold the
//! methods to them, on tables where most distances are tied.

use super::{Algorithm, Config, Points, Space, search::key, select};
use crate::types::{EnemyTies, Knn};
use proptest::prelude::*;

/// Rounded distances and labels.
struct Table {
    distances: Vec<Vec<f64>>,
    labels: Vec<u8>,
}

impl Table {
    fn new(points: &Points, labels: &[u8]) -> Self {
        let squared = |a: u32, b: u32| match points {
            Points::Metric(rows) => rows.squared(a, b),
            Points::Codes(rows) => rows.squared(a, b),
        };
        let rows = 0..labels.len() as u32;
        let distances = rows.clone().map(|a| rows.clone().map(|b| key(squared(a, b))).collect()).collect();
        Self { distances, labels: labels.to_vec() }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.labels.len()).collect()
    }

    /// Those of `among`, but not the row itself, by (distance, row).
    fn neighbours(&self, row: usize, among: &[usize]) -> Vec<usize> {
        let mut others: Vec<usize> = among.iter().copied().filter(|other| *other != row).collect();
        others.sort_by(|a, b| self.distances[row][*a].total_cmp(&self.distances[row][*b]).then(a.cmp(b)));
        others
    }

    fn vote(&self, neighbours: &[usize]) -> Option<u8> {
        let ones = neighbours.iter().filter(|row| self.labels[**row] == 1).count();
        let first = self.labels[*neighbours.first()?];
        Some(match (2 * ones).cmp(&neighbours.len()) {
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => first,
            std::cmp::Ordering::Greater => 1,
        })
    }

    fn enemies(&self, row: usize, among: &[usize]) -> Vec<usize> {
        let enemies = self.neighbours(row, among).into_iter();
        enemies.filter(|other| self.labels[*other] != self.labels[row]).collect()
    }

    fn has_both(&self, rows: &[usize]) -> bool {
        rows.iter().any(|row| self.labels[*row] != self.labels[rows[0]])
    }

    fn enn(&self, k: usize) -> Vec<usize> {
        let all = self.all();
        let is_kept = |row: &usize| {
            let neighbours = self.neighbours(*row, &all);
            self.vote(&neighbours[..k.min(neighbours.len())]).is_none_or(|label| label == self.labels[*row])
        };
        all.iter().copied().filter(is_kept).collect()
    }

    fn cnn(&self) -> Vec<usize> {
        let mut set: Vec<usize> =
            [0, 1].iter().filter_map(|label| self.labels.iter().position(|own| own == label)).collect();
        loop {
            let before = set.len();
            for row in self.all() {
                if !set.contains(&row) && self.labels[self.neighbours(row, &set)[0]] != self.labels[row] {
                    set.push(row);
                }
            }
            if set.len() == before {
                set.sort_unstable();
                return set;
            }
        }
    }

    fn drop3(&self, k: usize, enn_associates: bool) -> Vec<usize> {
        let filtered = self.enn(k);
        if !self.has_both(&filtered) {
            return filtered;
        }
        let listed = if enn_associates { self.all() } else { filtered.clone() };
        let mut lists = vec![Vec::new(); self.labels.len()];
        for row in &listed {
            lists[*row] = self.neighbours(*row, &filtered);
            lists[*row].truncate(k + 1);
        }
        let radius = |row: usize| self.distances[row][self.enemies(row, &filtered)[0]];
        let mut order = filtered.clone();
        order.sort_by(|a, b| radius(*b).total_cmp(&radius(*a)));
        let mut set = filtered;
        for removed in order {
            let associates: Vec<usize> = listed.iter().copied().filter(|row| lists[*row].contains(&removed)).collect();
            let correct = |without: Option<usize>| {
                let is_correct = |row: &&usize| {
                    let list: Vec<usize> =
                        lists[**row].iter().copied().filter(|near| Some(*near) != without).take(k).collect();
                    self.vote(&list) == Some(self.labels[**row])
                };
                associates.iter().filter(is_correct).count()
            };
            if correct(Some(removed)) >= correct(None) {
                set.retain(|row| *row != removed);
                for row in associates {
                    lists[row].retain(|near| *near != removed);
                    let next = self.neighbours(row, &set).into_iter().find(|near| !lists[row].contains(near));
                    lists[row].extend(next);
                }
            }
        }
        set
    }

    fn local_set(&self, row: usize, among: &[usize]) -> Vec<usize> {
        let radius = self.distances[row][self.enemies(row, among)[0]];
        self.neighbours(row, among).into_iter().filter(|other| self.distances[row][*other] < radius).collect()
    }

    fn lssm(&self, include_self: bool, ties: EnemyTies) -> Vec<usize> {
        let all = self.all();
        if !self.has_both(&all) {
            return all;
        }
        // In units that every share of up to 20 tied enemies is a whole number of.
        let whole = 232_792_560;
        let (mut usefulness, mut harm) = (vec![0; all.len()], vec![0; all.len()]);
        for row in self.all() {
            self.local_set(row, &all).into_iter().for_each(|member| usefulness[member] += whole);
            let enemies = self.enemies(row, &all);
            let radius = self.distances[row][enemies[0]];
            if include_self && radius > 0.0 {
                usefulness[row] += whole;
            }
            let tied = enemies.iter().filter(|enemy| self.distances[row][**enemy] == radius).count();
            match ties {
                EnemyTies::Lowest => harm[enemies[0]] += whole,
                EnemyTies::Split => enemies[..tied].iter().for_each(|enemy| harm[*enemy] += whole / tied),
            }
        }
        all.into_iter().filter(|row| usefulness[*row] >= harm[*row]).collect()
    }

    fn lsbo(&self, include_self: bool, ties: EnemyTies) -> Vec<usize> {
        let smoothed = self.lssm(include_self, ties);
        if !self.has_both(&smoothed) {
            return smoothed;
        }
        let mut order = smoothed.clone();
        order.sort_by_key(|row| self.local_set(*row, &smoothed).len());
        let mut chosen: Vec<usize> = Vec::new();
        for row in order {
            if self.local_set(row, &smoothed).iter().all(|member| !chosen.contains(member)) {
                chosen.push(row);
            }
        }
        chosen.sort_unstable();
        chosen
    }

    fn keep(&self, method: Algorithm) -> Vec<usize> {
        match method {
            Algorithm::Enn { k } => self.enn(k),
            Algorithm::Cnn { .. } => self.cnn(),
            Algorithm::Drop3 { k, enn_associates } => self.drop3(k, enn_associates),
            Algorithm::Lssm { include_self, enemy_ties } => self.lssm(include_self, enemy_ties),
            Algorithm::Lsbo { include_self, enemy_ties } => self.lsbo(include_self, enemy_ties),
            Algorithm::Bdis { .. } => unreachable!("has no neighbours"),
        }
    }
}

fn methods(k: usize, flag: bool, enemy_ties: EnemyTies) -> [Algorithm; 5] {
    [
        Algorithm::Enn { k },
        Algorithm::Cnn { seed: None },
        Algorithm::Drop3 { k, enn_associates: flag },
        Algorithm::Lssm { include_self: flag, enemy_ties },
        Algorithm::Lsbo { include_self: flag, enemy_ties },
    ]
}

/// Ids `[n, 4]` of fields with many values, some, few, and one or two; and labels, in some tables all the same.
fn table() -> impl Strategy<Value = (Vec<i32>, Vec<u8>)> {
    let dims = (1..40_i32, 1..8_i32, 1..4_i32, 1..3_i32);
    let row = |dims: (i32, i32, i32, i32)| {
        (0..dims.0, 100..100 + dims.1, 200..200 + dims.2, 300..300 + dims.3)
            .prop_map(|row| [row.0, row.1, row.2, row.3])
    };
    (dims, 1..3_u8).prop_flat_map(move |(dims, labels)| {
        proptest::collection::vec((row(dims), 0..labels), 1..150).prop_map(|rows| {
            let (ids, labels): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            (ids.concat(), labels)
        })
    })
}

fn keep(ids: &[i32], labels: &[u8], method: Algorithm, space: Space, knn: Knn, block_size: usize) -> Vec<u32> {
    let config = Config { method, space, block_size, knn, seed: 3 };
    select(ids, labels, 4, &config, &|_| ())
}

const SPACES: [Space; 4] =
    [Space::Hvdm { smoothing: 0.0 }, Space::Hvdm { smoothing: 10.0 }, Space::Hamming, Space::EuclideanCodes];

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_method_and_search_keeps_what_the_spec_says(
        (ids, labels) in table(),
        space in 0..SPACES.len(),
        k in 1..6_usize,
        flag: bool,
        split: bool,
    ) {
        let space = SPACES[space];
        let all: Vec<u32> = (0..labels.len() as u32).collect();
        let reference = Table::new(&space.source(&ids, &labels, 4).points(&all), &labels);
        let searches = [Knn::Brute, if space == Space::Hamming { Knn::PerUser } else { Knn::Kdtree }];
        for method in methods(k, flag, if split { EnemyTies::Split } else { EnemyTies::Lowest }) {
            let expected: Vec<u32> = reference.keep(method).into_iter().map(|row| row as u32).collect();
            for knn in searches {
                let kept = keep(&ids, &labels, method, space, knn, 0);
                prop_assert_eq!(&kept, &expected, "{:?} in {:?} by {}", method, space, knn);
            }
        }
    }

    #[test]
    fn a_block_is_selected_from_as_if_it_were_the_table((ids, labels) in table(), block_size in 1..60_usize) {
        for method in methods(3, false, EnemyTies::Lowest) {
            let blocks = super::blocks::deal(&labels, block_size, 3);
            let mut expected = Vec::new();
            for rows in blocks {
                let ids: Vec<i32> = rows.iter().flat_map(|row| &ids[4 * *row as usize..][..4]).copied().collect();
                let labels: Vec<u8> = rows.iter().map(|row| labels[*row as usize]).collect();
                let kept = keep(&ids, &labels, method, Space::Hamming, Knn::Brute, 0);
                expected.extend(kept.into_iter().map(|row| rows[row as usize]));
            }
            expected.sort_unstable();
            prop_assert_eq!(keep(&ids, &labels, method, Space::Hamming, Knn::Brute, block_size), expected);
        }
    }
}
