//! Which value gets which id, and what the profile says of a table.

use crate::{click, content, read, spec, table, upload};
use autodenoise::types::{FieldKind, Split};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

/// `id,click,split` rows: enough of both labels in every split, then those given.
fn with_id(rows: &[(&str, u8, &str)]) -> String {
    let mut text = "id,click,split\n".to_owned();
    for (id, click, split) in rows {
        text += &format!("{id},{click},{split}\n");
    }
    text
}

#[test]
fn ids_go_by_first_appearance_among_training_rows() {
    let text = with_id(&[
        ("late", 0, "test"),
        ("b", 1, "valid"),
        ("a", 1, "train"),
        ("b", 0, "train"),
        ("a", 0, "train"),
        ("a", 0, "valid"),
        ("late", 1, "test"),
    ]);
    let (ingested, dataset) = read(&text, &click());
    let ids: Vec<_> = content(&dataset).into_iter().map(|(ids, _, rows)| (ids, rows)).collect();
    // a is 0 and b is 1, though b stands first in the file; 2 is unknown.
    assert_eq!(ids, [(vec![0, 1, 0], vec![2, 3, 4]), (vec![1, 0], vec![1, 5]), (vec![2, 2], vec![0, 6])]);
    let field = &ingested.feature_map.fields[0];
    assert_eq!((field.cardinality, field.unknown, ingested.feature_map.total_cardinality), (3, Some(2), 3));
    assert_eq!(ingested.profile.unknown_cells, BTreeMap::from([("id".to_owned(), 2)]));

    let mut all = click();
    all.vocabulary = autodenoise::types::Vocabulary::All;
    let (ingested, dataset) = read(&text, &all);
    let ids: Vec<_> = content(&dataset).into_iter().map(|(ids, ..)| ids).collect();
    assert_eq!(ids, [vec![2, 1, 2], vec![1, 2], vec![0, 0]]);
    assert_eq!((ingested.feature_map.fields[0].cardinality, ingested.feature_map.fields[0].unknown), (3, None));
    assert_eq!(ingested.profile.unknown_cells["id"], 2, "the profile counts them all the same");
}

#[test]
fn fields_stand_in_ranges_and_the_vocabulary_names_their_values() {
    let upload = upload(table(100).replace("u3,", "\"u \"\"3\"\"\","));
    let (ingested, dataset) = upload.ingest(&click()).unwrap();
    let map = &ingested.feature_map;
    let mut offset = 0;
    for field in &map.fields {
        assert_eq!(field.offset, offset);
        offset += field.cardinality;
    }
    assert_eq!(map.total_cardinality, offset);
    let vocabulary = fs::read_to_string(upload.folder.path().join("dataset/vocabulary.jsonl")).unwrap();
    let lines: Vec<Value> = vocabulary.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Training rows hold u0, u1, u2, u5, u6, then u3.
    assert_eq!(lines[5], json!({"field": "user", "value": "u \"3\"", "id": 5}));
    let ids: Vec<_> =
        lines.iter().filter(|line| line["field"] == "item").map(|line| line["id"].as_u64().unwrap()).collect();
    let item = &map.fields[1];
    assert_eq!(ids, (u64::from(item.offset)..u64::from(item.unknown.unwrap())).collect::<Vec<_>>());
    for split in Split::ALL {
        for ids in dataset.split(split).ids.chunks(3) {
            for (id, field) in ids.iter().zip(&map.fields) {
                assert!((field.offset..field.offset + field.cardinality).contains(&(*id as u32)));
            }
        }
    }
}

#[test]
fn decimals_are_bucketed_and_integers_are_categories() {
    let map = read(table(100), &click()).0.feature_map;
    assert!(matches!(map.fields[1].kind, FieldKind::Category));
    let FieldKind::Quantile { bounds } = &map.fields[2].kind else { panic!("{:?}", map.fields[2]) };
    // 13 prices: a bucket each, and one id for empty cells.
    assert_eq!((bounds.len(), map.fields[2].cardinality), (12, 14));
    let whole = read(table(100).replace(".5,", ","), &click()).0.feature_map;
    assert!(matches!(whole.fields[2].kind, FieldKind::Category), "integers are ids unless the spec says otherwise");
    let words = read(table(100).replacen("u0,i0,0.5,", "u0,i0,cheap,", 1), &click()).0.feature_map;
    assert!(matches!(words.fields[2].kind, FieldKind::Category));
}

#[test]
fn bounds_come_from_training_rows_and_empty_cells_have_an_id() {
    let mut text = "n,click,split\n".to_owned();
    for n in 1..=8 {
        text += &format!("{n},{},train\n", n % 2);
    }
    text += ",1,valid\n-5,0,valid\n1e6,1,test\n2,0,test\n";
    let spec = spec(json!({"label": "click", "split": {"column": "split"}, "vocabulary": "all",
        "fields": [{"column": "n", "numeric": {"quantile": {"buckets": 4}}}]}));
    let (ingested, dataset) = read(&text, &spec);
    let field = &ingested.feature_map.fields[0];
    assert_eq!(field.kind, FieldKind::Quantile { bounds: vec![2.0, 4.0, 6.0] });
    assert_eq!((field.cardinality, field.unknown), (5, None));
    let ids: Vec<_> = content(&dataset).into_iter().map(|(ids, ..)| ids).collect();
    assert_eq!(ids, [vec![0, 0, 1, 1, 2, 2, 3, 3], vec![4, 0], vec![3, 0]]);
}

#[test]
fn log_buckets_are_categories_of_the_rule() {
    let text = "n,click,split\n0,0,train\n3,1,train\n100,1,train\n2.5,0,valid\n101,1,valid\n,0,test\n-0.0,1,test\n";
    let spec =
        spec(json!({"label": "click", "split": {"column": "split"}, "fields": [{"column": "n", "numeric": "log"}]}));
    let (ingested, dataset) = read(text, &spec);
    assert_eq!(ingested.feature_map.fields[0].kind, FieldKind::Log);
    // ln(100)^2 = 21.2 and ln(101)^2 = 21.3 share a bucket; ln(2.5)^2 = 0.8 is bucket 0, as is 0; empty is unknown.
    let ids: Vec<_> = content(&dataset).into_iter().map(|(ids, ..)| ids).collect();
    assert_eq!(ids, [vec![0, 1, 2], vec![0, 2], vec![3, 0]]);
}

#[test]
fn several_values_share_a_vocabulary_and_unused_places_are_padding() {
    let text =
        "genres,click,split\nWar|Action,0,train\nAction,1,train\n,0,valid\nDrama|War,1,valid\nWar,0,test\nWar,1,test\n";
    let multi = |mode: &str| {
        spec(json!({"label": "click", "split": {"column": "split"},
            "fields": [{"column": "genres", "multi": {"separator": "|", "mode": mode, "max_values": 2}}]}))
    };
    let (ingested, dataset) = read(text, &multi("split"));
    let fields = &ingested.feature_map.fields;
    assert_eq!(fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["genres[0]", "genres[1]"]);
    for (place, field) in (0..).zip(fields) {
        assert_eq!(field.kind, FieldKind::Multi { place });
        // Padding 0, War 1, Action 2, unknown 3.
        assert_eq!((field.offset, field.cardinality, field.padding, field.unknown), (0, 4, Some(0), Some(3)));
    }
    assert_eq!(ingested.feature_map.total_cardinality, 4);
    let ids: Vec<_> = content(&dataset).into_iter().map(|(ids, ..)| ids).collect();
    assert_eq!(ids, [vec![1, 2, 2, 0], vec![0, 0, 3, 1], vec![1, 0, 1, 0]]);
    assert_eq!(ingested.profile.unknown_cells, BTreeMap::from([("genres[0]".into(), 1), ("genres[1]".into(), 0)]));
    let whole = read(text, &multi("category")).0.feature_map;
    assert_eq!((whole.fields.len(), whole.fields[0].cardinality), (1, 3));
}

#[test]
fn labels_come_from_words_or_a_rule() {
    let words = with_id(&[("a", 1, "train")]).replace(",1,", ",TRUE,")
        + "a,false,train\na,1.0,valid\na,0.0,valid\na, 0 ,test\na,true,test\n";
    let labels = |dataset| content(&dataset).into_iter().flat_map(|(_, labels, _)| labels).collect::<Vec<_>>();
    assert_eq!(labels(read(words, &click()).1), [1, 0, 1, 0, 0, 1]);
    let ratings = "id,rating,split\na,3,train\na,3.5,train\na,5,valid\na,1,valid\na,4,test\na,-1e3,test\n";
    let spec = spec(json!({"label": "rating > 3", "split": {"column": "split"}}));
    let (ingested, dataset) = read(ratings, &spec);
    assert_eq!(labels(dataset), [0, 1, 1, 0, 1, 0]);
    let positives = ingested.profile.positives;
    assert_eq!((positives.train, positives.valid, positives.test), (1, 1, 1));
}

#[test]
fn duplicates_and_contradictions_are_counted_in_training_rows() {
    let (ingested, _) = read(
        with_id(&[
            ("a", 1, "train"),
            ("a", 1, "train"),
            ("a", 0, "train"),
            ("b", 1, "train"),
            ("b", 1, "train"),
            ("c", 0, "train"),
            ("c", 1, "valid"),
            ("c", 0, "valid"),
            ("c", 1, "test"),
            ("c", 0, "test"),
        ]),
        &click(),
    );
    assert_eq!((ingested.profile.duplicate_rows, ingested.profile.contradicting_rows), (3, 3));
    assert_eq!(ingested.profile.columns, ["id", "click", "split"]);
}

#[test]
fn a_named_column_without_treatment_in_full_is_a_category() {
    let spec = spec(json!({"label": "click", "split": {"column": "split"}, "fields": [{"column": "price"}]}));
    assert_eq!(read(table(100), &spec).0.feature_map.fields[0].kind, FieldKind::Category);
}
