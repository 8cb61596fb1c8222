//! From numbers to positions along an axis, with round marks.

/// Maps the numbers from `low` to `high` to the positions from `from` to `to`.
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    step: f64,
}

impl Scale {
    /// A scale whose ends are round numbers, with all of `values` between them.
    pub fn around(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let span = (high - low).max(1e-3);
        let raw = span / 5.0;
        let size = 10_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * size).into_iter().find(|step| *step >= raw);
        let step = step.unwrap_or(10.0 * size);
        // The bar of the lowest value must have a visible length.
        let lowest = if low < 0.0 { f64::NEG_INFINITY } else { 0.0 };
        let low = (((low - 0.3 * step) / step).floor() * step).max(lowest);
        let high = ((high + 0.1 * step) / step).ceil() * step;
        Self { low, high, from, to, step }
    }

    /// The position of a value along the axis.
    pub fn position(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Values and labels of those marks that stand at least so far apart; that of 0 is one of them where it is a mark.
    pub fn sparse_ticks(&self, apart: f64) -> impl Iterator<Item = (f64, String)> + '_ {
        let room = (self.position(self.low + self.step) - self.position(self.low)).abs();
        let every = (apart / room).ceil().max(1.0) as i64;
        let number = |tick: f64| (tick / self.step).round() as i64;
        self.ticks().filter(move |(tick, _)| number(*tick) % every == 0)
    }

    /// Values and labels of the marks.
    pub fn ticks(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        let digits = (-self.step.log10().floor()).max(0.0) as usize;
        let count = ((self.high - self.low) / self.step).round() as u32;
        (0..=count)
            .map(move |n| self.low + f64::from(n) * self.step)
            // A sum that should be 0 may lie a little below it, and would be `-0`.
            .map(move |tick| if tick.abs() < self.step / 2.0 { 0.0 } else { tick })
            .map(move |tick| (tick, format!("{tick:.digits$}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_ends_around_its_values() {
        let scale = Scale::around([0.7957, 0.8115].into_iter(), 0.0, 100.0);
        assert!((scale.low - 0.79).abs() < 1e-12 && (scale.high - 0.815).abs() < 1e-12, "{} {}", scale.low, scale.high);
        assert_eq!(
            scale.ticks().map(|(_, words)| words).collect::<Vec<_>>(),
            ["0.790", "0.795", "0.800", "0.805", "0.810", "0.815"]
        );
        assert!((scale.position(0.7975) - 30.0).abs() < 1e-9);
        let one = Scale::around([0.5].into_iter(), 0.0, 1.0);
        assert!(one.low < 0.5 && one.high > 0.5);
        let sparse = Scale::around([-0.01, 0.03].into_iter(), 0.0, 100.0);
        assert_eq!(
            sparse.sparse_ticks(30.0).map(|(_, words)| words).collect::<Vec<_>>(),
            ["-0.02", "0.00", "0.02", "0.04"]
        );
        assert_eq!(Scale::around([0.0, 98.0].into_iter(), 0.0, 1.0).low, 0.0, "shares are not negative");
        let none = Scale::around(std::iter::empty(), 0.0, 1.0);
        assert!(none.low <= 0.0 && none.high >= 1.0);
    }
}
