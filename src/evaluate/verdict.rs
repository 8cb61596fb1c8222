//! From paired runs to a verdict (`api.md`, "The verdict"): arithmetic alone.

use super::proof::{Proven, RowErrors};
use crate::metrics::{holm, mean, mean_interval, paired_t, sign_flip, welch_t};
use crate::types::{
    Arm, BackboneKind, Certification, CertifiedArm, CertifiedRun, Certify, Clusters, Gain, GainReading, JudgedRows,
    KeptShare, LoglossRise, Metrics, ReadGain, TestRead, TestRows, Verdict, signed, two_digits,
};

/// Confidence intervals leave out this share.
const OUTSIDE: f64 = 0.05;

/// What the runs of one backbone came to. `read`: which verdict on the table's test rows this is. `row_errors`: those of the
/// gain over an arm that are due to the draw of the test rows.
pub(super) fn certify_gains(
    asked: &Certify,
    read: TestRead,
    backbone: BackboneKind,
    arms: Vec<CertifiedArm>,
    row_errors: &dyn Fn(Arm) -> RowErrors,
) -> Certification {
    let of = |arm: Arm| arms.iter().find(|own| own.arm == arm).map(|own| &own.runs[..]).unwrap_or_default();
    let aucs = |arm: Arm| of(arm).iter().map(|run| counted(run).auc).collect::<Option<Vec<f64>>>();
    let gain = |ours: Arm, over: Arm| {
        let (ours, theirs) = (aucs(ours)?, aucs(over)?);
        let deltas: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours - theirs).collect();
        let above: Vec<f64> = deltas.iter().map(|delta| delta - asked.min_delta_auc).collect();
        let errors = row_errors(over);
        let decisive = errors.decisive?;
        Some(Gain {
            over,
            mean: mean(&deltas),
            ci95: mean_interval(&deltas, OUTSIDE)?,
            p_seeds: sign_flip(&above),
            p_rows: decisive.p_above(asked.min_delta_auc),
            standard_error_rows: decisive.standard_error,
            p_rows_unclustered: errors.rows.map(|rows| rows.p_above(asked.min_delta_auc)),
            standard_error_rows_unclustered: errors.rows.map(|rows| rows.standard_error),
            p_paired_t: paired_t(&deltas)?.p,
            p_welch_t: welch_t(&ours, &theirs)?.p,
            deltas,
        })
    };
    let gains = [Arm::Full, Arm::Random].into_iter().filter_map(|over| gain(Arm::Denoised, over)).collect();
    let regularisation = gain(Arm::Full, Arm::Untuned);
    let losses = of(Arm::Denoised).iter().zip(of(Arm::Full));
    let increases: Vec<f64> = losses.map(|(ours, theirs)| counted(ours).logloss - counted(theirs).logloss).collect();
    Certification {
        verdict: Verdict::NotEvaluated,
        reasons: Vec::new(),
        answer: String::new(),
        backbone,
        judged_by: None,
        asked: asked.clone(),
        test_read: Some(read),
        judged: None,
        readings: list_readings(&of),
        clusters: None,
        gains,
        regularisation,
        delta_logloss: if increases.is_empty() { 0.0 } else { mean(&increases) },
        delta_logloss_ci95: mean_interval(&increases, OUTSIDE),
        logloss: logloss_rise(of(Arm::Denoised), of(Arm::Full), read.own_alpha),
        arms,
    }
}

/// The result of a run on the test rows that the verdict counts.
fn counted(run: &CertifiedRun) -> &Metrics {
    run.on(TestRows::Trusted).unwrap_or(&run.test)
}

/// What the rows kept gain on all test rows, and on each part of them that was read; nothing where none was.
fn list_readings<'r>(runs: &dyn Fn(Arm) -> &'r [CertifiedRun]) -> Vec<GainReading> {
    let ours = runs(Arm::Denoised);
    let gain = |on: TestRows, over: Arm| {
        let delta = |(ours, theirs): (&CertifiedRun, &CertifiedRun)| Some(ours.on(on)?.auc? - theirs.on(on)?.auc?);
        let deltas: Vec<f64> = ours.iter().zip(runs(over)).map(delta).collect::<Option<_>>()?;
        Some(ReadGain { over, mean: mean(&deltas), ci95: mean_interval(&deltas, OUTSIDE)? })
    };
    let parts = ours.first().map(|run| &run.parts[..]).unwrap_or_default();
    let all = parts.first().map(|part| (TestRows::All, KeptShare { rows: part.rows.of, of: part.rows.of }));
    let each = all.into_iter().chain(parts.iter().map(|part| (part.on, part.rows)));
    let reading = |(on, rows): (TestRows, KeptShare)| GainReading {
        on,
        rows,
        gains: [Arm::Full, Arm::Random].into_iter().filter_map(|over| gain(on, over)).collect(),
    };
    each.map(reading).collect()
}

/// How far the log-loss rises, and one-sided bounds of that, by Student's t over seeds: of recalibrated predictions where all
/// were recalibrated.
fn logloss_rise(ours: &[CertifiedRun], theirs: &[CertifiedRun], alpha: f64) -> Option<LoglossRise> {
    let recalibrated = ours.iter().chain(theirs).all(|run| run.logloss_recalibrated.is_some());
    let logloss =
        |run: &CertifiedRun| run.logloss_recalibrated.filter(|_| recalibrated).unwrap_or(counted(run).logloss);
    let rises: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| logloss(ours) - logloss(theirs)).collect();
    // Either bound leaves out half of what the interval of both does.
    let [lower, upper] = mean_interval(&rises, 2.0 * alpha)?;
    Some(LoglossRise { mean: mean(&rises), lower, upper, recalibrated })
}

/// Gives the verdict on the job's own backbone, and on those of a transfer, whose p-values are corrected because they
/// are several.
pub(super) fn give_verdicts(own: &mut Certification, transfers: &mut [Certification]) {
    give_verdict(own, &p_values(own));
    let tests = transfers.iter().map(p_values);
    let tests: Vec<[f64; 2]> = tests.collect();
    let [full, random] = [0, 1].map(|at| holm(&tests.iter().map(|p| p[at]).collect::<Vec<_>>()));
    for (at, transfer) in transfers.iter_mut().enumerate() {
        give_verdict(transfer, &[full[at], random[at]]);
    }
}

/// Of each gain the larger of its two p-values, over seeds and over test rows.
fn p_values(certification: &Certification) -> [f64; 2] {
    let p = |over: Arm| certification.gains.iter().find(|gain| gain.over == over);
    [Arm::Full, Arm::Random].map(|over| p(over).map_or(1.0, |gain| gain.p_seeds.max(gain.p_rows)))
}

fn give_verdict(certification: &mut Certification, p: &[f64; 2]) {
    let (verdict, reasons) = judge(certification, p);
    (certification.verdict, certification.reasons) = (verdict, reasons);
    certification.answer = describe_answer(certification);
}

fn judge(certification: &Certification, p: &[f64; 2]) -> (Verdict, Vec<String>) {
    let (asked, read) = (&certification.asked, certification.test_read);
    let alpha = read.map_or(asked.alpha, |read| read.own_alpha);
    let mut reasons = Vec::new();
    if !certification.arms.iter().any(|arm| arm.arm == Arm::Denoised) {
        return (Verdict::NotBetter, vec!["the method changed nothing, so there is nothing to gain by it".to_owned()]);
    }
    if certification.gains.len() < 2 {
        let reason = "the test rows have too few rows of a label for an AUC and its error";
        return (Verdict::Inconclusive, vec![reason.to_owned()]);
    }
    reasons.extend(certification.judged.as_ref().map(|judged| describe_judged(judged, &certification.readings)));
    reasons.extend(describe_difference(certification));
    reasons.extend(read.map(|read| read.describe()));
    if asked.reselect {
        reasons.push("rows were chosen anew with each seed: the choice is part of what varies".to_owned());
    }
    reasons.extend(certification.clusters.as_ref().map(describe_clusters));
    let (mut certain, mut worse) = (true, false);
    for (gain, p) in certification.gains.iter().zip(p) {
        let over = match gain.over {
            Arm::Random => "random rows treated alike",
            _ => "all rows",
        };
        let text = format!(
            "AUC over {over}: {} (95 % interval {} to {}), p {p:.4}",
            signed(gain.mean, 5),
            signed(gain.ci95[0], 5),
            signed(gain.ci95[1], 5)
        );
        if *p <= alpha {
            reasons.push(format!("{text}: above {} for certain", asked.min_delta_auc));
            continue;
        }
        certain = false;
        if gain.ci95[1] <= asked.min_delta_auc {
            worse = true;
            reasons.push(format!("{text}: not above {}", asked.min_delta_auc));
        } else {
            reasons.push(format!("{text}: not known to be above {}", asked.min_delta_auc));
        }
    }
    match certification.logloss {
        None => certain = false,
        Some(LoglossRise { mean, lower, upper, recalibrated }) => {
            let predictions = if recalibrated { "both recalibrated" } else { "predictions as they are" };
            let (chance, allowed) = (two_digits(alpha), asked.max_delta_logloss);
            let found = if upper <= allowed {
                "no worse"
            } else if lower > allowed {
                "worse"
            } else {
                "not known to be no worse"
            };
            certain &= upper <= allowed;
            worse |= lower > allowed;
            reasons.push(format!(
                "log-loss less that of all rows, {predictions}: {}, at most {} except with a chance of {chance}; {} is allowed: {found}",
                signed(mean, 5),
                signed(upper, 5),
                signed(allowed, 5)
            ));
        }
    }
    if let Some(read) = read.filter(|read| asked.seeds < read.seeds_needed()) {
        reasons.push(format!(
            "{} seeds cannot give a p below {}; one of {} needs {} seeds",
            asked.seeds,
            0.5_f64.powi(asked.seeds as i32),
            two_digits(alpha),
            read.seeds_needed()
        ));
    }
    let verdict = match (certain, worse) {
        (true, _) => Verdict::Certified,
        (false, true) => Verdict::NotBetter,
        (false, false) => Verdict::Inconclusive,
    };
    (verdict, reasons)
}

/// On which labels the verdict holds, and what the others say.
fn describe_judged(judged: &JudgedRows, readings: &[GainReading]) -> String {
    let KeptShare { rows, of } = judged.rows;
    let mut text = match &judged.trusted {
        Some(rule) => format!("judged on the labels of the {rows} of {of} test rows that are trusted, `{rule}`"),
        None => format!("judged on the labels of all {of} test rows as given"),
    };
    let mut subject = "the AUC over all rows";
    let told = readings.iter().filter_map(|reading| {
        let ReadGain { mean, ci95: [low, high], .. } = reading.over(Arm::Full)?;
        let on = match reading.on {
            TestRows::All => "on all labels as given".to_owned(),
            TestRows::Trusted => "on those that are trusted".to_owned(),
            TestRows::OutsideFindings => {
                format!("on the {:.0} % of test rows outside of what was found", 100.0 * reading.rows.share())
            }
        };
        let subject = std::mem::replace(&mut subject, "it");
        let [mean, low, high] = [*mean, *low, *high].map(|number| signed(number, 5));
        Some(format!("{on} {subject} is {mean} (95 % interval {low} to {high})"))
    });
    let told: Vec<String> = told.collect();
    if !told.is_empty() {
        let counted = if judged.trusted.is_some() { "those that are trusted" } else { "all labels as given" };
        text += &format!("; {}; the verdict is about {counted}", told.join(", "));
    }
    text
}

/// What to do where a gain is certain outside of what was found and not on all labels as given, and nobody said which of them
/// are right. A gain on all labels alone is no such case: it lies in what was found.
fn describe_difference(certification: &Certification) -> Option<String> {
    let asked = &certification.asked;
    let gain = |on: TestRows| certification.readings.iter().find(|reading| reading.on == on)?.over(Arm::Full);
    let (given, outside) = (gain(TestRows::All)?, gain(TestRows::OutsideFindings)?);
    let is_certain = |gain: &ReadGain| gain.ci95[0] > asked.min_delta_auc;
    let differ = is_certain(outside) && !is_certain(given);
    let text = "the two readings differ: where labels of test rows are as wrong as those that were found, a model that learned \
                them looks better than it is. Name test rows whose labels are right, `trusted` in `certify` (--trusted RULE), \
                and the verdict is about them";
    (differ && asked.trusted.is_none()).then(|| text.to_owned())
}

/// What test rows were taken to depend on, and why.
fn describe_clusters(clusters: &Clusters) -> String {
    let Clusters { field, values, rows_per_value, named } = clusters;
    let why = if *named { "as asked for" } else { "the field with the most test rows a value" };
    format!("test rows are clustered by {field}, {why}: {values} values, {rows_per_value:.1} rows each")
}

/// What to do, in a line. Tuning may be worth its while where denoising is not.
fn describe_answer(certification: &Certification) -> String {
    let told = |gain: &Gain| {
        format!("AUC {} [{}, {}]", signed(gain.mean, 4), signed(gain.ci95[0], 4), signed(gain.ci95[1], 4))
    };
    let decay = |arm: Arm| {
        let arm = certification.arms.iter().find(|own| own.arm == arm)?;
        arm.weight_decay.map(|decay| if decay == 0.0 { "0".to_owned() } else { format!("{decay:e}") })
    };
    if certification.verdict == Verdict::Certified
        && let Some(gain) = certification.gains.first()
    {
        return match decay(Arm::Denoised) {
            Some(decay) => {
                format!("Train on the rows kept, with weight_decay {decay}: {} over tuned on all rows", told(gain))
            }
            None => format!("Train on the rows kept: {} over all rows", told(gain)),
        };
    }
    let keep = match certification.verdict {
        Verdict::NotBetter => "Do not drop anything",
        _ => "Do not drop anything: no gain by it is certain",
    };
    match (&certification.regularisation, decay(Arm::Full)) {
        (Some(gain), Some(decay)) if gain.ci95[0] > 0.0 => {
            format!("{keep}; set weight_decay to {decay}: {}", told(gain))
        }
        (Some(gain), _) => {
            format!("{keep}; and keep weight_decay as it is: tuning it gains nothing for certain, {}", told(gain))
        }
        _ => keep.to_owned(),
    }
}

/// The runs of a backbone, arm by arm. `trained_with`: weight decay and patience of an arm, where they are known.
pub(super) fn list_certified_arms(
    proven: &[Proven],
    trainee: usize,
    rows: &dyn Fn(Arm) -> u64,
    trained_with: &dyn Fn(Arm) -> Option<(f64, u32)>,
) -> Vec<CertifiedArm> {
    let of = |arm: Arm| {
        let own = proven.iter().filter(|one| one.trainee == trainee && one.arm == arm);
        let (weight_decay, patience) = trained_with(arm).unzip();
        CertifiedArm { arm, rows: rows(arm), weight_decay, patience, runs: own.map(|one| one.run.clone()).collect() }
    };
    [Arm::Untuned, Arm::Full, Arm::Denoised, Arm::Random]
        .map(of)
        .into_iter()
        .filter(|arm| !arm.runs.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::RowError;
    use crate::random::{Purpose, Stream};
    use crate::types::{Calibration, RowRule, TestedPart};

    fn arm(arm: Arm, results: &[(f64, f64)]) -> CertifiedArm {
        let run = |(seed, (auc, logloss)): (u64, &(f64, f64))| {
            let metrics = Metrics { auc: Some(*auc), logloss: *logloss, clipped: 0 };
            CertifiedRun {
                seed,
                passes: Some(1),
                best_pass: Some(1),
                valid: Some(metrics),
                test: metrics,
                parts: Vec::new(),
                // Seeds differ a little.
                logloss_recalibrated: Some(logloss + 1e-4 * seed as f64),
                calibration: Calibration { mean_prediction: 0.5, label_rate: 0.5, expected_error: 0.0 },
                seconds: Some(0.0),
            }
        };
        let runs = (0..).zip(results).map(run).collect();
        CertifiedArm { arm, rows: 10, weight_decay: Some(3e-4), patience: Some(6), runs }
    }

    fn row_errors(mean: f64, standard_error: f64) -> RowErrors {
        let rows = Some(RowError { mean, standard_error });
        RowErrors { decisive: rows, rows }
    }

    /// The verdict on AUCs of the rows kept, of all rows and of random drops, and log-losses of the first two.
    fn verdict(
        asked: Certify,
        ours: &[f64],
        full: &[f64],
        random: &[f64],
        losses: [f64; 2],
        row_se: f64,
    ) -> Certification {
        let with = |aucs: &[f64], loss: f64| aucs.iter().map(|auc| (*auc, loss)).collect::<Vec<_>>();
        let untuned: Vec<f64> = full.iter().map(|auc| auc - 0.018).collect();
        let arms = vec![
            arm(Arm::Untuned, &with(&untuned, losses[1])),
            arm(Arm::Full, &with(full, losses[1])),
            arm(Arm::Denoised, &with(ours, losses[0])),
            arm(Arm::Random, &with(random, losses[1])),
        ];
        let rows = |over: Arm| {
            let (ours, theirs) = match over {
                Arm::Full => (ours, full),
                Arm::Random => (ours, random),
                _ => (full, &untuned[..]),
            };
            row_errors(mean(ours) - mean(theirs), row_se)
        };
        let mut own = certify_gains(&asked, TestRead::new(1, asked.alpha), BackboneKind::DeepFm, arms, &rows);
        give_verdicts(&mut own, &mut []);
        own
    }

    const FULL: [f64; 5] = [0.800, 0.801, 0.799, 0.802, 0.800];

    fn plus(by: f64) -> [f64; 5] {
        // Seeds differ a little in what they gain.
        let spread = [0.0, 1e-4, -1e-4, 2e-4, -2e-4];
        std::array::from_fn(|at| FULL[at] + by + spread[at])
    }

    #[test]
    fn a_gain_over_both_arms_on_seeds_and_rows_is_certified() {
        let asked = Certify::default();
        let found = verdict(asked.clone(), &plus(0.01), &FULL, &plus(-0.002), [0.5, 0.5], 0.001);
        assert_eq!(found.verdict, Verdict::Certified, "{:?}", found.reasons);
        assert_eq!(found.gains[0].p_seeds, 1.0 / 32.0);
        // Each of these alone stands in its way.
        for (what, found, expected) in [
            (
                "no gain over random",
                verdict(asked.clone(), &plus(0.01), &FULL, &plus(0.02), [0.5; 2], 0.001),
                Verdict::NotBetter,
            ),
            (
                "test rows too few",
                verdict(asked.clone(), &plus(0.01), &FULL, &FULL, [0.5; 2], 0.02),
                Verdict::Inconclusive,
            ),
            ("log-loss", verdict(asked.clone(), &plus(0.01), &FULL, &FULL, [0.51, 0.5], 0.001), Verdict::NotBetter),
            (
                "a bound above the gain",
                verdict(Certify { min_delta_auc: 0.02, ..asked.clone() }, &plus(0.01), &FULL, &FULL, [0.5; 2], 0.001),
                Verdict::NotBetter,
            ),
        ] {
            assert_eq!(found.verdict, expected, "{what}: {:?}", found.reasons);
        }
        // A rise within the margin is none, whatever predictions without recalibration say.
        let found = verdict(asked.clone(), &plus(0.01), &FULL, &FULL, [0.501, 0.5], 0.001);
        assert_eq!((found.verdict, found.delta_logloss > 0.0), (Verdict::Certified, true), "{:?}", found.reasons);
        let allowed = Certify { max_delta_logloss: 0.02, ..asked.clone() };
        assert_eq!(verdict(allowed, &plus(0.01), &FULL, &FULL, [0.51, 0.5], 0.001).verdict, Verdict::Certified);
    }

    #[test]
    fn the_rise_of_the_log_loss_is_judged_by_its_bound_over_seeds() {
        let runs = |losses: [f64; 5]| arm(Arm::Full, &losses.map(|loss| (0.8, loss))).runs;
        let found = logloss_rise(&runs([0.501, 0.503, 0.502, 0.501, 0.503]), &runs([0.5; 5]), 0.05).unwrap();
        // The mean of five is 0.002, its error 0.001 / sqrt(5); t(4) leaves 5 % beyond 2.131847.
        assert!((found.mean - 0.002).abs() < 1e-12);
        assert!((found.upper - (0.002 + 2.131_847 * 0.001 / 5.0_f64.sqrt())).abs() < 1e-8, "{found:?}");
        assert!((found.mean - found.lower - (found.upper - found.mean)).abs() < 1e-12);
        let uncertain = |margin| {
            let asked = Certify { max_delta_logloss: margin, ..Certify::default() };
            let losses: Vec<(f64, f64)> = plus(0.01).into_iter().zip([0.501, 0.503, 0.502, 0.501, 0.503]).collect();
            let all = FULL.map(|auc| (auc, 0.5));
            let arms = vec![arm(Arm::Full, &all), arm(Arm::Denoised, &losses), arm(Arm::Random, &all)];
            let rows = |_: Arm| row_errors(0.01, 1e-3);
            let mut own = certify_gains(&asked, TestRead::new(1, asked.alpha), BackboneKind::Fm, arms, &rows);
            give_verdicts(&mut own, &mut []);
            own.verdict
        };
        assert_eq!(uncertain(0.0025), Verdict::Inconclusive, "the bound is above the margin, the mean below");
        // t(4) leaves the share of the first verdict, 3.2 %, beyond 2.5.
        assert_eq!(uncertain(0.0032), Verdict::Certified);
        assert_eq!(uncertain(0.0030), Verdict::Inconclusive, "certain enough at 5 % alone");
        assert_eq!(uncertain(0.0008), Verdict::NotBetter);
    }

    #[test]
    fn too_few_seeds_never_certify() {
        let asked = Certify { seeds: 4, ..Certify::default() };
        let found = verdict(asked.clone(), &plus(0.01)[..4], &FULL[..4], &FULL[..4], [0.5; 2], 0.001);
        assert_eq!(found.verdict, Verdict::Inconclusive);
        assert!(found.reasons.iter().any(|reason| reason.contains("needs 5 seeds")), "{:?}", found.reasons);
    }

    #[test]
    fn a_method_that_changes_nothing_is_not_better_and_the_answer_is_a_weight_decay() {
        let with = |by: f64| plus(by).map(|auc| (auc, 0.5));
        let rows = |over: Arm| row_errors(if over == Arm::Untuned { 0.018 } else { 0.0 }, 1e-3);
        let arms = vec![arm(Arm::Untuned, &with(-0.018)), arm(Arm::Full, &FULL.map(|auc| (auc, 0.5)))];
        let mut own = certify_gains(&Certify::default(), TestRead::new(1, 0.05), BackboneKind::Fm, arms, &rows);
        give_verdicts(&mut own, &mut []);
        assert_eq!((own.verdict, own.gains.len()), (Verdict::NotBetter, 0));
        assert_eq!(own.answer, "Do not drop anything; set weight_decay to 3e-4: AUC +0.0180 [+0.0178, +0.0182]");
    }

    #[test]
    fn the_answer_names_what_pays() {
        let asked = Certify::default();
        let answer = |ours: &[f64]| verdict(asked.clone(), ours, &FULL, &FULL, [0.5; 2], 0.001).answer;
        assert!(answer(&plus(0.01)).starts_with("Train on the rows kept, with weight_decay 3e-4: AUC +0.0100"));
        assert!(answer(&plus(-0.01)).starts_with("Do not drop anything; set weight_decay to 3e-4: AUC +0.0180"));
        let uncertain = verdict(asked.clone(), &plus(0.01), &FULL, &FULL, [0.5; 2], 0.02);
        assert!(uncertain.answer.contains("no gain by it is certain; set weight_decay"), "{}", uncertain.answer);
    }

    #[test]
    fn transfers_are_corrected_for_being_several() {
        let one = || verdict(Certify::default(), &plus(0.01), &FULL, &FULL, [0.5; 2], 0.001);
        let (mut own, mut transfers) = (one(), vec![one(), one()]);
        give_verdicts(&mut own, &mut transfers);
        assert_eq!(own.verdict, Verdict::Certified);
        // 1/32 twice is 1/16.
        assert!(transfers.iter().all(|transfer| transfer.verdict == Verdict::Inconclusive));
    }

    #[test]
    fn parts_of_the_test_rows_are_read_beside_all_and_the_verdict_is_about_those_that_are_trusted() {
        let share = |rows| KeptShare { rows, of: 100 };
        let with_parts = |own: Arm, given: f64, trusted: f64, outside: f64| {
            let mut arm = arm(own, &plus(given).map(|auc| (auc, 0.5)));
            for (run, [trusted, outside]) in
                arm.runs.iter_mut().zip(plus(trusted).into_iter().zip(plus(outside)).map(|(a, b)| [a, b]))
            {
                let metrics = |auc| Metrics { auc: Some(auc), logloss: 0.5, clipped: 0 };
                let part = |on, rows, auc| TestedPart { on, rows: share(rows), metrics: metrics(auc) };
                run.parts = vec![part(TestRows::Trusted, 20, trusted), part(TestRows::OutsideFindings, 93, outside)];
            }
            arm
        };
        let arms = vec![
            with_parts(Arm::Full, 0.0, 0.0, 0.0),
            with_parts(Arm::Denoised, -0.01, 0.02, 0.01),
            with_parts(Arm::Random, 0.0, 0.0, 0.0),
        ];
        let rule: RowRule = "source = panel".parse().unwrap();
        let asked = Certify { trusted: Some(rule.clone()), ..Certify::default() };
        let mut own =
            certify_gains(&asked, TestRead::new(1, asked.alpha), BackboneKind::Fm, arms, &|_| row_errors(0.02, 1e-3));
        own.judged = Some(JudgedRows { trusted: Some(rule), rows: share(20) });
        give_verdicts(&mut own, &mut []);
        let read: Vec<_> = own.readings.iter().map(|reading| (reading.on, reading.rows.rows)).collect();
        assert_eq!(read, [(TestRows::All, 100), (TestRows::Trusted, 20), (TestRows::OutsideFindings, 93)]);
        let gains: Vec<f64> = own.readings.iter().map(|reading| reading.over(Arm::Random).unwrap().mean).collect();
        assert!(gains.iter().zip([-0.01, 0.02, 0.01]).all(|(gain, expected)| (gain - expected).abs() < 1e-12));
        assert_eq!(own.verdict, Verdict::Certified, "{:?}", own.reasons);
        let said = &own.reasons[0];
        assert!(said.contains("on the 93 % of test rows outside of what was found it is +0.01000"), "{said}");
        assert!(said.ends_with("the verdict is about those that are trusted"), "{said}");
        assert!(!own.reasons.iter().any(|reason| reason.contains("--trusted")), "they are named already");
    }

    /// A random drop offered as the candidate: what it happens to gain on the test rows at hand is the same with every seed,
    /// so over seeds alone it would pass far too often.
    #[test]
    fn a_random_drop_is_certified_no_more_often_than_alpha() {
        let mut normals = vec![0.0_f32; 16];
        for (luck, of_seeds) in [(0.0, 1e-3), (1e-3, 1e-3), (3e-3, 1e-3)] {
            let (runs, mut certified) = (1000, 0);
            for run in 0..runs {
                Stream::new(run, Purpose::Init, &[5]).fill_normal(&mut normals);
                let draw = |at: usize| f64::from(normals[at]);
                let run_of =
                    |arm: usize| -> Vec<f64> { (0..5).map(|seed| 0.8 + of_seeds * draw(5 * arm + seed)).collect() };
                // No arm is better than another, but for the luck of the candidate's rows.
                let ours: Vec<f64> = run_of(0).iter().map(|auc| auc + luck * draw(15)).collect();
                let row_se = f64::hypot(luck, of_seeds / 5.0_f64.sqrt());
                let found = verdict(Certify::default(), &ours, &run_of(1), &run_of(2), [0.5; 2], row_se);
                certified += u32::from(found.verdict == Verdict::Certified);
            }
            // alpha = 5 %, and three standard errors of 1,000 runs.
            assert!(certified <= 70, "{certified} of {runs} with luck {luck}");
        }
    }
}
