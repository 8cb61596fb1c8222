//! The vectors' cases as blocks, for tests of what the methods go through on the way.

use super::{Block, Pace, Points, Space, points::Rows};
use crate::{
    random::{Purpose, Stream},
    types::Knn,
};
use serde_json::Value;

/// Part of `instance_selection.json`: `cases` or `bdis`, by name.
pub fn cases(part: &str) -> Vec<(String, Value)> {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/instance_selection.json")).expect("JSON");
    vectors[part].as_object().expect("cases by name").clone().into_iter().collect()
}

pub fn ints<T: TryFrom<i64, Error: std::fmt::Debug>>(list: &Value) -> Vec<T> {
    let int = |number: &Value| number.as_i64().expect("an integer").try_into().expect("an integer in range");
    list.as_array().expect("a list").iter().map(int).collect()
}

/// A pace that tells nobody.
pub fn pace() -> Pace<'static> {
    Pace::new(&|_| (), 1)
}

/// The rows of a case where they are, in f64.
pub fn block<'a>(case: &Value, pace: &'a Pace<'a>) -> Block<'a> {
    let labels: Vec<u8> = ints(&case["y"]);
    let rows = case["x"].as_array().expect("rows");
    let width = rows[0].as_array().expect("a row").len();
    let all: Vec<u32> = (0..labels.len() as u32).collect();
    let points = match case["metric"].as_str() {
        Some("euclidean") | None => {
            let data = rows.iter().flat_map(|row| row.as_array().expect("a row"));
            Points::Metric(Rows { width, data: data.map(|x| x.as_f64().expect("a number")).collect() })
        }
        Some(metric) => {
            // Ids of a field start above those of the fields before.
            let ids: Vec<i32> =
                rows.iter().flat_map(|row| ints::<i32>(row).into_iter().zip(0..).map(|(x, f)| 10 * f + x)).collect();
            let space = if metric == "hvdm" { Space::Hvdm { smoothing: 0.0 } } else { Space::Hamming };
            space.source(&ids, &labels, width).points(&all)
        }
    };
    Block { points, labels, knn: Knn::Brute, draws: Stream::new(1, Purpose::Instances, &[0]), pace }
}
