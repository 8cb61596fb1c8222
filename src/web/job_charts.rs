//! The curves of a job's passes.

use super::words;
use crate::{
    chart::{Chart, LineChart, Series, Value},
    metrics::mean,
    types::{Arm, EpochRow, MethodName, Metrics, Phase, ResolvedSpec},
};
use std::collections::BTreeMap;

/// Most points along an axis; more would be no more to see.
const MOST_POINTS: usize = 240;

/// A drawing under its heading.
pub struct Figure {
    /// Names it in the page, so that it is replaced when there is more to see.
    pub id: &'static str,
    pub title: &'static str,
    /// What it shows, in a sentence.
    pub caption: &'static str,
    pub svg: String,
}

/// Everything that can be drawn of the passes so far.
pub fn draw(rows: &[EpochRow], spec: &ResolvedSpec) -> Vec<Figure> {
    let of_search = if spec.method.name().searches() { rows } else { &[] };
    [run(rows), verdict(rows), compared(rows, spec), kept(of_search), reward(of_search), epochs(of_search)]
        .into_iter()
        .flatten()
        .collect()
}

/// Nothing for lines without two points in any of them.
fn figure(
    id: &'static str,
    title: &'static str,
    caption: &'static str,
    axes: [&str; 2],
    series: Vec<Series>,
) -> Option<Figure> {
    let series: Vec<Series> = series.into_iter().filter(|series| !series.points.is_empty()).collect();
    if series.iter().all(|series| series.points.len() < 2) {
        return None;
    }
    let chart = LineChart { title: title.to_owned(), x_axis: axes[0].to_owned(), y_axis: axes[1].to_owned(), series };
    Some(Figure { id, title, caption, svg: chart.svg_pair() })
}

/// What passes have in common that one model makes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Training {
    contender: u32,
    arm: Arm,
    seed: u64,
    /// Absent where an epoch is a pass.
    epoch: Option<u32>,
}

impl Training {
    fn of(row: &EpochRow) -> Self {
        let is_pass = matches!(row.phase, Phase::Warmup | Phase::Search | Phase::Select);
        Self { contender: row.contender, arm: row.arm, seed: row.seed, epoch: (!is_pass).then_some(row.epoch) }
    }
}

/// Every pass in the order they were made: a colour for each kind of work, a line for each training.
fn run(rows: &[EpochRow]) -> Option<Figure> {
    let mut phases: BTreeMap<Phase, Vec<(Training, f64, f64)>> = BTreeMap::new();
    let step = rows.len().div_ceil(MOST_POINTS).max(1);
    for (at, row) in rows.iter().enumerate().step_by(step) {
        if let Some(auc) = auc(row.valid.or(row.train)) {
            phases.entry(row.phase).or_default().push((Training::of(row), at as f64 + 1.0, auc));
        }
    }
    let series = phases.into_iter().enumerate().map(|(style, (phase, mut points))| {
        // Trainings that go on side by side are lines of their own.
        points.sort_by_key(|(training, ..)| *training);
        Series {
            name: phase.words().to_owned(),
            style: style % 6,
            starts: (1..points.len()).filter(|at| points[at - 1].0 != points[*at].0).collect(),
            points: points.into_iter().map(|(_, at, auc)| (at, Value::exact(auc))).collect(),
            level: None,
        }
    });
    figure(
        "chart-run",
        "The run, pass by pass",
        "AUC on the validation rows after each pass over the training rows; where a pass has none, on the rows trained on. Tuning tries several settings at once: the best of them after each pass is drawn, and the passes of the setting that was chosen follow as those of its model. Where findings are tried, the best model of each pass is drawn, on validation rows outside of them.",
        ["pass of the job", "AUC"],
        series.collect(),
    )
}

/// The trainings of the verdict: for each arm the mean over seeds.
fn verdict(rows: &[EpochRow]) -> Option<Figure> {
    let of_own = rows.iter().filter(|row| row.phase == Phase::Certify && row.epoch == 1);
    let mut arms: BTreeMap<Arm, BTreeMap<u32, Vec<f64>>> = BTreeMap::new();
    for row in of_own {
        if let Some(auc) = auc(row.valid) {
            arms.entry(row.arm).or_default().entry(row.pass).or_default().push(auc);
        }
    }
    let series = arms.into_iter().map(|(arm, passes)| Series {
        name: words::arm(arm).to_owned(),
        style: words::arm_style(arm),
        points: passes.into_iter().map(|(pass, aucs)| (f64::from(pass), Value::exact(mean(&aucs)))).collect(),
        starts: Vec::new(),
        level: None,
    });
    figure(
        "chart-verdict",
        "Models of the verdict",
        "AUC on the validation rows by pass of the training: the mean over the seeds trained so far. The first seed's models of all rows and of the kept rows may be those of the table, drawn above.",
        ["pass of the training", "AUC on validation rows"],
        series.collect(),
    )
}

/// The models of the table: one for each method, or for each arm of the job's own.
fn compared(rows: &[EpochRow], spec: &ResolvedSpec) -> Option<Figure> {
    let contenders = spec.contenders();
    let mut lines: BTreeMap<(u32, Arm), Vec<(f64, Value)>> = BTreeMap::new();
    let of_own = rows.iter().filter(|row| row.phase == Phase::Evaluate && row.epoch == 1 && row.seed == spec.seed);
    for row in of_own {
        if let Some(auc) = auc(row.valid) {
            lines.entry((row.contender, row.arm)).or_default().push((f64::from(row.pass), Value::exact(auc)));
        }
    }
    let several = contenders.len() > 2;
    let series = lines.into_iter().enumerate().map(|(at, ((contender, arm), points))| Series {
        name: match contenders.get(contender as usize) {
            Some(method) if several && method.name() != MethodName::None => method.label.clone(),
            Some(_) if several => "all rows".to_owned(),
            _ => words::arm(arm).to_owned(),
        },
        style: if several { at % 6 } else { words::arm_style(arm) },
        points,
        starts: Vec::new(),
        level: None,
    });
    figure(
        "chart-compared",
        "Models compared",
        "AUC on the validation rows by pass of the training, with the first seed.",
        ["pass of the training", "AUC on validation rows"],
        series.collect(),
    )
}

/// Share of rows that a search keeps.
fn kept(rows: &[EpochRow]) -> Option<Figure> {
    let of = |phase: Phase, name: &str, style: usize| {
        let mut epochs = BTreeMap::new();
        for row in rows.iter().filter(|row| row.phase == phase && row.contender == 0) {
            if let Some(kept) = row.kept {
                epochs.entry(row.epoch).or_insert(kept);
            }
        }
        let points = epochs.into_iter().map(|(epoch, kept)| (f64::from(epoch), Value::exact(100.0 * kept)));
        Series { name: name.to_owned(), style, points: points.collect(), starts: Vec::new(), level: None }
    };
    figure(
        "chart-kept",
        "Rows kept",
        "Share of the training rows that the policy selects while it searches, and keeps when it is validated.",
        ["epoch", "rows, %"],
        vec![of(Phase::Search, "selected in the search", 0), of(Phase::Validate, "kept", 1)],
    )
}

/// Mean reward of the policy.
fn reward(rows: &[EpochRow]) -> Option<Figure> {
    let points = rows.iter().filter(|row| row.phase == Phase::Search && row.contender == 0);
    let points = points.filter_map(|row| Some((f64::from(row.epoch), Value::exact(row.reward_mean?))));
    let series =
        Series { name: "mean reward".to_owned(), style: 3, points: points.collect(), starts: Vec::new(), level: None };
    figure("chart-reward", "Reward", "Mean reward of the policy, by epoch.", ["epoch", "reward"], vec![series])
}

/// The best model of each epoch of a search.
fn epochs(rows: &[EpochRow]) -> Option<Figure> {
    let mut best: BTreeMap<u32, f64> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.phase == Phase::Validate && row.contender == 0) {
        if let Some(auc) = auc(row.valid) {
            let of_epoch = best.entry(row.epoch).or_insert(auc);
            *of_epoch = of_epoch.max(auc);
        }
    }
    let points = best.into_iter().map(|(epoch, auc)| (f64::from(epoch), Value::exact(auc))).collect();
    let series =
        Series { name: "trained on the rows kept".to_owned(), style: 1, points, starts: Vec::new(), level: None };
    figure(
        "chart-epochs",
        "Validation by epoch",
        "AUC on the validation rows of the best model trained on the rows that each epoch keeps.",
        ["epoch", "AUC on validation rows"],
        vec![series],
    )
}

fn auc(metrics: Option<Metrics>) -> Option<f64> {
    metrics.and_then(|metrics| metrics.auc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(number: u32) -> EpochRow {
        EpochRow {
            contender: 0,
            arm: Arm::Full,
            seed: 1,
            phase: Phase::Warmup,
            epoch: number,
            pass: 1,
            seconds: 1.0,
            train: None,
            valid: Some(Metrics { auc: Some(0.5 + f64::from(number) * 1e-4), logloss: 0.6, clipped: 0 }),
            kept: None,
            reward_mean: None,
            reward_std: None,
            skipped_updates: None,
        }
    }

    #[test]
    fn a_curve_grows_with_its_passes_up_to_what_can_be_seen() {
        let dots = |passes: u32| {
            let rows: Vec<_> = (1..=passes).map(pass).collect();
            run(&rows).map_or(0, |figure| figure.svg.matches("<circle").count() / 2)
        };
        assert_eq!(dots(1), 0, "one point is no curve");
        assert_eq!([dots(2), dots(50)], [2, 50]);
        assert!(dots(5000) <= MOST_POINTS, "{}", dots(5000));
        // Two trainings are two lines, in the wide and in the narrow drawing.
        let two: Vec<_> =
            (1..=6_u32).map(|n| EpochRow { phase: Phase::Validate, epoch: n.div_ceil(3), ..pass(n) }).collect();
        assert_eq!(run(&two).unwrap().svg.matches("<polyline").count(), 4);
        // So they are where they take turns.
        let arms = [Arm::Full, Arm::Random];
        let turn = |n: u32| EpochRow { phase: Phase::Certify, arm: arms[n as usize % 2], epoch: 1, ..pass(n) };
        let beside: Vec<_> = (1..=6_u32).map(turn).collect();
        assert_eq!(run(&beside).unwrap().svg.matches("<polyline").count(), 4);
    }
}
