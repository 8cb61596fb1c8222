use crate::{KEY, close, global_ids, id_ranges, ints, load, numbers, vector};
use autodenoise::backbone::torch::{Adam, Backbone, Gradients, ParamsBuilder, Pass, bce};
use autodenoise::backbone::{BackboneConfig, Init, OptimizerConfig};
use autodenoise::types::{BackboneKind, Optimizer};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

pub const ALL: [(&str, BackboneKind); 5] = [
    ("backbone_fm", BackboneKind::Fm),
    ("backbone_wd", BackboneKind::WideDeep),
    ("backbone_dcn", BackboneKind::Dcn),
    ("backbone_ipnn", BackboneKind::Ipnn),
    ("backbone_dfm", BackboneKind::DeepFm),
];

pub fn config(vector: &Value, kind: BackboneKind) -> BackboneConfig {
    let dims = &vector["config"]["mlp_dims"];
    BackboneConfig {
        kind,
        ranges: id_ranges(vector),
        embed_dim: vector["config"]["embed_dim"].as_u64().unwrap() as usize,
        mlp_dims: if dims.is_null() { vec![] } else { ints(dims).iter().map(|dim| *dim as usize).collect() },
        dropout: 0.0,
        cross_layers: vector["config"]["num_layers"].as_u64().unwrap_or(0) as usize,
    }
}

fn model(vector: &Value, kind: BackboneKind, replicas: usize) -> Backbone {
    let model = Backbone::new(&config(vector, kind), &vec![KEY; replicas], Device::Cpu);
    load(&model.params, vector);
    model
}

/// Forward, loss and gradients in one mode; `weights` as training takes them.
fn check(name: &str, vector: &Value, model: &Backbone, mode: &str, mut pass: Pass, weights: Option<&Tensor>) {
    let expected = &vector[mode];
    let mut ids = global_ids(vector);
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

#[test]
fn the_backbones_compute_what_the_reference_computes() {
    for (name, kind) in ALL {
        let vector = vector(name);
        check(name, &vector, &model(&vector, kind, 1), "train_dropout0", Pass::train(vec![]), None);
        let mut eval = Pass::train(vec![]);
        eval.use_running_stats();
        check(name, &vector, &model(&vector, kind, 1), "eval", eval, None);
    }
}

#[test]
fn stacked_replicas_and_dropped_rows_change_nothing() {
    for (name, kind) in ALL {
        let vector = vector(name);
        let rows = ints(&vector["y"]).len() as i64;
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
            let model = || model(&vector, kind, replicas);
            check(name, &vector, &model(), "train_dropout0", Pass::train(vec![]), None);
            check(name, &vector, &model(), "train_dropout0", Pass::train(vec![]), Some(&weights));
        }
        let mut eval = Pass::train(vec![]);
        eval.use_running_stats();
        check(name, &vector, &model(&vector, kind, 3), "eval", eval, None);
    }
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
