//! AUC and log-loss where the logits are, so that a device is asked for a few sums and not for its predictions.
//!
//! They are those of `autodenoise::metrics`: pairs are counted in 64-bit integers, so AUC is exact, with ties, and log-loss is
//! added up in f64. Every shape is known beforehand, so that nothing waits for the device.

use autodenoise::backbone::{FitError, Measure};
use autodenoise::metrics::MetricsError;
use autodenoise::types::{AucOn, Metrics};
use tch::{Kind, Tensor};

/// How many sums there are of one model's predictions.
pub const SUMS: usize = 6;

/// The sums `[SUMS]`, in f64, of logits `[n]` against labels `[n]` of 0 and 1. `counted` `[n]` says which rows count; absent: all.
pub fn sums(logits: &Tensor, labels: &Tensor, counted: Option<&Tensor>, how: Measure) -> Tensor {
    let counted = counted.map_or_else(|| labels.ones_like().to_kind(Kind::Bool), Tensor::shallow_clone);
    let first_not_finite = first(&counted.logical_and(&logits.isfinite().logical_not()));
    // Whatever stands in the other rows may be no number: it is not to meet the sums.
    let logits = logits.where_scalarother(&counted, 0.0);
    let probabilities = logits.sigmoid();
    let positive = counted.logical_and(&labels.gt(0.5)).to_kind(Kind::Int64);
    let negative = counted.to_kind(Kind::Int64) - &positive;
    let (losses, clipped) = losses(&probabilities, labels, how.logloss_eps);
    let ranked = if how.auc_on == AucOn::Prob { probabilities } else { logits };
    let sums = [
        first_not_finite,
        positive.sum(Kind::Int64),
        negative.sum(Kind::Int64),
        twice_right_pairs(&ranked, &positive, &negative),
        losses.where_scalarother(&counted, 0.0).sum(Kind::Double),
        clipped.logical_and(&counted).sum(Kind::Int64),
    ];
    Tensor::stack(&sums.map(|sum| sum.to_kind(Kind::Double)), 0)
}

/// The same of each replica, `[R, SUMS]`: logits and `counted` are `[.., n]`.
pub fn sums_of_replicas(logits: &Tensor, labels: &Tensor, counted: Option<&Tensor>, how: Measure) -> Tensor {
    let rows = labels.numel() as i64;
    let [logits, counted] = [Some(logits), counted].map(|all| all.map(|all| all.reshape([-1, rows])));
    let logits = logits.expect("there are logits");
    let of_replica = |r: i64| sums(&logits.get(r), labels, counted.as_ref().map(|all| all.get(r)).as_ref(), how);
    Tensor::stack(&(0..logits.size()[0]).map(of_replica).collect::<Vec<_>>(), 0)
}

/// Metrics from one model's sums, as they were read back, and the first of `rows` rows that counts and whose logit is not finite,
/// if there is one: then the metrics are of no meaning.
pub fn metrics_of(sums: &[f64], rows: usize) -> (Option<usize>, Result<Metrics, FitError>) {
    let &[first_not_finite, positives, negatives, twice, loss, clipped] = sums else { panic!("{SUMS} sums") };
    let not_finite = (first_not_finite < rows as f64).then_some(first_not_finite as usize);
    let counted = positives + negatives;
    if counted == 0.0 {
        return (not_finite, Err(MetricsError::Empty.into()));
    }
    let pairs = positives as u128 * negatives as u128;
    let auc = (pairs > 0).then(|| twice / (2.0 * pairs as f64));
    (not_finite, Ok(Metrics { auc, logloss: loss / counted, clipped: clipped as u64 }))
}

/// The position of the first true one of `[n]`, or n.
fn first(which: &Tensor) -> Tensor {
    let rows = which.numel() as i64;
    let positions = Tensor::arange(rows, (Kind::Int64, which.device()));
    let end = Tensor::full([1], rows, (Kind::Int64, which.device()));
    Tensor::cat(&[positions.where_scalarother(which, rows), end], 0).min()
}

/// -ln of each row's probability of its own label in f64, clipped to [eps, 1 - eps]; and which rows were.
fn losses(probabilities: &Tensor, labels: &Tensor, eps: f64) -> (Tensor, Tensor) {
    let given = probabilities.to_kind(Kind::Double);
    let inside = given.clamp(eps, 1.0 - eps);
    // 1 - y first: it is 0 or 1, so nothing of a small probability is rounded away.
    let other: Tensor = 1.0 - labels.to_kind(Kind::Double);
    let own = (&inside - other).abs();
    (-own.log(), inside.ne_tensor(&given))
}

/// Twice the number of (positive, negative) pairs that `scores` `[n]` put in the right order, a tie counting one half; 1 in
/// `positive` and `negative` `[n]` says what a row is. In 64-bit integers.
fn twice_right_pairs(scores: &Tensor, positive: &Tensor, negative: &Tensor) -> Tensor {
    // Adding 0 makes both zeros the same one.
    let (sorted, order) = (scores + 0.0).sort(-1, false);
    // How many negatives stand before each position, and before the end.
    let before = negative.index_select(0, &order).cumsum(0, Kind::Int64);
    let before = Tensor::cat(&[before.new_zeros([1], (Kind::Int64, before.device())), before], 0);
    let below = sorted.searchsorted::<Tensor>(&sorted, false, false, "left", None);
    let up_to = sorted.searchsorted::<Tensor>(&sorted, false, true, "right", None);
    // A positive is above the negatives before its group of equal scores, and ties with those within it.
    let twice = before.index_select(0, &below) + before.index_select(0, &up_to);
    (twice * positive.index_select(0, &order)).sum(Kind::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodenoise::metrics::{auc, of_logits};
    use autodenoise::random::{Purpose, Stream};
    use serde_json::Value;

    const ON: [AucOn; 2] = [AucOn::Prob, AucOn::Logit];
    const VECTORS: &str = include_str!("../../tests/vectors/metrics.json");

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    fn floats(values: &[f64]) -> Tensor {
        Tensor::from_slice(values).to_kind(Kind::Float)
    }

    fn metrics(logits: &Tensor, labels: &[u8], counted: Option<&Tensor>, how: Measure) -> Result<Metrics, FitError> {
        let labels = Tensor::from_slice(labels).to_kind(Kind::Float);
        let sums = Vec::<f64>::try_from(sums(logits, &labels, counted, how)).unwrap();
        let (not_finite, metrics) = metrics_of(&sums, labels.numel());
        assert_eq!(not_finite, None);
        metrics
    }

    #[test]
    fn auc_is_exact_under_ties() {
        let vectors: Value = serde_json::from_str(VECTORS).unwrap();
        for case in vectors["auc"].as_array().unwrap() {
            let labels: Vec<u8> = numbers(&case["y"]).iter().map(|y| *y as u8).collect();
            let how = Measure { auc_on: AucOn::Logit, logloss_eps: 1e-15 };
            let found = metrics(&floats(&numbers(&case["score"])), &labels, None, how).unwrap();
            assert_eq!(found.auc, case["auc"].as_f64(), "{}", case["name"]);
        }
    }

    #[test]
    fn log_loss_clips_where_it_is_told_to() {
        let vectors: Value = serde_json::from_str(VECTORS).unwrap();
        for case in vectors["logloss"].as_array().unwrap() {
            let (labels, p) = (floats(&numbers(&case["y"])), Tensor::from_slice(&numbers(&case["p"])));
            for (key, eps) in [("eps_1e-15", 1e-15), ("eps_2.220446049250313e-16", 2f64.powi(-52)), ("eps_1e-7", 1e-7)]
            {
                let (each, clipped) = losses(&p, &labels, eps);
                let found = f64::try_from(each.mean(Kind::Double)).unwrap();
                let expected = case[key].as_f64().unwrap();
                assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{} {key}", case["name"]);
                let outside = numbers(&case["p"]).iter().filter(|p| **p < eps || **p > 1.0 - eps).count() as i64;
                assert_eq!(i64::try_from(clipped.sum(Kind::Int64)).unwrap(), outside, "{} {key}", case["name"]);
            }
        }
    }

    /// Logits of R replicas, rounded so that many tie, some so large that their probabilities do.
    fn logits(rows: usize, replicas: usize) -> Vec<f32> {
        let mut all = vec![0.0; rows * replicas];
        Stream::new(1, Purpose::Init, &[rows as u32]).fill_normal(&mut all);
        all.iter_mut().enumerate().for_each(|(at, z)| *z = (*z * 8.0).round() / if at % 7 == 0 { 0.25 } else { 8.0 });
        all
    }

    #[test]
    fn replicas_have_the_metrics_of_the_processor_and_rows_that_do_not_count_none() {
        let (rows, replicas) = (5000, 3);
        let all = logits(rows, replicas);
        let labels: Vec<u8> = (0..rows).map(|row| u8::from(row * row % 11 < 4)).collect();
        let counts = |at: usize| at % 5 != 1;
        // Rows that do not count may hold anything.
        let given: Vec<f32> = all.iter().enumerate().map(|(at, z)| if counts(at) { *z } else { f32::NAN }).collect();
        let given = Tensor::from_slice(&given).view([replicas as i64, rows as i64]);
        let counted: Vec<bool> = (0..all.len()).map(counts).collect();
        let counted = Tensor::from_slice(&counted).view_as(&given);
        let there = Tensor::from_slice(&labels).to_kind(Kind::Float);
        for auc_on in ON {
            let how = Measure { auc_on, logloss_eps: 1e-15 };
            let sums = sums_of_replicas(&given, &there, Some(&counted), how);
            let sums = Vec::<f64>::try_from(sums.reshape([-1])).unwrap();
            for (r, sums) in sums.chunks(SUMS).enumerate() {
                let kept: Vec<usize> = (0..rows).filter(|row| counts(r * rows + row)).collect();
                let labels: Vec<u8> = kept.iter().map(|row| labels[*row]).collect();
                let own: Vec<f32> = kept.iter().map(|row| all[r * rows + row]).collect();
                let expected = of_logits(&labels, &own, auc_on, 1e-15).unwrap();
                let (not_finite, found) = metrics_of(sums, rows);
                let found = found.unwrap();
                assert_eq!(not_finite, None);
                assert_eq!(found.clipped, expected.clipped);
                assert!((found.logloss - expected.logloss).abs() < 1e-7 * expected.logloss, "{found:?} {expected:?}");
                // Which probabilities tie depends on the last bit of an exponential, so they are ranked as they were computed.
                let ranked = match auc_on {
                    AucOn::Logit => own,
                    AucOn::Prob => Vec::<f32>::try_from(Tensor::from_slice(&own).sigmoid()).unwrap(),
                };
                assert_eq!(found.auc, auc(&labels, &ranked).unwrap());
            }
        }
    }

    #[test]
    fn equal_scores_one_class_and_no_rows_have_the_answers_of_the_processor() {
        let how = Measure { auc_on: AucOn::Prob, logloss_eps: 1e-15 };
        let equal = Tensor::full([6], 0.3, tch::kind::FLOAT_CPU);
        assert_eq!(metrics(&equal, &[1, 0, 0, 1, 0, 0], None, how).unwrap().auc, Some(0.5));
        assert_eq!(metrics(&equal, &[1; 6], None, how).unwrap().auc, None);
        assert_eq!(metrics(&equal, &[0; 6], None, how).unwrap().auc, None);
        assert_eq!(metrics(&Tensor::from_slice(&[-0.0_f32, 0.0]), &[1, 0], None, how).unwrap().auc, Some(0.5));
        let none = equal.zeros_like().to_kind(Kind::Bool);
        let empty = metrics(&equal, &[1; 6], Some(&none), how);
        assert!(matches!(empty, Err(FitError::Metrics(MetricsError::Empty))), "{empty:?}");
        assert!(matches!(of_logits(&[], &[], AucOn::Prob, 1e-15), Err(MetricsError::Empty)));
    }

    #[test]
    fn the_first_logit_that_is_not_finite_is_found() {
        let how = Measure { auc_on: AucOn::Prob, logloss_eps: 1e-15 };
        let labels = Tensor::from_slice(&[1.0_f32, 0.0, 1.0, 0.0]);
        for (bad, at) in [(f32::NAN, 2), (f32::INFINITY, 1), (f32::NEG_INFINITY, 3)] {
            let mut given = [0.5_f32; 4];
            given[at..].fill(bad);
            let sums = Vec::<f64>::try_from(sums(&Tensor::from_slice(&given), &labels, None, how)).unwrap();
            assert_eq!(metrics_of(&sums, 4).0, Some(at));
        }
    }
}
