use crate::policies::{POLICY_CASES, policy_config};
use crate::read::{KEY, close_gradients, numbers, vector};
use crate::{close, host, ids, load};
use autodenoise::denoise::compute_rewards;
use autodenoise::types::{BackboneKind, Options, PolicyReduction, Preset};
use autodenoise_torch::TorchPolicy;
use autodenoise_torch::backbone::{Gradients, Pass};
use serde_json::Value;
use tch::Device;

fn policy(vector: &Value, reduction: PolicyReduction) -> TorchPolicy {
    let config = policy_config(vector, reduction);
    let policy = TorchPolicy::new(&config, KEY, Device::Cpu);
    load(&policy.model.params, vector);
    policy
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).iter().map(|number| *number as f32).collect()
}

#[test]
fn the_policy_scores_rows_as_the_reference_does() {
    let vector = vector("policy_reinforce");
    let policy = policy(&vector, PolicyReduction::Mean);
    let ids = ids(&vector);
    close("logits", &policy.logits(&ids), &vector["eval"]["logits"]);
    let p: Vec<f64> = numbers(&vector["eval"]["probs"]).chunks(2).map(|row| row[1]).collect();
    close("keep probability", &autodenoise_torch::keep_prob(&policy.logits(&ids)), &Value::from(p));
}

#[test]
fn reinforce_computes_rewards_loss_gradients_and_step_as_the_reference_does() {
    let vector = vector("policy_reinforce");
    let learn = &vector["reinforce"];
    let ids = ids(&vector);
    let actions: Vec<bool> = numbers(&learn["actions"]).iter().map(|action| *action == 1.0).collect();
    for (case, reward, deselected, reduction) in POLICY_CASES {
        let expected = &learn[case];
        let options =
            Options { reward, deselected_reward: deselected, ..Options::preset(Preset::Paper, BackboneKind::DeepFm) };
        let rewards = compute_rewards(
            &options,
            &floats(&learn["prev_avg_loss"]),
            &floats(&learn["current_loss_all_instances"]),
            &actions,
        );
        crate::read::close_numbers(&format!("{case} rewards"), &rewards.values, &expected["reward_used"]);

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

        let mut pass = Pass::train(vec![]);
        let loss = policy.loss(&policy.model.forward(&ids, &mut pass), &actions, &rewards.values);
        let gradients = Gradients::of(&loss, &policy.model.params, pass);
        policy.optimizer.step(&policy.model.params, gradients, &[true]);
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
