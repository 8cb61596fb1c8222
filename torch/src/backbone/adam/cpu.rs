//! The optimiser's loop over parameters in the machine's memory.

use super::Slot;
use crate::backbone::gradients::{Gradient, Gradients, RowGradients};
use crate::backbone::{ParamKind, Params};
use autodenoise::backbone::fused::{update, update_rows};
use autodenoise::backbone::{OptimizerConfig, Update};
use autodenoise::simd::Isa;
use autodenoise::types::Optimizer;
use tch::{Device, Tensor};

/// Numbers from which on a parameter's update is worth several threads.
const PARALLEL: usize = 1 << 20;

/// One step of the active replicas, whose `steps` have been counted.
pub(super) fn step(
    configs: &[OptimizerConfig],
    steps: &[u32],
    active: &[bool],
    params: &Params,
    slots: &mut [Option<Slot>],
    gradients: Gradients,
) {
    let lazy = configs[0].kind == Optimizer::LazyAdam;
    for (number, gradient) in gradients.of {
        let tensor = &params.entries[number].tensor;
        let slot = slots[number].as_mut().expect("buffers have no gradient");
        match gradient {
            // No row was read.
            Gradient::Dense(_) if lazy && params.entries[number].kind == ParamKind::Table => {}
            Gradient::Dense(gradient) => {
                let gradient = gradient.contiguous();
                update_cpu(configs, steps, active, tensor, slot, &gradient, None);
            }
            Gradient::Rows(of) => {
                let sum = slot.sum.as_ref().expect("a table has a buffer").shallow_clone();
                add_rows(&sum, &of.ids, &of.rows.contiguous());
                let touched = lazy.then(|| touched(&of, active.len()));
                update_cpu(configs, steps, active, tensor, slot, &sum, touched.as_deref());
                // The loop zeroes what it reads; replicas that are not updated are not read.
                if active.iter().any(|active| !active) {
                    let _ = sum.shallow_clone().zero_();
                }
            }
        }
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

/// One step of the active replicas, of all rows of a table or of the `touched` ones; gradients read are left at zero.
fn update_cpu(
    configs: &[OptimizerConfig],
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
        let with = Update::new(&configs[r], *steps);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lazily_only_rows_read_for_rows_that_count_move() {
        let ids = Tensor::from_slice(&[0_i32, 3, 3, 1]);
        let rows = Tensor::ones([4, 2], tch::kind::FLOAT_CPU);
        // The second row of the batch, which reads 3 and 1, weighs nothing.
        let counted = Tensor::from_slice(&[1.0_f32, 1.0, 0.0, 0.0]).view([4, 1]);
        assert_eq!(touched(&RowGradients { ids, rows, counted: Some(counted) }, 1), [[0, 3]]);
    }
}
