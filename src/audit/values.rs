//! Values of a field, users or items, whose labels are at random or turned round.

use super::halves::half;
use super::slopes::{Binned, Slopes};
use super::{Corruption, Finding, FoundValue, Remedy, Table};

/// What a model that has seen a value's other rows knows counts for half of what is expected beside one that has not.
const TASTE: f32 = 0.5;
/// Slopes of inverted values, and of those at random; how probable that must be of a value; and the least share of the rows
/// that is worth a finding. Some honest values look as if they were at random or turned round, so a few of them say nothing, nor
/// do those of about as many rows as no others are found of.
const INVERTED: Rule =
    Rule { kind: Corruption::InvertedValues, slope: -0.45, belief: 0.9, least_rows: 0.02, held: 0.0 };
const RANDOM: Rule = Rule { kind: Corruption::RandomValues, slope: 0.15, belief: 0.5, least_rows: 0.03, held: 0.5 };
/// A few users of odd taste are no corruption.
const FEWEST_VALUES: usize = 5;
/// Nats a value needs to count as evidence, summed.
const LEAST_EVIDENCE: f64 = 10.0;

struct Rule {
    kind: Corruption,
    slope: f64,
    belief: f64,
    least_rows: f64,
    /// In the half of the rows that the values were not found in, their common slope is below this for certain.
    held: f64,
}

impl Rule {
    /// The least share of the rows that is worth a finding, two standard errors above what honest values have. `rows`: of each
    /// value.
    fn least_share(&self, rows: &[u32]) -> f64 {
        let sum = |of: &dyn Fn(f64) -> f64| rows.iter().map(|rows| of(f64::from(*rows))).sum::<f64>();
        let values = sum(&|rows| rows).powi(2) / sum(&|rows| rows * rows).max(1.0);
        self.least_rows + 2.0 * (self.least_rows * (1.0 - self.least_rows) / values.max(1.0)).sqrt()
    }
}

/// What is found of a field's values. `unseen` `[N]`: what models that never saw a value expect of its rows.
pub fn find_values(table: &Table, field: usize, unseen: &[f32]) -> Vec<Finding> {
    let both: Vec<f32> = unseen.iter().zip(table.taste).map(|(unseen, taste)| unseen + TASTE * taste).collect();
    // Values that are inverted teach a model that has seen their rows the opposite of what is true.
    let inverted = find_by(table, field, unseen, &INVERTED, &[]);
    // To both together their labels look as if they were at random.
    let known = inverted.iter().flat_map(|found| &found.values).map(|value| value.ids[0]).collect::<Vec<_>>();
    let random = find_by(table, field, &both, &RANDOM, &known);
    inverted.into_iter().chain(random).collect()
}

/// `known`: global ids of values that are found already.
fn find_by(table: &Table, field: usize, expected: &[f32], rule: &Rule, known: &[u32]) -> Option<Finding> {
    let column = &table.columns.fields[field];
    let bin = |is_used: &dyn Fn(usize) -> bool| {
        Binned::new(&column.train, column.cardinality, expected, table.labels, is_used)
    };
    let whole = bin(&|_| true);
    let slopes = Slopes::fit(&whole);
    let is_found = |slopes: &Slopes, value: usize| {
        let is_usual = slopes.usual_share(value, rule.slope) >= rule.least_rows;
        is_usual && slopes.is_below(value, rule.slope) > rule.belief && !known.contains(&(column.offset + value as u32))
    };
    let values: Vec<usize> = (0..column.cardinality).filter(|value| is_found(&slopes, *value)).collect();
    let rows = column.count_rows();
    let covered: u32 = values.iter().map(|value| rows[*value]).sum();
    if values.len() < FEWEST_VALUES || f64::from(covered) < rule.least_share(&rows) * table.rows() as f64 {
        return None;
    }
    let evidence: f64 = values.iter().map(|value| slopes.evidence(*value, rule.slope)).sum();
    let halves = [0, 1].map(|own| bin(&|row| half(row) == own));
    let holds = |own: usize| {
        let found_by = Slopes::fit(&halves[own]);
        let values: Vec<usize> = (0..column.cardinality).filter(|value| is_found(&found_by, *value)).collect();
        let (slope, error) = halves[1 - own].common_slope(&values);
        slope + 2.0 * error < rule.held
    };
    if evidence < LEAST_EVIDENCE || !holds(0) || !holds(1) {
        return None;
    }
    let mut is_found = vec![false; column.cardinality];
    values.iter().for_each(|value| is_found[*value] = true);
    let positions =
        |of: &[u32]| (0_u32..).zip(of).filter(|(_, value)| is_found[**value as usize]).map(|(row, _)| row).collect();
    let train: Vec<u32> = positions(&column.train);
    let remedy = |row: u32| match rule.kind {
        Corruption::InvertedValues => Remedy::Target(f32::from(1 - table.labels[row as usize])),
        _ => Remedy::Drop,
    };
    let mut listed: Vec<FoundValue> = values
        .iter()
        .map(|value| FoundValue { ids: vec![column.offset + *value as u32], rows: rows[*value] })
        .collect();
    listed.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.ids.cmp(&b.ids)));
    Some(Finding {
        kind: rule.kind,
        fields: vec![column.name.clone()],
        values: listed,
        evidence,
        strength: whole.common_slope(&values).0,
        window: None,
        remedies: train.into_iter().map(|row| (row, remedy(row))).collect(),
        valid: positions(&column.valid),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_values_more_must_be_found() {
        let of = |values| RANDOM.least_share(&vec![100; values]);
        assert!((of(100) - (0.03 + 2.0 * (0.03 * 0.97 / 100.0_f64).sqrt())).abs() < 1e-12);
        assert!(of(1_000_000) < 0.0304);
        // A value of most rows leaves few that count.
        let mut rows = vec![1; 100];
        rows[0] = 10_000;
        assert!(RANDOM.least_share(&rows) > 0.3);
    }
}
