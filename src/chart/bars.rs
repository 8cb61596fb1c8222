//! Horizontal bars: for each category, one of each series.

use super::{
    canvas::{Anchor, Canvas},
    scale::Scale,
    value::Value,
    width::{Chart, Width},
};

/// For each category a bar of each series. The bars begin where the axis does, which need not be at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct BarChart {
    /// What the drawing shows, for readers who cannot see it.
    pub title: String,
    pub axis: String,
    /// At most six.
    pub series: Vec<String>,
    pub categories: Vec<Category>,
}

/// The bars of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    pub name: String,
    /// One for each series.
    pub values: Vec<Option<Value>>,
    /// The text of a rule above it.
    pub rule: Option<String>,
}

const BAR: f64 = 10.0;
const RULE: f64 = 24.0;
const RIGHT: f64 = 24.0;

impl Chart for BarChart {
    fn svg(&self, width: Width) -> String {
        // On a narrow screen names stand above their bars.
        let (left, above) = if width == Width::Wide { (190.0, 0.0) } else { (8.0, 16.0) };
        let end = width.units() - RIGHT;
        let names = || self.series.iter().map(String::as_str).enumerate();
        let top = 10.0 + Canvas::legend_height(left, end, names());
        let row = above + BAR * self.series.len() as f64 + 10.0;
        let rules = self.categories.iter().filter(|category| category.rule.is_some()).count() as f64;
        let bottom = top + row * self.categories.len() as f64 + RULE * rules;
        let values = self.categories.iter().flat_map(|category| category.values.iter().flatten());
        let scale = Scale::around(values.flat_map(|value| [value.low(), value.high()]), left, end);

        let mut canvas = Canvas::new(width, bottom + 44.0, &self.title);
        canvas.legend(left, end, names());
        for (tick, text) in scale.ticks() {
            let x = scale.position(tick);
            canvas.line("grid", (x, top), (x, bottom), "");
            canvas.words((x, bottom + 16.0), "soft", Anchor::Middle, &text);
        }
        let name = |canvas: &mut Canvas, y: f64, class: &str, text: &str| match width {
            Width::Wide => canvas.words((left - 8.0, y), class, Anchor::End, text),
            Width::Narrow => canvas.words((left + 4.0, y), class, Anchor::Start, text),
        };
        let mut y = top;
        for category in &self.categories {
            if let Some(rule) = &category.rule {
                let at = y + RULE - 7.0;
                let text_at = if width == Width::Wide { at } else { at - 4.0 };
                name(&mut canvas, text_at, "soft", rule);
                canvas.line("axis", (left, at), (end, at), "");
                y += RULE;
            }
            let name_at = if width == Width::Wide { y + row / 2.0 + 4.0 } else { y + above };
            name(&mut canvas, name_at, "", &category.name);
            for (style, value) in category.values.iter().enumerate() {
                let Some(value) = value else { continue };
                let at = y + above + 5.0 + BAR * style as f64;
                let says = format!("{}, {}: {}", category.name, self.series[style], value.words());
                let size = (scale.position(value.mean) - left, BAR - 1.0);
                canvas.bar(&format!("bar-{style}"), (left, at), size, &says);
                if value.sd.is_some() {
                    let ends = [value.low(), value.high()].map(|end| (scale.position(end), at + 4.5));
                    canvas.spread(ends[0], ends[1]);
                }
            }
            y += row;
        }
        canvas.line("axis", (left, top), (left, bottom), "");
        canvas.words(((left + end) / 2.0, bottom + 36.0), "", Anchor::Middle, &self.axis);
        canvas.finish()
    }
}
