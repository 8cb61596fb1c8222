//! An additive logistic model: the log-odds of a label are a constant and one number for each value of each field.
//!
//! It is fitted field by field (backfitting, Hastie and Tibshirani 1986): a Newton step for every value of a field, from what
//! the others leave. Each field's numbers are drawn towards 0 by as much as their spread says (a normal prior whose variance
//! is estimated along). There is nothing random in it.

use super::Columns;

/// Rounds over all fields.
const SWEEPS: usize = 8;
/// The most that a value's number moves in one step, and the bounds of what draws a field's numbers towards 0.
const LONGEST_STEP: f64 = 1.0;
const PRECISION: [f64; 2] = [0.05, 1e4];

pub struct Additive {
    constant: f32,
    /// Of each field that is in the model, the number of each value.
    effects: Vec<Option<Vec<f32>>>,
}

impl Additive {
    /// Fits the rows that `is_used` says to their labels `[N]`. `left_out`: fields that are not in the model.
    pub fn fit(columns: &Columns, left_out: &[bool], labels: &[u8], is_used: impl Fn(usize) -> bool) -> Self {
        let rows: Vec<u32> = (0..labels.len() as u32).filter(|row| is_used(*row as usize)).collect();
        let positives = rows.iter().filter(|row| labels[**row as usize] == 1).count() as f64;
        let rate = ((positives + 0.5) / (rows.len() as f64 + 1.0)).clamp(1e-6, 1.0 - 1e-6);
        let constant = (rate / (1.0 - rate)).ln() as f32;
        let mut logits = vec![constant; rows.len()];
        let mut effects: Vec<Option<Vec<f32>>> = vec![None; columns.fields.len()];
        // Coarse fields first: finer ones then say what is left.
        let mut order: Vec<usize> = (0..columns.fields.len()).filter(|field| !left_out[*field]).collect();
        order.sort_by_key(|field| columns.fields[*field].cardinality);
        let mut precisions = vec![1.0; columns.fields.len()];
        for sweep in 0..SWEEPS {
            for field in &order {
                let column = &columns.fields[*field];
                let own = effects[*field].get_or_insert_with(|| vec![0.0; column.cardinality]);
                let (mut gradient, mut curve) = (vec![0.0_f64; own.len()], vec![0.0_f64; own.len()]);
                for (row, z) in rows.iter().zip(&logits) {
                    let value = column.train[*row as usize] as usize;
                    let p = 1.0 / (1.0 + (-z).exp());
                    gradient[value] += f64::from(f32::from(labels[*row as usize]) - p);
                    curve[value] += f64::from(p * (1.0 - p));
                }
                let precision = precisions[*field];
                let mut steps = vec![0.0_f32; own.len()];
                let (mut squares, mut values) = (0.0, 0.0);
                for (value, effect) in own.iter_mut().enumerate().filter(|(value, _)| curve[*value] > 0.0) {
                    let curve = curve[value] + precision;
                    let step = (gradient[value] - precision * f64::from(*effect)) / curve;
                    steps[value] = step.clamp(-LONGEST_STEP, LONGEST_STEP) as f32;
                    *effect += steps[value];
                    squares += f64::from(*effect).powi(2) + 1.0 / curve;
                    values += 1.0;
                }
                if sweep > 0 && squares > 0.0 {
                    precisions[*field] = (values / squares).clamp(PRECISION[0], PRECISION[1]);
                }
                for (row, z) in rows.iter().zip(&mut logits) {
                    *z += steps[column.train[*row as usize] as usize];
                }
            }
        }
        Self { constant, effects }
    }

    /// The log-odds of a training row's label.
    pub fn logit(&self, columns: &Columns, row: usize) -> f32 {
        let effects = columns.fields.iter().zip(&self.effects);
        let of_field = effects.filter_map(|(column, own)| Some(own.as_ref()?[column.train[row] as usize]));
        of_field.fold(self.constant, |z, effect| z + effect)
    }
}
