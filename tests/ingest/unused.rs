//! What stands in columns that nobody uses does no harm; and names that say what is in their columns.

use crate::{read, refused, spec};
use autodenoise::types::{FieldKind, ReadAs};
use serde_json::json;

#[test]
fn unused_columns_may_hold_anything() {
    let users = json!({"label": "click", "fields": ["user"]});
    let rows = |other: fn(usize) -> String| -> Vec<u8> {
        let row = |row: usize| format!("u{},{},{}\n", row % 5, other(row), row % 2).into_bytes();
        [b"user,other,click\n".to_vec(), (0..400).flat_map(row).collect()].concat()
    };
    let digest = read(rows(|_| "x".to_owned()), &spec(users.clone())).0.profile.digest;
    let latin: Vec<u8> =
        rows(|_| "Ren%e".to_owned()).into_iter().map(|byte| if byte == b'%' { 0xe9 } else { byte }).collect();
    assert_eq!(read(&latin, &spec(users.clone())).0.profile.digest, digest);
    let doubled: Vec<u8> =
        String::from_utf8(rows(|_| "7,8".to_owned())).unwrap().replacen("other", "a,a", 1).into_bytes();
    assert_eq!(read(&doubled, &spec(users.clone())).0.profile.digest, digest);
    // A name that is not UTF-8, and wide separators.
    let named = [b"user,pr\xe9nom,click\n".to_vec(), rows(|_| "x".to_owned())[17..].to_vec()].concat();
    assert_eq!(read(named, &spec(users.clone())).0.profile.digest, digest);
    let wide: Vec<u8> =
        latin.iter().flat_map(|byte| if *byte == b',' { b"::".to_vec() } else { vec![*byte] }).collect();
    let with_separator = json!({"label": "click", "fields": ["user"], "separator": "::"});
    assert_eq!(read(wide, &spec(with_separator)).0.profile.digest, digest);
    // In a column that is used it is an error.
    assert_eq!(refused(&latin, &spec(json!({"label": "click"}))).rows[0].column.as_deref(), Some("other"));

    let line = |row: usize| -> Vec<u8> {
        let text = format!(
            r#"{{"user": "u{}", "name": "Ren%e", "geo": {{"lat": [1, {{"a": NaN}}]}}, "geo": 2, "click": {}, "p": NaN}}"#,
            row % 5,
            row % 2
        );
        (text + "\n").into_bytes().into_iter().map(|byte| if byte == b'%' { 0xe9 } else { byte }).collect()
    };
    let lines: Vec<u8> = (0..400).flat_map(line).collect();
    assert_eq!(read(&lines, &spec(users)).0.profile.digest, digest);
    let broken = refused(&lines, &spec(json!({"label": "click", "fields": ["user", "name"]})));
    assert_eq!((broken.rows[0].line, broken.rows[0].column.as_deref()), (Some(1), Some("name")));
}

#[test]
fn numbers_that_only_python_writes_have_no_value() {
    let line = |row: usize| {
        let price = ["NaN", "1.5", "2.25", "-Infinity"][row % 4];
        format!("{{\"user\": {}, \"price\": {price}, \"click\": {}}}\n", row % 5, row % 2)
    };
    let lines: String = (0..400).map(line).collect();
    let (ingested, _) = read(lines, &spec(json!({"label": "click"})));
    assert_eq!(ingested.profile.fields[1].missing, 200);
}

#[test]
fn names_with_types_say_how_columns_are_read() {
    let header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\tgenre:token_seq\tvector:float_seq\n";
    let row = |row: usize| {
        let genres = (0..row % 11).map(|genre| format!("g{genre}")).collect::<Vec<_>>().join(" ");
        format!("{}\t{}\t{}\t{}\t{genres}\t0.5 0.25\n", row % 9, row % 4, 1 + row % 5, 100 + row)
    };
    let text = header.to_owned() + &(0..80).map(row).collect::<String>();
    let (ingested, _) = read(&text, &spec(json!({"label": "rating > 3"})));
    let readings: Vec<_> = ingested.profile.fields.iter().map(|field| (field.column.as_str(), field.read_as)).collect();
    let expected = [
        ("user_id", ReadAs::Category),
        ("item_id", ReadAs::Category),
        ("timestamp", ReadAs::Quantile),
        ("genre", ReadAs::Multi),
    ];
    assert_eq!(readings, expected);
    assert_eq!(ingested.feature_map.fields.len(), 3 + 8);
    let notes = ingested.profile.notes.join("; ");
    assert!(notes.contains("RecBole") && notes.contains("cells of column `genre` have more than 8 values"), "{notes}");

    // Names may be written with their types, and what the spec says of a column counts.
    let whole = json!({"label": "rating:float > 3", "exclude": ["timestamp:float"], "category": ["user_id:token"],
        "multi": {"genre:token_seq": {"separator": " "}}});
    let (typed, _) = read(&text, &spec(whole));
    assert_eq!(typed.spec.label.column, "rating");
    assert!(typed.feature_map.fields.iter().all(|field| field.kind == FieldKind::Category));
    let split = json!({"label": "rating > 3", "split": {"time": {"column": "timestamp", "ratios": [0.5, 0.25, 0.25]}}});
    assert_eq!(read(&text, &spec(split)).0.feature_map.time.unwrap().column, "timestamp");
}

#[test]
fn several_columns_are_meant_by_a_name_with_stars() {
    let row = |row: usize| format!("{},{},{},u{},{}\n", row % 2, row % 40, row % 50, row % 9, row % 3);
    let text = "I0,I1,I2,user,IP\n".to_owned() + &(0..400).map(row).collect::<String>();
    let whole =
        json!({"label": "I0", "numeric": {"I*": "log", "I2": {"quantile": {"buckets": 4}}}, "exclude": ["IP", "us*"]});
    let refusal = refused(&text, &spec(whole));
    assert!(refusal.fields[0].rule.contains("column `IP` is no field"), "{refusal}");
    let whole =
        json!({"label": "I0", "numeric": {"I*": "log", "I2": {"quantile": {"buckets": 4}}}, "exclude": ["us*"]});
    let (ingested, _) = read(&text, &spec(whole));
    let readings: Vec<_> = ingested.profile.fields.iter().map(|field| (field.column.as_str(), field.read_as)).collect();
    assert_eq!(readings, [("I1", ReadAs::Log), ("I2", ReadAs::Quantile), ("IP", ReadAs::Log)]);
    assert_eq!(ingested.spec.exclude, ["user"]);
    let whole = json!({"label": "I0", "fields": ["I*"], "category": ["I1"]});
    assert_eq!(read(&text, &spec(whole)).0.feature_map.fields.len(), 3);
    let refusal = refused(&text, &spec(json!({"label": "I0", "category": ["Z*"]})));
    assert!(refusal.fields[0].rule.contains("no column `Z*`"), "{refusal}");
}
