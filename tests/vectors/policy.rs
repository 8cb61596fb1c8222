use crate::{KEY, close, close_gradients, global_ids, host, id_ranges, ints, load, numbers, vector};
use autodenoise::backbone::OptimizerConfig;
use autodenoise::backbone::torch::{Gradients, Pass};
use autodenoise::denoise::PolicyConfig;
use autodenoise::denoise::torch::{Policy, rewards};
use autodenoise::types::{BackboneKind, DeselectedReward, Optimizer, Options, PolicyReduction, Preset, Reward};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

pub const CASES: [(&str, Reward, DeselectedReward, PolicyReduction); 3] = [
    ("batch_sum_code", Reward::BatchSum, DeselectedReward::Batch, PolicyReduction::Sum),
    ("instance_zero", Reward::Instance, DeselectedReward::Zero, PolicyReduction::Mean),
    ("instance_negate", Reward::Instance, DeselectedReward::Negate, PolicyReduction::Mean),
];

pub fn config(vector: &Value, reduction: PolicyReduction) -> PolicyConfig {
    let optimizer = &vector["reinforce"]["optimizer"];
    PolicyConfig {
        ranges: id_ranges(vector),
        label_field: None,
        embed_dim: vector["config"]["embed_dim"].as_u64().unwrap() as usize,
        mlp_dims: ints(&vector["config"]["mlp_dims"]).iter().map(|dim| *dim as usize).collect(),
        dropout: 0.0,
        batch_norm: true,
        reduction,
        optimizer: OptimizerConfig {
            kind: Optimizer::Adam,
            lr: optimizer["lr"].as_f64().unwrap(),
            weight_decay: optimizer["weight_decay"].as_f64().unwrap(),
        },
    }
}

fn policy(vector: &Value, reduction: PolicyReduction) -> Policy {
    let config = config(vector, reduction);
    let policy = Policy::new(&config, KEY, Device::Cpu);
    load(&policy.model.params, vector);
    policy
}

fn floats(value: &Value) -> Tensor {
    Tensor::from_slice(&numbers(value)).to_kind(Kind::Float)
}

#[test]
fn the_policy_scores_rows_as_the_reference_does() {
    let vector = vector("policy_reinforce");
    let policy = policy(&vector, PolicyReduction::Mean);
    let ids = global_ids(&vector);
    close("logits", &policy.logits(&ids), &vector["eval"]["logits"]);
    let p: Vec<f64> = numbers(&vector["eval"]["probs"]).chunks(2).map(|row| row[1]).collect();
    close("keep probability", &policy.keep_prob(&ids), &Value::from(p));
}

#[test]
fn reinforce_computes_rewards_loss_gradients_and_step_as_the_reference_does() {
    let vector = vector("policy_reinforce");
    let learn = &vector["reinforce"];
    let ids = global_ids(&vector);
    let actions = floats(&learn["actions"]);
    for (case, reward, deselected, reduction) in CASES {
        let expected = &learn[case];
        let options =
            Options { reward, deselected_reward: deselected, ..Options::preset(Preset::Paper, BackboneKind::DeepFm) };
        let rewards = rewards(
            &options,
            &floats(&learn["prev_avg_loss"]),
            &floats(&learn["current_loss_all_instances"]),
            &actions,
        );
        close(&format!("{case} rewards"), &rewards.values, &expected["reward_used"]);

        let mut policy = policy(&vector, reduction);
        let mut pass = Pass::train(vec![]);
        let logits = policy.model.forward(&ids, &mut pass);
        close(&format!("{case} logits"), &logits, &expected["logits_train"]);
        let loss = policy.loss(&logits, &actions, &rewards.values);
        close(&format!("{case} loss"), &loss, &expected["policy_loss"]);
        let gradients = Gradients::of(&loss, &policy.model.params, pass).named(&policy.model.params);
        let gradients: Vec<(String, Vec<f64>)> =
            gradients.into_iter().map(|(name, gradient)| (name, host(&gradient))).collect();
        close_gradients(case, &gradients, &expected["grads"]);
        for (buffer, value) in learn["batch_sum_code"]["buffers_after"].as_object().unwrap() {
            close(&format!("{case} {buffer}"), policy.model.params.get(buffer).unwrap(), value);
        }

        let (logits, pass) = policy.explore(&ids, 0, 0);
        policy.reinforce(&logits, pass, &actions, &rewards.values);
        // The vector holds the step of the first two cases.
        for (name, after) in expected["params_after_one_adam_step"].as_object().into_iter().flatten() {
            let found = host(policy.model.params.get(name).unwrap());
            let gradient = numbers(&expected["grads"][name]);
            for ((found, after), gradient) in found.iter().zip(numbers(after)).zip(gradient) {
                // Adam moves a parameter by about lr however small its gradient: noise around 0 has no right sign.
                if gradient.abs() > 1e-6 {
                    assert!((found - after).abs() <= 1e-6 + 1e-4 * after.abs(), "{case} {name}: {found} {after}");
                }
            }
        }
    }
}
