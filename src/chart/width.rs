//! How wide a chart is drawn: letters keep their size, so a narrow screen needs a chart of its own.

/// The room a chart is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Wide,
    /// That of a telephone: what stands beside the marks elsewhere stands above them.
    Narrow,
}

impl Width {
    /// In units of the drawing, which are pixels where it is shown at its full size.
    pub(super) fn units(self) -> f64 {
        match self {
            Self::Wide => 760.0,
            Self::Narrow => 360.0,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

/// What can be drawn.
pub trait Chart {
    /// The chart as one `<svg>`.
    fn svg(&self, width: Width) -> String;

    /// The chart for wide and for narrow screens; the style sheet shows the one that fits.
    fn svg_pair(&self) -> String {
        let (wide, narrow) = (self.svg(Width::Wide), self.svg(Width::Narrow));
        format!("<div class=\"chart-pair\">\n{wide}{narrow}</div>\n")
    }
}
