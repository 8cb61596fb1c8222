//! The models of libtorch against numbers that the reference programs computed in f64: in f64 to ten digits, in f32 to its
//! rounding.

use crate::models::{Case, cases, config};
use crate::read::{KEY, close_numbers, global_ids, ints, numbers, vector};
use crate::reference::{Batch, Bounds, EPS, Exact, Objective, Reference};
use crate::state::{Numbers, host};
use autodenoise::backbone::{BatchLoss, Init, OptimizerConfig};
use autodenoise::types::{BackboneKind, Optimizer, Structure};
use autodenoise_torch::backbone::{Adam, Backbone, Gradients, ParamsBuilder, Pass, batch_loss, bce};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// The vector's parameters and buffers.
fn weights(vector: &Value) -> Numbers {
    let of = |what: &str| vector[what].as_object().into_iter().flatten().map(|(name, of)| (name.clone(), numbers(of)));
    of("params").chain(of("buffers")).collect()
}

/// The vector's rows, in training mode or normalised by the running statistics.
fn batch(vector: &Value, running: bool) -> Batch {
    let labels = ints(&vector["y"]).iter().map(|y| *y as u8).collect();
    let objective = Objective::CrossEntropy(BatchLoss::Mean);
    Batch { ids: global_ids(vector), labels, weights: None, objective, dropout: None, running }
}

/// Numbers of a mode. Models without BatchNorm compute the same in both modes and have one set.
fn expected<'a>(vector: &'a Value, mode: &str) -> &'a Value {
    vector.get(mode).unwrap_or(vector)
}

/// In f64 to what the vector's ten digits say, whatever the numbers' size.
fn check_exact(case: &Case, mode: &str, exact: &Exact) {
    let expected = expected(&case.vector, mode);
    let close = |what: &str, found: &[f64], expected: &Value| {
        let expected = numbers(expected);
        assert_eq!(found.len(), expected.len(), "{} {mode} {what}", case.name);
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let off = (found - expected).abs();
            let bound = 1e-7 * expected.abs() + 1e-9;
            assert!(off <= bound, "{} {mode} {what}[{at}]: {found} where {expected} is expected", case.name);
        }
    };
    close("logits", &exact.logits, &expected["logits"]);
    close("losses", &exact.losses, &expected["loss_per_instance"]);
    let mean = exact.losses.iter().sum::<f64>() / exact.losses.len() as f64;
    close("mean", &[mean], &expected["loss_mean"]);
    for (name, gradient) in &exact.gradients {
        close(&format!("gradient of {name}"), gradient, &expected["grads"][name]);
    }
    let with_gradient = expected["grads"].as_object().unwrap().values().filter(|gradient| !gradient.is_null());
    assert_eq!(exact.gradients.len(), with_gradient.count(), "{}: every parameter is compared", case.name);
    for (name, value) in expected["buffers_after"].as_object().into_iter().flatten() {
        close(name, &exact.buffers[name], value);
    }
}

fn model(case: &Case, replicas: usize) -> Backbone {
    let model = Backbone::new(&case.config, &vec![KEY; replicas], Device::Cpu);
    let weights = weights(&case.vector);
    for (name, _, tensor) in model.params.iter() {
        // The same in each replica.
        let values: Vec<f64> = weights[name].iter().copied().cycle().take(tensor.numel()).collect();
        let values = Tensor::from_slice(&values).to_kind(Kind::Float).view(&tensor.size()[..]);
        tch::no_grad(|| tensor.shallow_clone().copy_(&values));
    }
    model
}

/// Logits, losses, gradients and buffers of each of an f32 model's replicas, within rounding of the exact ones. Where it is
/// `weighted`, two rows of weight 0 are put behind: they must change nothing.
fn check(case: &Case, replicas: usize, mode: &str, weighted: bool, exact: &Exact, bounds: &Bounds) {
    let (model, vector) = (model(case, replicas), &case.vector);
    let mut rows = Tensor::from_slice(&global_ids(vector)).view([-1, case.config.fields() as i64]);
    let mut labels = Tensor::from_slice(&numbers(&vector["y"])).to_kind(Kind::Float);
    let mut pass = Pass::train(vec![]);
    if mode == "eval" {
        pass.use_running_stats();
    }
    let n = labels.size()[0];
    let mut weights = Tensor::ones([n], (Kind::Float, Device::Cpu));
    if weighted {
        rows = Tensor::cat(&[&rows, &rows.narrow(0, 0, 2).flip([0])], 0);
        labels = Tensor::cat(&[&labels, &labels.narrow(0, 0, 2)], 0);
        weights = Tensor::cat(&[weights, Tensor::zeros([2], (Kind::Float, Device::Cpu))], 0);
        if replicas > 1 {
            weights = weights.expand([replicas as i64, -1], false).contiguous();
        }
        pass.counted = Some(weights.unsqueeze(-1));
    }
    let logits = model.forward(&rows, &mut pass);
    let losses = bce(&logits, &labels);
    let mean = batch_loss(BatchLoss::Mean, &losses, &labels, weighted.then_some(&weights));
    let gradients = Gradients::of(&mean, &model.params, pass).named(&model.params);
    for r in 0..replicas {
        let what = |part: &str| format!("{} {mode} weighted {weighted} replica {r} of {replicas}: {part}", case.name);
        let of = |tensor: &Tensor| {
            let all = host(tensor);
            all[r * all.len() / replicas..][..all.len() / replicas].to_vec()
        };
        within(&what("logits"), &of(&logits)[..n as usize], &exact.logits, bounds.logits);
        within(&what("losses"), &of(&losses)[..n as usize], &exact.losses, bounds.logits);
        within(&what("mean"), &of(&mean), &[exact.losses.iter().sum::<f64>() / n as f64], bounds.logits);
        assert_eq!(gradients.len(), exact.gradients.len(), "{}", what("gradients"));
        for (name, gradient) in &gradients {
            within(&what(name), &of(gradient), &exact.gradients[name], bounds.gradients[name]);
        }
        for (name, value) in &exact.buffers {
            within(&what(name), &of(model.params.get(name).unwrap()), value, bounds.buffers[name]);
        }
    }
}

/// Numbers that may be off by `bound`, and by the two roundings of how they are kept.
fn within(what: &str, found: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        let bound = bound + 2.0 * EPS * expected.abs();
        assert!(off <= bound, "{what}[{at}]: {found} where {expected} is expected: off by {off:.1e} of {bound:.1e}");
    }
}

#[test]
fn the_backbones_compute_what_the_reference_computes() {
    for case in cases() {
        for mode in ["train_dropout0", "eval"] {
            let reference = Reference::new(&case.config);
            let (weights, batch) = (weights(&case.vector), batch(&case.vector, mode == "eval"));
            let exact = reference.step(&weights, &batch);
            check_exact(&case, mode, &exact);
            let bounds = reference.bounds(&weights, &batch, &exact);
            for replicas in [1, 3] {
                check(&case, replicas, mode, false, &exact, &bounds);
                if mode != "eval" {
                    check(&case, replicas, mode, true, &exact, &bounds);
                }
            }
        }
    }
}

#[test]
fn every_backbone_has_a_vector() {
    for kind in BackboneKind::ALL {
        assert!(cases().iter().any(|case| case.config.kind == *kind), "{kind}");
    }
}

/// The vectors have the parallel structure of DCNv2; the others are put together from its parts.
#[test]
fn the_structures_of_dcnv2_agree_with_each_other() {
    let vector = vector("backbones_new")["dcnv2_parallel"].clone();
    let saved = |name: &str| {
        let saved = &vector["params"][name];
        Tensor::from_slice(&numbers(saved)).to_kind(Kind::Float).view(&ints(&saved["shape"])[..])
    };
    // Of the last layer's 9 columns 6 are for the cross part, 3 for the tower.
    let output = saved("fc.weight");
    let (of_cross, of_tower) = (output.narrow(1, 0, 6), output.narrow(1, 6, 3));
    let logits = |structure, output: &Tensor, changes: &[(&str, Tensor)]| {
        let mut config = config(&vector, BackboneKind::DcnV2);
        config.options.structure = structure;
        let model = Backbone::new(&config, &[KEY], Device::Cpu);
        for (name, _, tensor) in model.params.iter() {
            let value = match changes.iter().find(|(changed, _)| *changed == name) {
                Some((_, value)) => value.shallow_clone(),
                None if name == "fc.weight" => output.shallow_clone(),
                None => saved(name.trim_start_matches("stacked_")),
            };
            tch::no_grad(|| tensor.shallow_clone().copy_(&value));
        }
        let rows = Tensor::from_slice(&global_ids(&vector)).view([-1, config.fields() as i64]);
        model.forward(&rows, &mut Pass::eval()).detach()
    };
    let cross = ["0.weight", "0.bias", "1.weight", "1.bias"].map(|part| format!("cross.cross_layers.{part}"));
    // x_L = x_0, and no bias at the end.
    let bare = || {
        let names = cross.iter().map(String::as_str).chain(["fc.bias"]);
        names.map(|name| (name, saved(name).zeros_like())).collect::<Vec<_>>()
    };
    let same = |a: Tensor, b: Tensor| assert!(a.allclose(&b, 1e-5, 1e-6, false), "{a:?} {b:?}");
    let tower = logits(Structure::Stacked, &of_tower, &bare());
    let crossnet = logits(Structure::CrossnetOnly, &of_cross, &[]);
    same(logits(Structure::Parallel, &output, &[]), crossnet + &tower);
    let twice = Tensor::cat(&[&of_tower, &of_tower], 1);
    same(logits(Structure::StackedParallel, &twice, &bare()), &tower * 2.0);
    // x_1 = x_0 (0 + 1) + x_0 is what the tower reads.
    let mut doubled = bare();
    doubled[1].1 = doubled[1].1.ones_like();
    let mut as_weights = bare();
    as_weights.push(("stacked_dnn.mlp.0.weight", saved("dnn.mlp.0.weight") * 2.0));
    same(logits(Structure::Stacked, &of_tower, &doubled), logits(Structure::Stacked, &of_tower, &as_weights));
}

#[test]
fn adam_steps_as_the_reference_steps_also_on_zero_gradients() {
    let vector = vector("adam_l2");
    for case in ["case1", "case2"] {
        let config = OptimizerConfig {
            kind: Optimizer::Adam,
            lr: vector[case]["lr"].as_f64().unwrap(),
            weight_decay: vector[case]["weight_decay"].as_f64().unwrap(),
        };
        let mut builder = ParamsBuilder::new(&[KEY], Device::Cpu);
        let theta = builder.dense("theta", &[4], Init::Const(0.0));
        let params = builder.finish();
        tch::no_grad(|| {
            let start = Tensor::from_slice(&numbers(&vector["theta0"])).to_kind(Kind::Float);
            theta.shallow_clone().copy_(&start)
        });
        let mut adam = Adam::new(config, &params, Device::Cpu);
        let grads = vector["grads"].as_array().unwrap();
        for (grad, after) in grads.iter().zip(vector[case]["theta_after_each_step"].as_array().unwrap()) {
            // The gradient of theta . g is g.
            let grad = Tensor::from_slice(&numbers(grad)).to_kind(Kind::Float);
            let gradients = Gradients::of(&(&theta * &grad).sum(Kind::Float), &params, Pass::train(vec![]));
            adam.step(&params, gradients, &[true]);
            close_numbers(case, &host(&theta), after);
        }
    }
}
