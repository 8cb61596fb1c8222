use crate::models::{Case, cases, config};
use crate::reference::{KEY, ints, numbers, vector};
use crate::{close, ids, load};
use autodenoise::backbone::{Init, OptimizerConfig};
use autodenoise::types::{BackboneKind, Optimizer, Structure};
use autodenoise_torch::backbone::{Adam, Backbone, Gradients, ParamsBuilder, Pass, bce};
use tch::{Device, Kind, Tensor};

fn model(case: &Case, replicas: usize) -> Backbone {
    let model = Backbone::new(&case.config, &vec![KEY; replicas], Device::Cpu);
    load(&model.params, &case.vector);
    model
}

/// Forward, loss and gradients in one mode; `weights` as training takes them.
fn check(case: &Case, model: &Backbone, mode: &str, mut pass: Pass, weights: Option<&Tensor>) {
    let Case { name, vector, .. } = case;
    // Models without BatchNorm compute the same in both modes and have one set of numbers.
    let expected = vector.get(mode).unwrap_or(vector);
    let mut ids = ids(vector);
    let mut labels = Tensor::from_slice(&numbers(&vector["y"])).to_kind(Kind::Float);
    let rows = labels.size()[0];
    if let Some(weights) = weights {
        // Rows of weight 0 are put behind: they must change nothing.
        ids = Tensor::cat(&[&ids, &ids.narrow(0, 0, 2).flip([0])], 0);
        labels = Tensor::cat(&[&labels, &labels.narrow(0, 0, 2)], 0);
        pass.counted = Some(weights.unsqueeze(-1));
    }
    let logits = model.forward(&ids, &mut pass);
    let losses = bce(&logits, &labels);
    let mean = match weights {
        None => losses.mean_dim(-1, false, None),
        Some(weights) => {
            (&losses * weights).sum_dim_intlist(-1, false, None) / weights.sum_dim_intlist(-1, false, None)
        }
    };
    let gradients = Gradients::of(&mean, &model.params, pass).named(&model.params);
    let replicas = model.replicas() as i64;
    let each = |tensor: &Tensor| -> Vec<Tensor> {
        if replicas == 1 { vec![tensor.shallow_clone()] } else { (0..replicas).map(|r| tensor.get(r)).collect() }
    };
    for r in 0..replicas as usize {
        let of = |tensor: &Tensor| each(tensor).swap_remove(r);
        close(&format!("{name} {mode} logits"), &of(&logits).narrow(0, 0, rows), &expected["logits"]);
        close(&format!("{name} {mode} losses"), &of(&losses).narrow(0, 0, rows), &expected["loss_per_instance"]);
        close(&format!("{name} {mode} mean"), &mean.reshape([-1]).narrow(0, r as i64, 1), &expected["loss_mean"]);
        let mut compared = 0;
        for (parameter, gradient) in &gradients {
            close(&format!("{name} {mode} gradient of {parameter}"), &of(gradient), &expected["grads"][parameter]);
            compared += 1;
        }
        let with_gradient = expected["grads"].as_object().unwrap().values().filter(|gradient| !gradient.is_null());
        assert_eq!(compared, with_gradient.count(), "{name}: every parameter has its gradient compared");
        if let Some(buffers) = expected["buffers_after"].as_object() {
            for (buffer, value) in buffers {
                close(&format!("{name} {buffer}"), &of(model.params.get(buffer).unwrap()), value);
            }
        }
    }
}

/// Running BatchNorm statistics, with gradients.
fn eval() -> Pass {
    let mut eval = Pass::train(vec![]);
    eval.use_running_stats();
    eval
}

#[test]
fn the_backbones_compute_what_the_reference_computes() {
    for case in cases() {
        check(&case, &model(&case, 1), "train_dropout0", Pass::train(vec![]), None);
        check(&case, &model(&case, 1), "eval", eval(), None);
    }
}

#[test]
fn every_backbone_has_a_vector() {
    for kind in BackboneKind::ALL {
        assert!(cases().iter().any(|case| case.config.kind == *kind), "{kind}");
    }
}

#[test]
fn stacked_replicas_and_dropped_rows_change_nothing() {
    for case in cases() {
        let rows = ints(&case.vector["y"]).len() as i64;
        let weights = |lead: &[i64]| {
            let size = |n: i64| [lead, &[n]].concat();
            Tensor::cat(
                &[
                    Tensor::ones(&size(rows)[..], tch::kind::FLOAT_CPU),
                    Tensor::zeros(&size(2)[..], tch::kind::FLOAT_CPU),
                ],
                -1,
            )
        };
        for (replicas, lead) in [(1, &[][..]), (3, &[3][..])] {
            let weights = weights(lead);
            check(&case, &model(&case, replicas), "train_dropout0", Pass::train(vec![]), None);
            check(&case, &model(&case, replicas), "train_dropout0", Pass::train(vec![]), Some(&weights));
        }
        check(&case, &model(&case, 3), "eval", eval(), None);
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
        model.forward(&ids(&vector), &mut Pass::eval()).detach()
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
        let mut adam = Adam::new(config, &params);
        let grads = vector["grads"].as_array().unwrap();
        for (grad, after) in grads.iter().zip(vector[case]["theta_after_each_step"].as_array().unwrap()) {
            // The gradient of theta . g is g.
            let grad = Tensor::from_slice(&numbers(grad)).to_kind(Kind::Float);
            let gradients = Gradients::of(&(&theta * &grad).sum(Kind::Float), &params, Pass::train(vec![]));
            adam.step(&params, gradients, &[true]);
            close(case, &theta, after);
        }
    }
}
