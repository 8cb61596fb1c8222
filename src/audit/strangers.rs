//! Values whose labels of one kind come from others than their labels of the other kind: an item whose likes were bought has
//! them from accounts that its honest readers are not like.
//!
//! Honest rows of an item come from users about as active as its other users, whatever their labels. Within each value of a
//! field the labels are fitted by what is expected, and by how frequent the row's value of a second field is (in logarithms).
//! Where labels of 1 come from rarer ones beyond what values differ by otherwise, rows were added. How many follows from
//! how frequent the values behind its other labels are.

use super::columns::Groups;
use super::halves::half;
use super::nesting::Nesting;
use super::null::{Estimate, Null, threshold};
use super::{Corruption, FALSE_DISCOVERIES, Finding, FoundValue, Remedy, Table};

/// A value is judged if it has at least so many rows, and of each label.
const FEWEST_ROWS: usize = 30;
const FEWEST_OF_LABEL: usize = 8;
/// Values needed to learn what is honest.
const FEWEST_VALUES: usize = 50;
/// Scores are normal where values are honest, but for a few: never below this.
const LEAST_SCORE: f64 = 4.0;
/// Of either half alone.
const LEAST_SCORE_OF_HALF: f64 = 1.5;
/// One value alone proves nothing, nor do all of them with so little evidence, in nats.
const FEWEST_STRANGE: usize = 2;
const LEAST_EVIDENCE: f64 = 12.0;
/// Both fields have at least so many values.
const FEWEST_KINDS: usize = 50;

/// What is found of a field's values, by the second field that tells most. `unseen` `[N]`: what models that never saw a
/// value expect of its rows.
pub fn find_strangers(table: &Table, field: usize, unseen: &[f32], nesting: &Nesting) -> Vec<Finding> {
    let fields = &table.columns.fields;
    let is_fit = |other: &usize| {
        let other_field = &fields[*other];
        nesting.are_free(field, *other) && other_field.is_category && other_field.cardinality >= FEWEST_KINDS
    };
    if fields[field].cardinality < FEWEST_KINDS {
        return Vec::new();
    }
    let groups = fields[field].group_rows();
    let others = (0..fields.len()).filter(is_fit);
    let all = others.flat_map(|other| find_by(table, field, other, unseen, &groups));
    let mut found: Vec<Finding> = Vec::new();
    for finding in all {
        match found.iter_mut().find(|own| own.kind == finding.kind) {
            Some(own) if own.evidence < finding.evidence => *own = finding,
            Some(_) => {}
            None => found.push(finding),
        }
    }
    found
}

fn find_by(table: &Table, field: usize, other: usize, unseen: &[f32], groups: &Groups) -> Vec<Finding> {
    let (column, other) = (&table.columns.fields[field], &table.columns.fields[other]);
    let frequencies: Vec<f64> = other.count_rows().iter().map(|rows| f64::from((*rows).max(1)).ln()).collect();
    let frequency = |row: u32| frequencies[other.train[row as usize] as usize];
    let fit = |rows: &mut dyn Iterator<Item = u32>| {
        fit_frequency(
            rows.map(|row| (f64::from(unseen[row as usize]), frequency(row), table.labels[row as usize])).collect(),
        )
    };
    let judged: Vec<(usize, Estimate)> =
        groups.iter().enumerate().filter_map(|(value, rows)| Some((value, fit(&mut rows.iter().copied())?))).collect();
    if judged.len() < FEWEST_VALUES {
        return Vec::new();
    }
    let null = Null::fit(&judged.iter().map(|(_, estimate)| *estimate).collect::<Vec<_>>());
    // Of rows that bring labels of 1, and of 0.
    let kinds = [(Corruption::AddedOnes, -1.0, 1), (Corruption::AddedZeros, 1.0, 0)];
    let found = kinds.into_iter().filter_map(|(kind, sign, label)| {
        let score = |estimate: &Estimate| sign * null.score(*estimate);
        let scores = judged.iter().map(|(_, estimate)| score(estimate));
        let least = threshold(scores, 2 * judged.len(), FALSE_DISCOVERIES, LEAST_SCORE);
        let holds_in = |value: usize, own: usize| {
            let estimate = fit(&mut groups.of(value).iter().copied().filter(|row| half(*row as usize) == own));
            estimate.is_some_and(|estimate| score(&estimate) > LEAST_SCORE_OF_HALF)
        };
        let strange = judged.iter().filter(|(_, estimate)| score(estimate) >= least);
        let strange: Vec<(usize, f64)> = strange
            .filter(|(value, _)| holds_in(*value, 0) && holds_in(*value, 1))
            .map(|(value, estimate)| (*value, score(estimate)))
            .collect();
        let of_values = |value: usize| strange.iter().any(|(strange, _)| *strange == value);
        let mut remedies = Vec::new();
        for (value, _) in &strange {
            remedies.extend(weigh(groups.of(*value), label, table.labels, &frequencies, &frequency));
        }
        let evidence: f64 = strange.iter().map(|(_, score)| 0.5 * score * score).sum();
        if strange.len() < FEWEST_STRANGE || evidence < LEAST_EVIDENCE {
            return None;
        }
        remedies.sort_unstable_by_key(|(row, _)| *row);
        let taken: f64 = remedies.iter().map(|(_, weight)| 1.0 - f64::from(*weight)).sum();
        let mut values: Vec<FoundValue> = strange
            .iter()
            .map(|(value, _)| FoundValue {
                ids: vec![column.offset + *value as u32],
                rows: groups.of(*value).len() as u32,
            })
            .collect();
        values.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.ids.cmp(&b.ids)));
        let valid = (0_u32..).zip(&column.valid).filter(|(_, value)| of_values(**value as usize)).map(|(row, _)| row);
        Some(Finding {
            kind,
            fields: vec![column.name.clone(), other.name.clone()],
            values,
            evidence,
            strength: taken / remedies.len() as f64,
            window: None,
            valid: valid.collect(),
            remedies: remedies.into_iter().map(|(row, weight)| (row, Remedy::Weight(weight))).collect(),
        })
    });
    found.collect()
}

/// How the labels of one value's rows (expectation, frequency, label) depend on the frequency beyond what is expected:
/// logistic regression with an own shift and a slope near 1. Absent where there are too few rows.
fn fit_frequency(rows: Vec<(f64, f64, u8)>) -> Option<Estimate> {
    let ones = rows.iter().filter(|row| row.2 == 1).count();
    if rows.len() < FEWEST_ROWS || ones < FEWEST_OF_LABEL || rows.len() - ones < FEWEST_OF_LABEL {
        return None;
    }
    let mean = rows.iter().map(|row| row.1).sum::<f64>() / rows.len() as f64;
    // How much the shift is drawn to 0 and the slope to 1.
    const RIDGE: [f64; 3] = [0.5, 10.0, 1e-6];
    const CENTER: [f64; 3] = [0.0, 1.0, 0.0];
    let mut theta = [0.0, 1.0, 0.0_f64];
    let mut inverse = [[0.0; 3]; 3];
    for _ in 0..8 {
        let (mut gradient, mut hessian) = ([0.0; 3], [[0.0; 3]; 3]);
        for (z, frequency, label) in &rows {
            let x = [1.0, *z, frequency - mean];
            let eta: f64 = theta.iter().zip(&x).map(|(theta, x)| theta * x).sum();
            let p = 1.0 / (1.0 + (-eta).exp());
            let (miss, weight) = (f64::from(*label) - p, p * (1.0 - p));
            for i in 0..3 {
                gradient[i] += miss * x[i];
                for j in 0..3 {
                    hessian[i][j] += weight * x[i] * x[j];
                }
            }
        }
        for i in 0..3 {
            gradient[i] -= RIDGE[i] * (theta[i] - CENTER[i]);
            hessian[i][i] += RIDGE[i];
        }
        inverse = invert(hessian)?;
        for i in 0..3 {
            let step: f64 = (0..3).map(|j| inverse[i][j] * gradient[j]).sum();
            theta[i] = (theta[i] + step.clamp(-2.0, 2.0)).clamp(-6.0, 6.0);
        }
    }
    Some(Estimate { value: theta[2], error: inverse[2][2].max(0.0).sqrt() })
}

/// Of a symmetric matrix; none where there is no inverse.
fn invert(m: [[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let minor = |i: usize, j: usize| {
        let others = |own: usize| [(own + 1) % 3, (own + 2) % 3];
        let ([a, b], [c, d]) = (others(i), others(j));
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..3).map(|j| m[0][j] * minor(0, j)).sum();
    let inverse = std::array::from_fn(|i| std::array::from_fn(|j| minor(j, i) / determinant));
    (determinant.abs() > 1e-12).then_some(inverse)
}

/// What rows of a label weigh: the probability that they belong to the value. Those behind its other label are drawn by how
/// frequent they are, to a power; strangers are drawn evenly. How many are strangers is fitted (expectation maximisation).
fn weigh(
    rows: &[u32],
    label: u8,
    labels: &[u8],
    frequencies: &[f64],
    frequency: &dyn Fn(u32) -> f64,
) -> Vec<(u32, f32)> {
    let of = |own: u8| rows.iter().copied().filter(move |row| labels[*row as usize] == own);
    let honest: Vec<f64> = of(1 - label).map(frequency).collect();
    let wanted = honest.iter().sum::<f64>() / honest.len() as f64;
    let tilted = |power: f64| {
        let weights = frequencies.iter().map(|frequency| (power * frequency).exp());
        let (sum, mean) = weights.zip(frequencies).fold((0.0, 0.0), |(sum, mean), (w, f)| (sum + w, mean + w * f));
        (sum / frequencies.len() as f64, mean / sum)
    };
    let (mut low, mut high) = (-2.0, 4.0);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if tilted(middle).1 < wanted { low = middle } else { high = middle }
    }
    let (scale, _) = tilted(low);
    // How much likelier a row is a stranger's, if as many are strangers as not.
    let ratios: Vec<(u32, f64)> = of(label).map(|row| (row, scale * (-low * frequency(row)).exp())).collect();
    let mut share = 0.5;
    for _ in 0..50 {
        let strange: f64 = ratios.iter().map(|(_, ratio)| share * ratio / (share * ratio + 1.0 - share)).sum();
        share = strange / ratios.len() as f64;
    }
    ratios.into_iter().map(|(row, ratio)| (row, ((1.0 - share) / (share * ratio + 1.0 - share)) as f32)).collect()
}
