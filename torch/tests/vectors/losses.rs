//! T-CE and R-CE.

use crate::close;
use crate::read::{ints, numbers, vector};
use autodenoise::backbone::BatchLoss;
use autodenoise_torch::backbone::{batch_loss, bce};
use serde_json::Value;
use tch::{Kind, Tensor};

/// Loss and gradient by the logits.
fn check(what: &str, loss: BatchLoss, logits: &Value, labels: &Value, expected: &Value) {
    let z: Vec<f32> = numbers(logits).iter().map(|z| *z as f32).collect();
    let y: Vec<f32> = ints(labels).iter().map(|label| *label as f32).collect();
    let y = Tensor::from_slice(&y);
    // One model; and two replicas that differ, with one more row, which does not count.
    let single = Tensor::from_slice(&z).set_requires_grad(true);
    let mean = batch_loss(loss, &bce(&single, &y), &y, None);
    mean.backward();
    close(&format!("{what} loss of torch"), &mean, &expected["loss"]);
    close(&format!("{what} gradient of torch"), &single.grad(), &expected["grad_logits"]);

    let rows = z.len() as i64;
    let with_other =
        |row: &Tensor, last: f64| Tensor::cat(&[row.detach(), Tensor::from(last).to_kind(Kind::Float).view(1)], 0);
    let y = with_other(&y, 1.0);
    let both =
        Tensor::stack(&[with_other(&single, -50.0), with_other(&(&single * 0.5), -50.0)], 0).set_requires_grad(true);
    let weights = with_other(&Tensor::ones([rows], (Kind::Float, tch::Device::Cpu)), 0.0).expand([2, -1], false);
    let means = batch_loss(loss, &bce(&both, &y), &y, Some(&weights));
    means.sum(Kind::Float).backward();
    close(&format!("{what} loss of a replica"), &means.get(0), &expected["loss"]);
    close(&format!("{what} gradient of a replica"), &both.grad().get(0).narrow(0, 0, rows), &expected["grad_logits"]);
    assert_eq!(both.grad().get(0).double_value(&[rows]), 0.0, "{what}: a row of weight 0");
}

#[test]
fn truncated_and_reweighted_losses_are_those_of_the_official_code() {
    let vector = vector("tce_rce");
    for (name, make) in [
        ("t_ce", (|drop_rate| BatchLoss::Truncated { drop_rate, protect_negatives: false }) as fn(f64) -> BatchLoss),
        ("r_ce", |beta| BatchLoss::Reweighted { beta }),
    ] {
        for (parameter, expected) in vector[name].as_object().unwrap() {
            let loss = make(parameter.parse().unwrap());
            check(&format!("{name} {parameter}"), loss, &vector["logits"], &vector["labels"], expected);
        }
    }
}

#[test]
fn negatives_make_up_for_missing_positives_unless_they_are_protected() {
    let case = &vector("tce_rce")["t_ce_more_drops_than_positives"];
    let drop_rate = case["drop_rate"].as_f64().unwrap();
    let official = BatchLoss::Truncated { drop_rate, protect_negatives: false };
    check("more drops than positives", official, &case["logits"], &case["labels"], case);

    let mut expected = case.clone();
    let (z, own) = (numbers(&case["logits"]), numbers(&case["loss_all"]));
    expected["dropped"] = serde_json::json!([0]);
    expected["loss"] = serde_json::json!(own[1..].iter().sum::<f64>() / 3.0);
    let gradient = (0..4).map(|row| if row == 0 { 0.0 } else { 1.0 / (1.0 + (-z[row]).exp()) / 3.0 });
    expected["grad_logits"] = gradient.collect::<Vec<f64>>().into();
    let protected = BatchLoss::Truncated { drop_rate, protect_negatives: true };
    check("protected", protected, &case["logits"], &case["labels"], &expected);
}

#[test]
fn the_training_loss_is_stable_for_large_logits() {
    for case in vector("metrics")["bce_with_logits"].as_array().unwrap() {
        let tensor = |key: &str| Tensor::from_slice(&[case[key].as_f64().unwrap()]).to_kind(Kind::Float);
        close(&case.to_string(), &bce(&tensor("logit"), &tensor("y")), &case["bce_with_logits"]);
    }
}
