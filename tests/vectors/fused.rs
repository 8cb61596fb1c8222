//! The fused engine against the same vectors, on every instruction set of the processor.

use crate::models::{Case, cases};
use crate::policies::{POLICY_CASES, policy_config};
use crate::read::{KEY, close_gradients, close_numbers, global_ids, ints, numbers, vector};
use autodenoise::backbone::fused::{
    Batch, Design, Kind, Network, Source, TowerDesign, cross_entropy, design, reinforce_head,
};
use autodenoise::backbone::{OptimizerConfig, Picked};
use autodenoise::denoise::compute_rewards;
use autodenoise::simd::Isa;
use autodenoise::types::{BackboneKind, Optimizer, Options, PolicyReduction, Preset};
use serde_json::Value;

/// The vector's rows: ids and labels.
fn rows(vector: &Value) -> (Vec<i32>, Vec<u8>) {
    let ids = global_ids(vector);
    let labels = match &vector["y"] {
        Value::Null => vec![0; ids.len() / ints(&vector["field_dims"]).len()],
        labels => numbers(labels).iter().map(|y| *y as u8).collect(),
    };
    (ids, labels)
}

fn load(model: &mut Network, vector: &Value) {
    let names: Vec<String> = model.params.names().map(|(name, _, _)| name.to_owned()).collect();
    for name in names {
        let saved = [&vector["params"][&name], &vector["buffers"][&name]].into_iter().find(|saved| !saved.is_null());
        let saved = numbers(saved.unwrap_or_else(|| panic!("no {name} in the vector")));
        let saved: Vec<f32> = saved.into_iter().map(|number| number as f32).collect();
        model.params.write(&name, Kind::Value, &saved);
    }
}

/// Logits of the present batch.
fn logits(model: &Network) -> Vec<f32> {
    let outputs = model.outputs();
    model.chunks().iter().flat_map(|chunk| chunk.z[..chunk.rows * outputs].to_vec()).collect()
}

fn check_gradients(what: &str, model: &Network, expected: &Value) {
    let read = |name: &str| model.params.read(name, Kind::Gradient).into_iter().map(f64::from).collect();
    let trained = model.params.names().filter(|(_, _, trained)| *trained);
    let gradients: Vec<(String, Vec<f64>)> = trained.map(|(name, _, _)| (name.to_owned(), read(name))).collect();
    close_gradients(what, &gradients, expected);
}

fn check_buffers(what: &str, model: &Network, expected: &Value) {
    for (name, value) in expected.as_object().into_iter().flatten() {
        close_numbers(&format!("{what} {name}"), &model.params.read(name, Kind::Value), value);
    }
}

#[test]
fn the_backbones_compute_what_the_reference_computes() {
    let fused = || cases().into_iter().filter(|case| case.config.kind.is_fused());
    for (isa, Case { name, config, vector }) in
        Isa::available().into_iter().flat_map(|isa| fused().map(move |case| (isa, case)))
    {
        let (ids, labels) = rows(&vector);
        let fields = ints(&vector["field_dims"]).len();
        let source = Source { ids: &ids, labels: &labels, targets: None, fields, label_field: None };
        let mut model = Network::on(isa, design(&config).unwrap(), &KEY);
        load(&mut model, &vector);

        let what = format!("{name} on {}", isa.name());
        let mut z = vec![0.0; labels.len()];
        model.predict(source, Picked::From(0, labels.len()), &mut z);
        close_numbers(&format!("{what} eval logits"), &z, &vector["eval"]["logits"]);

        let expected = &vector["train_dropout0"];
        for weighted in [false, true] {
            // Rows of weight 0 are put behind: they must change nothing.
            let behind: &[u32] = if weighted { &[1, 0] } else { &[] };
            let positions: Vec<u32> = (0..labels.len() as u32).chain(behind.iter().copied()).collect();
            let weights: Vec<f32> = (0..positions.len()).map(|i| if i < labels.len() { 1.0 } else { 0.0 }).collect();
            let mut model = Network::on(isa, design(&config).unwrap(), &KEY);
            load(&mut model, &vector);
            let weights = weighted.then_some(&weights[..]);
            model.forward(Batch { source, picked: Picked::Positions(&positions), weights }, None, true);
            close_numbers(&format!("{what} logits"), &logits(&model)[..labels.len()], &expected["logits"]);
            model.backward(|chunk| cross_entropy(isa, labels.len() as f32, chunk));
            let losses = &model.chunks()[0].losses[..labels.len()];
            close_numbers(&format!("{what} losses"), losses, &expected["loss_per_instance"]);
            check_gradients(&format!("{what} weighted {weighted}"), &model, &expected["grads"]);
            check_buffers(&what, &model, &expected["buffers_after"]);
        }
    }
}

#[test]
fn reinforce_computes_rewards_gradients_and_step_as_the_reference_does() {
    let vector = vector("policy_reinforce");
    let learn = &vector["reinforce"];
    let (ids, labels) = rows(&vector);
    let fields = ints(&vector["field_dims"]).len();
    let source = Source { ids: &ids, labels: &labels, targets: None, fields, label_field: None };
    let all = Picked::From(0, labels.len());
    let floats = |value: &Value| -> Vec<f32> { numbers(value).iter().map(|number| *number as f32).collect() };
    let actions: Vec<bool> = numbers(&learn["actions"]).iter().map(|action| *action == 1.0).collect();
    for isa in Isa::available() {
        for (case, reward, deselected_reward, reduction) in POLICY_CASES {
            let expected = &learn[case];
            let preset = Options::preset(Preset::Paper, BackboneKind::DeepFm);
            let options = Options { reward, deselected_reward, ..preset };
            let losses = floats(&learn["current_loss_all_instances"]);
            let rewards = compute_rewards(&options, &floats(&learn["prev_avg_loss"]), &losses, &actions);
            close_numbers(&format!("{case} rewards"), &rewards.values, &expected["reward_used"]);

            let config = policy_config(&vector, reduction);
            let tower = TowerDesign { hidden: config.mlp_dims.clone(), outputs: 2, dropout: 0.0, batch_norm: true };
            let policy = Design { tower: Some(tower), ..Design::bare(config.ranges.clone(), config.embed_dim) };
            let mut policy = Network::on(isa, policy, &KEY);
            load(&mut policy, &vector);
            let mut eval = vec![0.0; 2 * labels.len()];
            policy.predict(source, all, &mut eval);
            close_numbers("eval logits", &eval, &vector["eval"]["logits"]);

            policy.forward(Batch { source, picked: all, weights: None }, None, true);
            close_numbers(&format!("{case} logits"), &logits(&policy), &expected["logits_train"]);
            let scale = if reduction == PolicyReduction::Mean { 1.0 / actions.len() as f32 } else { 1.0 };
            policy.backward(|chunk| reinforce_head(isa, chunk, &actions, &rewards.values, scale));
            check_gradients(case, &policy, &expected["grads"]);
            check_buffers(case, &policy, &learn["batch_sum_code"]["buffers_after"]);
            policy.step(&config.optimizer);
            // The vector holds the step of the first two cases.
            for (name, after) in expected["params_after_one_adam_step"].as_object().into_iter().flatten() {
                let found = policy.params.read(name, Kind::Value);
                let gradient = numbers(&expected["grads"][name]);
                for ((found, after), gradient) in found.iter().zip(numbers(after)).zip(gradient) {
                    // Adam moves a parameter by about lr however small its gradient: noise around 0 has no right sign.
                    if gradient.abs() > 1e-6 {
                        let difference = (f64::from(*found) - after).abs();
                        assert!(difference <= 1e-6 + 1e-4 * after.abs(), "{case} {name}: {found} {after}");
                    }
                }
            }
        }
    }
}

/// The optimiser alone: a factorisation machine's bias follows the vector when the derivative by the only row's logit is
/// the vector's gradient.
#[test]
fn adam_steps_as_the_reference_steps_also_on_zero_gradients() {
    let vector = vector("adam_l2");
    // Two fields of one value each.
    let (ids, labels) = ([0, 1], [0]);
    let source = Source { ids: &ids, labels: &labels, targets: None, fields: 2, label_field: None };
    for (isa, case) in Isa::available().into_iter().flat_map(|isa| ["case1", "case2"].map(|case| (isa, case))) {
        let of = |key: &str| vector[case][key].as_f64().unwrap();
        let optimizer = OptimizerConfig { kind: Optimizer::Adam, lr: of("lr"), weight_decay: of("weight_decay") };
        for (at, start) in numbers(&vector["theta0"]).into_iter().enumerate() {
            let design = Design { first_order: true, pairwise: true, ..Design::bare(vec![0..1, 1..2], 1) };
            let mut model = Network::on(isa, design, &KEY);
            model.params.write("linear.bias", Kind::Value, &[start as f32]);
            let steps = vector["grads"].as_array().unwrap().iter();
            for (gradient, after) in steps.zip(vector[case]["theta_after_each_step"].as_array().unwrap()) {
                let gradient = numbers(gradient)[at] as f32;
                model.forward(Batch { source, picked: Picked::From(0, 1), weights: None }, None, true);
                model.backward(|chunk| chunk.dz[0] = gradient);
                model.step(&optimizer);
                let found = model.params.read("linear.bias", Kind::Value);
                close_numbers(case, &found, &Value::from(numbers(after)[at]));
            }
        }
    }
}
