//! What wholes are divided into: a bar for each, as long as the others.

use super::{
    canvas::{Anchor, Canvas},
    width::{Chart, Width},
};

/// Bars of one length, divided alike.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareChart {
    /// What the drawing shows, for readers who cannot see it.
    pub title: String,
    /// Names of the parts, at most six.
    pub parts: Vec<Part>,
    pub rows: Vec<SharedRow>,
}

/// A kind of part.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub name: String,
    /// Number of its colour, 0 to 5.
    pub style: usize,
}

/// One whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SharedRow {
    pub name: String,
    /// How many belong to each part.
    pub counts: Vec<u64>,
}

const BAR: f64 = 16.0;

impl Chart for ShareChart {
    fn svg(&self, width: Width) -> String {
        let wide = width == Width::Wide;
        let (left, end) = if wide { (190.0, width.units() - 24.0) } else { (8.0, width.units() - 8.0) };
        let above = if wide { 0.0 } else { 18.0 };
        let names = || self.parts.iter().map(|part| (part.style, part.name.as_str()));
        let top = 10.0 + Canvas::legend_height(left, end, names());
        let row = above + BAR + 12.0;
        let mut canvas = Canvas::new(width, top + row * self.rows.len() as f64 + 4.0, &self.title);
        canvas.legend(left, end, names());
        for (number, one) in self.rows.iter().enumerate() {
            let y = top + row * number as f64;
            match wide {
                true => canvas.words((left - 8.0, y + BAR / 2.0 + 4.0), "", Anchor::End, &one.name),
                false => canvas.words((left, y + 13.0), "", Anchor::Start, &one.name),
            }
            let all: u64 = one.counts.iter().sum();
            let mut x = left;
            for (part, count) in self.parts.iter().zip(&one.counts).filter(|(_, count)| **count > 0) {
                let share = *count as f64 / all as f64;
                let says = format!("{}, {}: {count} of {all} ({:.2} %)", one.name, part.name, 100.0 * share);
                let length = share * (end - left);
                // A part of a few rows is seen all the same.
                canvas.bar(&format!("bar-{}", part.style), (x, y + above), (length.max(1.5), BAR), &says);
                x += length;
            }
        }
        canvas.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_long_as_they_are_many() {
        let part = |name: &str, style| Part { name: name.to_owned(), style };
        let chart = ShareChart {
            title: "rows kept".to_owned(),
            parts: vec![part("kept", 3), part("relabelled", 2), part("dropped", 0)],
            rows: vec![SharedRow { name: "all rows".to_owned(), counts: vec![60, 0, 40] }],
        };
        let svg = chart.svg(Width::Wide);
        assert!(svg.contains("all rows, kept: 60 of 100 (60.00 %)") && svg.contains("width=\"327.6\""), "{svg}");
        assert!(!svg.contains("all rows, relabelled"), "{svg}");
    }
}
