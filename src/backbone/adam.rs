//! Adam with coupled L2, and plain SGD with the same penalty (spec `autodenoise.md` section 4, `backbones.md` table 1.2).
//!
//! g <- g + wd p; m, v <- averages of g, g^2; p <- p - lr (m / c1) / (sqrt(v / c2) + eps), c1 = 1 - beta1^t, c2 = 1 -
//! beta2^t, with t counted for each replica. Dense on purpose: weight decay and momentum move every row of a table on
//! every step, also of ids that are not in the batch.
//!
//! On the CPU one loop does it all, because libtorch's fused form is not exposed and a chain of tensor operations reads
//! and writes every number ten times. Gradients of table rows are first added into a buffer of the table's size, which
//! the loop leaves at zero for the next step.

use super::step::{Gradient, Gradients};
use super::{ParamKind, Params, TensorFile, WeightsError};
use crate::types::Optimizer;
use tch::{Device, Tensor};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;
/// Numbers from which on a parameter's update is worth several threads.
const PARALLEL: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerConfig {
    pub kind: Optimizer,
    pub lr: f64,
    pub weight_decay: f64,
}

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
        tch::no_grad(|| {
            for (number, gradient) in gradients.of {
                let tensor = &params.entries[number].tensor;
                let slot = self.slots[number].as_mut().expect("buffers have no gradient");
                match (tensor.device(), gradient) {
                    (Device::Cpu, Gradient::Dense(gradient)) => {
                        let gradient = gradient.contiguous();
                        update_cpu::<false>(&self.config, &self.steps, active, tensor, slot, &gradient);
                    }
                    (Device::Cpu, Gradient::Rows(ids, rows)) => {
                        let sum = slot.sum.as_ref().expect("a table has a buffer").shallow_clone();
                        add_rows(&sum, &ids, &rows.contiguous());
                        update_cpu::<true>(&self.config, &self.steps, active, tensor, slot, &sum);
                        // The loop zeroes what it reads; replicas that are not updated are not read.
                        if active.iter().any(|active| !active) {
                            let _ = sum.shallow_clone().zero_();
                        }
                    }
                    (_, Gradient::Dense(gradient)) => {
                        update_device(&self.config, &self.steps, active, tensor, slot, &gradient);
                    }
                    (_, Gradient::Rows(ids, rows)) => {
                        let gradient = dense_rows(tensor, &ids, &rows);
                        update_device(&self.config, &self.steps, active, tensor, slot, &gradient);
                    }
                }
            }
        });
    }

    pub fn save(&self, prefix: &str, params: &Params, file: &mut TensorFile) {
        for (slot, entry) in self.slots.iter().zip(&params.entries) {
            if let Some(slot) = slot {
                file.put(format!("{prefix}m/{}", entry.name), &slot.m);
                file.put(format!("{prefix}v/{}", entry.name), &slot.v);
            }
        }
        let steps: Vec<i64> = self.steps.iter().map(|steps| i64::from(*steps)).collect();
        file.put(format!("{prefix}steps"), &Tensor::from_slice(&steps));
    }

    pub fn load(&mut self, prefix: &str, params: &Params, file: &TensorFile) -> Result<(), WeightsError> {
        for (slot, entry) in self.slots.iter_mut().zip(&params.entries) {
            if let Some(slot) = slot {
                for (name, tensor) in [("m", &mut slot.m), ("v", &mut slot.v)] {
                    tensor.copy_(&file.get_shaped(&format!("{prefix}{name}/{}", entry.name), &tensor.size())?);
                }
            }
        }
        let steps = file.get_shaped(&format!("{prefix}steps"), &[self.steps.len() as i64])?;
        for (r, count) in self.steps.iter_mut().enumerate() {
            *count = steps.int64_value(&[r as i64]) as u32;
        }
        Ok(())
    }
}

/// The numbers of one replica's step that are the same for all parameters.
#[derive(Clone, Copy)]
struct Coefficients {
    decay: f32,
    /// lr / c1; for SGD lr.
    rate: f32,
    /// 1 / sqrt(c2).
    scale: f32,
}

impl Coefficients {
    fn new(config: &OptimizerConfig, steps: u32) -> Self {
        let (c1, c2) = match config.kind {
            Optimizer::Adam => (1.0 - BETA1.powf(f64::from(steps)), 1.0 - BETA2.powf(f64::from(steps))),
            Optimizer::Sgd => (1.0, 1.0),
        };
        Self { decay: config.weight_decay as f32, rate: (config.lr / c1) as f32, scale: (1.0 / c2.sqrt()) as f32 }
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

/// One step of the active replicas; with `CLEAR`, the gradients read are left at zero.
fn update_cpu<const CLEAR: bool>(
    config: &OptimizerConfig,
    steps: &[u32],
    active: &[bool],
    tensor: &Tensor,
    slot: &Slot,
    gradient: &Tensor,
) {
    let per_replica = tensor.numel() / steps.len();
    // SAFETY: parameter, averages and gradient are four storages, and autograd is done with them.
    let (p, m, v, g) = unsafe { (numbers(tensor), numbers(&slot.m), numbers(&slot.v), numbers(gradient)) };
    let parts = p
        .chunks_mut(per_replica)
        .zip(m.chunks_mut(per_replica))
        .zip(v.chunks_mut(per_replica).zip(g.chunks_mut(per_replica)));
    for (((p, m), (v, g)), (steps, _)) in parts.zip(steps.iter().zip(active)).filter(|(_, (_, active))| **active) {
        let with = Coefficients::new(config, *steps);
        if p.len() < PARALLEL {
            update_slice::<CLEAR>(config.kind, p, m, v, g, with);
            continue;
        }
        let threads = tch::get_num_threads().max(1) as usize;
        let share = p.len().div_ceil(threads);
        std::thread::scope(|scope| {
            let slices = p.chunks_mut(share).zip(m.chunks_mut(share)).zip(v.chunks_mut(share).zip(g.chunks_mut(share)));
            for ((p, m), (v, g)) in slices {
                scope.spawn(move || update_slice::<CLEAR>(config.kind, p, m, v, g, with));
            }
        });
    }
}

fn update_slice<const CLEAR: bool>(
    kind: Optimizer,
    p: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: &mut [f32],
    with: Coefficients,
) {
    match kind {
        Optimizer::Sgd => {
            for (p, g) in p.iter_mut().zip(g) {
                *p -= with.rate * (*g + with.decay * *p);
                if CLEAR {
                    *g = 0.0;
                }
            }
        }
        Optimizer::Adam => {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has AVX2.
                return unsafe { adam_avx2::<CLEAR>(p, m, v, g, with) };
            }
            adam_any::<CLEAR>(p, m, v, g, with);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn adam_avx2<const CLEAR: bool>(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &mut [f32], with: Coefficients) {
    adam_any::<CLEAR>(p, m, v, g, with);
}

#[inline(always)]
fn adam_any<const CLEAR: bool>(p: &mut [f32], m: &mut [f32], v: &mut [f32], g: &mut [f32], with: Coefficients) {
    let n = p.len();
    let (m, v, g) = (&mut m[..n], &mut v[..n], &mut g[..n]);
    for i in 0..n {
        let gradient = g[i] + with.decay * p[i];
        if CLEAR {
            g[i] = 0.0;
        }
        m[i] += (gradient - m[i]) * (1.0 - BETA1) as f32;
        v[i] = v[i] * BETA2 as f32 + gradient * gradient * (1.0 - BETA2) as f32;
        p[i] -= with.rate * m[i] / (v[i].sqrt() * with.scale + EPS as f32);
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
    let with = Coefficients::new(config, steps);
    let gradient = gradient + p * f64::from(with.decay);
    let mut p = p.shallow_clone();
    match config.kind {
        Optimizer::Sgd => {
            p -= gradient * f64::from(with.rate);
        }
        Optimizer::Adam => {
            let (mut m, mut v) = (m.shallow_clone(), v.shallow_clone());
            let _ = m.lerp_(&gradient, 1.0 - BETA1);
            let _ = v.lerp_(&gradient.square(), 1.0 - BETA2);
            let mut below = v.sqrt();
            let _ = below.g_mul_scalar_(f64::from(with.scale));
            let _ = below.g_add_scalar_(EPS);
            p -= &m / below * f64::from(with.rate);
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
                update_cpu::<false>(&config, &[step], &[true], &p1, &slot, &g);
            }
            assert!(f64::try_from((p1 - p2).abs().max()).unwrap() < 1e-6);
        }
    }
}
