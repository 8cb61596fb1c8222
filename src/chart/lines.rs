//! Points joined by lines, and levels across.

use super::{
    canvas::{Anchor, Canvas, Point, text_width},
    scale::Scale,
    value::Value,
    width::{Chart, Width},
};

/// Lines over a common axis.
#[derive(Debug, Clone, PartialEq)]
pub struct LineChart {
    /// What the drawing shows, for readers who cannot see it.
    pub title: String,
    pub x_axis: String,
    pub y_axis: String,
    pub series: Vec<Series>,
}

/// The points of one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub name: String,
    /// Number of its colour, 0 to 5.
    pub style: usize,
    pub points: Vec<(f64, Value)>,
    /// Points that begin a line of their own, by their number: nothing joins them to the one before.
    pub starts: Vec<usize>,
    /// A dashed line over the whole width, and its name.
    pub level: Option<(String, f64)>,
}

const RIGHT: f64 = 24.0;
const LEFT: f64 = 72.0;
/// Height of the part within the axes.
const HEIGHT: f64 = 240.0;
/// More points than this are small, so that the line can be seen.
const LARGE_POINTS: usize = 12;

impl Chart for LineChart {
    fn svg(&self, width: Width) -> String {
        let end = width.units() - RIGHT;
        let names = || self.series.iter().map(|series| (series.style, series.name.as_str()));
        let top = 10.0 + Canvas::legend_height(LEFT, end, names());
        let bottom = top + HEIGHT;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let levels = self.series.iter().filter_map(|series| Some(series.level.as_ref()?.1));
        let values = points().flat_map(|(_, value)| [value.low(), value.high()]).chain(levels);
        let y = Scale::around(values, bottom, top);
        let mut places: Vec<f64> = points().map(|(x, _)| *x).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let few = places.len() <= LARGE_POINTS;
        let (first, last) = (places.first().copied().unwrap_or(0.0), places.last().copied().unwrap_or(1.0));
        let share = |place: f64| if last > first { (place - first) / (last - first) } else { 0.5 };
        // The first and the last point do not stand on the ends of the axis.
        let inset = if few { 40.0_f64.min(0.08 * width.units()) } else { 10.0 };
        let x = |place: f64| LEFT + inset + (end - LEFT - 2.0 * inset) * share(place);

        let mut canvas = Canvas::new(width, bottom + 44.0, &self.title);
        canvas.legend(LEFT, end, names());
        for (tick, text) in y.ticks() {
            canvas.line("grid", (LEFT, y.position(tick)), (end, y.position(tick)), "");
            canvas.words((LEFT - 8.0, y.position(tick) + 4.0), "soft", Anchor::End, &text);
        }
        for place in place_numbers(&places, &x) {
            canvas.words((x(place), bottom + 16.0), "soft", Anchor::Middle, &place.to_string());
        }
        let spreads = points().any(|(_, value)| value.sd.is_some());
        for (number, series) in self.series.iter().enumerate() {
            // Points with spreads stand side by side, so that no spread hides another.
            let middle = (self.series.len() as f64 - 1.0) / 2.0;
            let aside = if spreads { 7.0 * (number as f64 - middle) } else { 0.0 };
            let spot = |(at, value): &(f64, Value)| (x(*at) + aside, y.position(value.mean));
            self.draw_level(&mut canvas, series, end, &y);
            let path: Vec<Point> = series.points.iter().map(spot).collect();
            let mut from = 0;
            for to in series.starts.iter().copied().chain([path.len()]) {
                if to > from + 1 {
                    canvas.path(&format!("line-{}", series.style), &path[from..to]);
                }
                from = to;
            }
            for point @ (at, value) in &series.points {
                let (cx, cy) = spot(point);
                if value.sd.is_some() {
                    canvas.spread((cx, y.position(value.low())), (cx, y.position(value.high())));
                }
                let says = format!("{}, {} {at}: {}", series.name, self.x_axis, value.words());
                canvas.dot(&format!("dot-{}", series.style), (cx, cy), if few { 4.0 } else { 2.5 }, &says);
            }
        }
        canvas.line("axis", (LEFT, bottom), (end, bottom), "");
        canvas.words(((LEFT + end) / 2.0, bottom + 36.0), "", Anchor::Middle, &self.x_axis);
        canvas.words_upwards((16.0, (top + bottom) / 2.0), &self.y_axis);
        canvas.finish()
    }
}

impl LineChart {
    fn draw_level(&self, canvas: &mut Canvas, series: &Series, end: f64, y: &Scale) {
        let Some((name, level)) = &series.level else { return };
        let at = y.position(*level);
        let class = format!("level line-{}", series.style);
        canvas.line(&class, (LEFT, at), (end, at), &format!("{name}: {level:.4}"));
    }
}

/// Numbers along the axis: the ascending places, where each has room for its own, else round numbers from the first to the last.
fn place_numbers(places: &[f64], x: &dyn Fn(f64) -> f64) -> Vec<f64> {
    let width = places.iter().map(|place| text_width(&place.to_string())).fold(0.0, f64::max) + 10.0;
    let room = places.windows(2).map(|pair| x(pair[1]) - x(pair[0])).fold(f64::INFINITY, f64::min);
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return Vec::new() };
    if room >= width {
        return places.to_vec();
    }
    let least = width * (last - first) / (x(*last) - x(*first));
    let size = 10_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].map(|times| times * size).into_iter().find(|step| *step >= least).unwrap_or(10.0 * size);
    // Passes and epochs are whole.
    let step = if places.iter().all(|place| place.fract() == 0.0) { step.max(1.0) } else { step };
    let numbers = ((first / step).ceil() as i64..=(last / step).floor() as i64).map(|number| number as f64 * step);
    let digits = (-step.log10().floor()).max(0.0) as i32;
    // A product of a step such as 0.1 has more digits than it means.
    numbers.map(|number| (number * 10_f64.powi(digits)).round() / 10_f64.powi(digits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_along_the_axis_have_room() {
        let places: Vec<f64> = (1..=50).map(f64::from).collect();
        let numbers = place_numbers(&places, &|place| 13.0 * place);
        assert_eq!((&numbers[..3], numbers.last()), (&[2.0, 4.0, 6.0][..], Some(&50.0)), "round ones");
        assert_eq!(place_numbers(&places, &|place| 3.0 * place), [10.0, 20.0, 30.0, 40.0, 50.0]);
        let every_seventh: Vec<f64> = (0..40).map(|number| f64::from(1 + 7 * number)).collect();
        assert_eq!(place_numbers(&every_seventh, &|place| place), [50.0, 100.0, 150.0, 200.0, 250.0]);
        assert_eq!(place_numbers(&[0.1, 0.11, 0.5], &|place| 100.0 * place), [0.5]);
        assert_eq!(place_numbers(&places[..5], &|place| 100.0 * place).len(), 5);
        assert_eq!(place_numbers(&places[..1], &|place| place), [1.0]);
    }
}
