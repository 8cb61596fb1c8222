//! The optimiser's step on a device: one fused kernel of libtorch's for all parameters, and one scatter for all tables that the same
//! ids read.

use super::{Slot, StepsOnDevice};
use crate::backbone::gradients::{Gradient, Gradients, RowGradients};
use crate::backbone::{ParamKind, Params};
use crate::native::{self, AdamNumbers, Parts};
use autodenoise::backbone::{OptimizerConfig, Update};
use autodenoise::types::Optimizer;
use tch::{Kind, Tensor};

/// One step of the active replicas, each by its own config. With `taken`, a scalar, only where that is 1.
pub(super) fn step(
    configs: &[OptimizerConfig],
    steps: &mut StepsOnDevice,
    active: &[bool],
    params: &Params,
    slots: &[Option<Slot>],
    gradients: Gradients,
    taken: Option<&Tensor>,
) {
    steps.count(active, taken);
    let kind = configs[0].kind;
    let lazy = kind == Optimizer::LazyAdam;
    let (mut dense, mut read) = (Vec::new(), Vec::new());
    for (number, gradient) in gradients.of {
        match gradient {
            // No row was read.
            Gradient::Dense(_) if lazy && params.entries[number].kind == ParamKind::Table => {}
            Gradient::Dense(gradient) => dense.push((number, gradient)),
            Gradient::Rows(of) => read.push((number, of)),
        }
    }
    let tables = |number: usize| {
        let slot = slots[number].as_ref().expect("buffers have no gradient");
        [&params.entries[number].tensor, &slot.m, &slot.v]
    };
    let sums = scattered(params, &read);
    let mut touched = Vec::new();
    if lazy {
        let of_table = |number: usize| read.iter().find(|table| table.0 == number).map(|(_, of)| of);
        let rows = |(number, sum): &(usize, Tensor)| Some(ReadRows::new(tables(*number), sum, of_table(*number)?));
        touched.extend(sums.iter().filter_map(rows));
    } else {
        dense.extend(sums);
    }
    // A kernel has one rate and one decay.
    let mut parts: Vec<(OptimizerConfig, Parts)> = Vec::new();
    let mut add = |[tensor, m, v]: [&Tensor; 3], gradient: &Tensor| {
        let own = [tensor, &gradient.contiguous(), m, v].map(|all| replicas(all, active.len()));
        for (r, config) in configs.iter().enumerate().filter(|(r, _)| active[*r]) {
            let at = parts.iter().position(|(other, _)| other == config).unwrap_or_else(|| {
                parts.push((*config, Parts::default()));
                parts.len() - 1
            });
            let (parts, [tensor, gradient, m, v]) =
                (&mut parts[at].1, own.each_ref().map(|all| all[r].shallow_clone()));
            parts.parameters.push(tensor);
            parts.gradients.push(gradient);
            if kind != Optimizer::Sgd {
                parts.means.push(m);
                parts.squares.push(v);
                parts.steps.push(steps.taken.get(r as i64));
            }
        }
    };
    for (number, gradient) in &dense {
        add(tables(*number), gradient);
    }
    for rows in &touched {
        add(rows.now.each_ref(), &rows.gradient);
    }
    let skip = taken.map(|taken| 1.0 - taken);
    for (config, parts) in &parts {
        match kind {
            Optimizer::Sgd => native::sgd(parts, config.lr, config.weight_decay, skip.as_ref()),
            Optimizer::Adam | Optimizer::LazyAdam => {
                let numbers = AdamNumbers {
                    rate: config.lr,
                    decay: config.weight_decay,
                    beta1: Update::BETAS[0],
                    beta2: Update::BETAS[1],
                    eps: f64::from(Update::EPS),
                };
                native::adam(parts, &numbers, skip.as_ref());
            }
        }
    }
    for rows in &touched {
        rows.write_back();
    }
}

/// The rows of a table `[.., D, W]` that were read, as often as they were read, which are all that a lazy step may move. Copies of one row
/// are stepped alike, so it makes no difference which of them is written back last.
struct ReadRows {
    /// The table, and what Adam keeps of it; replicas that read rows of their own stand one behind the other, `[R D, W]`.
    tables: [Tensor; 3],
    /// `[n]`, 64-bit; `[R n]` where each replica has its own.
    ids: Tensor,
    /// `[.., n, 1]`: whether the row was read for one that counts.
    moves: Tensor,
    /// `[.., n, W]`: copies of the rows, which are stepped, and their gradients.
    now: [Tensor; 3],
    gradient: Tensor,
}

impl ReadRows {
    /// `sum` `[.., D, W]` is the gradient of the table.
    fn new(tables: [&Tensor; 3], sum: &Tensor, of: &RowGradients) -> Self {
        let own = of.ids.dim() > 1;
        let behind = |all: &Tensor| if own { all.flatten(0, 1) } else { all.shallow_clone() };
        let ids = of.ids.to_kind(Kind::Int64).reshape([-1]);
        let tables = tables.map(|table| behind(&table.detach()));
        let mut size = tables[0].size();
        *size.last_mut().expect("a table has two dimensions") = 1;
        let counted = match &of.counted {
            Some(counted) => counted.shallow_clone(),
            None => of.rows.narrow(-1, 0, 1).ones_like(),
        };
        let reads = Tensor::zeros(&size[..], (Kind::Float, ids.device())).index_add(-2, &ids, &behind(&counted));
        let apart = |rows: Tensor| if own { rows.unflatten(0, &of.ids.size()[..]) } else { rows };
        Self {
            moves: apart(reads.index_select(-2, &ids).gt(0.0)),
            now: tables.each_ref().map(|table| apart(table.index_select(-2, &ids))),
            gradient: apart(behind(sum).index_select(-2, &ids)),
            tables,
            ids,
        }
    }

    fn write_back(&self) {
        for (table, now) in self.tables.iter().zip(&self.now) {
            let before = table.index_select(-2, &self.ids).view_as(now);
            let rows = now.where_self(&self.moves, &before);
            let rows = if table.dim() < now.dim() { rows.flatten(0, 1) } else { rows };
            let _ = table.shallow_clone().index_copy_(-2, &self.ids, &rows);
        }
    }
}

/// A tensor `[R, ...]` as R of them; for R = 1 it is `[...]`.
fn replicas(all: &Tensor, replicas: usize) -> Vec<Tensor> {
    if replicas == 1 { vec![all.shallow_clone()] } else { all.unbind(0) }
}

/// The gradient `[.., D, W]` of each table from those of the rows read, by libtorch's deterministic kernel: once for all
/// replicas, and for all tables whose rows the same ids read.
fn scattered(params: &Params, read: &[(usize, RowGradients)]) -> Vec<(usize, Tensor)> {
    let ids_of = |(number, of): &(usize, RowGradients)| {
        let size = params.entries[*number].tensor.size();
        (of.ids.data_ptr(), of.ids.numel(), size[size.len() - 2])
    };
    let mut all = Vec::with_capacity(read.len());
    let mut rest: Vec<_> = read.iter().collect();
    while let Some(first) = rest.first().copied() {
        let (alike, others) = rest.into_iter().partition(|table| ids_of(table) == ids_of(first));
        rest = others;
        let rows: Vec<&Tensor> = alike.iter().map(|(_, of)| &of.rows).collect();
        let (_, _, cardinality) = ids_of(first);
        let sums = add_rows(&Tensor::cat(&rows, -1), &first.1.ids, cardinality);
        let mut from = 0;
        for (number, of) in alike {
            let width = *of.rows.size().last().expect("rows have a width");
            all.push((*number, sums.narrow(-1, from, width)));
            from += width;
        }
    }
    all
}

/// Sums `[.., D, W]` of rows `[.., n, W]` by their ids `[n]`, or `[R, n]` that count on from replica to replica.
fn add_rows(rows: &Tensor, ids: &Tensor, cardinality: i64) -> Tensor {
    let size = rows.size();
    if let [replicas, _, width] = size[..] {
        let ids = match ids.dim() {
            1 => {
                let starts = Tensor::arange(replicas, (Kind::Int64, ids.device())) * cardinality;
                (ids.unsqueeze(0) + starts.unsqueeze(1)).reshape([-1])
            }
            _ => ids.reshape([-1]),
        };
        let rows = rows.reshape([-1, width]);
        let sums = Tensor::embedding_dense_backward(&rows, &ids, replicas * cardinality, -1, false);
        return sums.view([replicas, cardinality, width]);
    }
    Tensor::embedding_dense_backward(rows, ids, cardinality, -1, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lazily_only_rows_read_for_rows_that_count_move() {
        let ids = Tensor::from_slice(&[0_i32, 3, 3, 1]);
        let rows = Tensor::ones([4, 2], tch::kind::FLOAT_CPU);
        // The second row of the batch, which reads 3 and 1, weighs nothing.
        let counted = Tensor::from_slice(&[1.0_f32, 1.0, 0.0, 0.0]).view([4, 1]);
        let of = RowGradients { ids, rows, counted: Some(counted) };
        let tables = [0, 1, 2].map(|_| Tensor::ones([5, 2], tch::kind::FLOAT_CPU));
        let read = ReadRows::new(tables.each_ref(), &Tensor::ones([5, 2], tch::kind::FLOAT_CPU), &of);
        read.now.iter().for_each(|rows| rows.shallow_clone().copy_(&(rows * 7.0)));
        read.write_back();
        for table in &tables {
            assert_eq!(Vec::<f32>::try_from(table.select(1, 0)).unwrap(), [7.0, 1.0, 1.0, 7.0, 1.0]);
        }
    }

    #[test]
    fn one_scatter_serves_tables_that_the_same_ids_read_and_all_replicas() {
        let ids = Tensor::from_slice(&[2_i32, 0, 2]);
        let rows = Tensor::from_slice(&[1.0_f32, 10.0, 2.0, 20.0, 3.0, 30.0]).view([3, 2]);
        let of_replica = |rows: &Tensor| Tensor::embedding_dense_backward(rows, &ids, 4, -1, false);
        assert_eq!(add_rows(&rows, &ids, 4), of_replica(&rows));
        let other = &rows * 3.0;
        let stacked = add_rows(&Tensor::stack(&[&rows, &other], 0), &ids, 4);
        assert_eq!(stacked, Tensor::stack(&[of_replica(&rows), of_replica(&other)], 0));
    }
}
