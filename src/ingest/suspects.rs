//! Fields that should not be fields: named before a model is trained on them.

use super::cell::{parse_number, parse_time};
use crate::types::{FieldReading, FieldWarning, ReadAs, SplitCounts, Suspicion, shorten};

/// A column of which so many of the rows with a value have one of their own names rows, and nothing that recurs.
const OWN_VALUES: f64 = 0.99;
/// A table of fewer rows has columns of different values by chance.
const ROWS: u64 = 20;
/// A field with this AUC alone knows the label.
const GIVEN_AWAY: f64 = 0.99;
/// A field of which so many of the valid or of the test cells have values that no training row has tells nothing of them.
const UNSEEN: f64 = 0.9;

/// What is wrong with a column as a field; the worst first. `unseen` is the share of valid or of test rows with a value that no
/// training row has.
pub(super) fn suspect(field: &FieldReading, rows: SplitCounts, unseen: f64) -> Option<FieldWarning> {
    let FieldReading { column, values, missing, .. } = field;
    let all = rows.total();
    let with_value = all - missing;
    let values = values.unwrap_or(u64::MAX);
    let name = if column.is_empty() { "''".into() } else { shorten(column) };
    let leave_out = format!("leave it out (`exclude`, --exclude {name})");
    let (suspicion, message) = if let Some(auc) = field.auc.filter(|auc| *auc >= GIVEN_AWAY) {
        (
            Suspicion::GivesLabelAway,
            format!("alone has an AUC of {auc:.3}: it seems to say the label itself; {leave_out}"),
        )
    } else if column.trim().is_empty() || column.starts_with("Unnamed:") {
        (Suspicion::Unnamed, format!("has no name, as an index that pandas writes; {leave_out}"))
    } else if field.read_as == ReadAs::Category
        && all >= ROWS
        && values as f64 >= OWN_VALUES * with_value as f64
        && with_value > 0
    {
        let message = if field.examples.iter().all(|value| looks_like_a_time(value)) {
            format!(
                "has {values} different times in {with_value} rows, so no value recurs; say that it holds times (`time`, --time \
                 {name}), or {leave_out}"
            )
        } else {
            format!(
                "has {values} different values in {with_value} rows, so it names rows and no value recurs; {leave_out}"
            )
        };
        (Suspicion::DifferentOnEveryRow, message)
    } else if values == 0 || values == 1 && *missing == 0 {
        let what = if values == 0 { "no value in any row" } else { "the same value in every row" };
        (Suspicion::Constant, format!("has {what}, so nothing can be learned from it; {leave_out}"))
    } else if unseen >= UNSEEN {
        let message = format!(
            "has values in {:.0} % of the valid or of the test rows that no training row has, so nothing is learned of them; \
             {leave_out}, or split otherwise",
            100.0 * unseen
        );
        (Suspicion::UnseenInTraining, message)
    } else {
        return None;
    };
    Some(FieldWarning { column: column.clone(), suspicion, message: format!("column `{}` {message}", shorten(column)) })
}

/// Whether the value is a date, or a number that counts seconds or less since 1970 and is at least of 1990.
fn looks_like_a_time(value: &str) -> bool {
    const SECONDS_OF_1990: f64 = 631_152_000.0;
    let value = value.as_bytes();
    parse_time(value).is_some() && parse_number(value).is_none_or(|number| number >= SECONDS_OF_1990)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_should_not_be_are_named_once_each() {
        let rows = SplitCounts { train: 320, valid: 40, test: 40 };
        let field = |column: &str, values: u64, missing: u64, auc: Option<f64>| FieldReading {
            column: column.to_owned(),
            read_as: ReadAs::Category,
            reason: None,
            values: Some(values),
            missing,
            examples: Vec::new(),
            auc,
            drift: None,
        };
        let found = |field: &FieldReading, unseen| suspect(field, rows, unseen).map(|warning| warning.suspicion);
        assert_eq!(found(&field("user", 40, 0, Some(0.95)), 0.04), None);
        assert_eq!(found(&field("click_time", 40, 0, Some(0.999)), 0.00), Some(Suspicion::GivesLabelAway));
        assert_eq!(found(&field("", 400, 0, None), 1.00), Some(Suspicion::Unnamed));
        assert_eq!(found(&field("id", 399, 0, None), 1.00), Some(Suspicion::DifferentOnEveryRow));
        assert_eq!(found(&field("id", 100, 300, None), 1.00), Some(Suspicion::DifferentOnEveryRow));
        for (examples, is_time) in [
            (["123456789", "1700000015"], false),
            (["1700000015", "1700000048"], true),
            (["2024-02-01", "2024-02-03"], true),
        ] {
            let field = FieldReading { examples: examples.map(str::to_owned).to_vec(), ..field("at", 400, 0, None) };
            let warning = suspect(&field, rows, 1.0).unwrap();
            assert_eq!(warning.message.contains("--time at"), is_time, "{examples:?}: {}", warning.message);
        }
        assert_eq!(found(&field("country", 1, 0, None), 0.00), Some(Suspicion::Constant));
        assert_eq!(found(&field("flag", 1, 5, None), 0.00), None, "a value or none is two values");
        assert_eq!(found(&field("empty", 0, 400, None), 0.00), Some(Suspicion::Constant));
        assert_eq!(found(&field("day", 30, 0, None), 1.00), Some(Suspicion::UnseenInTraining));
        let price = FieldReading { read_as: ReadAs::Quantile, ..field("price", 400, 0, None) };
        assert_eq!(found(&price, 0.00), None, "a measure may differ everywhere");
    }
}
