//! What came out and what to do next, in a sentence each.

use super::words::{number, signed};
use crate::metrics::{normal_quantile, sample_sd};
use crate::types::{Arm, Certification, Gain, LabelColumns, MethodName, Report, Verdict, two_digits};

/// What a reader of a result wants to know first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The verdict in a word or two.
    pub verdict: &'static str,
    /// What came out.
    pub outcome: String,
    /// What to do, the first thing first.
    pub next: Vec<String>,
}

/// Chance with which a gain that is as large as it looks should be certified.
const POWER: f64 = 0.8;
/// Most seeds that a verdict can have.
const MOST_SEEDS: f64 = 20.0;

impl Summary {
    /// Of a finished job.
    pub fn new(report: &Report) -> Self {
        let verdict = match report.verdict {
            Verdict::Certified => "certified",
            Verdict::NotBetter => "not better",
            Verdict::Inconclusive => "inconclusive",
            Verdict::NotEvaluated => "no verdict",
        };
        match (&report.certification, report.verdict) {
            (Some(own), Verdict::Certified) => Self { verdict, ..certified(report, own) },
            (Some(own), Verdict::NotBetter) => Self { verdict, ..not_better(report, own) },
            (Some(own), _) => Self { verdict, ..inconclusive(own) },
            (None, _) => Self { verdict, ..not_evaluated(report) },
        }
    }
}

fn certified(report: &Report, own: &Certification) -> Summary {
    let outcome = match own.gains.first() {
        Some(gain) => format!("Models trained on the denoised rows are better than on all rows: {}.", told(gain)),
        None => "Models trained on the denoised rows are better than on all rows.".to_owned(),
    };
    let mut what = "Train on the denoised table".to_owned();
    if let Some(LabelColumns { target, weight }) = &report.label_columns {
        what += &format!(" with its columns {target} (the label) and {weight}");
    }
    if let Some(decay) = decay(own, Arm::Denoised) {
        let join = if report.label_columns.is_some() { " and" } else { ", with" };
        what += &format!("{join} a weight decay of {decay}");
    }
    Summary { verdict: "", outcome, next: vec![what + "."] }
}

fn not_better(report: &Report, own: &Certification) -> Summary {
    let outcome = if !own.arms.iter().any(|arm| arm.arm == Arm::Denoised) {
        let changed = "nothing was dropped or changed";
        match &report.findings {
            Some(found) if found.corruptions.is_empty() => {
                format!("Nothing was found to be wrong with the labels, so {changed}.")
            }
            Some(_) => format!("What was found was not worth acting on, so {changed}."),
            None => "The method keeps every row as it is, so there is nothing to gain by it.".to_owned(),
        }
    } else {
        let gain = own.gains.iter().min_by(|a, b| a.ci95[1].total_cmp(&b.ci95[1]));
        let gain = gain.filter(|gain| gain.ci95[1] <= own.asked.min_delta_auc);
        let loss = own.logloss.filter(|rise| rise.lower > own.asked.max_delta_logloss);
        match (gain, loss) {
            (Some(gain), _) => {
                let than = if gain.over == Arm::Random { "random rows treated alike" } else { "all rows" };
                format!("Models trained on the denoised rows are no better than on {than}: {}.", told(gain))
            }
            (None, Some(rise)) => format!(
                "Models trained on the denoised rows predict worse probabilities: log-loss {} against all rows.",
                signed(rise.mean)
            ),
            (None, None) => "Models trained on the denoised rows are no better than on all rows.".to_owned(),
        }
    };
    Summary { verdict: "", outcome, next: train_on_all(own) }
}

fn inconclusive(own: &Certification) -> Summary {
    let outcome = match own.gains.first() {
        Some(gain) if gain.ci95[0] > own.asked.min_delta_auc => {
            format!(
                "The denoised rows look better than all rows, but not surely enough for a verdict: {}.{}",
                told(gain),
                why_stricter(own)
            )
        }
        Some(gain) => {
            format!("The runs do not tell whether the denoised rows are better than all rows: {}.", told(gain))
        }
        None => "The test rows have too few of a label to tell anything.".to_owned(),
    };
    let mut next = train_on_all(own);
    next.extend(what_could_tell(own));
    Summary { verdict: "", outcome, next }
}

/// Why an interval that lies above 0 may not be enough: what later verdicts on the same test rows have to hold up to.
fn why_stricter(own: &Certification) -> String {
    match own.test_read {
        Some(read) if read.number > 1 => format!(
            " It is verdict number {} on these test rows, and each has to be surer than the one before: this one may err with \
             a chance of {}.",
            read.number,
            two_digits(read.own_alpha)
        ),
        _ => String::new(),
    }
}

fn not_evaluated(report: &Report) -> Summary {
    let kept = report.kept;
    let (dropped, changed) = (kept.of - kept.rows, report.relabelled + report.softened + report.reweighted);
    let mut done = Vec::new();
    if dropped > 0 {
        done.push(format!("{} of {} training rows were dropped", number(dropped), number(kept.of)));
    }
    if changed > 0 {
        done.push(format!("{} are relabelled or weighed", number(changed)));
    }
    if report.spec.method.name() == MethodName::None || done.is_empty() {
        let outcome = format!("All {} training rows are kept as they are.", number(kept.of));
        return Summary { verdict: "", outcome, next: vec!["Train on all rows.".to_owned()] };
    }
    let outcome = format!("{}; whether that gains anything was not asked.", done.join(", "));
    let next = "Ask for a verdict before you train on it: `denoise` without --no-certify, or `submit --certify`.";
    Summary { verdict: "", outcome, next: vec![next.to_owned()] }
}

/// All rows, with the weight decay that was best for them where that is known to gain.
fn train_on_all(own: &Certification) -> Vec<String> {
    let tuned = own.regularisation.as_ref().filter(|gain| gain.ci95[0] > 0.0);
    match (tuned, decay(own, Arm::Full)) {
        (Some(gain), Some(decay)) => {
            vec![format!("Train on all rows, with a weight decay of {decay}: {}.", told(gain))]
        }
        _ => vec!["Train on all rows.".to_owned()],
    }
}

/// How many more seeds or test rows would certify gains as large as these look, four times out of five.
fn what_could_tell(own: &Certification) -> Option<String> {
    let alpha = own.test_read.map_or(own.asked.alpha, |read| read.own_alpha);
    let quantiles = normal_quantile(1.0 - alpha) + normal_quantile(POWER);
    let (mut seeds, mut times_rows) = (own.test_read.map_or(2.0, |read| f64::from(read.seeds_needed())), 1.0_f64);
    let asked = f64::from(own.asked.seeds);
    for gain in &own.gains {
        let above = gain.mean - own.asked.min_delta_auc;
        if above <= 0.0 {
            return Some("More seeds would not help: the gain would have to be larger.".to_owned());
        }
        // The interval is Student's; with more seeds it narrows at least as their square root.
        let deviation = sample_sd(&gain.deltas).unwrap_or(0.0);
        seeds = seeds.max((quantiles * deviation / above).powi(2).ceil());
        times_rows = times_rows.max((quantiles * gain.standard_error_rows / above).powi(2));
    }
    if let Some(rise) = own.logloss {
        let room = own.asked.max_delta_logloss - rise.mean;
        if room <= 0.0 {
            return Some("More seeds would not help: log-loss rises by more than is allowed.".to_owned());
        }
        seeds = seeds.max((asked * ((rise.upper - rise.mean) / room).powi(2)).ceil());
    }
    let rows = own.judged.as_ref().map_or(0, |judged| judged.rows.rows) as f64;
    match (seeds > asked, times_rows > 1.0) {
        _ if seeds > MOST_SEEDS => Some("The gain is too small to tell with the most seeds there can be.".to_owned()),
        (_, true) => {
            let more = round_up(rows * (times_rows - 1.0));
            let seeds = if seeds > asked { format!(" and {}", more_seeds(seeds - asked)) } else { String::new() };
            Some(format!("About {} more test rows{seeds} could tell.", number(more)))
        }
        (true, false) => Some(format!("{} could tell (--certify-seeds {seeds}).", more_seeds(seeds - asked))),
        (false, false) => Some("A few more seeds could tell (--certify-seeds).".to_owned()),
    }
}

fn more_seeds(count: f64) -> String {
    format!("{count} more seed{}", if count == 1.0 { "" } else { "s" })
}

/// To two digits.
fn round_up(count: f64) -> u64 {
    let size = 10_f64.powf((count.max(1.0).log10().floor() - 1.0).max(0.0));
    ((count / size).ceil() * size) as u64
}

fn told(gain: &Gain) -> String {
    format!("test AUC {} (95 % interval {} to {})", signed(gain.mean), signed(gain.ci95[0]), signed(gain.ci95[1]))
}

fn decay(own: &Certification, arm: Arm) -> Option<String> {
    let arm = own.arms.iter().find(|one| one.arm == arm)?;
    arm.weight_decay.map(|decay| if decay == 0.0 { "0".to_owned() } else { format!("{decay:e}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TestRead;
    use serde_json::json;

    /// A proof of five seeds whose gains over all rows and over random rows have this mean, and this error over test rows.
    fn proof(mean: f64, error: f64) -> Certification {
        let deltas: Vec<f64> = [-1e-3, -5e-4, 0.0, 5e-4, 1e-3].iter().map(|off| mean + off).collect();
        let gain = |over: &str| {
            json!({"over": over, "deltas": deltas, "mean": mean, "ci95": [mean - 1e-3, mean + 1e-3], "p_seeds": 0.1,
                "p_rows": 0.1, "standard_error_rows": error, "p_paired_t": 0.1, "p_welch_t": 0.1})
        };
        let own = json!({"verdict": "inconclusive", "reasons": [], "backbone": "fm", "asked": {"seeds": 5}, "arms": [],
            "gains": [gain("full"), gain("random")], "delta_logloss": 0.0,
            "judged": {"trusted": null, "rows": {"rows": 10_000, "of": 10_000}},
            "test_read": TestRead::new(1, 0.05)});
        serde_json::from_value(own).unwrap()
    }

    #[test]
    fn what_could_tell_is_what_a_gain_of_that_size_needs() {
        // The gain is 0.8 standard deviations of a seed: (1.86 + 0.84)^2 / 0.8^2 seeds would show it.
        let told = what_could_tell(&proof(6.3e-4, 1e-4)).unwrap();
        assert_eq!(told, "7 more seeds could tell (--certify-seeds 12).");
        // The error over test rows is half of the gain; it would have to be 0.37 of it.
        let told = what_could_tell(&proof(4e-3, 2e-3)).unwrap();
        assert!(told.starts_with("About ") && told.contains("more test rows could tell"), "{told}");
        // The interval lies above 0, which is not enough for a later verdict on the same rows.
        let later = Certification { test_read: Some(TestRead::new(3, 0.05)), ..proof(4e-3, 2e-3) };
        let told = inconclusive(&later).outcome;
        assert!(told.starts_with("The denoised rows look better") && told.contains("verdict number 3"), "{told}");
        assert!(inconclusive(&proof(6.3e-4, 1e-4)).outcome.starts_with("The runs do not tell"));
        assert!(what_could_tell(&proof(-1e-4, 1e-4)).unwrap().contains("would not help"));
        assert!(what_could_tell(&proof(1e-4, 1e-5)).unwrap().contains("too small"));
    }

    #[test]
    fn rows_that_are_missing_are_told_to_two_digits() {
        assert_eq!([3.2, 41.0, 1234.0, 39_010.0].map(round_up), [4, 41, 1300, 40_000]);
    }
}
