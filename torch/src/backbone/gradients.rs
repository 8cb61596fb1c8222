//! How gradients of dense parameters and of table rows come about.

use super::{ParamKind, Params, Pass};
use tch::Tensor;

/// The gradient of one parameter.
pub(super) enum Gradient {
    Dense(Tensor),
    /// Of the rows that were read of a table.
    Rows(RowGradients),
}

pub(super) struct RowGradients {
    /// `[n]`; an id may come more than once. Or `[R, n]`, where each replica read rows of its own: those of replica r count on
    /// from r D.
    pub ids: Tensor,
    /// `[.., n, W]`.
    pub rows: Tensor,
    /// `[.., n, 1]`: 1 for what was read for a row that counts, else 0. Absent: all was.
    pub counted: Option<Tensor>,
}

/// Gradients by the parameters' numbers in the store.
pub struct Gradients {
    pub(super) of: Vec<(usize, Gradient)>,
}

impl Gradients {
    /// Of the sum of `losses`. A parameter the losses do not depend on has none.
    pub fn of(losses: &Tensor, params: &Params, pass: Pass) -> Self {
        let counted = pass.counted;
        let mut numbers = Vec::with_capacity(params.entries.len());
        let mut inputs = Vec::with_capacity(params.entries.len());
        for (number, entry) in params.entries.iter().enumerate() {
            if entry.kind == ParamKind::Dense {
                numbers.push((number, None));
                inputs.push(entry.tensor.shallow_clone());
            }
        }
        for lookup in pass.lookups {
            numbers.push((lookup.table, Some(lookup.ids)));
            inputs.push(lookup.rows);
        }
        let gradients = Tensor::run_backward(&[losses], &inputs, false, false);
        let of = numbers
            .into_iter()
            .zip(gradients)
            .filter(|(_, gradient)| gradient.defined())
            .map(|((number, ids), gradient)| match ids {
                None => (number, Gradient::Dense(gradient)),
                Some(ids) => {
                    let each = counted.as_ref().map(|counted| {
                        let read = ids.size()[ids.dim() - 1];
                        let fields = read / counted.size()[counted.dim() - 2];
                        counted.repeat_interleave_self_int(fields, -2, None)
                    });
                    (number, Gradient::Rows(RowGradients { ids, rows: gradient, counted: each }))
                }
            })
            .collect();
        Self { of }
    }

    /// All zero.
    pub fn zero(params: &Params) -> Self {
        let of = params
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.kind != ParamKind::Buffer)
            .map(|(number, entry)| (number, Gradient::Dense(entry.tensor.zeros_like())))
            .collect();
        Self { of }
    }

    /// By name, dense, for looking at.
    pub fn named(&self, params: &Params) -> Vec<(String, Tensor)> {
        self.of
            .iter()
            .map(|(number, gradient)| {
                let entry = &params.entries[*number];
                let dense = match gradient {
                    Gradient::Dense(gradient) => gradient.shallow_clone(),
                    Gradient::Rows(of) => entry.tensor.zeros_like().index_add(-2, &of.ids, &of.rows),
                };
                (entry.name.clone(), dense)
            })
            .collect()
    }
}
