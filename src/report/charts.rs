//! The charts of a report.

use crate::chart::{Chart, Interval, IntervalChart, LineChart, Part, Series, ShareChart, SharedRow, Value};
use crate::types::{Arm, Certification, EpochRow, Gain, Metrics, Phase, Report};

/// A chart in a page.
pub(super) struct Figure {
    /// Of what stands above it.
    pub title: String,
    /// What its marks are.
    pub caption: String,
    pub svg: String,
}

/// What denoising gains and what tuning gains, each with its interval and a dot a seed.
pub(super) fn gains(own: &Certification) -> Option<Figure> {
    let seeds: Vec<u64> = own.arms.first().map(|arm| arm.runs.iter().map(|run| run.seed).collect()).unwrap_or_default();
    let interval = |name: &str, style, gain: &Gain| Interval {
        name: name.to_owned(),
        style,
        mean: gain.mean,
        ends: gain.ci95,
        dots: seeds.iter().zip(&gain.deltas).map(|(seed, delta)| (format!("seed {seed}"), *delta)).collect(),
    };
    let mut intervals: Vec<_> = own
        .gains
        .iter()
        .map(|gain| match gain.over {
            Arm::Random => interval("denoised, over random rows", 3, gain),
            _ => interval("denoised, over all rows", 1, gain),
        })
        .collect();
    intervals.extend(own.regularisation.as_ref().map(|gain| interval("tuning alone, on all rows", 0, gain)));
    if intervals.is_empty() {
        return None;
    }
    let chart = IntervalChart {
        title: "What denoising and tuning gain in test AUC".to_owned(),
        axis: "difference in test AUC".to_owned(),
        intervals,
        bound: Some(("must be above".to_owned(), own.asked.min_delta_auc)),
    };
    let caption = "Thick lines: 95 % intervals of the mean over seeds. Large dots: the means. Small dots: one a seed. All models of \
                   the first two lines are tuned; random rows are dropped or changed as many and in the same way.";
    let title = "What denoising gains, and what tuning alone gains".to_owned();
    Some(Figure { title, caption: caption.to_owned(), svg: chart.svg_pair() })
}

/// What became of the training rows.
pub(super) fn kept(report: &Report) -> Option<Figure> {
    let dropped = report.kept.of - report.kept.rows;
    let changed = report.relabelled + report.softened;
    if dropped + changed == 0 {
        return None;
    }
    let part = |name: &str, style| Part { name: name.to_owned(), style };
    let row = |name: &str, counts: Vec<u64>| SharedRow { name: name.to_owned(), counts };
    let (parts, rows) = if changed > 0 {
        let counts = vec![report.kept.rows - changed, report.relabelled, report.softened, dropped];
        let parts = vec![
            part("kept as it is", 1),
            part("other label", 2),
            part("a probability as label", 4),
            part("dropped", 0),
        ];
        (parts, vec![row("training rows", counts)])
    } else {
        let shares = [("all rows", report.kept), ("label 1", report.kept_positive), ("label 0", report.kept_negative)];
        let rows = shares.map(|(name, kept)| row(name, vec![kept.rows, kept.of - kept.rows]));
        (vec![part("kept", 1), part("dropped", 0)], rows.to_vec())
    };
    let chart = ShareChart { title: "What became of the training rows".to_owned(), parts, rows };
    let caption = "Each bar is all rows of its kind.".to_owned();
    Some(Figure { title: "What became of the training rows".to_owned(), caption, svg: chart.svg_pair() })
}

/// How the method searched, and how models of all rows and of the rows kept were trained.
pub(super) fn epochs(rows: &[EpochRow]) -> Vec<Figure> {
    let searched = |of: &dyn Fn(&EpochRow) -> Option<f64>, phase: Phase| last_of_epochs(rows, phase, of);
    let mut figures = Vec::new();
    let valid = |row: &EpochRow| row.valid.as_ref().and_then(|metrics: &Metrics| metrics.auc);
    let lines = vec![
        series("while searching", 0, searched(&valid, Phase::Search)),
        series("trained on the rows kept", 1, searched(&valid, Phase::Validate)),
    ];
    let caption = "Of each epoch of the search: the model that is trained along, and one trained anew on the rows that the \
                   epoch would keep.";
    figures.extend(chart("Validation AUC by epoch of the search", "epoch", "validation AUC", caption, lines));
    let kept = |row: &EpochRow| row.kept;
    let lines = vec![
        series("selected while searching", 0, searched(&kept, Phase::Search)),
        series("kept", 1, searched(&kept, Phase::Validate)),
    ];
    figures.extend(chart("Share of rows by epoch of the search", "epoch", "share of rows", "", lines));
    let reward = |row: &EpochRow| row.reward_mean;
    let lines = vec![series("mean reward", 1, searched(&reward, Phase::Search))];
    figures.extend(chart("Reward by epoch of the search", "epoch", "mean reward", "", lines));
    let trained = |arm: Arm| -> Vec<(f64, Value)> {
        let own = rows.iter().filter(|row| row.phase == Phase::Evaluate && row.arm == arm && row.epoch == 1);
        own.filter_map(|row| Some((f64::from(row.pass), Value::exact(valid(row)?)))).collect()
    };
    let lines =
        vec![series("on all rows", 0, trained(Arm::Full)), series("on the rows kept", 1, trained(Arm::Denoised))];
    let caption = "Of the job's first seed. A training ends once the AUC has not risen for a while; the weights of the best pass \
                   are used.";
    figures.extend(chart("Validation AUC by pass of the training", "pass", "validation AUC", caption, lines));
    figures
}

/// Of each epoch the number of its last pass.
fn last_of_epochs(rows: &[EpochRow], phase: Phase, of: &dyn Fn(&EpochRow) -> Option<f64>) -> Vec<(f64, Value)> {
    let mut points: Vec<(f64, Value)> = Vec::new();
    for row in rows.iter().filter(|row| row.phase == phase && row.contender == 0) {
        let (Some(number), at) = (of(row), f64::from(row.epoch)) else { continue };
        match points.last_mut() {
            Some(last) if last.0 == at => last.1 = Value::exact(number),
            _ => points.push((at, Value::exact(number))),
        }
    }
    points
}

fn series(name: &str, style: usize, points: Vec<(f64, Value)>) -> Series {
    Series { name: name.to_owned(), style, points, starts: Vec::new(), level: None }
}

/// A figure of those lines that have points; none where fewer than two points are on any.
fn chart(title: &str, x_axis: &str, y_axis: &str, caption: &str, mut series: Vec<Series>) -> Option<Figure> {
    series.retain(|line| !line.points.is_empty());
    if series.iter().all(|line| line.points.len() < 2) {
        return None;
    }
    let (x_axis, y_axis) = (x_axis.to_owned(), y_axis.to_owned());
    let svg = LineChart { title: title.to_owned(), x_axis, y_axis, series }.svg_pair();
    Some(Figure { title: title.to_owned(), caption: caption.to_owned(), svg })
}
