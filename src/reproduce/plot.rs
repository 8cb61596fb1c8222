//! Drawings of numbers with their spread, as SVG within a page; colours and letters are the page's (`page.css`).

use super::{html::escape, scale::Scale};
use std::fmt::Write;

/// A mean, and the standard deviation where there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    pub mean: f64,
    pub sd: Option<f64>,
}

impl Value {
    fn low(self) -> f64 {
        self.mean - self.sd.unwrap_or(0.0)
    }

    fn high(self) -> f64 {
        self.mean + self.sd.unwrap_or(0.0)
    }

    /// The text shown when the pointer is over it.
    fn words(self) -> String {
        match self.sd {
            Some(sd) => format!("{:.4} ± {sd:.4}", self.mean),
            None => format!("{:.4}", self.mean),
        }
    }
}

/// Horizontal bars: for each category, one of each series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BarChart {
    /// What the drawing shows, for readers who cannot see it.
    pub title: String,
    pub axis: String,
    /// At most three.
    pub series: Vec<String>,
    pub categories: Vec<Category>,
}

/// The bars of one name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Category {
    pub name: String,
    /// One for each series.
    pub values: Vec<Option<Value>>,
    /// The text of a rule above it.
    pub rule: Option<String>,
}

/// Points joined by lines, and levels across.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LineChart {
    pub title: String,
    pub x_axis: String,
    pub y_axis: String,
    pub series: Vec<Series>,
}

/// The points of one line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub name: String,
    /// Number of its colour, 0 to 2.
    pub style: usize,
    pub points: Vec<(f64, Value)>,
    /// A dashed line over the whole width, and its name.
    pub level: Option<(String, f64)>,
}

const WIDTH: f64 = 760.0;
const RIGHT: f64 = 24.0;

macro_rules! draw {
    ($out:expr, $($text:tt)*) => { writeln!($out, $($text)*).expect("a string takes all") };
}

/// The start tag, with a name for screen readers.
fn open(width: f64, height: f64, title: &str) -> String {
    let (title, place) = (escape(title), format!("viewBox=\"0 0 {width} {height}\""));
    let says = format!("role=\"img\" aria-label=\"{title}\"");
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\" {place} {says}>\n<title>{title}</title>\n")
}

/// Text at a position; `class` and `anchor` (start, middle, end) are SVG's.
fn words(out: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, words: &str) {
    let words = escape(words);
    draw!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

/// A straight line; `says` is the text shown when the pointer is over it.
fn line(out: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64), says: &str) {
    let ends = format!("x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"");
    match says {
        "" => draw!(out, "<line class=\"{class}\" {ends}/>"),
        _ => draw!(out, "<line class=\"{class}\" {ends}><title>{}</title></line>", escape(says)),
    }
}

/// A line from one end of a spread to the other, with a short stroke across each end.
fn whisker(out: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let (dx, dy) = if y1 == y2 { (0.0, 3.0) } else { (3.0, 0.0) };
    let stroke = |x: f64, y: f64| format!("M{:.1} {:.1}L{:.1} {:.1}", x - dx, y - dy, x + dx, y + dy);
    let along = format!("M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}");
    draw!(out, "<path class=\"spread\" d=\"{along}{}{}\"/>", stroke(x1, y1), stroke(x2, y2));
}

/// Names of the series with their colours, from `x` on.
fn legend<'n>(out: &mut String, mut x: f64, names: impl Iterator<Item = (usize, &'n str)>) {
    for (style, name) in names {
        draw!(out, "<rect class=\"bar-{style}\" x=\"{x:.1}\" y=\"6\" width=\"12\" height=\"12\"/>");
        words(out, (x + 17.0, 16.0), "", "start", name);
        x += 17.0 + 7.0 * name.chars().count() as f64 + 22.0;
    }
}

impl BarChart {
    pub fn svg(&self) -> String {
        const LEFT: f64 = 190.0;
        const TOP: f64 = 30.0;
        const BAR: f64 = 10.0;
        const RULE: f64 = 24.0;
        const END: f64 = WIDTH - RIGHT;
        let row = BAR * self.series.len() as f64 + 10.0;
        let rules = self.categories.iter().filter(|category| category.rule.is_some()).count() as f64;
        let bottom = TOP + row * self.categories.len() as f64 + RULE * rules;
        let values = self.categories.iter().flat_map(|category| category.values.iter().flatten());
        let scale = Scale::around(values.flat_map(|value| [value.low(), value.high()]), LEFT, END);
        let mut out = open(WIDTH, bottom + 44.0, &self.title);
        legend(&mut out, LEFT, self.series.iter().map(String::as_str).enumerate());
        for (tick, text) in scale.ticks() {
            let x = scale.position(tick);
            line(&mut out, "grid", (x, TOP), (x, bottom), "");
            words(&mut out, (x, bottom + 16.0), "soft", "middle", &text);
        }
        let mut top = TOP;
        for category in &self.categories {
            if let Some(rule) = &category.rule {
                let y = top + RULE - 7.0;
                words(&mut out, (LEFT - 8.0, y), "soft", "end", rule);
                line(&mut out, "axis", (LEFT, y), (END, y), "");
                top += RULE;
            }
            words(&mut out, (LEFT - 8.0, top + row / 2.0 + 4.0), "", "end", &category.name);
            for (style, value) in category.values.iter().enumerate() {
                let Some(value) = value else { continue };
                let (y, width) = (top + 5.0 + BAR * style as f64, scale.position(value.mean) - LEFT);
                let says = escape(&format!("{}, {}: {}", category.name, self.series[style], value.words()));
                let place = format!("x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\"", BAR - 1.0);
                draw!(out, "<rect class=\"bar-{style}\" {place}><title>{says}</title></rect>");
                if value.sd.is_some() {
                    whisker(&mut out, (scale.position(value.low()), y + 4.5), (scale.position(value.high()), y + 4.5));
                }
            }
            top += row;
        }
        line(&mut out, "axis", (LEFT, TOP), (LEFT, bottom), "");
        words(&mut out, ((LEFT + END) / 2.0, bottom + 36.0), "", "middle", &self.axis);
        out + "</svg>\n"
    }
}

impl LineChart {
    pub fn svg(&self) -> String {
        const LEFT: f64 = 72.0;
        const TOP: f64 = 30.0;
        const BOTTOM: f64 = 270.0;
        const END: f64 = WIDTH - RIGHT;
        /// Distance of the first and last point from the ends of the axis.
        const INSET: f64 = 40.0;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let levels = self.series.iter().filter_map(|series| Some(series.level.as_ref()?.1));
        let values = points().flat_map(|(_, value)| [value.low(), value.high()]).chain(levels);
        let y = Scale::around(values, BOTTOM, TOP);
        let mut places: Vec<f64> = points().map(|(x, _)| *x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let (first, last) = (places.first().copied().unwrap_or(0.0), places.last().copied().unwrap_or(1.0));
        let share = |place: f64| if last > first { (place - first) / (last - first) } else { 0.5 };
        let x = |place: f64| LEFT + INSET + (END - LEFT - 2.0 * INSET) * share(place);

        let mut out = open(WIDTH, BOTTOM + 44.0, &self.title);
        legend(&mut out, LEFT, self.series.iter().map(|series| (series.style, series.name.as_str())));
        for (tick, text) in y.ticks() {
            line(&mut out, "grid", (LEFT, y.position(tick)), (END, y.position(tick)), "");
            words(&mut out, (LEFT - 8.0, y.position(tick) + 4.0), "soft", "end", &text);
        }
        for place in &places {
            words(&mut out, (x(*place), BOTTOM + 16.0), "soft", "middle", &place.to_string());
        }
        for (number, series) in self.series.iter().enumerate() {
            let style = series.style;
            if let Some((name, level)) = &series.level {
                let says = format!("{name}: {level:.4}");
                line(
                    &mut out,
                    &format!("level line-{style}"),
                    (LEFT, y.position(*level)),
                    (END, y.position(*level)),
                    &says,
                );
            }
            // The series' points stand side by side, so that no spread hides another.
            let aside = 7.0 * (number as f64 - (self.series.len() as f64 - 1.0) / 2.0);
            let spot = |(at, value): &(f64, Value)| (x(*at) + aside, y.position(value.mean));
            let path: Vec<String> = series.points.iter().map(spot).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            if path.len() > 1 {
                draw!(out, "<polyline class=\"line-{style}\" points=\"{}\"/>", path.join(" "));
            }
            for point in &series.points {
                let (cx, cy) = spot(point);
                let (at, value) = point;
                if value.sd.is_some() {
                    whisker(&mut out, (cx, y.position(value.low())), (cx, y.position(value.high())));
                }
                let says = escape(&format!("{}, {} {at}: {}", series.name, self.x_axis, value.words()));
                let place = format!("cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"4\"");
                draw!(out, "<circle class=\"dot-{style}\" {place}><title>{says}</title></circle>");
            }
        }
        line(&mut out, "axis", (LEFT, BOTTOM), (END, BOTTOM), "");
        words(&mut out, ((LEFT + END) / 2.0, BOTTOM + 36.0), "", "middle", &self.x_axis);
        let middle = (TOP + BOTTOM) / 2.0;
        draw!(out, "<g transform=\"rotate(-90 16 {middle:.1})\">");
        words(&mut out, (16.0, middle), "", "middle", &self.y_axis);
        draw!(out, "</g>");
        out + "</svg>\n"
    }
}
