//! Labels that are not there yet: a conversion that comes days after its click is a 0 until then, so that labels 1 grow fewer
//! towards the end of time.
//!
//! Of a row of age a (0 for the last moment, 1 for the first) whose true label is 1 with probability p, the label is 1 with
//! probability p (1 - exp(-a / tau)). The delay tau that fits best is held against the best other explanation: rates that
//! moved in log-odds by at most so much towards the end, in the same form; and labels that are all lost from some moment on. An
//! honest trend leaves labels 1 among the last rows, and where labels are lost there are as many as ever before that.

use super::halves::half;
use super::{Corruption, Finding, Remedy, Table};
use crate::metrics::sigmoid;
use rayon::prelude::*;

/// Delays that are tried, as shares of all time.
const DELAYS: [f64; 12] = [0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5];
/// How far honest rates move within the table, in log-odds.
const MOST_DRIFT: f64 = 1.0;
/// Share of the labels 1 that is left where they are lost.
const LEFT: f64 = 0.02;
/// Rows are counted by age, in ranges that are narrow near the end, and by what is expected of them, in log-odds.
const AGES: usize = 48;
const OLDEST: f64 = 1e-4;
const LEVELS: usize = 16;
const HIGHEST: f64 = 4.0;
/// Rows of one user are alike, so a row counts for this much of what it says; and what all must say together, in nats.
const TEMPER: f64 = 0.5;
const LEAST_EVIDENCE: f64 = 20.0;
/// Less than this share of the labels 1 missing is not worth a finding.
const LEAST_MISSING: f64 = 0.005;
/// A label is as good as there, after so many delays.
const MATURE: f64 = 4.0;

/// Labels that are not there yet, where the end of the table looks like that.
pub fn find_immature(table: &Table) -> Option<Finding> {
    let [times, valid_times] = table.times?;
    let (first, last) = (*times.iter().min()?, *times.iter().max()?);
    let span = (last.checked_sub(first)?).max(1) as f64;
    let age = |time: i64| ((last - time) as f64 / span).max(0.0);
    let ages: Vec<f64> = times.iter().map(|time| age(*time)).collect();
    let counts = |is_used: &dyn Fn(usize) -> bool| Counts::of(&ages, table.taste, table.labels, is_used);
    let fit = counts(&|_| true).fit()?;
    let holds = |own: usize| counts(&|row| half(row) == own).evidence(fit.delay) > 0.2 * fit.evidence;
    if fit.evidence < LEAST_EVIDENCE || !holds(0) || !holds(1) {
        return None;
    }
    let not_there = |age: f64| (-age / fit.delay).exp();
    let true_rate = |row: usize| f64::from(sigmoid(table.taste[row] + fit.shift as f32));
    let missing: f64 = (0..table.rows()).map(|row| true_rate(row) * not_there(ages[row])).sum();
    let all: f64 = (0..table.rows()).map(true_rate).sum();
    if missing < LEAST_MISSING * all {
        return None;
    }
    let is_young = |age: f64| age < MATURE * fit.delay;
    let remedies = (0..table.rows()).filter(|row| table.labels[*row] == 0 && is_young(ages[*row]));
    let target = |row: usize| {
        let (hidden, none) = (true_rate(row) * not_there(ages[row]), 1.0 - true_rate(row));
        (row as u32, Remedy::Target((hidden / (hidden + none)) as f32))
    };
    let from = last - (MATURE * fit.delay * span).min(span) as i64;
    Some(Finding {
        kind: Corruption::Immature,
        fields: Vec::new(),
        values: Vec::new(),
        evidence: fit.evidence,
        strength: missing / all,
        window: Some([from, last]),
        remedies: remedies.map(target).collect(),
        valid: (0..valid_times.len()).filter(|row| is_young(age(valid_times[*row]))).map(|row| row as u32).collect(),
    })
}

impl Finding {
    /// Whether this finding, of labels that are not there yet, is what makes a window of time have labels 0 alone.
    pub(super) fn tells(&self, window: &Self) -> bool {
        let begins = |finding: &Self| finding.window.map(|[from, _]| from);
        window.kind == Corruption::ZeroWindow && begins(window) >= begins(self)
    }
}

/// Rows of each range of age and expectation, by label.
struct Counts {
    cells: Vec<Cell>,
}

struct Cell {
    age: f64,
    expected: f64,
    labels: [f64; 2],
}

/// The delay that fits best.
struct Fit {
    delay: f64,
    /// What is to be added to what is expected of a row, which was learnt from labels some of which were not there.
    shift: f64,
    evidence: f64,
}

impl Counts {
    fn of(ages: &[f64], expected: &[f32], labels: &[u8], is_used: &dyn Fn(usize) -> bool) -> Self {
        let mut sums = vec![[0.0; 4]; AGES * LEVELS];
        for row in (0..labels.len()).filter(|row| is_used(*row)) {
            let age = ages[row].clamp(OLDEST, 1.0);
            let z = f64::from(expected[row]).clamp(-HIGHEST, HIGHEST);
            let by_age = ((1.0 - age.ln() / OLDEST.ln()) * AGES as f64) as usize;
            let by_level = ((z + HIGHEST) / (2.0 * HIGHEST) * LEVELS as f64) as usize;
            let sum = &mut sums[by_age.min(AGES - 1) * LEVELS + by_level.min(LEVELS - 1)];
            sum[usize::from(labels[row])] += TEMPER;
            sum[2] += TEMPER * age;
            sum[3] += TEMPER * z;
        }
        let cell = |[zeros, ones, ages, levels]: [f64; 4]| {
            let rows = zeros + ones;
            (rows > 0.0).then(|| Cell { age: ages / rows, expected: levels / rows, labels: [zeros, ones] })
        };
        Self { cells: sums.into_iter().filter_map(cell).collect() }
    }

    /// Log-likelihood, where `rate` says of a cell and a shift how probable a label 1 is; with the shift that suits it best.
    fn best(&self, rate: impl Fn(&Cell, f64) -> f64) -> (f64, f64) {
        let likelihood = |shift: f64| {
            let of = |cell: &Cell| {
                let p = rate(cell, shift).clamp(1e-6, 1.0 - 1e-6);
                cell.labels[0] * (1.0 - p).ln() + cell.labels[1] * p.ln()
            };
            self.cells.iter().map(of).sum::<f64>()
        };
        // By golden section: the likelihood has one top.
        let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
        let (mut low, mut high) = (-2.0, 2.0);
        for _ in 0..24 {
            let (left, right) = (high - golden * (high - low), low + golden * (high - low));
            if likelihood(left) > likelihood(right) { high = right } else { low = left }
        }
        let shift = (low + high) / 2.0;
        (likelihood(shift), shift)
    }

    fn immature(&self, delay: f64) -> (f64, f64) {
        self.best(|cell, shift| f64::from(sigmoid((cell.expected + shift) as f32)) * (1.0 - (-cell.age / delay).exp()))
    }

    /// The best other explanation: rates that moved, or labels that are lost.
    fn otherwise(&self) -> f64 {
        let drifts = (-8..=8).map(|step| MOST_DRIFT * f64::from(step) / 8.0);
        let forms: Vec<(f64, f64)> = drifts.flat_map(|drift| DELAYS.map(|delay| (drift, delay))).collect();
        let of = |(drift, delay): &(f64, f64)| {
            let rate = |cell: &Cell, shift: f64| {
                f64::from(sigmoid((cell.expected + shift + drift * (-cell.age / delay).exp()) as f32))
            };
            self.best(rate).0
        };
        let moved = forms.par_iter().map(of).reduce(|| f64::MIN, f64::max);
        let lost = |from: f64| {
            let rate = |cell: &Cell, shift: f64| {
                let left = if cell.age < from { LEFT } else { 1.0 };
                left * f64::from(sigmoid((cell.expected + shift) as f32))
            };
            self.best(rate).0
        };
        DELAYS.into_iter().map(lost).fold(moved, f64::max)
    }

    /// How much likelier it is that labels are late by this delay than the best other explanation: nats.
    fn evidence(&self, delay: f64) -> f64 {
        self.immature(delay).0 - self.otherwise()
    }

    fn fit(&self) -> Option<Fit> {
        let otherwise = self.otherwise();
        let of = |delay: f64| {
            let (likelihood, shift) = self.immature(delay);
            Fit { delay, shift, evidence: likelihood - otherwise }
        };
        DELAYS.into_iter().map(of).max_by(|a, b| a.evidence.total_cmp(&b.evidence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    const ROWS: usize = 20_000;

    /// Rows whose label is 1 with the probability that `rate` makes of age and expectation.
    fn counts(rate: impl Fn(f64, f64) -> f64) -> Counts {
        let mut u = vec![0.0; 3 * ROWS];
        Stream::new(3, Purpose::Init, &[]).fill_uniform(&mut u);
        let ages: Vec<f64> = u[..ROWS].iter().map(|u| f64::from(*u)).collect();
        let expected: Vec<f32> = u[ROWS..2 * ROWS].iter().map(|u| 5.0 * u - 3.0).collect();
        let label = |row: usize| u8::from(f64::from(u[2 * ROWS + row]) < rate(ages[row], f64::from(expected[row])));
        let labels: Vec<u8> = (0..ROWS).map(label).collect();
        Counts::of(&ages, &expected, &labels, &|_| true)
    }

    fn p(z: f64) -> f64 {
        1.0 / (1.0 + (-z).exp())
    }

    #[test]
    fn a_delay_is_found_and_measured() {
        let fit = counts(|age, z| p(z) * (1.0 - (-age / 0.05).exp())).fit().unwrap();
        assert!(fit.evidence > LEAST_EVIDENCE && (0.03..=0.07).contains(&fit.delay), "{} {}", fit.delay, fit.evidence);
    }

    #[test]
    fn honest_rates_that_move_are_no_delay() {
        for drift in [0.0, -0.5, -1.0, 0.7] {
            let of = |form: &dyn Fn(f64) -> f64| counts(|age, z| p(z + drift * form(age))).fit().unwrap().evidence;
            let forms: [&dyn Fn(f64) -> f64; 3] =
                [&|age| 1.0 - age, &|age| (-age / 0.1).exp(), &|age| f64::from(u8::from(age < 0.08))];
            for (number, form) in forms.into_iter().enumerate() {
                let evidence = of(form);
                assert!(evidence < LEAST_EVIDENCE / 2.0, "drift {drift} in form {number}: {evidence}");
            }
        }
    }

    #[test]
    fn labels_that_are_lost_are_no_delay() {
        for from in [0.02, 0.05, 0.1] {
            let fit = counts(|age, z| if age < from { 0.0 } else { p(z) }).fit().unwrap();
            assert!(fit.evidence < LEAST_EVIDENCE / 2.0, "lost from {from}: {}", fit.evidence);
        }
    }
}
