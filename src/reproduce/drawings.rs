//! The drawings of a page: bars for tables, lines for sweeps.

use super::{
    numbers::{Line, Metric, Spread},
    page::{ADDED, Block},
    results::Reproduction,
    target::Target,
};
use crate::chart::{BarChart, Category, Chart, LineChart, Series, Value, Width};
use crate::types::MethodName;

pub(super) fn drawings(result: &Reproduction, metric: Metric) -> Vec<Block> {
    match result.target {
        Target::Figure4 => {
            let axes = [("warmup_epochs", "warm-up epochs C"), ("select_ratio", "select ratio (share of rows kept)")];
            axes.map(|(option, axis)| sweep(result, metric, option, axis)).into()
        }
        _ => vec![bars(result, metric)],
    }
}

fn bars(result: &Reproduction, metric: Metric) -> Block {
    let mut in_paper = true;
    let categories = result.lines.iter().map(|line| {
        let rule = (in_paper && !line.in_paper).then(|| ADDED.to_owned());
        in_paper = line.in_paper;
        let published = line.published.map(|published| Value::exact(metric.published(published)));
        let ours = line.measured.iter().map(|measured| metric.measured(measured).0.map(value));
        Category { name: line.title.clone(), values: std::iter::once(published).chain(ours).collect(), rule }
    });
    let categories = categories.collect();
    let ours = result.facts.protocols.iter().map(|protocol| format!("ours, {}", protocol.title()));
    let series = std::iter::once("paper".to_owned()).chain(ours).collect();
    let title = format!("{}: test {}", result.target.title(), metric.title());
    let chart = BarChart { title, axis: format!("test {}", metric.title()), series, categories };
    let caption =
        "Bars begin where the axis does, at its first number. Strokes: one standard deviation over seeds either side.";
    Block::Figure { caption: caption.to_owned(), svg: chart.svg(Width::Wide) }
}

fn sweep(result: &Reproduction, metric: Metric, option: &str, axis: &str) -> Block {
    let all_rows = result.lines.iter().find(|line| line.method == MethodName::None);
    let points = |of: &dyn Fn(&Line) -> Option<Value>| -> Vec<(f64, Value)> {
        let on_axis = |line: &Line| line.point.filter(|(name, _)| *name == option).map(|(_, at)| at);
        result.lines.iter().filter_map(|line| Some((on_axis(line)?, of(line)?))).collect()
    };
    let level = |of: Option<f64>| of.map(|level| ("all rows".to_owned(), level));
    let paper = |line: &Line| line.published.map(|published| metric.published(published));
    let mut series = vec![Series {
        name: "paper".to_owned(),
        style: 0,
        points: points(&|line| paper(line).map(Value::exact)),
        starts: Vec::new(),
        level: level(all_rows.and_then(paper)),
    }];
    for (number, protocol) in result.facts.protocols.iter().enumerate() {
        let ours = |line: &Line| metric.measured(&line.measured[number]).0;
        series.push(Series {
            name: format!("ours, {}", protocol.title()),
            style: number + 1,
            points: points(&|line| ours(line).map(value)),
            starts: Vec::new(),
            level: level(all_rows.and_then(ours).map(|spread| spread.mean)),
        });
    }
    series.retain(|series| !series.points.is_empty() || series.level.is_some());
    let title = format!("test {} over {axis}", metric.title());
    let chart = LineChart { title, x_axis: axis.to_owned(), y_axis: format!("test {}", metric.title()), series };
    let caption = "Dashed: trained on all rows. Strokes: one standard deviation over seeds to either side.";
    Block::Figure { caption: caption.to_owned(), svg: chart.svg(Width::Wide) }
}

fn value(spread: Spread) -> Value {
    Value { mean: spread.mean, sd: spread.sd }
}
