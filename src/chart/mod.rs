//! Charts as SVG, drawn on the server: bars, lines, intervals, shares and sparklines. A chart is markup to be put into a page
//! that has [`STYLE`]: colours and letters are classes, so pages may forbid styles within markup, and a chart is light or dark
//! as its page is. What a mark stands for is shown when the pointer is over it (`<title>`). Every tag is closed as in XML.

mod bars;
mod canvas;
mod intervals;
mod lines;
mod scale;
mod shares;
mod sparkline;
mod value;
mod width;

pub use bars::{BarChart, Category};
pub use canvas::escape;
pub use intervals::{Interval, IntervalChart};
pub use lines::{LineChart, Series};
pub use shares::{Part, ShareChart, SharedRow};
pub use sparkline::sparkline;
pub use value::Value;
pub use width::{Chart, Width};

/// The style sheet of charts. The page says the colours `--ink`, `--soft`, `--line` and `--series-0` to `--series-5`;
/// [`PALETTE`] has them.
pub const STYLE: &str = include_str!("chart.css");

/// The colours of charts and of the pages around them, light and dark.
pub const PALETTE: &str = include_str!("palette.css");

/// Tables on a narrow screen: a row is a card, in which a cell with a `data-name` says its column by it. It comes after the page's
/// own rules for tables.
pub const CARDS: &str = include_str!("cards.css");
