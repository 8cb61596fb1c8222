//! A number as a chart shows it.

/// A mean, and the standard deviation where there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    pub mean: f64,
    pub sd: Option<f64>,
}

impl Value {
    /// A number without a spread.
    pub fn exact(mean: f64) -> Self {
        Self { mean, sd: None }
    }

    pub(super) fn low(self) -> f64 {
        self.mean - self.sd.unwrap_or(0.0)
    }

    pub(super) fn high(self) -> f64 {
        self.mean + self.sd.unwrap_or(0.0)
    }

    /// The text shown when the pointer is over it.
    pub(super) fn words(self) -> String {
        match self.sd {
            Some(sd) => format!("{:.4} ± {sd:.4}", self.mean),
            None => format!("{:.4}", self.mean),
        }
    }
}
