//! What a job would take and could show, before any of it is computed: by what its methods cost, how fast trainings go, and how
//! far seeds and draws of test rows differ.

use crate::metrics::{hanley_mcneil, normal_quantile};
use crate::types::{Certify, Estimate, FeatureMap, Plan, Profile, ResolvedSpec, TestRead, TrainingPasses};

/// Starting a trainer, opening the dataset and writing the results, in seconds.
const START_SECONDS: f64 = 0.7;
/// Chance with which a gain of the size named would be certified.
const POWER: f64 = 0.8;
/// Standard deviation over seeds of the difference of two paired AUCs, as seen on MovieLens-1M.
const SEED_DEVIATION: f64 = 0.001;
/// AUC and correlation of two models' AUCs over draws of the test rows, where no job has shown.
const AUC: f64 = 0.75;
const CORRELATION: f64 = 0.95;

/// How fast trainings go.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// Seconds that a pass over the training rows takes.
    pub seconds: f64,
    /// Passes that a training makes until it stops early, where that is known.
    pub passes: Option<f64>,
    /// How it is known.
    pub basis: String,
}

/// What a job would take and could show on a dataset of this profile and these fields, with so many threads. `pace` is absent
/// where nothing was measured; `test_read` where no verdict is asked for.
pub fn make_plan(
    spec: ResolvedSpec,
    profile: &Profile,
    map: &FeatureMap,
    pace: Option<&Pace>,
    test_read: Option<TestRead>,
    threads: usize,
) -> Plan {
    let seen = pace.and_then(|pace| pace.passes).map(|passes| passes.ceil() as u64);
    let training = TrainingPasses::expect(spec.method.backbone, &spec.method.options, spec.tuning.grid(), seen);
    let (trainings, passes, test_reads) = spec.work(training);
    let fields = map.fields.len() as u64;
    Plan {
        rows: profile.rows,
        trainings,
        passes,
        test_reads,
        memory_bytes: spec.memory_bytes(profile.rows, u64::from(map.total_cardinality), fields, threads),
        seconds: seconds(&spec, passes, pace, profile.rows.train * fields),
        test_read,
        detectable_gain: spec
            .certify
            .as_ref()
            .zip(test_read)
            .and_then(|(certify, read)| detectable_gain(certify, read, profile)),
        spec,
    }
}

fn seconds(spec: &ResolvedSpec, passes: u64, pace: Option<&Pace>, cells: u64) -> Estimate {
    match pace {
        Some(pace) => Estimate { value: START_SECONDS + passes as f64 * pace.seconds, basis: pace.basis.clone() },
        None => Estimate {
            value: START_SECONDS + passes as f64 * cells as f64 * 1e-9 * spec.method.backbone.nanoseconds_per_cell(),
            basis: "the pace of two cores that are not this machine's: it may take several times as long, or as short"
                .to_owned(),
        },
    }
}

/// The smallest gain that would be certified: limited by how much seeds differ, or by how few test rows there are.
fn detectable_gain(certify: &Certify, read: TestRead, profile: &Profile) -> Option<Estimate> {
    let (seeds, alpha) = (f64::from(certify.seeds), read.own_alpha);
    if certify.seeds < read.seeds_needed() {
        return None;
    }
    let quantiles = normal_quantile(1.0 - alpha) + normal_quantile(POWER);
    // With one seed less nothing could be certified: then every seed must gain.
    let all_gain = normal_quantile(POWER.powf(1.0 / seeds));
    let is_fewest = certify.seeds == read.seeds_needed();
    let of_seeds = SEED_DEVIATION * if is_fewest { all_gain } else { quantiles / seeds.sqrt() };
    let (positives, rows) = (profile.positives.test, profile.rows.test);
    let of_one = hanley_mcneil(AUC, positives.max(1), (rows - positives).max(1));
    let of_rows = quantiles * of_one * (2.0 * (1.0 - CORRELATION)).sqrt();
    let basis = format!(
        "{} seeds with gains that vary by {SEED_DEVIATION} (standard deviation), and {rows} test rows on which two models have \
         AUCs of {AUC} that correlate by {CORRELATION}; a gain of that size is certified with a chance of {POWER}",
        certify.seeds
    );
    Some(Estimate { value: certify.min_delta_auc + of_seeds.max(of_rows), basis })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SplitCounts;

    #[test]
    fn more_seeds_and_more_test_rows_tell_smaller_gains() {
        let profile = |test| -> Profile {
            let counts = |n| SplitCounts { train: 10 * n, valid: n, test: n };
            serde_json::from_value(serde_json::json!({
                "rows": counts(test), "positives": counts(test / 2), "duplicate_rows": 0, "contradicting_rows": 0,
                "unknown_cells": {}, "columns": [], "bytes": 1, "digest": "",
            }))
            .unwrap()
        };
        let gain = |seeds, test| {
            let asked = Certify { seeds, ..Certify::default() };
            detectable_gain(&asked, TestRead::new(1, asked.alpha), &profile(test)).map(|gain| gain.value)
        };
        assert_eq!(gain(4, 100_000), None, "four seeds never certify at 0.05");
        assert!(gain(5, 1000).unwrap() > 2.0 * gain(5, 100_000).unwrap());
        assert!(gain(20, 10_000_000).unwrap() < gain(5, 10_000_000).unwrap());
    }
}
