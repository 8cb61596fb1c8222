//! T-CE and R-CE.

use crate::read::{close_numbers, ints, numbers, vector};
use autodenoise::backbone::fused::{losses, losses_and_gradients};
use autodenoise::backbone::{BatchLoss, TrainingLoss};
use autodenoise::simd::Isa;
use serde_json::Value;

/// Loss and gradient by the logits; and which rows have a share, of those that are dropped.
fn check(what: &str, loss: BatchLoss, logits: &Value, labels: &Value, expected: &Value) {
    let z: Vec<f32> = numbers(logits).iter().map(|z| *z as f32).collect();
    let labels: Vec<u8> = ints(labels).iter().map(|label| *label as u8).collect();
    let y: Vec<f32> = labels.iter().map(|label| f32::from(*label)).collect();
    for isa in Isa::available() {
        let mut own = vec![0.0; z.len()];
        losses(isa, &z, &y, &mut own);
        close_numbers(what, &own, &expected["loss_all"]);
        let (shares, total) = loss.shares(&own, &labels, None);
        let mean = own.iter().zip(&shares).map(|(loss, share)| loss * share).sum::<f32>() / total;
        close_numbers(&format!("{what} loss"), &[mean], &expected["loss"]);
        let mut gradient = vec![0.0; z.len()];
        losses_and_gradients(isa, total, &z, &y, &shares, &mut own, &mut gradient);
        close_numbers(&format!("{what} gradient"), &gradient, &expected["grad_logits"]);
        close_numbers(&format!("{what} recorded losses"), &own, &expected["loss_all"]);
        if !expected["weights"].is_null() {
            close_numbers(&format!("{what} weights"), &shares, &expected["weights"]);
        } else {
            let dropped: Vec<i64> =
                (0..).zip(&shares).filter(|(_, share)| **share == 0.0).map(|(row, _)| row).collect();
            assert_eq!(dropped, ints(&expected["dropped"]), "{what}");
        }
    }
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
fn the_drop_rate_follows_the_official_schedule() {
    for case in vector("tce_rce")["drop_rate_schedule"].as_array().unwrap() {
        let loss = TrainingLoss::TruncatedCe {
            drop_rate: case["drop_rate"].as_f64().unwrap(),
            ramp_batches: case["num_gradual"].as_u64().unwrap(),
            exponent: case["exponent"].as_f64().unwrap(),
            protect_negatives: false,
        };
        let BatchLoss::Truncated { drop_rate, .. } = loss.at(case["iteration"].as_u64().unwrap()) else {
            panic!("{case}")
        };
        let expected = case["value"].as_f64().unwrap();
        assert!((drop_rate - expected).abs() < 1e-15, "{case}: {drop_rate}");
    }
}
