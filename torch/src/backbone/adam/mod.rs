//! Adam with coupled L2, and plain SGD with the same penalty (spec `autodenoise.md` section 4, `backbones.md` table 1.2),
//! with steps counted for each replica. Adam is dense on purpose: weight decay and momentum move every row of a table on
//! every step, also of ids that are not in the batch; `lazy_adam` moves only the rows that were read.
//!
//! On the CPU one loop does it all, because a chain of tensor operations reads and writes every number ten times. Gradients of
//! table rows are first added into a buffer of the table's size, which the loop leaves at zero for the next step. On a device
//! that is not waited for it is libtorch's fused kernel.

mod cpu;
mod device;

use super::gradients::Gradients;
use super::params::join;
use super::{ParamKind, Params};
use crate::host::{load_tensor, put_tensor, to_host, upload};
use crate::place::Place;
use autodenoise::backbone::{OptimizerConfig, TensorFile, WeightsError};
use tch::{Device, Kind, Tensor};

/// The optimiser of one model (of either kind; named after the usual one).
pub struct Adam {
    /// `[R]`, all of one kind.
    configs: Vec<OptimizerConfig>,
    /// By the parameters' numbers; none for buffers.
    slots: Vec<Option<Slot>>,
    steps: Steps,
}

/// Steps taken, a replica, where they are counted.
enum Steps {
    OnHost(Vec<u32>),
    OnDevice(StepsOnDevice),
}

struct StepsOnDevice {
    /// `[R]`, f32 as libtorch wants it: whole up to 2^24, where the corrections that steps are counted for have long been 1.
    taken: Tensor,
    /// The replicas that were active last, and the same as `[R]` numbers, which stay where they are.
    active: (Vec<bool>, Tensor),
}

impl StepsOnDevice {
    fn new(replicas: usize, device: Device) -> Self {
        let ones = Tensor::ones([replicas as i64], (Kind::Float, device));
        Self { taken: ones.zeros_like(), active: (vec![true; replicas], ones) }
    }

    /// Those of single models, in their order.
    fn joining(models: &[&Self]) -> Self {
        let taken: Vec<&Tensor> = models.iter().map(|model| &model.taken).collect();
        let taken = Tensor::cat(&taken, 0);
        Self { active: (vec![true; models.len()], taken.ones_like()), taken }
    }

    /// The next step is of these replicas.
    fn is_for(&mut self, active: &[bool]) {
        if self.active.0 != active {
            let flags: Vec<f32> = active.iter().map(|active| f32::from(u8::from(*active))).collect();
            self.active.0 = active.to_vec();
            self.active.1.copy_(&upload(&flags, self.taken.device()));
        }
    }

    /// Counts a step of the active replicas; with `taken`, a scalar, only where that is 1.
    fn count(&mut self, active: &[bool], taken: Option<&Tensor>) {
        self.is_for(active);
        let _ = match taken {
            None => self.taken.g_add_(&self.active.1),
            Some(taken) => self.taken.g_add_(&(&self.active.1 * taken)),
        };
    }
}

struct Slot {
    m: Tensor,
    v: Tensor,
    /// Of tables, where the loop steps: the sum of the rows' gradients, all zero between steps.
    sum: Option<Tensor>,
}

impl Adam {
    pub fn new(config: OptimizerConfig, params: &Params, place: impl Into<Place>) -> Self {
        let place = place.into();
        let slots = params
            .entries
            .iter()
            .map(|entry| {
                let sum = entry.kind == ParamKind::Table && !place.resident;
                (entry.kind != ParamKind::Buffer).then(|| Slot {
                    m: entry.tensor.detach().zeros_like(),
                    v: entry.tensor.detach().zeros_like(),
                    sum: sum.then(|| entry.tensor.zeros_like()),
                })
            })
            .collect();
        let steps = match place.resident {
            false => Steps::OnHost(vec![0; params.replicas()]),
            true => Steps::OnDevice(StepsOnDevice::new(params.replicas(), place.device)),
        };
        Self { configs: vec![config; params.replicas()], slots, steps }
    }

    /// The optimisers of single models of one network as that of replicas, on a device that is not waited for: what it
    /// remembers, they do. Their steps are theirs again by `part`.
    pub(super) fn joining(models: Vec<&mut Self>) -> Self {
        let join_slots = |number: usize| {
            let own = models.iter().map(|model| model.slots[number].as_ref());
            let own: Vec<&Slot> = own.collect::<Option<_>>()?;
            let joined = |of: fn(&Slot) -> &Tensor| join(&own.iter().map(|slot| of(slot)).collect::<Vec<_>>());
            Some(Slot { m: joined(|slot| &slot.m), v: joined(|slot| &slot.v), sum: None })
        };
        let steps = models.iter().map(|model| match &model.steps {
            Steps::OnDevice(steps) => steps,
            Steps::OnHost(_) => unreachable!("the host counts the steps of models that it trains one by one"),
        });
        Self {
            configs: models.iter().map(|model| model.configs[0]).collect(),
            slots: (0..models[0].slots.len()).map(join_slots).collect(),
            steps: Steps::OnDevice(StepsOnDevice::joining(&steps.collect::<Vec<_>>())),
        }
    }

    /// Hands the single models that were joined their steps.
    pub(super) fn part<'m>(self, models: impl Iterator<Item = &'m mut Self>) {
        let Steps::OnDevice(joined) = self.steps else { unreachable!("they were joined on a device") };
        for (r, model) in models.enumerate() {
            if let Steps::OnDevice(steps) = &mut model.steps {
                steps.taken = joined.taken.narrow(0, r as i64, 1);
            }
        }
    }

    /// Updates the active replicas.
    pub fn step(&mut self, params: &Params, gradients: Gradients, active: &[bool]) {
        self.step_where(params, gradients, active, None);
    }

    /// The same; on a device that is not waited for with `taken`, a scalar, only where that is 1.
    pub fn step_where(&mut self, params: &Params, gradients: Gradients, active: &[bool], taken: Option<&Tensor>) {
        assert_eq!(active.len(), params.replicas(), "a flag for each replica");
        let Self { configs, slots, steps } = self;
        tch::no_grad(|| match steps {
            Steps::OnHost(steps) => {
                assert!(taken.is_none(), "the host decides which steps it takes");
                for (steps, _) in steps.iter_mut().zip(active).filter(|(_, active)| **active) {
                    *steps += 1;
                }
                cpu::step(configs, steps, active, params, slots, gradients);
            }
            Steps::OnDevice(steps) => device::step(configs, steps, active, params, slots, gradients, taken),
        });
    }

    /// On a device that is not waited for: tells it the replicas of the next step, as a step that a GPU keeps cannot.
    pub(super) fn is_for(&mut self, active: &[bool]) {
        if let Steps::OnDevice(steps) = &mut self.steps {
            steps.is_for(active);
        }
    }

    /// All tensors that a step reads and changes beside the parameters.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let slots = self.slots.iter().flatten().flat_map(|slot| [&slot.m, &slot.v]);
        let steps = match &self.steps {
            Steps::OnHost(_) => None,
            Steps::OnDevice(steps) => Some([&steps.taken, &steps.active.1]),
        };
        slots.chain(steps.into_iter().flatten())
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
        let steps: Vec<i64> = match &self.steps {
            Steps::OnHost(steps) => steps.iter().map(|steps| i64::from(*steps)).collect(),
            Steps::OnDevice(steps) => to_host(&steps.taken).iter().map(|steps| *steps as i64).collect(),
        };
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
        let saved = file.counts("steps", params.replicas())?;
        match &mut self.steps {
            Steps::OnHost(steps) => steps.iter_mut().zip(saved).for_each(|(steps, saved)| *steps = *saved as u32),
            Steps::OnDevice(steps) => {
                let saved: Vec<f32> = saved.iter().map(|saved| *saved as f32).collect();
                steps.taken.copy_(&Tensor::from_slice(&saved));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::{Gradients, ParamsBuilder, Pass};
    use autodenoise::backbone::{Init, ModelKey};
    use autodenoise::types::Optimizer;

    const NAMES: [&str; 2] = ["first", "second"];

    fn params(keys: &[ModelKey]) -> Params {
        let mut builder = ParamsBuilder::new(keys, Device::Cpu);
        for (name, size) in NAMES.into_iter().zip([5, 40]) {
            let _ = builder.dense(name, &[size], Init::Normal);
        }
        builder.finish()
    }

    /// Of a loss that pulls every number towards 1.
    fn gradients(params: &Params) -> Gradients {
        let pulled = |name| (params.get(name).unwrap() - 1.0).square().sum(Kind::Float);
        Gradients::of(&(pulled(NAMES[0]) + pulled(NAMES[1])), params, Pass::train(vec![]))
    }

    fn numbers(params: &Params) -> Vec<f32> {
        NAMES.iter().flat_map(|name| to_host(params.get(name).unwrap())).collect()
    }

    #[test]
    fn the_loop_and_the_fused_kernel_agree_for_each_replica_by_its_own_steps() {
        let keys: Vec<_> = (0..3).map(|r| ModelKey { seed: 5, init: [0, r], run: [0, r] }).collect();
        for (kind, keys) in
            [Optimizer::Adam, Optimizer::Sgd].into_iter().flat_map(|kind| [(kind, &keys[..1]), (kind, &keys)])
        {
            let config = OptimizerConfig { kind, lr: 0.01, weight_decay: 0.1 };
            let (here, there) = (params(keys), params(keys));
            let mut by_loop = Adam::new(config, &here, Device::Cpu);
            let mut by_kernel = Adam::new(config, &there, Place::like_a_gpu());
            for step in 0..20 {
                let active: Vec<bool> = (0..keys.len()).map(|r| r != 1 || step % 3 == 0).collect();
                by_loop.step(&here, gradients(&here), &active);
                by_kernel.step(&there, gradients(&there), &active);
            }
            for (one, other) in numbers(&here).iter().zip(numbers(&there)) {
                assert!((one - other).abs() < 1e-6, "{kind:?}: {one} {other}");
            }
            let saved = by_loop.save(&here);
            assert_eq!(
                saved.counts("steps", keys.len()).unwrap(),
                by_kernel.save(&there).counts("steps", keys.len()).unwrap()
            );
            by_kernel.load(&there, &saved).unwrap();
        }
    }

    #[test]
    fn what_a_step_on_a_device_changes_stays_where_it_is() {
        let keys: Vec<_> = (0..3).map(|r| ModelKey { seed: 5, init: [0, r], run: [0, r] }).collect();
        for kind in [Optimizer::Adam, Optimizer::LazyAdam, Optimizer::Sgd] {
            let params = params(&keys);
            let config = OptimizerConfig { kind, lr: 0.01, weight_decay: 0.1 };
            let mut adam = Adam::new(config, &params, Place::like_a_gpu());
            let addresses = |adam: &Adam| adam.tensors().map(|tensor| tensor.data_ptr() as usize).collect::<Vec<_>>();
            let before = addresses(&adam);
            for active in [[true; 3], [true, false, true], [true; 3]] {
                for taken in [None, Some(Tensor::from(0.0f32)), Some(Tensor::from(1.0f32))] {
                    adam.step_where(&params, gradients(&params), &active, taken.as_ref());
                    assert_eq!(addresses(&adam), before, "{kind:?} {active:?}");
                }
            }
            // As a kept step counts, which tells nobody anew who is active.
            adam.is_for(&[false, true, false]);
            let active = adam.tensors().last().expect("who is active");
            assert_eq!(Vec::<f32>::try_from(active).unwrap(), [0.0, 1.0, 0.0]);
        }
    }

    #[test]
    fn a_step_that_the_device_does_not_take_leaves_everything_as_it_is() {
        let keys = [ModelKey { seed: 5, init: [0, 0], run: [0, 0] }];
        for kind in [Optimizer::Adam, Optimizer::Sgd, Optimizer::LazyAdam] {
            let params = params(&keys);
            let mut adam =
                Adam::new(OptimizerConfig { kind, lr: 0.01, weight_decay: 0.1 }, &params, Place::like_a_gpu());
            let mut step = |taken: f32| {
                adam.step_where(&params, gradients(&params), &[true], Some(&Tensor::from(taken)));
                (numbers(&params), adam.save(&params).counts("steps", 1).unwrap()[0])
            };
            let first = step(1.0);
            assert_eq!(first.1, 1);
            assert_eq!(step(0.0), first);
            assert_ne!(step(1.0).0, first.0);
        }
    }
}
