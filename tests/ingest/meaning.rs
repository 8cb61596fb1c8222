//! What first lines, labels, times and lists in cells mean.

use crate::{content, read, refused, spec};
use autodenoise::{
    ingest::{Dataset, Ingested},
    types::{ReadAs, Split},
};
use serde_json::{Value, json};

fn with(member: Value) -> autodenoise::types::DatasetSpec {
    let mut whole = json!({"label": "click"});
    whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
    spec(whole)
}

/// `user,y` rows, whose labels are the cells in turn.
fn labelled(cells: &[&str]) -> String {
    "user,y\n".to_owned()
        + &(0..300).map(|row| format!("{},{}\n", row % 9, cells[row * 31 % 7 % cells.len()])).collect::<String>()
}

fn digest(text: &str, label: &str) -> String {
    read(text, &spec(json!({"label": label}))).0.profile.digest
}

#[test]
fn a_row_that_was_taken_for_names_is_told() {
    let rows = (0..300).map(|row| format!("u{},i{},{}\n", row % 9, row % 5, row / 3 % 2)).collect::<String>();
    // The label is named after a value of the first row.
    let error = refused(&rows, &spec(json!({"label": "0"}))).fields[0].clone();
    assert!(error.rule.contains("looks like a row") && error.rule.contains("--columns"), "{}", error.rule);
    assert_eq!(read(&rows, &with(json!({"columns": ["user", "item", "click"]}))).0.profile.rows.total(), 300);

    // Empty cells are no names that are alike, and the cause is told once.
    let rows = (0..300).map(|row| format!("{},7,,ab{},,\n", row / 3 % 2, row % 5)).collect::<String>();
    let errors = refused(&rows, &with(json!({}))).fields;
    assert!(errors.len() == 1 && errors[0].rule.contains("looks like a row, not like names"), "{errors:?}");

    // Numbers may be names.
    let counted = "0,1,2\n".to_owned()
        + &rows.lines().map(|row| format!("{}\n", &row[..5].replace(",,", ",x,"))).collect::<String>();
    let counted =
        counted.lines().map(|line| line.split(',').take(3).collect::<Vec<_>>().join(",") + "\n").collect::<String>();
    assert_eq!(read(counted, &spec(json!({"label": "0"}))).0.profile.columns, ["0", "1", "2"]);
}

#[test]
fn a_header_among_the_rows_is_named_as_one() {
    let text = labelled(&["0", "1"]);
    let twice = text.clone() + &text;
    for label in ["y", "y > 0", "y = 1", "y in (1, 2)", "y != maybe"] {
        let error = refused(&twice, &spec(json!({"label": label}))).rows[0].clone();
        assert!(error.line == Some(302) && error.rule.contains("a header stands here"), "{label}: {error:?}");
    }
    let named = refused(&text, &spec(json!({"label": "y", "columns": ["user", "y"]}))).rows[0].clone();
    assert!(named.line == Some(1) && named.rule.contains("leave `columns`"), "{named:?}");
}

#[test]
fn labels_are_zero_and_one_in_words_and_numbers() {
    let plain = digest(&labelled(&["0", "1"]), "y");
    for cells in [["0.00", "1.000000"], ["f", "t"], ["No", "Yes"], ["N", "Y"], ["false", "True"]] {
        assert_eq!(digest(&labelled(&cells), "y"), plain, "{cells:?}");
    }
    assert_eq!(digest(&labelled(&["-1", "1"]), "y > 0"), plain);
    let words = labelled(&["view", "buy"]);
    for rule in ["y = buy", "y != view", "y in (buy, cart)", "y not in (view, hide)"] {
        assert_eq!(digest(&words, rule), plain, "{rule}");
    }
    let numbers = labelled(&["3", "4.0"]);
    assert_eq!(digest(&numbers, "y in (4, 5)"), plain);

    let refuse =
        |cells: &[&str], label: &str| refused(labelled(cells), &spec(json!({"label": label}))).rows[0].rule.clone();
    assert!(refuse(&["-1", "1"], "y").contains("`y > 0`"));
    assert!(refuse(&["view", "buy"], "y").contains("`y = view`"));
    assert!(
        refuse(&["3,5", "1"].map(|cell| if cell == "1" { "1" } else { "\"3,5\"" }), "y > 3").contains("decimal point")
    );
    assert!(refuse(&["buy", ""], "y = buy").contains("without a label"));
    assert!(refuse(&["buy", "NULL"], "y > 3").contains("needs a number"));
}

#[test]
fn units_of_time_are_not_mixed() {
    let text = |late: &str| {
        let rows = (0..300).map(|row| {
            let at = 1_511_539_200 + row;
            format!("{},{at}{},{}\n", row % 9, if row > 200 { late } else { "" }, row % 2)
        });
        "user,at,click\n".to_owned() + &rows.collect::<String>()
    };
    assert_eq!(read(text(""), &with(json!({"time": "at"}))).0.profile.rows.total(), 300);
    let error = refused(text("000"), &with(json!({"time": "at"}))).fields[0].clone();
    assert!(
        error.pointer == "/time" && error.rule.contains("row 201 is the first") | error.rule.contains("(row 201)"),
        "{error:?}"
    );
    let split = json!({"split": {"time": {"column": "at", "ratios": [0.8, 0.1, 0.1]}}});
    assert_eq!(refused(text("000"), &with(split)).fields[0].pointer, "/split/time/column");

    let dates = |zone: &str, dash: &str| {
        let rows =
            (0..300).map(|row| format!("{},2017{dash}11{dash}25 12:{:02}:00{zone},{}\n", row % 9, row % 60, row % 2));
        let dataset = read("user,at,click\n".to_owned() + &rows.collect::<String>(), &with(json!({"time": "at"}))).1;
        dataset.times(Split::Train).unwrap().to_vec()
    };
    let plain = dates("", "-");
    for (zone, dash) in [(" UTC", "-"), (" +0000", "-"), ("Z", "-"), ("", "/"), (" UTC", "/")] {
        assert_eq!(dates(zone, dash), plain, "{zone} {dash}");
    }
}

#[test]
fn lists_in_cells_are_noted_and_can_be_read() {
    let text = |list: fn(usize) -> String| {
        let rows = (0..300).map(|row| format!("{};{};{}\n", row % 9, list(row), row % 2));
        "user;hist;click\n".to_owned() + &rows.collect::<String>()
    };
    let brackets = text(|row| format!("[{}, {}]", row % 7, row % 5));
    let notes = read(&brackets, &with(json!({}))).0.profile.notes;
    assert!(notes.len() == 1 && notes[0].contains("`hist` holds lists") && notes[0].contains("--multi"), "{notes:?}");
    let multi =
        |separator: &str| with(json!({"multi": {"hist": {"separator": separator, "mode": "split", "max_values": 3}}}));
    let bare: (Ingested, Dataset) = read(text(|row| format!("{}|{}", row % 7, row % 5)), &multi("|"));
    let (listed, dataset) = read(brackets, &multi(","));
    assert_eq!((listed.profile.digest, content(&dataset)), (bare.0.profile.digest, content(&bare.1)));
    let quoted = read(text(|row| format!("['{}', '{}']", row % 7, row % 5)), &multi(",")).1;
    assert_eq!(content(&quoted), content(&dataset));
    let empty = read(text(|row| if row % 2 == 0 { "[]".to_owned() } else { "[1]".to_owned() }), &multi(",")).0;
    assert_eq!(empty.profile.fields[1].missing, 150);
}

#[test]
fn numbers_with_commas_are_numbers_where_it_is_clear() {
    let read_as = |cell: fn(usize) -> String| {
        let rows = (0..300).map(|row| format!("{};{};{}\n", row % 9, cell(row), row % 2));
        let ingested = read("user;price;click\n".to_owned() + &rows.collect::<String>(), &with(json!({}))).0;
        (ingested.profile.fields[1].read_as, ingested.profile.notes.len(), ingested.profile.digest)
    };
    let plain = read_as(|row| format!("{}.5", 1000 + row % 90));
    assert_eq!(plain.0, ReadAs::Quantile);
    assert_eq!(read_as(|row| format!("{},5", 1000 + row % 90)), plain);
    assert_eq!(read_as(|row| format!("1.{:03},5", row % 90)), plain);
    assert_eq!(read_as(|row| format!("1,{:03}.5", row % 90)), plain);
    let either = read_as(|row| format!("1,{:03}", row % 90));
    assert_eq!((either.0, either.1), (ReadAs::Category, 1));
}

#[test]
fn other_formats_are_named() {
    let lines = |line: &str| format!("{line}\n").repeat(20);
    for (text, part) in [
        (lines("9::19::3::978300760"), "`separator` (--separator)"),
        (lines("0 0:9:1 1:19:1"), "libffm"),
        ("sep=;\nuser;click\n1;0\n".to_owned(), "Excel"),
        ("# exported\nuser,click\n1,0\n".to_owned(), "a comment"),
        (format!("user,rating:float\n{}", lines("1,3")), "did you mean `rating:float`?"),
    ] {
        let error = refused(&text, &spec(json!({"label": "rating > 3"}))).fields[0].clone();
        assert!(error.rule.contains(part), "{text}: {error:?}");
    }
    for (text, part) in [
        ("[\n{\"click\": 1}\n]\n", "jq"),
        ("{\n\"click\": 1\n}\n", "over several lines"),
        ("{'click': 1}\n{'click': 0}\n", "single"),
        ("{\"user\":{\"0\":1,\"1\":2},\"click\":{\"0\":1,\"1\":0}}\n", "orient='records'"),
    ] {
        let error = refused(text, &with(json!({"format": "jsonl"}))).fields[0].clone();
        assert!(error.rule.contains(part), "{text}: {error:?}");
    }
    let zip = refused(b"PK\x03\x04\x14\0\0\0\x08\0rest".as_slice(), &with(json!({}))).fields[0].clone();
    assert!(zip.rule.contains("zip archive") && !zip.rule.contains("iconv"), "{zip:?}");
}

#[test]
fn what_is_not_used_does_no_harm() {
    let nested = (0..300)
        .map(|row| format!("{{\"user\":{},\"click\":{},\"style\":{{\"colour\":\"red\"}}}}\n", row % 9, row % 2));
    let nested = nested.collect::<String>();
    assert!(refused(&nested, &with(json!({}))).rows[0].rule.contains("exclude the column"));
    let digest = read(&nested, &with(json!({"exclude": ["style"]}))).0.profile.digest;
    assert_eq!(read(&nested, &with(json!({"fields": ["user"]}))).0.profile.digest, digest);

    let rows = (0..300).map(|row| format!("{},{},x,{}\n", row % 9, row % 5, row % 2));
    let doubled = "user,item,user,click\n".to_owned() + &rows.collect::<String>();
    assert!(refused(&doubled, &with(json!({}))).fields[0].rule.contains("columns 1 and 3 are both named `user`"));
    assert!(refused(&doubled, &with(json!({"fields": ["user"]}))).fields[0].rule.contains("both named"));
    let digest = read(&doubled, &with(json!({"exclude": ["user"]}))).0.profile.digest;
    assert_eq!(read(&doubled, &with(json!({"fields": ["item"]}))).0.profile.digest, digest);
}

#[test]
fn a_field_that_says_the_split_is_noted() {
    let rows = |words: [&str; 3]| {
        let row = |row: usize| format!("u{},{},{}\n", row % 9, words[row % 7 % 3], row / 3 % 2);
        "user,set,click\n".to_owned() + &(0..300).map(row).collect::<String>()
    };
    let notes = |text: &str, more: Value| read(text, &with(more)).0.profile.notes;
    for words in [["train", "valid", "test"], ["Train", "TEST", "Train"], ["train", "dev", ""]] {
        let notes = notes(&rows(words), json!({}));
        assert!(notes.iter().any(|note| note.contains("--split-column 'set'")), "{words:?}: {notes:?}");
    }
    for words in [["test", "valid", "test"], ["train", "bus", "test"]] {
        assert_eq!(notes(&rows(words), json!({})), [""; 0], "{words:?}");
    }
    let split = json!({"split": {"column": "set"}});
    assert_eq!(notes(&rows(["train", "valid", "test"]), split), [""; 0], "it is no field then");
}

#[test]
fn values_with_blanks_around_them_are_noted_beside_the_bare_ones() {
    let rows = |around: [&str; 3]| {
        let row = |row: usize| format!("{}u{}{},{}\n", around[row % 3], row % 9, around[row % 3], row / 5 % 2);
        "user,click\n".to_owned() + &(0..300).map(row).collect::<String>()
    };
    let notes = |text: &str| read(text, &with(json!({}))).0.profile.notes;
    for around in ["\u{a0}", " ", "\u{3000}", "\u{feff}"] {
        // One row of each hundred, so that each such value has its bare one too.
        let row = |row: usize| {
            let around = if row.is_multiple_of(100) { around } else { "" };
            format!("{around}u{}{around},{}\n", row % 9, row / 5 % 2)
        };
        let text = "user,click\n".to_owned() + &(0..300).map(row).collect::<String>();
        let notes = notes(&text);
        assert!(notes.len() == 1 && notes[0].contains("blanks or marks around"), "{around:?}: {notes:?}");
    }
    assert_eq!(notes(&rows(["", "", ""])), [""; 0]);
    assert_eq!(notes(&rows([" ", " ", " "])), [""; 0], "all alike");
}
