//! The marks that charts are made of.

use super::width::Width;
use std::fmt::Write;

/// Text as it may stand within a tag or an attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A place, in units of the drawing: from the left, and from the top.
pub(super) type Point = (f64, f64);

/// Which part of a text stands at its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// An `<svg>` that is being drawn. Classes are those of the style sheet; `says` is the text shown when the pointer is over a
/// mark, and empty where there is none.
pub(super) struct Canvas {
    out: String,
}

macro_rules! draw {
    ($canvas:expr, $($text:tt)*) => { writeln!($canvas.out, $($text)*).expect("a string takes all") };
}

impl Canvas {
    /// `title` is what the drawing shows, for readers who cannot see it.
    pub fn new(width: Width, height: f64, title: &str) -> Self {
        let class = format!("chart {}", width.class());
        Self::sized(&class, (width.units(), height), title)
    }

    pub fn sized(class: &str, (width, height): (f64, f64), title: &str) -> Self {
        let (title, place) = (escape(title), format!("viewBox=\"0 0 {width} {height}\""));
        let says = format!("role=\"img\" aria-label=\"{title}\"");
        let mut canvas = Self { out: String::new() };
        draw!(canvas, "<svg class=\"{class}\" xmlns=\"http://www.w3.org/2000/svg\" {place} {says}>");
        canvas
    }

    pub fn finish(self) -> String {
        self.out + "</svg>\n"
    }

    pub fn words(&mut self, (x, y): Point, class: &str, anchor: Anchor, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = escape(words);
        draw!(self, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
    }

    /// Text that reads upwards, with its middle at a place.
    pub fn words_upwards(&mut self, (x, y): Point, words: &str) {
        draw!(self, "<g transform=\"rotate(-90 {x:.1} {y:.1})\">");
        self.words((x, y), "", Anchor::Middle, words);
        draw!(self, "</g>");
    }

    pub fn line(&mut self, class: &str, (x1, y1): Point, (x2, y2): Point, says: &str) {
        let ends = format!("x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"");
        self.mark("line", class, &ends, says);
    }

    pub fn path(&mut self, class: &str, points: &[Point]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.mark("polyline", class, &format!("points=\"{}\"", points.join(" ")), "");
    }

    pub fn bar(&mut self, class: &str, (x, y): Point, (width, height): (f64, f64), says: &str) {
        let place = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
        self.mark("rect", class, &place, says);
    }

    pub fn dot(&mut self, class: &str, (x, y): Point, radius: f64, says: &str) {
        self.mark("circle", class, &format!("cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\""), says);
    }

    /// A line from one end of a spread to the other, with a short stroke across each end.
    pub fn spread(&mut self, (x1, y1): Point, (x2, y2): Point) {
        let (dx, dy) = if y1 == y2 { (0.0, 3.0) } else { (3.0, 0.0) };
        let stroke = |x: f64, y: f64| format!("M{:.1} {:.1}L{:.1} {:.1}", x - dx, y - dy, x + dx, y + dy);
        let along = format!("M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}");
        draw!(self, "<path class=\"spread\" d=\"{along}{}{}\"/>", stroke(x1, y1), stroke(x2, y2));
    }

    /// Names of series with the numbers of their colours, from `x` on; on as many lines as they need, each
    /// [`Canvas::LEGEND`] high.
    pub fn legend<'n>(&mut self, x: f64, end: f64, names: impl Iterator<Item = (usize, &'n str)>) {
        for (style, name, (x, line)) in place_legend(x, end, names) {
            let y = 6.0 + Self::LEGEND * line as f64;
            self.bar(&format!("bar-{style}"), (x, y), (12.0, 12.0), "");
            self.words((x + 17.0, y + 10.0), "", Anchor::Start, name);
        }
    }

    /// The height of a line of the legend.
    pub const LEGEND: f64 = 20.0;

    /// How much room [`Canvas::legend`] takes from the top.
    pub fn legend_height<'n>(x: f64, end: f64, names: impl Iterator<Item = (usize, &'n str)>) -> f64 {
        let lines = place_legend(x, end, names).last().map_or(0, |(.., (_, line))| line + 1);
        Self::LEGEND * lines as f64
    }

    fn mark(&mut self, tag: &str, class: &str, place: &str, says: &str) {
        match says {
            "" => draw!(self, "<{tag} class=\"{class}\" {place}/>"),
            _ => draw!(self, "<{tag} class=\"{class}\" {place}><title>{}</title></{tag}>", escape(says)),
        }
    }
}

/// About how wide a text is.
pub(super) fn text_width(text: &str) -> f64 {
    7.0 * text.chars().count() as f64
}

/// Colour, name and place of each: how far from the left, and on which line.
fn place_legend<'n>(
    start: f64,
    end: f64,
    names: impl Iterator<Item = (usize, &'n str)>,
) -> Vec<(usize, &'n str, (f64, usize))> {
    let (mut x, mut line) = (start, 0);
    let place = names.map(|(style, name)| {
        let width = 17.0 + text_width(name);
        if x > start && x + width > end {
            (x, line) = (start, line + 1);
        }
        let at = (x, line);
        x += width + 22.0;
        (style, name, at)
    });
    place.collect()
}
