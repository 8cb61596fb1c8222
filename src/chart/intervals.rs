//! Intervals of differences, one below the other, against the line where there is no difference.

use super::{
    canvas::{Anchor, Canvas, text_width},
    scale::Scale,
    width::{Chart, Width},
};
use crate::types::signed;

/// Differences with what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalChart {
    /// What the drawing shows, for readers who cannot see it.
    pub title: String,
    pub axis: String,
    pub intervals: Vec<Interval>,
    /// What differences are held against beside 0, and its name.
    pub bound: Option<(String, f64)>,
}

/// A difference: its mean, the interval it lies in, and the single measurements.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    pub name: String,
    /// Number of its colour, 0 to 5.
    pub style: usize,
    pub mean: f64,
    pub ends: [f64; 2],
    /// Name and value of each measurement, shown as a dot.
    pub dots: Vec<(String, f64)>,
}

impl Interval {
    fn words(&self) -> String {
        format!("{} [{}, {}]", signed(self.mean, 4), signed(self.ends[0], 4), signed(self.ends[1], 4))
    }
}

impl Chart for IntervalChart {
    fn svg(&self, width: Width) -> String {
        let wide = width == Width::Wide;
        // Names and numbers stand beside the intervals, or above them.
        let (left, end) = if wide { (230.0, width.units() - 200.0) } else { (30.0, width.units() - 30.0) };
        let above = if wide { 0.0 } else { 20.0 };
        let (top, row) = (24.0, above + 42.0);
        let bottom = top + row * self.intervals.len() as f64;
        let values = self.intervals.iter().flat_map(|one| one.ends.into_iter().chain(one.dots.iter().map(|dot| dot.1)));
        let bound = self.bound.as_ref().filter(|(_, at)| *at != 0.0);
        let scale = Scale::around(values.chain([0.0]).chain(bound.map(|bound| bound.1)), left, end);

        // Where names stand above the intervals, no line crosses them.
        let rows = (0..self.intervals.len()).map(|number| top + row * number as f64);
        let spans: Vec<(f64, f64)> = match wide {
            true => vec![(top, bottom)],
            false => rows.map(|y| (y + 24.0, y + row)).collect(),
        };
        let mut canvas = Canvas::new(width, bottom + 44.0, &self.title);
        for (tick, text) in scale.sparse_ticks(56.0) {
            let x = scale.position(tick);
            spans.iter().for_each(|(from, to)| canvas.line("grid", (x, *from), (x, *to), ""));
            canvas.words((x, bottom + 16.0), "soft", Anchor::Middle, &text);
        }
        for (name, at) in bound.into_iter().map(|(name, at)| (name.as_str(), *at)).chain([("no difference", 0.0)]) {
            let x = scale.position(at);
            let class = if at == 0.0 { "axis" } else { "level line-0" };
            spans.iter().for_each(|(from, to)| canvas.line(class, (x, *from), (x, *to), &format!("{name}: {at}")));
            // The name must not leave the drawing.
            let half = text_width(name) / 2.0;
            let place = x.clamp(half, width.units() - half);
            if at == 0.0 || (x - scale.position(0.0)).abs() > 2.0 * half {
                canvas.words((place, top - 10.0), "soft", Anchor::Middle, name);
            }
        }
        for (number, one) in self.intervals.iter().enumerate() {
            let y = top + row * number as f64;
            let (middle, dots) = (y + above + 16.0, y + above + 29.0);
            if wide {
                canvas.words((left - 12.0, middle + 4.0), "", Anchor::End, &one.name);
                canvas.words((end + 12.0, middle + 4.0), "figures", Anchor::Start, &one.words());
            } else {
                canvas.words((4.0, y + 18.0), "", Anchor::Start, &one.name);
                let right = width.units() - 4.0;
                canvas.words((right, y + 18.0), "figures", Anchor::End, &signed(one.mean, 4));
            }
            let (style, says) = (one.style, format!("{}: {}", one.name, one.words()));
            let ends = one.ends.map(|end| (scale.position(end), middle));
            canvas.line(&format!("range line-{style}"), ends[0], ends[1], &says);
            canvas.dot(&format!("dot-{style}"), (scale.position(one.mean), middle), 5.0, &says);
            for (name, value) in &one.dots {
                let says = format!("{}, {name}: {}", one.name, signed(*value, 4));
                canvas.dot(&format!("one dot-{style}"), (scale.position(*value), dots), 3.0, &says);
            }
        }
        canvas.words(((left + end) / 2.0, bottom + 36.0), "", Anchor::Middle, &self.axis);
        canvas.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_drawn_with_its_numbers_and_a_dot_a_measurement() {
        let chart = IntervalChart {
            title: "gain in AUC".to_owned(),
            axis: "gain in test AUC".to_owned(),
            intervals: vec![Interval {
                name: "over <all> rows".to_owned(),
                style: 1,
                mean: 0.0123,
                ends: [0.01, 0.015],
                dots: vec![("seed 1".to_owned(), 0.011), ("seed 2".to_owned(), 0.0136)],
            }],
            bound: Some(("needed".to_owned(), 0.002)),
        };
        for width in [Width::Wide, Width::Narrow] {
            let svg = chart.svg(width);
            for part in ["over &lt;all&gt; rows: +0.0123 [+0.0100, +0.0150]", "seed 2: +0.0136", "needed: 0.002"] {
                assert!(svg.contains(part), "{part} in {svg}");
            }
            assert_eq!(svg.matches("class=\"one dot-1\"").count(), 2);
            assert!(!svg.contains("style="), "{svg}");
        }
    }
}
