//! Everything wrong with a table is reported at once, precisely enough to fix it.

use crate::{click, read, refused, refused_within, spec, table, upload};
use autodenoise::ingest::{IngestError, IngestLimits, ingest};
use serde_json::json;
use std::{fs, ops::ControlFlow};

#[test]
fn a_thousand_bad_rows_are_counted_and_a_hundred_listed() {
    let mut text = table(2000);
    let bad = "u0,i0,1.5,maybe,train\n";
    text.extend(std::iter::repeat_n(bad, 1000));
    let invalid = refused(&text, &click());
    assert_eq!((invalid.total, invalid.rejected_rows, invalid.rows_read, invalid.rows.len()), (1000, 1000, 3000, 100));
    let first = &invalid.rows[0];
    assert_eq!((first.row, first.line), (2000, Some(2002)));
    assert_eq!((first.column.as_deref(), first.value.as_deref()), (Some("click"), Some("maybe")));
    assert!(first.rule.contains("must be 0 or 1"), "{}", first.rule);
    // Where other rows are right, a bad cell is a fault of its row, which can be left out; no rule of the column mends it.
    assert!(first.rule.contains("--on-bad-row skip") && !first.rule.contains("click = maybe"), "{}", first.rule);
}

#[test]
fn every_bad_cell_of_a_row_has_its_rule() {
    let text = "id,when,price,tags,rating,split\n\
        a,2020-01-01,1.5,x|y,4,train\n\
        b,soon,cheap,x|y|z,good,later\n\
        c,12,1e999,,3,dev\n\
        d,2020-01-01\n";
    let spec = spec(json!({
        "label": "rating > 3",
        "fields": ["id", {"column": "price", "numeric": {"quantile": {"buckets": 4}}},
            {"column": "tags", "multi": {"separator": "|", "mode": "split", "max_values": 2}}],
        "split": {"column": "split"}
    }));
    let invalid = refused(text, &spec);
    let found: Vec<_> =
        invalid.rows.iter().map(|e| (e.row, e.line.unwrap(), e.column.as_deref().unwrap_or("-"))).collect();
    let second = [(1, 3, "rating"), (1, 3, "split"), (1, 3, "price"), (1, 3, "tags")];
    assert_eq!(found[..4], second);
    assert_eq!(found[4..], [(2, 4, "price"), (3, 5, "-")]);
    assert!(invalid.rows[3].rule.contains("3 values in one cell") && invalid.rows[3].rule.contains("max_values"));
    assert!(invalid.rows[5].rule.contains("2 values where there are 6 columns"));
    assert_eq!((invalid.total, invalid.rejected_rows), (6, 3));
    // What the longest cell needs is said once.
    assert!(invalid.fields.len() == 1 && invalid.fields[0].rule.contains("--multi 'tags=|:3'"), "{:?}", invalid.fields);
}

#[test]
fn times_are_of_one_kind() {
    let spec = spec(json!({"label": "click", "split": {"time": {"column": "at", "ratios": [0.5, 0.25, 0.25]}}}));
    let invalid = refused("id,at,click\na,2020-01-01,0\nb,7,1\nc,,1\nd,2021-01-01T00:00:00Z,1\n", &spec);
    let rows: Vec<_> = invalid.rows.iter().map(|error| (error.row, error.rule.as_str())).collect();
    assert_eq!(rows[0], (1, "a date, as in the rows before"));
    assert!(rows[1].0 == 2 && rows[1].1.contains("ISO 8601") && rows.len() == 2, "{rows:?}");
}

#[test]
fn lines_are_counted_through_quotes_and_blank_lines() {
    for end in ["\n", "\r\n"] {
        let text = ["id,click", "\"a\nb\nc\",0", "", "d,1", "e,?", "f,1", "", "", "g,?"].join(end);
        let lines: Vec<_> =
            refused(&text, &spec(json!({"label": "click"}))).rows.iter().map(|e| (e.row, e.line)).collect();
        assert_eq!(lines, [(2, Some(7)), (4, Some(11))], "{end:?}");
    }
}

#[test]
fn a_column_that_is_not_there_is_named_with_those_that_are() {
    let text = "user_id,item_id,click,fold\na,b,1,train\n";
    let spec = spec(json!({"label": "clicks", "fields": ["item_id", "userid", "zzzzzz"], "split": {"column": "Fold"}}));
    let errors = refused(text, &spec).fields;
    let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/label", "/split/column", "/fields/1", "/fields/2"]);
    for (error, guess) in errors.iter().zip(["`click`", "`fold`", "`user_id`"]) {
        assert!(error.rule.contains(&format!("did you mean {guess}?")), "{}", error.rule);
    }
    assert!(!errors[3].rule.contains("did you mean"), "{}", errors[3].rule);
    assert!(errors[3].rule.contains("`user_id`, `item_id`, `click`, `fold`"), "{}", errors[3].rule);
    let excluded = refused(text, &crate::spec(json!({"label": "click", "exclude": ["fold", "itemid"]}))).fields;
    assert_eq!(excluded[0].pointer, "/exclude/1");
}

#[test]
fn wrong_specs_are_told_apart() {
    let text = table(50);
    let cases = [
        (json!({"label": "click", "fields": []}), "/fields", "at least one"),
        (json!({"label": "click", "fields": ["click"]}), "/fields/0", "is the label"),
        (json!({"label": "click", "fields": ["split"], "split": {"column": "split"}}), "/fields/0", "says the split"),
        (json!({"label": "click", "fields": ["user", "user"]}), "/fields/1", "already"),
        (json!({"label": "click", "fields": ["user"], "exclude": ["item"]}), "/exclude", "absent"),
        (
            json!({"label": "click", "fields": [{"column": "price", "numeric": {"quantile": {"buckets": 1}}}]}),
            "/fields/0/numeric/quantile/buckets",
            "2 to 1000",
        ),
        (
            json!({"label": "click", "fields": [{"column": "user", "multi": {"separator": "", "mode": "split"}}]}),
            "/fields/0/multi/separator",
            "one character",
        ),
        (
            json!({"label": "click", "split": {"ratio": {"ratios": [0.9, 0.2, 0.1]}}}),
            "/split/ratio/ratios",
            "add up to 1",
        ),
        (json!({"label": "click", "split": {"ratio": {"ratios": [1.0, 0.0, 0.0]}}}), "/split/ratio/ratios", "above 0"),
        (json!({"label": "click", "separator": "\n"}), "/separator", "line ends"),
        (
            json!({"label": "click", "columns": ["a", "click", "a", "b", "c"]}),
            "/columns",
            "columns 1 and 3 are both named `a`",
        ),
        (json!({"label": "click", "exclude": ["user", "item", "price", "split"]}), "", "no column is left"),
    ];
    for (value, pointer, rule) in cases {
        let error = refused(&text, &spec(value.clone())).fields[0].clone();
        assert!(error.pointer == pointer && error.rule.contains(rule), "{value}: {error:?}");
    }
}

#[test]
fn tables_nothing_can_be_learned_from_are_refused() {
    let header = "user,item,price,click,split\n";
    let all_ones = table(50).replace(",0,", ",1,");
    let one_class_test = table(50).replace(",0,test", ",1,test");
    let no_valid = table(50).replace("valid", "test");
    let cases: [(&[u8], &str); 8] = [
        (b"", "the file is empty"),
        (b"\n\n\n", "no rows"),
        (header.as_bytes(), "columns but no rows"),
        (b"click,split,click\n1,train,0\n", "columns 1 and 3 are both named `click`"),
        (b"click,split\n1,train\n0,test\n", "no column is left to be a field"),
        (all_ones.as_bytes(), "all 30 train rows have label 1, so nothing can be learned"),
        (one_class_test.as_bytes(), "test rows have label 1, so AUC is not defined"),
        (no_valid.as_bytes(), "none is valid"),
    ];
    for (bytes, rule) in cases {
        let invalid = refused(bytes, &click()).to_string();
        assert!(invalid.contains(rule), "{invalid}");
    }
    let tiny = refused("id,click\na,0\nb,1\n", &spec(json!({"label": "click"})));
    assert!(tiny.fields[0].pointer == "/split/ratio/ratios" && tiny.fields[0].rule.contains("none is valid"), "{tiny}");
}

#[test]
fn text_that_is_not_utf8_is_located() {
    for (separator, text) in
        [(",", &b"id,name,click\na,Ren\xe9e,1\n"[..]), ("::", b"id::name::click\na::Ren\xe9e::1\n")]
    {
        let invalid = refused(text, &spec(json!({"label": "click", "separator": separator})));
        let error = &invalid.rows[0];
        assert_eq!((error.row, error.line, error.column.as_deref()), (0, Some(2), Some("name")));
        assert!(error.rule.contains("iconv"), "{}", error.rule);
    }
    let json = refused(
        b"{\"name\":\"Ren\xe9e\",\"click\":1}\n{\"name\":\"a\",\"click\":1}\n",
        &spec(json!({"label": "click"})),
    );
    assert!(json.rows[0].line == Some(1) && json.rows[0].rule.contains("UTF-8"), "{json}");
}

#[test]
fn broken_json_is_located_and_a_late_key_is_not_lost() {
    let good = "{\"id\":1,\"click\":1}\n".repeat(10_000);
    let lines = [
        "{\"id\":2,\"click\":0",
        "[1,2]",
        "{\"id\":{\"a\":1},\"click\":0}",
        "{\"id\":1,\"id\":2,\"click\":0}",
        "{\"id\":1,\"click\":0,\"late\":1}",
    ];
    let invalid = refused(good + &lines.join("\n"), &spec(json!({"label": "click"})));
    let rules: Vec<_> = invalid.rows.iter().map(|error| error.rule.as_str()).collect();
    assert_eq!(
        invalid.rows.iter().map(|error| error.line.unwrap()).collect::<Vec<_>>(),
        [10_001, 10_002, 10_003, 10_004, 10_005]
    );
    for (rule, part) in
        rules.iter().zip(["one JSON object", "one JSON object", "flat", "twice", "no object of the first 10,000"])
    {
        assert!(rule.contains(part), "{rule}");
    }
}

#[test]
fn a_json_list_is_told_to_become_lines() {
    let list = refused("[{\"id\":1,\"click\":1}]\n", &spec(json!({"label": "click", "format": "jsonl"})));
    assert!(list.fields[0].rule.contains("one object a line"), "{list}");
}

#[test]
fn a_quote_left_open_does_not_swallow_the_file() {
    let spec = spec(json!({"label": "click"}));
    let short = refused("click,name\n1,a\n0,\"b\n1,c\n0,d\n", &spec);
    let error = &short.rows[0];
    assert_eq!((error.row, error.line, error.column.as_deref()), (1, Some(3), Some("name")));
    assert!(error.rule.contains("never closed"), "{}", error.rule);
    let long = format!("click,name\n1,a\n0,\"b\n{}", "1,c\n".repeat(200_000));
    let limits = IngestLimits { max_line_bytes: 10_000, ..IngestLimits::default() };
    let long = refused_within(long, &spec, &limits);
    let error = &long.rows[0];
    assert!((error.row, error.line) == (1, Some(3)) && error.rule.contains("is a quote left open?"), "{error:?}");
}

#[test]
fn limits_are_named_when_passed() {
    let text = table(5000);
    let limit = |limits: IngestLimits| refused_within(&text, &click(), &limits).to_string();
    let all = IngestLimits::default();
    assert!(limit(IngestLimits { max_rows: 100, ..all.clone() }).contains("more than 100 rows"));
    assert!(limit(IngestLimits { max_columns: 4, ..all.clone() }).contains("5 columns"));
    assert!(limit(IngestLimits { max_fields: 2, ..all.clone() }).contains("3 fields"));
    let vocabulary = limit(IngestLimits { max_vocabulary: 17, ..all.clone() });
    assert!(vocabulary.contains("more than 17 distinct values") && vocabulary.contains("`item`"), "{vocabulary}");
    assert!(upload(&text).ingest_within(&click(), &IngestLimits { max_vocabulary: 18, ..all }).is_ok());
}

#[test]
fn reading_can_be_stopped_and_leaves_nothing() {
    let upload = upload(table(50_000));
    let out = upload.folder.path().join("dataset");
    let mut seen = Vec::new();
    let stopped = ingest(&upload.path, &click(), &out, &IngestLimits::default(), &mut |progress| {
        seen.push(progress);
        if progress.rows >= 20_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(IngestError::Cancelled)));
    assert_eq!(fs::read_dir(upload.folder.path()).unwrap().count(), 1);
    let last = seen.last().unwrap();
    assert!(last.rows < 30_000 && last.bytes_read < last.bytes_total, "{last:?}");
    assert!(seen.is_sorted_by_key(|progress| (progress.rows, progress.bytes_read)));
}

#[test]
fn a_folder_that_exists_is_left_alone() {
    let upload = upload(table(50));
    upload.ingest(&click()).unwrap();
    let before = fs::read(upload.folder.path().join("dataset/profile.json")).unwrap();
    assert!(matches!(upload.ingest(&click()), Err(IngestError::Io { .. })));
    assert_eq!(fs::read(upload.folder.path().join("dataset/profile.json")).unwrap(), before);
    assert_eq!(read(table(50), &click()).1.profile.bytes, table(50).len() as u64);
}

/// Names of kilobytes, as an attacker sends them: what is said of them stays small, and nothing is computed on all of them.
#[test]
fn names_of_any_length_are_cut_where_they_are_told() {
    let long = |number: usize| format!("{number}{}", "c".repeat(20_000));
    let header = (0..49).map(long).collect::<Vec<_>>().join(",");
    let row = ",x".repeat(49);
    let text = format!("click,{header}\n0{row}\n1{row}\nmaybe{row}\n");
    let fields: Vec<_> = (0..250).map(|number| format!("x{number}{}", "c".repeat(900))).collect();
    let invalid = refused(&text, &spec(json!({"label": "click", "fields": fields})));
    assert_eq!((invalid.fields.len(), invalid.faults()), (100, 250));
    for fault in &invalid.fields {
        assert!(fault.rule.starts_with("no column `x") && fault.rule.len() < 5_000, "{}", fault.rule);
        assert!(!fault.rule.contains(&"c".repeat(65)), "{}", fault.rule);
    }
    // Bad cells name their columns, a hundred times over.
    let rows = format!("{}\n", "\"".repeat(3));
    let text = format!("click,{},z\n0,{rows}", "n".repeat(100_000));
    let invalid = refused(&text, &spec(json!({"label": "click"})));
    assert!(invalid.to_string().len() < 2_000, "{}", invalid.to_string().len());
    let text = format!("{},a\n{}", "n".repeat(100_000), "maybe,1\n".repeat(200));
    let invalid = refused(&text, &spec(json!({"label": "n".repeat(100_000)})));
    assert_eq!((invalid.total, invalid.rows.len()), (200, 100));
    assert!(invalid.rows.iter().all(|row| row.column.as_ref().unwrap().chars().count() == 65));
    assert!(serde_json::to_string(&invalid.rows).unwrap().len() < 60_000);
}

/// The distance of these would take hours.
#[test]
fn a_long_name_is_not_compared_with_a_long_label() {
    let text = format!("{},b\n0,1\n", "n".repeat(4_000_000));
    let invalid = refused(&text, &spec(json!({"label": "l".repeat(60_000)})));
    assert_eq!(invalid.fields[0].pointer, "/label");
    assert!(invalid.to_string().len() < 1_000, "{invalid}");
}

#[test]
fn keys_of_json_lines_are_gathered_only_up_to_the_limit() {
    let line = |line: usize| {
        let members: Vec<_> = (0..9_000).map(|key| format!("\"{line}-{key}\":0")).collect();
        format!("{{{}}}\n", members.join(","))
    };
    let text: String = (0..12).map(line).collect();
    let json = spec(json!({"label": "click", "format": "jsonl"}));
    let invalid = refused(text, &json);
    assert!(invalid.fields[0].rule.contains("at most 10000"), "{invalid}");
}
