//! What a column is: names or a measure, by all its values.

use crate::{content, read, refused, spec};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use autodenoise::{
    ingest::Ingested,
    types::{FieldKind, FieldReading, ReadAs, Suspicion},
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use std::sync::Arc;

/// `id,click` rows of these ids, in which the label goes up and down.
fn ids(ids: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let rows = ids.into_iter().enumerate().map(|(row, id)| format!("{},{}\n", id.as_ref(), row / 3 % 2));
    "id,click\n".to_owned() + &rows.collect::<String>()
}

fn click() -> Value {
    json!({"label": "click"})
}

fn first(ingested: &Ingested) -> &FieldReading {
    &ingested.profile.fields[0]
}

/// The digest of a table of these ids; what the column was read as.
fn read_ids(cells: impl IntoIterator<Item = impl AsRef<str>>) -> (String, ReadAs) {
    let ingested = read(ids(cells), &spec(click())).0;
    (ingested.profile.digest.clone(), first(&ingested).read_as)
}

#[test]
fn an_id_is_the_same_id_in_every_notation() {
    let numbers = || (0..600).map(|row| (row * 7919 % 90).to_string());
    let plain = read_ids(numbers());
    assert_eq!(plain.1, ReadAs::Category);
    assert_eq!(read_ids(numbers().map(|id| format!("{id}.0"))), plain, "as pandas writes them beside a missing value");
    let one = numbers().enumerate().map(|(row, id)| if row == 555 { format!("{id}.00") } else { id });
    assert_eq!(read_ids(one), plain, "one cell changes nothing");
    assert_eq!(read_ids(numbers().map(|id| format!("v{id}"))), plain);

    let json = |id: fn(String) -> String| {
        let rows = numbers().enumerate().map(|(row, n)| format!("{{\"id\":{},\"click\":{}}}\n", id(n), row / 3 % 2));
        read(rows.collect::<String>(), &spec(click())).0.profile.digest
    };
    assert_eq!(json(|n| n), plain.0);
    assert_eq!(json(|n| format!("{n}.0")), plain.0);
    assert_eq!(json(|n| format!("{n}e0")), plain.0);

    let labels: ArrayRef = Arc::new(Int64Array::from_iter_values((0..600).map(|row| row / 3 % 2)));
    let doubles: ArrayRef = Arc::new(Float64Array::from_iter_values(numbers().map(|id| id.parse().unwrap())));
    let batch = RecordBatch::try_from_iter([("id", doubles), ("click", labels)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    assert_eq!(read(writer.into_inner().unwrap(), &spec(click())).0.profile.digest, plain.0);
}

#[test]
fn versions_keep_apart_and_the_order_of_rows_decides_nothing() {
    let versions = || (0..600).map(|row| ["1.1", "1.10", "10.5", "1.2"][row * 31 % 7 % 4].to_owned());
    let lettered = read_ids(versions().map(|version| format!("v{version}")));
    assert_eq!(read_ids(versions()), lettered);

    // What comes past the first ten thousand rows counts like any other row.
    let many = |late: &str| {
        let mut cells: Vec<_> = (0..12_000).map(|row| format!("{}.5", row % 700)).collect();
        cells[11_000] = late.to_owned();
        cells
    };
    assert_eq!(read_ids(many("12.5")).1, ReadAs::Quantile);
    assert_eq!(read_ids(many("NaN")).1, ReadAs::Quantile);
    assert_eq!(read_ids(many("11.0.1")).1, ReadAs::Category);
    let mut early = many("12.5");
    early[0] = "11.0.1".to_owned();
    assert_eq!(read_ids(early).1, ReadAs::Category);
    let whole = (0..12_000).map(|row| if row == 11_000 { "17.5".to_owned() } else { (row % 700).to_string() });
    assert_eq!(read_ids(whole).1, ReadAs::Category, "one fraction makes no measure of names");
}

#[test]
fn the_choice_and_its_reason_are_said() {
    let ingested = read(ids((0..400).map(|row| format!("{}.5", row % 100))), &spec(click())).0;
    let reading = first(&ingested);
    assert_eq!((reading.read_as, reading.values, reading.missing), (ReadAs::Quantile, Some(100), 0));
    assert!(reading.reason.as_deref().unwrap().contains("100 different numbers with fractions in 400 rows"));
    let few = read(ids((0..400).map(|row| ["0.1", "0.25", "0.5"][row % 3])), &spec(click())).0;
    assert_eq!(first(&few).read_as, ReadAs::Category);
    assert!(first(&few).reason.as_deref().unwrap().contains("only 3 different numbers"));
}

#[test]
fn cells_without_a_value_are_one_and_are_counted() {
    let price = |gap: &str| {
        let cells = (0..400).map(|row| if row % 20 == 0 { gap.to_owned() } else { format!("{}.25", row % 190) });
        let ingested = read(ids(cells), &spec(click())).0;
        let reading = first(&ingested).clone();
        assert_eq!((reading.read_as, reading.missing), (ReadAs::Quantile, 20), "{gap:?}");
        ingested.profile.digest
    };
    let empty = price("");
    for gap in ["nan", "NaN", "None", "NULL", "\\N", "NA", "-", "  "] {
        assert_eq!(price(gap), empty, "{gap:?}");
    }
    // Ids too.
    let id = |gap: &str| {
        let cells = (0..400).map(|row| if row % 20 == 0 { gap.to_owned() } else { (row % 37).to_string() });
        let ingested = read(ids(cells), &spec(click())).0;
        assert_eq!((first(&ingested).missing, first(&ingested).values), (20, Some(37)), "{gap:?}");
        ingested.profile.digest
    };
    assert_eq!(id("nan"), id(""));
    assert_eq!(id(" "), id(""));

    // A word is no gap among words, unless it is named.
    let words = |spec: Value| {
        let cells = (0..400).map(|row| ["red", "None", "", "?"][row * 31 % 7 % 4]);
        let ingested = read(ids(cells), &crate::spec(spec)).0;
        (first(&ingested).missing, first(&ingested).values)
    };
    let (empty, values) = words(click());
    assert_eq!(values, Some(3));
    let (named, values) = words(json!({"label": "click", "missing": ["None", "?"]}));
    assert!(named > 2 * empty && values == Some(1), "{named} {empty} {values:?}");
}

#[test]
fn infinities_are_numbers_at_the_ends() {
    let cells = (0..400).map(|row| match row % 100 {
        0 => "inf".to_owned(),
        1 => "-Infinity".to_owned(),
        n => format!("{n}.5"),
    });
    let (ingested, dataset) = read(ids(cells), &spec(click()));
    let FieldKind::Quantile { bounds } = &ingested.feature_map.fields[0].kind else { panic!() };
    assert!(bounds.iter().all(|bound| bound.is_finite()));
    let all: Vec<(u32, i32)> =
        content(&dataset).into_iter().flat_map(|(ids, _, rows)| rows.into_iter().zip(ids)).collect();
    let id = |row| all.iter().find(|(at, _)| *at == row).unwrap().1;
    assert_eq!((id(0), id(1)), (bounds.len() as i32, 0));
}

#[test]
fn a_measure_has_no_end_of_numbers() {
    // More numbers than are coded: those beyond are spilled as numbers. The digest is that of the column named `numeric`.
    let cells = |word: Option<usize>| {
        (0..150_000_u64).map(move |row| match word == Some(row as usize) {
            true => "cheap".to_owned(),
            false => format!("{}.{}", row * 7919 % 1000, row * 104_729 % 1_000_003 + 1),
        })
    };
    let found = read(ids(cells(None)), &spec(click())).0;
    assert_eq!((first(&found).read_as, first(&found).values), (ReadAs::Quantile, None));
    let named =
        read(ids(cells(None)), &spec(json!({"label": "click", "numeric": {"id": {"quantile": {"buckets": 32}}}}))).0;
    assert_eq!(found.profile.digest, named.profile.digest);
    // A word among them is told, wherever it stands.
    for place in [3, 140_000] {
        let refused = refused(ids(cells(Some(place))), &spec(click())).to_string();
        assert!(
            refused.contains("`cheap`") && refused.contains("`missing`") && refused.contains("`category`"),
            "{refused}"
        );
    }
    let spec = |value: Value| {
        let mut spec = click();
        spec.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        crate::spec(spec)
    };
    let read_as = |value: Value| first(&read(ids(cells(Some(140_000))), &spec(value)).0).read_as;
    assert_eq!(read_as(json!({"missing": ["cheap"]})), ReadAs::Quantile);
    assert_eq!(read_as(json!({"category": ["id"]})), ReadAs::Category);
}

#[test]
fn fields_that_should_not_be_are_named_before_anything_is_trained() {
    let rows = (0..600).map(|row| {
        let click = row * 31 % 7 % 2;
        let user = row % 9;
        format!("{row},{},{click}s,{user},eu,{},{click}\n", 1_500_000_000 + row, if row < 480 { "old" } else { "new" })
    });
    let text = ",request,dwell,user,country,era,click\n".to_owned() + &rows.collect::<String>();
    let all = json!({"label": "click", "split": {"time": {"column": "request", "ratios": [0.8, 0.1, 0.1]}},
        "fields": ["", "request", "dwell", "user", "country", "era"]});
    let ingested = read(&text, &spec(all.clone())).0;
    let warnings = &ingested.profile.warnings;
    let found: Vec<_> = warnings.iter().map(|warning| (warning.column.as_str(), warning.suspicion)).collect();
    let expected = [
        ("", Suspicion::Unnamed),
        ("request", Suspicion::DifferentOnEveryRow),
        ("dwell", Suspicion::GivesLabelAway),
        ("country", Suspicion::Constant),
        ("era", Suspicion::UnseenInTraining),
    ];
    assert_eq!(found, expected);
    assert!(
        warnings[1].message.contains("600 different times in 600 rows")
            && warnings[1].message.contains("--time request")
            && warnings[1].message.contains("--exclude request")
    );
    assert_eq!(ingested.profile.fields[2].auc, Some(1.0));

    let mut strict = all;
    strict["strict"] = true.into();
    let errors = refused(&text, &spec(strict.clone())).fields;
    assert_eq!(errors.len(), 5);
    assert!(errors.iter().all(|error| error.pointer == "/fields"));
    strict["fields"] = json!(["user"]);
    let good = read(&text, &spec(strict)).0;
    assert_eq!((good.profile.warnings.len(), good.spec.strict), (0, true));
}

#[test]
fn a_profile_shows_values_and_how_far_test_rows_differ() {
    // From row 900 of 1000 on, which a split by time makes the test rows, half of the users have another browser.
    let rows = (0..1000).map(|row| {
        let browser = if row >= 900 && row % 2 == 0 { "b2" } else { ["b1", "b0"][row / 2 % 2] };
        format!("{row},u{},{browser},{},{}\n", row * 7 % 10, f64::from(row as u32 * 37 % 1000) / 8.0, row % 3 % 2)
    });
    let text = "time,user,browser,price,click\n".to_owned() + &rows.collect::<String>();
    let value = json!({"label": "click", "split": {"time": {"column": "time", "ratios": [0.8, 0.1, 0.1]}},
        "fields": ["user", "browser", "price"]});
    let fields = read(&text, &spec(value)).0.profile.fields;
    assert_eq!(fields[0].examples, ["u0", "u7", "u4"]);
    assert_eq!(fields[1].examples, ["b1", "b0", "b2"]);
    assert_eq!(fields[2].examples, ["0", "4.625", "9.25"]);
    assert_eq!(fields[2].read_as, ReadAs::Quantile);
    let drift: Vec<f64> = fields.iter().map(|field| field.drift.unwrap()).collect();
    // Half of the test rows, less what a hundred rows differ by anyway.
    assert!(drift[0] < 0.01 && (0.4..0.5).contains(&drift[1]) && drift[2] < 0.1, "{drift:?}");
}

#[test]
fn one_column_is_set_without_listing_all() {
    let text = "user,price,tags,click\n".to_owned()
        + &(0..200).map(|row| format!("{},{}.5,a|b,{}\n", row % 9, row % 50, row % 2)).collect::<String>();
    let set = json!({"label": "click", "category": ["price"], "numeric": {"user": "log"},
        "multi": {"tags": {"separator": "|", "mode": "split", "max_values": 3}}});
    let ingested = read(&text, &spec(set)).0;
    let kinds: Vec<_> = ingested.profile.fields.iter().map(|field| (field.read_as, field.reason.is_some())).collect();
    assert_eq!(kinds, [(ReadAs::Log, false), (ReadAs::Category, false), (ReadAs::Multi, false)]);

    let cases = [
        (json!({"category": ["prise"]}), "/category/0", "did you mean `price`?"),
        (json!({"numeric": {"price": {"quantile": {"buckets": 1}}}}), "/numeric/price/quantile/buckets", "2 to 1000"),
        (json!({"numeric": {"price": "log"}, "category": ["price"]}), "/numeric/price", "said twice"),
        (json!({"numeric": {"price": "log"}, "exclude": ["price"]}), "/numeric/price", "is no field"),
        (json!({"multi": {"click": {"separator": "|"}}}), "/multi/click", "is no field"),
        (json!({"fields": [{"column": "price"}], "category": ["price"]}), "/category/0", "said twice"),
    ];
    for (value, pointer, rule) in cases {
        let mut whole = click();
        whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        let errors = refused(&text, &spec(whole)).fields;
        assert!(
            errors.iter().any(|error| error.pointer == pointer && error.rule.contains(rule)),
            "{value}: {errors:?}"
        );
    }
}
