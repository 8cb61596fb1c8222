//! Cells of two fields whose labels are turned on one side: a place on a kind of device where people hit what they did not
//! mean to.
//!
//! What is expected comes from an additive model of all fields but those that say both values at once (a user's effect would
//! take up what is wrong with the user's cell). A cell is suspected where its labels are off by more than cells of its two
//! fields differ by, its row and column fitted without it; and believed where the way in which they are off is that of
//! labels turned on one side (a floor or a ceiling of their probability) and not that of another rate.

use super::columns::Groups;
use super::expectation::{Bin, bin_by_expectation, recalibrate};
use super::halves::half_of_value;
use super::nesting::Nesting;
use super::null::{Estimate, Null};
use super::{Additive, Column, Corruption, Finding, FoundValue, Remedy, Table};
use crate::metrics::sigmoid;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Pairs of fields with at most so many cells are looked at; cells of at least so many rows, of so many users or items.
const MOST_CELLS: usize = 3000;
const FEWEST_ROWS: f64 = 200.0;
const FEWEST_CLUSTERS: f64 = 30.0;
const FEWEST_CELLS: usize = 6;
/// Fields with at least so many values have rows that are alike within a value.
const CLUSTERED_FROM: usize = 100;
/// What honest cells differ by at least, in log-odds: an interaction is nothing odd.
const LEAST_SPREAD: f64 = 0.1;
/// A cell is suspected from this score on, and the most that are looked at closely.
const LEAST_SCORE: f64 = 2.0;
const MOST_SUSPECTS: usize = 4;
/// What must speak for labels turned on one side, in nats: beside another rate alone, beside another rate and slope, and in
/// all.
const LEAST_BESIDE_RATE: f64 = 5.0;
const LEAST_BESIDE_SLOPE: f64 = 0.0;
const LEAST_EVIDENCE: f64 = 12.0;
/// No label is wrong for certain.
const LEAST_RIGHT: f64 = 0.02;
/// Fewer labels turned than this are not worth a finding.
const LEAST_SHARE: f64 = 0.05;

/// At most one for each pair of fields.
pub fn find_cells(table: &Table, nesting: &Nesting) -> Vec<Finding> {
    let fields = &table.columns.fields;
    let count = fields.len();
    let is_fit = |a: usize, b: usize| {
        let cells = fields[a].cardinality * fields[b].cardinality;
        cells <= MOST_CELLS && !nesting.determines(a, b) && !nesting.determines(b, a)
    };
    // Pairs for which the same fields are left out share a model.
    let mut by_model: BTreeMap<Vec<bool>, Vec<(usize, usize)>> = BTreeMap::new();
    for a in 0..count {
        for b in (0..a).filter(|b| is_fit(a, *b)) {
            let says_both = |field: &usize| nesting.determines(*field, a) && nesting.determines(*field, b);
            by_model.entry(table.columns.leaving_out((0..count).filter(says_both))).or_default().push((b, a));
        }
    }
    // Rows are alike within a value of these.
    let clusters: Vec<Cluster> = fields.iter().enumerate().filter_map(Cluster::of_field).collect();
    let mut found: Vec<Finding> = Vec::new();
    for (left_out, pairs) in by_model {
        let model = Additive::fit(table.columns, &left_out, table.labels, |_| true);
        let mut expected: Vec<f32> =
            (0..table.rows()).into_par_iter().map(|row| model.logit(table.columns, row)).collect();
        recalibrate(&mut expected, table.labels);
        let of_pair = |(a, b): &(usize, usize)| Cells::new(table, *a, *b, &expected, &clusters).find(&left_out);
        found.par_extend(pairs.par_iter().flat_map_iter(of_pair));
    }
    found
}

/// A field within whose values rows are alike.
struct Cluster {
    field: usize,
    groups: Groups,
}

impl Cluster {
    fn of_field((field, column): (usize, &Column)) -> Option<Self> {
        (column.cardinality >= CLUSTERED_FROM).then(|| Self { field, groups: column.group_rows() })
    }
}

/// The cells of two fields.
struct Cells<'t> {
    table: &'t Table<'t>,
    pair: [usize; 2],
    /// `[N]` log-odds.
    expected: &'t [f32],
    sums: [Sums; 3],
}

/// Sums over the rows of each cell.
struct Sums {
    rows: Vec<f64>,
    /// Label less expectation, and p (1 - p).
    gradient: Vec<f64>,
    curve: Vec<f64>,
    /// Of the gradient, users or items as wholes.
    variance: Vec<f64>,
    clusters: Vec<f64>,
}

impl<'t> Cells<'t> {
    fn new(table: &'t Table, a: usize, b: usize, expected: &'t [f32], clusters: &[Cluster]) -> Self {
        let fields = &table.columns.fields;
        let width = fields[b].cardinality;
        let cell = |row: usize| fields[a].train[row] as usize * width + fields[b].train[row] as usize;
        let clusters: Vec<&Cluster> = clusters.iter().filter(|own| own.field != a && own.field != b).collect();
        // Halves are of whole users or items, where there are any.
        let halving = clusters.iter().map(|own| own.field).max_by_key(|field| fields[*field].cardinality);
        let half = |row: usize| halving.map_or(row & 1, |field| half_of_value(fields[field].train[row]));
        let sums = |is_used: &dyn Fn(usize) -> bool| {
            Sums::new(table, fields[a].cardinality * width, &cell, expected, &clusters, is_used)
        };
        let sums = [sums(&|_| true), sums(&|row| half(row) == 0), sums(&|row| half(row) == 1)];
        Self { table, pair: [a, b], expected, sums }
    }

    fn cell(&self, row: usize, valid: bool) -> usize {
        let [a, b] = self.pair.map(|field| &self.table.columns.fields[field]);
        let of = |column: &Column| if valid { column.valid[row] } else { column.train[row] };
        of(a) as usize * b.cardinality + of(b) as usize
    }

    /// The cell that most speaks for. What is wrong with one shows in those beside it, turned to the other side, so there is
    /// no second.
    fn find(&self, left_out: &[bool]) -> Option<Finding> {
        let judged = self.judge(0);
        if judged.len() < FEWEST_CELLS {
            return None;
        }
        let null = Null::around(0.0, &judged.iter().map(|(_, estimate)| *estimate).collect::<Vec<_>>());
        let null = Null { spread: null.spread.clamp(LEAST_SPREAD, 0.25), ..null };
        let mut suspects: Vec<(usize, f64)> = judged.iter().map(|(cell, own)| (*cell, null.score(*own))).collect();
        suspects.retain(|(_, score)| score.abs() >= LEAST_SCORE);
        suspects.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        suspects.truncate(MOST_SUSPECTS);
        let halves = [1, 2].map(|own| self.judge(own).into_iter().collect::<BTreeMap<_, _>>());
        let holds = |cell: usize, sign: f64| {
            halves.iter().all(|half| half.get(&cell).is_none_or(|own| sign * own.value > own.error))
        };
        let suspects = suspects.into_iter().filter(|(cell, score)| holds(*cell, score.signum()));
        let found = suspects.filter_map(|(cell, score)| self.look_closely(cell, score > 0.0, left_out));
        found.max_by(|a, b| a.evidence.total_cmp(&b.evidence))
    }

    /// How far each cell of enough rows is from what its row and its column say without it.
    fn judge(&self, sums: usize) -> Vec<(usize, Estimate)> {
        let [height, width] = self.pair.map(|field| self.table.columns.fields[field].cardinality);
        let Sums { rows, gradient, curve, variance, clusters } = &self.sums[sums];
        let share = if sums == 0 { 1.0 } else { 0.5 };
        let cells: Vec<usize> = (0..height * width)
            .filter(|cell| rows[*cell] >= share * FEWEST_ROWS && clusters[*cell] >= share * FEWEST_CLUSTERS)
            .collect();
        let effect = |cell: usize| gradient[cell] / curve[cell];
        let error = |cell: usize| variance[cell] / curve[cell].powi(2);
        let weights: Vec<f64> = cells.iter().map(|cell| 1.0 / (error(*cell) + LEAST_SPREAD.powi(2))).collect();
        let judge = |at: usize| {
            let own = cells[at];
            let (mut of_row, mut of_column) = (vec![0.0; height], vec![0.0; width]);
            let others =
                || cells.iter().zip(&weights).enumerate().filter(|(other, _)| *other != at).map(|(_, one)| one);
            for _ in 0..20 {
                let (mut sum, mut weight) = (vec![0.0; height], vec![1e-9; height]);
                for (cell, w) in others() {
                    sum[cell / width] += w * (effect(*cell) - of_column[cell % width]);
                    weight[cell / width] += w;
                }
                of_row.iter_mut().zip(sum.iter().zip(&weight)).for_each(|(own, (sum, weight))| *own = sum / weight);
                let (mut sum, mut weight) = (vec![0.0; width], vec![1e-9; width]);
                for (cell, w) in others() {
                    sum[cell % width] += w * (effect(*cell) - of_row[cell / width]);
                    weight[cell % width] += w;
                }
                of_column.iter_mut().zip(sum.iter().zip(&weight)).for_each(|(own, (sum, weight))| *own = sum / weight);
            }
            let beside = |is_beside: &dyn Fn(usize) -> bool| {
                others().filter(|(cell, _)| is_beside(**cell)).map(|(_, weight)| *weight).sum::<f64>()
            };
            let (row, column) = (own / width, own % width);
            let (in_row, in_column) = (beside(&|cell| cell / width == row), beside(&|cell| cell % width == column));
            if in_row == 0.0 || in_column == 0.0 {
                return None;
            }
            let value = effect(own) - of_row[row] - of_column[column];
            Some((own, Estimate { value, error: (error(own) + 1.0 / in_row + 1.0 / in_column).sqrt() }))
        };
        (0..cells.len()).into_par_iter().filter_map(judge).collect()
    }

    /// Whether a cell's labels are turned on one side: `ones` says that there are too many of label 1.
    fn look_closely(&self, cell: usize, ones: bool, left_out: &[bool]) -> Option<Finding> {
        let table = self.table;
        let rows: Vec<u32> =
            (0..table.rows()).filter(|row| self.cell(*row, false) == cell).map(|row| row as u32).collect();
        let labels: Vec<u8> = rows.iter().map(|row| table.labels[*row as usize]).collect();
        let evidence = Shape::new(&self.expected_in(&rows), &labels).evidence_of_turned(ones)?;
        // What the cell would be without itself.
        let model = Additive::fit(table.columns, left_out, table.labels, |row| self.cell(row, false) != cell);
        let expected: Vec<f32> = rows.iter().map(|row| model.logit(table.columns, *row as usize)).collect();
        let count = rows.len() as f64;
        let p: f64 = expected.iter().map(|z| f64::from(sigmoid(*z))).sum::<f64>() / count;
        let rate = labels.iter().filter(|label| **label == 1).count() as f64 / count;
        let share = if ones { (rate - p) / (1.0 - p) } else { (p - rate) / p };
        if share < LEAST_SHARE {
            return None;
        }
        let turned = u8::from(ones);
        // The judges have learnt from turned labels, too: of a row whose true label is the turned one with probability p they
        // expect p + share (1 - p). They know its user and its item, which the model above leaves out.
        let target = |row: u32| {
            let judged = f64::from(sigmoid(table.taste[row as usize]));
            let seen = if ones { judged } else { 1.0 - judged };
            let right = (((seen - share) / (1.0 - share)) / seen).clamp(LEAST_RIGHT, 1.0) as f32;
            (row, Remedy::Target(if ones { right } else { 1.0 - right }))
        };
        let remedies = rows.iter().zip(&labels).filter(|(_, label)| **label == turned);
        let [a, b] = self.pair.map(|field| &table.columns.fields[field]);
        let ids = vec![a.offset + (cell / b.cardinality) as u32, b.offset + (cell % b.cardinality) as u32];
        let valid = (0..a.valid.len()).filter(|row| self.cell(*row, true) == cell).map(|row| row as u32);
        Some(Finding {
            kind: if ones { Corruption::TurnedOnes } else { Corruption::TurnedZeros },
            fields: vec![a.name.clone(), b.name.clone()],
            values: vec![FoundValue { ids, rows: rows.len() as u32 }],
            evidence,
            strength: share,
            window: None,
            remedies: remedies.map(|(row, _)| target(*row)).collect(),
            valid: valid.collect(),
        })
    }

    fn expected_in(&self, rows: &[u32]) -> Vec<f32> {
        rows.iter().map(|row| self.expected[*row as usize]).collect()
    }
}

impl Sums {
    fn new(
        table: &Table,
        cells: usize,
        cell: &dyn Fn(usize) -> usize,
        expected: &[f32],
        clusters: &[&Cluster],
        is_used: &dyn Fn(usize) -> bool,
    ) -> Self {
        let zeros = || vec![0.0; cells];
        let mut sums = Self { rows: zeros(), gradient: zeros(), curve: zeros(), variance: zeros(), clusters: zeros() };
        let miss = |row: usize| {
            let p = f64::from(sigmoid(expected[row]));
            (f64::from(table.labels[row]) - p, p * (1.0 - p))
        };
        for row in (0..table.rows()).filter(|row| is_used(*row)) {
            let (miss, curve) = miss(row);
            let cell = cell(row);
            sums.rows[cell] += 1.0;
            sums.gradient[cell] += miss;
            sums.curve[cell] += curve;
        }
        sums.variance.clone_from(&sums.curve);
        sums.clusters.clone_from(&sums.rows);
        for cluster in clusters {
            let (mut own, mut squares, mut counts) = (zeros(), zeros(), zeros());
            let mut touched = Vec::new();
            for rows in cluster.groups.iter() {
                for row in rows {
                    let row = *row as usize;
                    if is_used(row) {
                        let cell = cell(row);
                        if !touched.contains(&cell) {
                            touched.push(cell);
                        }
                        own[cell] += miss(row).0;
                    }
                }
                for cell in touched.drain(..) {
                    squares[cell] += own[cell] * own[cell];
                    counts[cell] += 1.0;
                    own[cell] = 0.0;
                }
            }
            for cell in 0..cells {
                sums.variance[cell] = sums.variance[cell].max(squares[cell]);
                sums.clusters[cell] = f64::min(sums.clusters[cell], counts[cell]);
            }
        }
        sums
    }
}

/// A cell's rows by range of expectation: what is expected, rows of label 0 and of label 1.
struct Shape {
    bins: Vec<Bin>,
}

impl Shape {
    const BINS: usize = 40;

    fn new(expected: &[f32], labels: &[u8]) -> Self {
        Self { bins: bin_by_expectation(expected, labels, Self::BINS) }
    }

    /// How much speaks for labels turned on this side, in nats, where that is enough.
    fn evidence_of_turned(&self, ones: bool) -> Option<f64> {
        let [beside_rate, beside_slope] = self.evidence(ones);
        let evidence = beside_rate + beside_slope;
        let is_enough =
            beside_rate >= LEAST_BESIDE_RATE && beside_slope >= LEAST_BESIDE_SLOPE && evidence >= LEAST_EVIDENCE;
        is_enough.then_some(evidence)
    }

    /// How much speaks for labels turned on this side beside each other explanation, in nats: how much likelier that is than another rate alone, and than
    /// labels turned on the other side, whichever is less; and than another rate and slope. Where users of a cell differ more
    /// than elsewhere, labels rise less with what is expected, as if they were turned on both sides.
    fn evidence(&self, ones: bool) -> [f64; 2] {
        let rate = self.best(0.0, 1.0, ones);
        let [own, other] = [ones, !ones].map(|side| self.best_share(&[1.0], side));
        let slopes: Vec<f64> = (0..13).map(|at| 0.4 + 0.1 * f64::from(at)).collect();
        let honest = slopes.iter().map(|slope| self.best(0.0, *slope, ones)).fold(f64::MIN, f64::max);
        [own - rate.max(other), self.best_share(&slopes, ones) - honest]
    }

    fn best_share(&self, slopes: &[f64], ones: bool) -> f64 {
        let shares = (1..16).map(|at| 0.04 * f64::from(at));
        let turned = shares.flat_map(|share| slopes.iter().map(move |slope| (share, *slope)));
        turned.map(|(share, slope)| self.best(share, slope, ones)).fold(f64::MIN, f64::max)
    }

    /// The log-likelihood with the best shift, found by thirds.
    fn best(&self, turned: f64, slope: f64, ones: bool) -> f64 {
        let likelihood = |shift: f64| -> f64 {
            let of_bin = |(z, [zeros, of_one]): &Bin| {
                let p = 1.0 / (1.0 + (-(shift + slope * z)).exp());
                let p = if ones { turned + (1.0 - turned) * p } else { (1.0 - turned) * p };
                let p = p.clamp(1e-9, 1.0 - 1e-9);
                zeros * (1.0 - p).ln() + of_one * p.ln()
            };
            self.bins.iter().map(of_bin).sum()
        };
        let (mut low, mut high) = (-3.0, 3.0);
        for _ in 0..24 {
            let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if likelihood(a) < likelihood(b) { low = a } else { high = b }
        }
        likelihood(0.5 * (low + high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    /// 20,000 rows whose labels come about by `probability` of what is expected.
    fn shape(probability: impl Fn(f32) -> f32) -> Shape {
        let n = 20_000;
        let mut u = vec![0.0; 2 * n];
        Stream::new(9, Purpose::Init, &[]).fill_uniform(&mut u);
        let expected: Vec<f32> = u[..n].iter().map(|u| 5.0 * u - 2.5).collect();
        let labels: Vec<u8> = expected.iter().zip(&u[n..]).map(|(z, u)| u8::from(*u < probability(*z))).collect();
        Shape::new(&expected, &labels)
    }

    #[test]
    fn labels_turned_on_one_side_are_told_from_another_rate_and_from_another_slope() {
        let turned = shape(|z| 0.3 + 0.7 * sigmoid(z));
        assert!(turned.evidence_of_turned(true).is_some(), "{:?}", turned.evidence(true));
        assert!(turned.evidence(true).iter().all(|nats| *nats > 20.0), "{:?}", turned.evidence(true));
        assert_eq!(turned.evidence_of_turned(false), None, "{:?}", turned.evidence(false));
        for honest in [shape(sigmoid), shape(|z| sigmoid(z + 1.0)), shape(|z| sigmoid(0.7 * z - 0.5))] {
            for side in [true, false] {
                assert_eq!(honest.evidence_of_turned(side), None, "{:?}", honest.evidence(side));
            }
        }
    }
}
