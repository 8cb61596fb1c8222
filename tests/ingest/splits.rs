//! Rows go where the split says: exact sizes, the same every time.

use crate::{content, read, spec};
use serde_json::{Value, json};

fn rows(n: usize, column: impl Fn(usize) -> String) -> String {
    let mut text = "id,extra,click\n".to_owned();
    for row in 0..n {
        text += &format!("{},{},{}\n", row % 10, column(row), row % 2);
    }
    text
}

/// The rows of each split.
fn split_rows(text: &str, split: Value) -> Vec<Vec<u32>> {
    let (_, dataset) = read(text, &spec(json!({"label": "click", "fields": ["id"], "split": split})));
    content(&dataset).into_iter().map(|(.., rows)| rows).collect()
}

#[test]
fn ratios_give_exact_sizes_and_every_row_one_place() {
    let text = rows(1009, |row| row.to_string());
    let split = |seed: u64| split_rows(&text, json!({"ratio": {"ratios": [0.8, 0.1, 0.1], "seed": seed}}));
    let first = split(7);
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [807, 100, 102]);
    assert!(first.iter().all(|rows| rows.is_sorted()), "file order within a split");
    let mut all = first.concat();
    all.sort_unstable();
    assert_eq!(all, (0..1009).collect::<Vec<_>>());
    assert_eq!(first, split(7));
    assert_ne!(first, split(8));
}

#[test]
fn the_same_upload_gives_the_same_dataset() {
    let text = rows(5000, |row| format!("{}.25", row * 7919 % 1000));
    let spec = spec(json!({"label": "click"}));
    let (first, second) = (read(&text, &spec), read(&text, &spec));
    assert_eq!(first.0, second.0);
    assert_eq!(content(&first.1), content(&second.1));
}

#[test]
fn time_splits_by_time_and_then_by_file_order() {
    // 40 rows, four of each moment, times running backwards in the file.
    let numbers = rows(40, |row| {
        (10_000_000_000_000_000_010 - row as u64 / 4).to_string().replacen("1000000000", "100000000", 1)
    });
    let days = rows(40, |row| format!("2020-01-{:02}", 20 - row / 4));
    let times = rows(40, |row| format!("2020-01-01T{:02}:00:00+01:00", 20 - row / 4));
    for text in [numbers, days, times] {
        let found = split_rows(&text, json!({"time": {"column": "extra", "ratios": [0.55, 0.2, 0.25]}}));
        // Rows by time: 36..40, 32..36, ... The 22 earliest are five and a half moments: 20..40 and 16, 17.
        assert_eq!(found[0], (16..18).chain(20..40).collect::<Vec<_>>());
        assert_eq!(
            found[1],
            (10..10)
                .chain(12..16)
                .chain(18..20)
                .chain(8..10)
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
        assert_eq!(found[2], (0..8).chain(10..12).collect::<Vec<_>>());
    }
}

#[test]
fn rows_of_one_time_split_in_file_order() {
    let found =
        split_rows(&rows(10, |_| "5".to_owned()), json!({"time": {"column": "extra", "ratios": [0.6, 0.2, 0.2]}}));
    assert_eq!(found, [(0..6).collect::<Vec<_>>(), vec![6, 7], vec![8, 9]]);
}

#[test]
fn a_split_column_knows_the_usual_words() {
    let words = ["train", "TRAIN", "valid", "val", " Validation ", "dev", "test", "Test"];
    let text = rows(8, |row| words[row].to_owned());
    assert_eq!(split_rows(&text, json!({"column": "extra"})), [vec![0, 1], vec![2, 3, 4, 5], vec![6, 7]]);
}

#[test]
fn a_rare_label_is_in_every_split() {
    // Of 3,000 rows 15 have label 1, all of them among the first.
    let mut text = "id,click\n".to_owned();
    (0..3000).for_each(|row| text += &format!("{},{}\n", row % 10, u8::from(row < 30 && row % 2 == 0)));
    let split = |seed: u64| {
        let split = json!({"stratified": {"ratios": [0.8, 0.1, 0.1], "seed": seed}});
        let (ingested, dataset) = read(&text, &spec(json!({"label": "click", "split": split})));
        let positives = ingested.profile.positives;
        assert_eq!([positives.train, positives.valid, positives.test], [12, 1, 2]);
        content(&dataset).into_iter().map(|(.., rows)| rows).collect::<Vec<_>>()
    };
    let first = split(7);
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [2400, 299, 301]);
    let mut all = first.concat();
    all.sort_unstable();
    assert_eq!(all, (0..3000).collect::<Vec<_>>());
    assert!(first == split(7) && first != split(8));
    let rare = "id,click\n".to_owned() + &"1,0\n".repeat(500) + "2,1\n3,1\n";
    let refusal =
        crate::refused(&rare, &spec(json!({"label": "click", "split": {"stratified": {"ratios": [0.8, 0.1, 0.1]}}})));
    assert!(refusal.fields[0].rule.contains("more rows"), "{refusal}");
    let hint = crate::refused(&rare, &spec(json!({"label": "click"})));
    assert!(hint.fields[0].rule.contains("--split-stratified"), "{hint}");
}

#[test]
fn nobody_is_in_two_splits() {
    let rows: Vec<String> = (0..3000).map(|row| format!("{},{},{}", row * row % 211, row % 13, row / 3 % 2)).collect();
    let users = |rows: &[String], whole: &str| {
        let text = "user,item,click\n".to_owned()
            + &rows.iter().map(|row| row.replacen(',', whole, 1) + "\n").collect::<String>();
        let split = json!({"group": {"column": "user", "ratios": [0.8, 0.1, 0.1], "seed": 5}});
        let (ingested, dataset) = read(&text, &spec(json!({"label": "click", "split": split})));
        // Whose rows are in one split is no field of a model, unless it is named.
        assert_eq!(ingested.profile.fields.iter().map(|field| field.column.as_str()).collect::<Vec<_>>(), ["item"]);
        let user = |row: &u32| rows[*row as usize].split(',').next().unwrap().to_owned();
        let of_split = |rows: &[u32]| rows.iter().map(user).collect::<std::collections::BTreeSet<_>>();
        let sizes = ingested.profile.rows;
        (
            content(&dataset).iter().map(|(.., rows)| of_split(rows)).collect::<Vec<_>>(),
            [sizes.train, sizes.valid, sizes.test],
        )
    };
    let (split, sizes) = users(&rows, ",");
    assert!(split[0].is_disjoint(&split[1]) && split[0].is_disjoint(&split[2]) && split[1].is_disjoint(&split[2]));
    for (rows, share) in sizes.into_iter().zip([0.8, 0.1, 0.1]) {
        assert!((rows as f64 / 3000.0 - share).abs() < 0.02, "{sizes:?}");
    }
    // The order of the rows, and how ids are written, change nobody's split.
    let turned: Vec<String> = rows.iter().rev().cloned().collect();
    assert_eq!(users(&turned, ",").0, split);
    assert_eq!(users(&rows, ".0,").0, split);

    let named = json!({"label": "click", "fields": ["user", "item"], "split": {"group": {"column": "user", "ratios": [0.8, 0.1, 0.1]}}});
    let text = "user,item,click\n".to_owned() + &rows.join("\n");
    assert_eq!(read(&text, &spec(named)).0.feature_map.fields.len(), 2);
    let two = "user,item,click\n1,1,0\n2,2,1\n1,3,1\n";
    let refusal = crate::refused(
        two,
        &spec(json!({"label": "click", "split": {"group": {"column": "user", "ratios": [0.8, 0.1, 0.1]}}})),
    );
    assert!(
        refusal.fields[0].pointer == "/split/group/column" && refusal.fields[0].rule.starts_with("2 values"),
        "{refusal}"
    );
}

#[test]
fn a_group_that_decides_the_splits_is_told() {
    let row = |row: usize| format!("{},{},{}\n", if row.is_multiple_of(2) { 0 } else { row }, row % 13, row / 3 % 2);
    let text = "user,item,click\n".to_owned() + &(0..300).map(row).collect::<String>();
    let split = json!({"group": {"column": "user", "ratios": [0.8, 0.1, 0.1], "seed": 5}});
    let (ingested, _) =
        read(text, &spec(json!({"label": "click", "fields": ["item"], "split": split, "time": "item"})));
    assert!(
        ingested.profile.notes.iter().any(|note| note.contains("has 150 of the 300 rows")),
        "{:?}",
        ingested.profile.notes
    );
    assert!(ingested.feature_map.time.is_some());
}
