//! A line as small as a word.

use super::canvas::Canvas;

const SIZE: (f64, f64) = (120.0, 24.0);
/// So that the line is not cut at the edges.
const EDGE: f64 = 3.0;

/// The numbers in order as a line without axes, and its last point; `title` is what they are. Empty for no numbers.
pub fn sparkline(numbers: &[f64], title: &str) -> String {
    let finite: Vec<f64> = numbers.iter().copied().filter(|number| number.is_finite()).collect();
    let Some(last) = finite.last() else { return String::new() };
    let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
    let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (width, height) = (SIZE.0 - 2.0 * EDGE, SIZE.1 - 2.0 * EDGE);
    let step = width / (finite.len().max(2) - 1) as f64;
    let share = |number: f64| if high > low { (number - low) / (high - low) } else { 0.5 };
    let place = |(at, number): (usize, &f64)| (EDGE + step * at as f64, EDGE + height * (1.0 - share(*number)));
    let points: Vec<_> = finite.iter().enumerate().map(place).collect();
    let mut canvas = Canvas::sized("spark", SIZE, &format!("{title}: {low:.4} to {high:.4}, last {last:.4}"));
    canvas.path("line-1", &points);
    canvas.dot("dot-1", points[points.len() - 1], 2.0, "");
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_goes_from_edge_to_edge() {
        let svg = sparkline(&[1.0, 0.5, 0.0], "loss");
        assert!(svg.contains("points=\"3.0,3.0 60.0,12.0 117.0,21.0\""), "{svg}");
        assert!(svg.contains("loss: 0.0000 to 1.0000, last 0.0000"), "{svg}");
        assert_eq!(sparkline(&[f64::NAN], "loss"), "");
        assert!(sparkline(&[0.3], "loss").contains("points=\"3.0,12.0\""));
    }
}
