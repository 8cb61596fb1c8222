//! BDIS (Chen, Cao, Xing and Liang 2022; spec section 5): clusters of one label, one row kept of those of middle size.

use super::{
    Block, Points,
    points::{Rows, squared},
    search::key,
};
use crate::{random::Stream, types::BdisInit};
use rayon::prelude::*;
use std::ops::Range;

/// Clusters of at most this many rows are not divided.
const SMALL: usize = 4;
/// Iterations of 2-means at most.
const ITERATIONS: usize = 300;
/// Rows that a thread takes at once.
const CHUNK: usize = 4096;

/// A cluster and what 2-means took for its centre.
struct Cluster {
    /// Ascending.
    rows: Vec<u32>,
    centre: Vec<f64>,
}

/// How 2-means starts, and on how many rows at most it is trained (0: on all).
struct TwoMeans {
    init: BdisInit,
    subsample: usize,
}

/// Of each cluster of one label and of middle size the row nearest to the centre.
pub fn select_rows(block: &Block, t1: i32, t2: u32, init: BdisInit, subsample: usize) -> Vec<u32> {
    let Points::Metric(points) = &block.points else { panic!("rows in Hamming's space have no centre") };
    let sizes = sizes(block.labels.len(), t1, t2);
    let clusters = homogeneous(block, points, &TwoMeans { init, subsample });
    let kept = clusters.iter().filter(|cluster| sizes.contains(&(cluster.rows.len() as i64))).flat_map(|cluster| {
        let apart = |row: u32| key(squared(points.row(row), &cluster.centre));
        cluster.rows.iter().copied().min_by(|a, b| apart(*a).total_cmp(&apart(*b)))
    });
    let mut kept: Vec<u32> = kept.collect();
    kept.sort_unstable();
    kept
}

/// Sizes of the clusters of which a row is kept; of fewer than ten rows there are none.
fn sizes(rows: usize, t1: i32, t2: u32) -> Range<i64> {
    let magnitude = i64::from(rows.checked_ilog10().unwrap_or(0));
    magnitude + i64::from(t1) + 1..magnitude * i64::from(t2)
}

/// The clusters of one label that result when all others are divided in two, again and again.
fn homogeneous(block: &Block, points: &Rows<f64>, by: &TwoMeans) -> Vec<Cluster> {
    let is_pure = |rows: &[u32]| rows.iter().all(|row| block.class(*row) == block.class(rows[0]));
    let mut clusters = Vec::new();
    let mut wave: Vec<Vec<u32>> = vec![(0..block.len()).collect()];
    wave.retain(|rows| rows.len() > SMALL);
    let mut number = 0;
    while !wave.is_empty() {
        let divided = wave
            .par_iter()
            .zip(number..number + wave.len() as u32)
            .map(|(rows, number)| by.divide(points, rows, block.draws.child(&[number]), || block.pace.advance(0)));
        let divided: Vec<[Cluster; 2]> = divided.collect();
        number += wave.len() as u32;
        let mut next = Vec::new();
        for (whole, parts) in wave.iter().zip(divided) {
            let mut settled = whole.len();
            for part in parts {
                if !part.rows.is_empty() && is_pure(&part.rows) {
                    clusters.push(part);
                } else if part.rows.len() > SMALL && part.rows.len() < whole.len() {
                    settled -= part.rows.len();
                    next.push(part.rows);
                }
            }
            block.pace.advance(settled);
        }
        wave = next;
    }
    clusters
}

impl TwoMeans {
    /// Two clusters of the rows; one may be empty. `tick` is called now and then.
    fn divide(&self, points: &Rows<f64>, rows: &[u32], draws: Stream, tick: impl Fn()) -> [Cluster; 2] {
        let gather = |rows: &[u32]| -> Vec<f64> { rows.iter().flat_map(|row| points.row(*row)).copied().collect() };
        let data = gather(rows);
        let centres = if self.subsample == 0 || rows.len() <= self.subsample {
            self.train(&data, points.width, draws, tick)
        } else {
            let mut sample = rows.to_vec();
            draws.child(&[0]).shuffle(&mut sample);
            sample.truncate(self.subsample);
            sample.sort_unstable();
            self.train(&gather(&sample), points.width, draws, tick)
        };
        let second = Assignment::new(&data, points.width, &centres).second;
        let of =
            |wanted: bool| rows.iter().zip(&second).filter(|(_, is)| **is == wanted).map(|(row, _)| *row).collect();
        let [first, second] = centres;
        [Cluster { rows: of(false), centre: first }, Cluster { rows: of(true), centre: second }]
    }

    /// The centres, by Lloyd's iterations until nothing moves.
    fn train(&self, data: &[f64], width: usize, draws: Stream, tick: impl Fn()) -> [Vec<f64>; 2] {
        let mut centres = self.start_centres(data, width, draws);
        let mut last = None;
        for iteration in 0..ITERATIONS {
            if iteration % 16 == 0 {
                tick();
            }
            let assignment = Assignment::new(data, width, &centres);
            if last.as_ref() == Some(&assignment.second) {
                break;
            }
            for ((centre, sum), count) in centres.iter_mut().zip(&assignment.sums).zip(assignment.counts) {
                if count > 0 {
                    *centre = sum.iter().map(|sum| sum / count as f64).collect();
                }
            }
            last = Some(assignment.second);
        }
        centres
    }

    fn start_centres(&self, data: &[f64], width: usize, draws: Stream) -> [Vec<f64>; 2] {
        let rows = data.len() / width;
        let row = |place: usize| &data[place * width..][..width];
        let places = match self.init {
            BdisInit::Farthest => {
                let farthest = |from: &[f64]| {
                    let apart = |place: usize| key(squared(row(place), from));
                    (0..rows).min_by(|a, b| apart(*b).total_cmp(&apart(*a))).expect("a cluster has rows")
                };
                let all = Assignment::new(data, width, &[row(0).to_vec(), row(0).to_vec()]);
                let mean: Vec<f64> = all.sums[0].iter().map(|sum| sum / rows as f64).collect();
                let first = farthest(&mean);
                [first, farthest(row(first))]
            }
            BdisInit::Random => {
                let below = |index: u64, end: usize| ((u64::from(draws.u32_at(index)) * end as u64) >> 32) as usize;
                let first = below(0, rows);
                let other = below(1, rows - 1);
                [first, other + usize::from(other >= first)]
            }
        };
        places.map(|place| row(place).to_vec())
    }
}

/// Which centre is nearer to each row, and the sums over the rows of each.
struct Assignment {
    second: Vec<bool>,
    sums: [Vec<f64>; 2],
    counts: [usize; 2],
}

impl Assignment {
    /// A row that is equally near to both belongs to the first. Sums are added up by fixed chunks in their order, so
    /// they do not depend on the number of threads.
    fn new(data: &[f64], width: usize, [first, second]: &[Vec<f64>; 2]) -> Self {
        let chunks = data.par_chunks(CHUNK * width).map(|chunk| {
            let mut sums = [vec![0.0; width], vec![0.0; width]];
            let mut counts = [0; 2];
            let assign = |row: &[f64]| {
                let apart = [first, second].map(|centre| squared(row, centre));
                // The rounded distance can only be smaller where the square is.
                let is_second = apart[1] < apart[0] && key(apart[1]) < key(apart[0]);
                let own = usize::from(is_second);
                counts[own] += 1;
                sums[own].iter_mut().zip(row).for_each(|(sum, coordinate)| *sum += coordinate);
                is_second
            };
            Self { second: chunk.chunks_exact(width).map(assign).collect(), sums, counts }
        });
        let mut chunks = chunks.collect::<Vec<_>>().into_iter();
        let mut all = chunks.next().expect("a cluster has rows");
        for chunk in chunks {
            all.second.extend(chunk.second);
            for own in 0..2 {
                all.counts[own] += chunk.counts[own];
                all.sums[own].iter_mut().zip(&chunk.sums[own]).for_each(|(sum, of_chunk)| *sum += of_chunk);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::instance::testing::{block, cases, ints, pace};

    #[test]
    fn clusters_and_sizes_are_those_of_the_vectors_wherever_two_means_starts() {
        let pace = pace();
        for (name, case) in cases("bdis") {
            let mut block = block(&case, &pace);
            let number = |value: &serde_json::Value| value.as_i64().unwrap();
            let kept = sizes(block.labels.len(), number(&case["t1"]) as i32, number(&case["t2"]) as u32);
            assert_eq!(kept.start - 1, number(&case["trace"]["tau1"]), "{name}");
            assert_eq!(kept.end, number(&case["trace"]["tau2"]), "{name}");
            for seed in 0..40 {
                block.draws = Stream::new(seed, crate::random::Purpose::Instances, &[0]);
                let init = if seed == 0 { BdisInit::Farthest } else { BdisInit::Random };
                let Points::Metric(points) = &block.points else { unreachable!("a metric case") };
                let clusters = homogeneous(&block, points, &TwoMeans { init, subsample: 0 });
                let mut rows: Vec<Vec<u32>> = clusters.into_iter().map(|cluster| cluster.rows).collect();
                rows.sort();
                let expected = case["trace"]["homogeneous_clusters"].as_array().unwrap();
                let expected: Vec<Vec<u32>> = expected.iter().map(ints::<u32>).collect();
                assert_eq!(rows, expected, "{name}, seed {seed}");
            }
        }
    }

    #[test]
    fn rows_all_alike_end_when_they_cannot_be_divided() {
        let case = serde_json::json!({"x": vec![[0.5, 1.0]; 50], "y": (0..50).map(|row| row % 2).collect::<Vec<_>>()});
        let pace = pace();
        for init in [BdisInit::Farthest, BdisInit::Random] {
            assert_eq!(select_rows(&block(&case, &pace), -1, 7, init, 0), [0; 0]);
        }
    }
}
