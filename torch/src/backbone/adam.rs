//! Adam with coupled L2, and plain SGD with the same penalty (spec `autodenoise.md` section 4, `backbones.md` table 1.2),
//! with steps counted for each replica. Adam is dense on purpose: weight decay and momentum move every row of a table on
//! every step, also of ids that are not in the batch; `lazy_adam` moves only the rows that were read.
//!
//! On the CPU one loop does it all, because libtorch's fused form is not exposed and a chain of tensor operations reads
//! and writes every number ten times. Gradients of table rows are first added into a buffer of the table's size, which
//! the loop leaves at zero for the next step.

use super::gradients::{Gradient, Gradients, RowGradients};
use super::{ParamKind, Params};
use crate::host::{load_tensor, put_tensor};
use autodenoise::backbone::fused::{update, update_rows};
use autodenoise::backbone::{OptimizerConfig, Update};
use autodenoise::backbone::{TensorFile, WeightsError};
use autodenoise::simd::Isa;
use autodenoise::types::Optimizer;
use tch::{Device, Tensor};

/// Numbers from which on a parameter's update is worth several threads.
const PARALLEL: usize = 1 << 20;

/// The optimiser of one model (of either kind; named after the usual one).
pub struct Adam {
    config: OptimizerConfig,
    /// By the parameters' numbers; none for buffers.
    slots: Vec<Option<Slot>>,
    /// Steps taken, a replica.
    steps: Vec<u32>,
}

struct Slot {
    m: Tensor,
    v: Tensor,
    /// Tables on the CPU: the sum of the rows' gradients, all zero between steps.
    sum: Option<Tensor>,
}

impl Adam {
    pub fn new(config: OptimizerConfig, params: &Params) -> Self {
        let slots = params
            .entries
            .iter()
            .map(|entry| {
                let sum = entry.kind == ParamKind::Table && entry.tensor.device() == Device::Cpu;
                (entry.kind != ParamKind::Buffer).then(|| Slot {
                    m: entry.tensor.detach().zeros_like(),
                    v: entry.tensor.detach().zeros_like(),
                    sum: sum.then(|| entry.tensor.zeros_like()),
                })
            })
            .collect();
        Self { config, slots, steps: vec![0; params.replicas()] }
    }

    /// Updates the active replicas.
    pub fn step(&mut self, params: &Params, gradients: Gradients, active: &[bool]) {
        assert_eq!(active.len(), self.steps.len(), "a flag for each replica");
        for (steps, _) in self.steps.iter_mut().zip(active).filter(|(_, active)| **active) {
            *steps += 1;
        }
        let lazy = self.config.kind == Optimizer::LazyAdam;
        tch::no_grad(|| {
            for (number, gradient) in gradients.of {
                let tensor = &params.entries[number].tensor;
                let slot = self.slots[number].as_mut().expect("buffers have no gradient");
                match (tensor.device(), gradient) {
                    // No row was read.
                    (_, Gradient::Dense(_)) if lazy && params.entries[number].kind == ParamKind::Table => {}
                    (Device::Cpu, Gradient::Dense(gradient)) => {
                        let gradient = gradient.contiguous();
                        update_cpu(&self.config, &self.steps, active, tensor, slot, &gradient, None);
                    }
                    (Device::Cpu, Gradient::Rows(of)) => {
                        let sum = slot.sum.as_ref().expect("a table has a buffer").shallow_clone();
                        add_rows(&sum, &of.ids, &of.rows.contiguous());
                        let touched = lazy.then(|| touched(&of, active.len()));
                        update_cpu(&self.config, &self.steps, active, tensor, slot, &sum, touched.as_deref());
                        // The loop zeroes what it reads; replicas that are not updated are not read.
                        if active.iter().any(|active| !active) {
                            let _ = sum.shallow_clone().zero_();
                        }
                    }
                    (_, Gradient::Dense(gradient)) => {
                        update_device(&self.config, &self.steps, active, tensor, slot, &gradient);
                    }
                    (_, Gradient::Rows(of)) => {
                        let gradient = dense_rows(tensor, &of.ids, &of.rows);
                        let before = lazy.then(|| [tensor, &slot.m, &slot.v].map(|tensor| tensor.detach().copy()));
                        update_device(&self.config, &self.steps, active, tensor, slot, &gradient);
                        if let Some(before) = before {
                            keep_untouched(&of, [tensor, &slot.m, &slot.v], &before);
                        }
                    }
                }
            }
        });
    }

    /// Copies of all that it remembers.
    pub fn save(&self, params: &Params) -> TensorFile {
        let mut file = TensorFile::new();
        for (slot, entry) in self.slots.iter().zip(&params.entries) {
            if let Some(slot) = slot {
                put_tensor(&mut file, format!("m/{}", entry.name), &slot.m);
                put_tensor(&mut file, format!("v/{}", entry.name), &slot.v);
            }
        }
        let steps: Vec<i64> = self.steps.iter().map(|steps| i64::from(*steps)).collect();
        file.put_counts("steps", &steps);
        file
    }

    pub fn load(&mut self, params: &Params, file: &TensorFile) -> Result<(), WeightsError> {
        for (slot, entry) in self.slots.iter_mut().zip(&params.entries) {
            if let Some(slot) = slot {
                for (name, tensor) in [("m", &mut slot.m), ("v", &mut slot.v)] {
                    load_tensor(file, &format!("{name}/{}", entry.name), tensor)?;
                }
            }
        }
        let saved = file.counts("steps", self.steps.len())?;
        for (steps, saved) in self.steps.iter_mut().zip(saved) {
            *steps = *saved as u32;
        }
        Ok(())
    }
}

/// A contiguous CPU tensor's numbers.
///
/// # Safety
/// Nothing else may read or write the tensor's storage while the slice lives.
unsafe fn numbers<'a>(tensor: &Tensor) -> &'a mut [f32] {
    assert!(tensor.is_contiguous() && tensor.device() == Device::Cpu && tensor.kind() == tch::Kind::Float);
    // SAFETY: the storage is that many f32, and the caller keeps others away.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

/// Adds gradients of rows `[.., n, W]` into the buffer `[.., D, W]`, in the order of the rows: the sum does not depend on
/// the number of threads.
fn add_rows(sum: &Tensor, ids: &Tensor, rows: &Tensor) {
    let size = sum.size();
    let (cardinality, width) = (size[size.len() - 2] as usize, size[size.len() - 1] as usize);
    let ids = ids.contiguous();
    assert_eq!(ids.kind(), tch::Kind::Int, "ids are 32-bit");
    // SAFETY: three storages of this step's own; ids are only read.
    let (sum, rows) = unsafe { (numbers(sum), numbers(rows)) };
    let ids = unsafe { std::slice::from_raw_parts(ids.data_ptr().cast::<i32>(), ids.numel()) };
    for (sum, rows) in sum.chunks_mut(cardinality * width).zip(rows.chunks(ids.len() * width)) {
        if width == 1 {
            for (id, gradient) in ids.iter().zip(rows) {
                sum[*id as usize] += gradient;
            }
        } else {
            for (id, row) in ids.iter().zip(rows.chunks_exact(width)) {
                let at = *id as usize * width;
                for (total, gradient) in sum[at..at + width].iter_mut().zip(row) {
                    *total += gradient;
                }
            }
        }
    }
}

/// The gradient `[.., D, W]` of a table from those of the rows read, by libtorch's deterministic kernel.
fn dense_rows(table: &Tensor, ids: &Tensor, rows: &Tensor) -> Tensor {
    let size = table.size();
    let one = |rows: &Tensor| Tensor::embedding_dense_backward(rows, ids, size[size.len() - 2], -1, false);
    if size.len() == 2 {
        return one(rows);
    }
    Tensor::stack(&rows.unbind(0).iter().map(one).collect::<Vec<_>>(), 0)
}

/// Of each replica: the ids that were read for rows that count, each once, ascending.
fn touched(of: &RowGradients, replicas: usize) -> Vec<Vec<u32>> {
    let ids: Vec<i32> = Vec::try_from(of.ids.reshape([-1])).expect("32-bit ids");
    let counted: Option<Vec<f32>> =
        of.counted.as_ref().map(|counted| Vec::try_from(counted.contiguous().reshape([-1])).expect("flags"));
    let of_replica = |r: usize| {
        let counts = |i: usize| counted.as_ref().is_none_or(|counted| counted[r * ids.len() + i] > 0.0);
        let mut distinct: Vec<u32> = (0..ids.len()).filter(|i| counts(*i)).map(|i| ids[i] as u32).collect();
        distinct.sort_unstable();
        distinct.dedup();
        distinct
    };
    (0..replicas).map(of_replica).collect()
}

/// Gives the rows of tables `[.., D, W]` that were not read for a row that counts their former values back.
fn keep_untouched(of: &RowGradients, now: [&Tensor; 3], before: &[Tensor; 3]) {
    let mut size = now[0].size();
    *size.last_mut().expect("a table has two dimensions") = 1;
    let counted = match &of.counted {
        Some(counted) => counted.shallow_clone(),
        None => of.rows.narrow(-1, 0, 1).ones_like(),
    };
    let reads = Tensor::zeros(&size[..], (tch::Kind::Float, now[0].device())).index_add(-2, &of.ids, &counted);
    for (now, before) in now.into_iter().zip(before) {
        now.shallow_clone().copy_(&now.where_self(&reads.gt(0.0), before));
    }
}

/// One step of the active replicas, of all rows of a table or of the `touched` ones; gradients read are left at zero.
fn update_cpu(
    config: &OptimizerConfig,
    steps: &[u32],
    active: &[bool],
    tensor: &Tensor,
    slot: &Slot,
    gradient: &Tensor,
    touched: Option<&[Vec<u32>]>,
) {
    let (per_replica, width) = (tensor.numel() / steps.len(), *tensor.size().last().unwrap_or(&1) as usize);
    let isa = Isa::detect();
    // SAFETY: parameter, averages and gradient are four storages, and autograd is done with them.
    let (p, m, v, g) = unsafe { (numbers(tensor), numbers(&slot.m), numbers(&slot.v), numbers(gradient)) };
    let parts = p
        .chunks_mut(per_replica)
        .zip(m.chunks_mut(per_replica))
        .zip(v.chunks_mut(per_replica).zip(g.chunks_mut(per_replica)));
    let replicas = steps.iter().zip(active).enumerate();
    for (((p, m), (v, g)), (r, (steps, _))) in parts.zip(replicas).filter(|(_, (_, (_, active)))| **active) {
        let with = Update::new(config, *steps);
        if let Some(touched) = touched {
            update_rows(isa, with, &touched[r], 0, width, p, m, v, g);
            continue;
        }
        if p.len() < PARALLEL {
            update(isa, with, p, m, v, g);
            continue;
        }
        let threads = tch::get_num_threads().max(1) as usize;
        let share = p.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let slices = p.chunks_mut(share).zip(m.chunks_mut(share)).zip(v.chunks_mut(share).zip(g.chunks_mut(share)));
            for ((p, m), (v, g)) in slices {
                scope.spawn(move || update(isa, with, p, m, v, g));
            }
        });
    }
}

/// The same by tensor operations, for a GPU.
fn update_device(
    config: &OptimizerConfig,
    steps: &[u32],
    active: &[bool],
    tensor: &Tensor,
    slot: &Slot,
    gradient: &Tensor,
) {
    let alike = steps.windows(2).all(|pair| pair[0] == pair[1]) && active.iter().all(|active| *active);
    if alike {
        return update_tensor(config, steps[0], tensor, &slot.m, &slot.v, gradient);
    }
    for (r, steps) in steps.iter().enumerate().filter(|(r, _)| active[*r]) {
        let of = |tensor: &Tensor| tensor.get(r as i64);
        update_tensor(config, *steps, &of(tensor), &of(&slot.m), &of(&slot.v), &of(gradient));
    }
}

fn update_tensor(config: &OptimizerConfig, steps: u32, p: &Tensor, m: &Tensor, v: &Tensor, gradient: &Tensor) {
    let mut p = p.shallow_clone();
    match Update::new(config, steps) {
        Update::Sgd { decay, rate } => {
            p -= (gradient + &p * f64::from(decay)) * f64::from(rate);
        }
        Update::Adam { decay, rate, scale } => {
            let gradient = gradient + &p * f64::from(decay);
            let (mut m, mut v) = (m.shallow_clone(), v.shallow_clone());
            let _ = m.lerp_(&gradient, f64::from(Update::REST1));
            let _ = v.lerp_(&gradient.square(), f64::from(Update::REST2));
            let mut below = v.sqrt();
            let _ = below.g_mul_scalar_(f64::from(scale));
            let _ = below.g_add_scalar_(f64::from(Update::EPS));
            p -= &m / below * f64::from(rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_and_the_tensor_operations_agree() {
        for kind in [Optimizer::Adam, Optimizer::Sgd] {
            let config = OptimizerConfig { kind, lr: 0.01, weight_decay: 0.1 };
            let start = [0.5_f32, -0.3, 0.0, 2.0, 1e-3];
            let make = || (Tensor::from_slice(&start), Tensor::zeros([5], tch::kind::FLOAT_CPU));
            let ((p1, m1), (p2, m2)) = (make(), make());
            let slot = Slot { m: m1, v: make().1, sum: None };
            let v2 = make().1;
            for step in 1..=20 {
                let g = Tensor::from_slice(&[0.1_f32, -0.2, 0.0, 1e-4 * step as f32, 0.3]);
                update_tensor(&config, step, &p2, &m2, &v2, &g);
                update_cpu(&config, &[step], &[true], &p1, &slot, &g, None);
            }
            assert!(f64::try_from((p1 - p2).abs().max()).unwrap() < 1e-6);
        }
    }

    #[test]
    fn lazily_only_rows_read_for_rows_that_count_move() {
        let ids = Tensor::from_slice(&[0_i32, 3, 3, 1]);
        let rows = Tensor::ones([4, 2], tch::kind::FLOAT_CPU);
        // The second row of the batch, which reads 3 and 1, weighs nothing.
        let counted = Tensor::from_slice(&[1.0_f32, 1.0, 0.0, 0.0]).view([4, 1]);
        let of = RowGradients { ids, rows, counted: Some(counted) };
        assert_eq!(touched(&of, 1), [[0, 3]]);
        let (before, now) =
            (Tensor::zeros([5, 2], tch::kind::FLOAT_CPU), || Tensor::ones([5, 2], tch::kind::FLOAT_CPU));
        let after = [now(), now(), now()];
        keep_untouched(&of, after.each_ref(), &[before.copy(), before.copy(), before]);
        for tensor in &after {
            let moved: Vec<f32> = Vec::try_from(tensor.select(1, 0)).unwrap();
            assert_eq!(moved, [1.0, 0.0, 0.0, 1.0, 0.0]);
        }
    }
}
