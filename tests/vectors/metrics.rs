use crate::{numbers, vector};
use autodenoise::backbone::{fused, torch::bce};
use autodenoise::metrics::{auc, logloss};
use autodenoise::simd::Isa;
use tch::{Kind, Tensor};

fn labels(value: &serde_json::Value) -> Vec<u8> {
    numbers(value).iter().map(|y| *y as u8).collect()
}

#[test]
fn auc_is_exact_under_ties() {
    for case in vector("metrics")["auc"].as_array().unwrap() {
        let scores: Vec<f32> = numbers(&case["score"]).iter().map(|score| *score as f32).collect();
        assert_eq!(auc(&labels(&case["y"]), &scores).unwrap(), case["auc"].as_f64(), "{}", case["name"]);
    }
}

#[test]
fn log_loss_clips_where_it_is_told_to() {
    for case in vector("metrics")["logloss"].as_array().unwrap() {
        let (labels, p) = (labels(&case["y"]), numbers(&case["p"]));
        for (key, eps) in [("eps_1e-15", 1e-15), ("eps_2.220446049250313e-16", 2f64.powi(-52)), ("eps_1e-7", 1e-7)] {
            let found = logloss(&labels, p.iter().copied(), eps).unwrap();
            let expected = case[key].as_f64().unwrap();
            assert!((found.mean - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{} {key}", case["name"]);
            let clipped = p.iter().filter(|p| **p < eps || **p > 1.0 - eps).count() as u64;
            assert_eq!(found.clipped, clipped, "{} {key}", case["name"]);
        }
    }
}

#[test]
fn the_training_loss_is_stable_for_large_logits() {
    for case in vector("metrics")["bce_with_logits"].as_array().unwrap() {
        let tensor = |key: &str| Tensor::from_slice(&[case[key].as_f64().unwrap()]).to_kind(Kind::Float);
        crate::close(&case.to_string(), &bce(&tensor("logit"), &tensor("y")), &case["bce_with_logits"]);
        let number = |key: &str| [case[key].as_f64().unwrap() as f32];
        for isa in Isa::available() {
            let mut loss = [0.0];
            fused::losses(isa, &number("logit"), &number("y"), &mut loss);
            crate::close_numbers(&case.to_string(), &loss, &case["bce_with_logits"]);
        }
    }
}
