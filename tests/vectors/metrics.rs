use crate::read::{close_numbers, numbers, vector};
use autodenoise::backbone::fused;
use autodenoise::metrics::{TTest, auc, incomplete_beta, logloss, paired_t, student_t_two_sided, welch_t};
use autodenoise::simd::Isa;

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
        let number = |key: &str| [case[key].as_f64().unwrap() as f32];
        for isa in Isa::available() {
            let mut loss = [0.0];
            fused::losses(isa, &number("logit"), &number("y"), &mut loss);
            close_numbers(&case.to_string(), &loss, &case["bce_with_logits"]);
        }
    }
}

/// To 1e-10 of the value, as the vectors ask.
fn same(what: &str, found: f64, expected: &serde_json::Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-10 * expected.abs(), "{what}: {found}, not {expected}");
}

#[test]
fn tails_of_t_and_the_incomplete_beta_are_those_of_the_vectors() {
    let vectors = vector("metrics");
    for case in vectors["student_t_two_sided"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        same(&case.to_string(), student_t_two_sided(number("t"), number("df")), &case["p_two_sided"]);
    }
    for case in vectors["regularized_incomplete_beta"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        same(&case.to_string(), incomplete_beta(number("a"), number("b"), number("x")), &case["I"]);
    }
}

#[test]
fn t_tests_are_those_of_the_vectors() {
    for case in vector("metrics")["ttest"].as_array().unwrap() {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let check = |kind: &str, found: TTest| {
            let what = format!("{} {kind}", case["name"]);
            same(&what, found.t, &case[kind]["t"]);
            same(&what, found.df, &case[kind]["df"]);
            same(&what, found.p, &case[kind]["p_two_sided"]);
        };
        check("welch", welch_t(&a, &b).unwrap());
        if a.len() == b.len() {
            let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            check("paired", paired_t(&differences).unwrap());
        }
    }
    // No spread: certain of a difference, or of none.
    assert_eq!(paired_t(&[0.0, 0.0]).unwrap().p, 1.0);
    assert_eq!(paired_t(&[0.5, 0.5]).unwrap().p, 0.0);
    assert_eq!(welch_t(&[1.0, 1.0], &[1.0, 1.0]).unwrap().p, 1.0);
    assert!(paired_t(&[0.1]).is_none() && welch_t(&[0.1], &[0.1, 0.2]).is_none());
}
