//! Texts as they come: in other encodings, behind titles, between comments, with odd separators, and compressed.

use crate::{bzip2, click, gzip, read, refused, refused_within, spec, table, upload, utf16, xz, zip, zstd};
use autodenoise::{
    ingest::{IngestLimits, RowChanges, write_denoised},
    types::{Compression, DatasetSpec},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn with(member: Value) -> DatasetSpec {
    let mut whole = json!({"label": "click"});
    whole.as_object_mut().unwrap().extend(member.as_object().unwrap().clone());
    spec(whole)
}

/// What is left of an upload without a row in ten.
fn copied(bytes: &[u8], spec: &DatasetSpec) -> Vec<u8> {
    let upload = upload(bytes);
    let (ingested, _) = upload.ingest(spec).unwrap();
    let out = upload.folder.path().join("copy");
    let changes = RowChanges { dropped: &|row| row % 10 == 1, marks: None };
    write_denoised(&upload.path, &ingested.spec, changes, &out).unwrap();
    std::fs::read(out).unwrap()
}

/// Rows of names that not every encoding has.
fn names(rows: usize) -> String {
    let row = |row: usize| format!("{},{},{}\n", ["Renée", "Müller", "Ångström"][row % 3], row % 7, row % 2);
    "name,item,click\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

/// The lines without a row in ten.
fn thinned(text: &str) -> String {
    let lines = text.split_inclusive('\n').enumerate();
    lines.filter(|(line, _)| *line == 0 || (line - 1) % 10 != 1).map(|(_, line)| line).collect()
}

#[test]
fn a_table_is_the_same_in_every_encoding_and_its_copy_keeps_it() {
    let text = names(60);
    let digest = read(&text, &with(json!({}))).0.profile.digest;
    let latin = |text: &str| text.chars().map(|c| c as u32 as u8).collect::<Vec<_>>();
    let swapped = |text: &str| utf16(text).chunks(2).flat_map(|unit| [unit[1], unit[0]]).collect::<Vec<_>>();
    let marked = |text: &str| utf16(&format!("\u{feff}{text}"));
    let (packed, packed_spec) = (gzip(&marked(&text)), with(json!({})));
    assert_eq!(read(packed, &packed_spec).0.profile.digest, digest);
    for (encode, said) in [
        (&latin as &dyn Fn(&str) -> Vec<u8>, Some("latin-1")),
        (&latin, Some("windows-1252")),
        (&utf16, Some("utf-16le")),
        (&swapped, Some("utf-16be")),
        (&utf16, None),
        (&swapped, None),
        (&marked, None),
        // The mark says in which order the bytes are.
        (&|text: &str| swapped(&format!("\u{feff}{text}")), Some("utf-16")),
        (&|text: &str| format!("\u{feff}{text}").into_bytes(), Some("utf-8")),
    ] {
        let spec = said.map_or_else(|| with(json!({})), |said| with(json!({"encoding": said})));
        let (ingested, _) = read(encode(&text), &spec);
        assert_eq!(ingested.profile.digest, digest, "{said:?}");
        let guessed = ingested.profile.notes.iter().any(|note| note.contains("every other byte is zero"));
        assert_eq!(guessed, said.is_none() && !encode("").starts_with(&[0xff]), "{said:?}");
        assert!(copied(&encode(&text), &spec) == encode(&thinned(&text)), "{said:?}");
    }
}

#[test]
fn text_of_another_encoding_than_is_said_is_located() {
    let broken = refused(b"name,click\nRen\xe9e,1\nb,0\n", &with(json!({})));
    assert!(broken.rows[0].rule.contains("--encoding"), "{broken}");
    // A character of which a half is missing.
    let lone = [utf16("name,click\na,1\nb"), vec![0, 0xd8], utf16("c,0\n")].concat();
    let broken = refused(lone, &with(json!({"encoding": "utf-16le"})));
    assert_eq!((broken.rows[0].line, broken.rows[0].column.as_deref()), (Some(3), Some("name")));
    let header = refused(b"pr\xe9nom,clic\nb,0\n", &with(json!({})));
    assert!(header.fields[0].rule.contains("--encoding"), "{header}");
    let wrong = refused_within(
        parquet_of_nothing(),
        &with(json!({"encoding": "latin-1", "format": "parquet"})),
        &IngestLimits::default(),
    );
    assert!(wrong.fields[0].pointer == "/encoding", "{wrong}");
}

/// The first bytes of a Parquet file.
fn parquet_of_nothing() -> &'static [u8] {
    b"PAR1"
}

#[test]
fn titles_and_comments_are_no_rows_and_stay_in_the_copy() {
    let title = "Clicks of \"March\n\n# exported, \"daily\n";
    let body = "user,item,click\r\n# a comment, \"with a quote\nu1,1,1\r\nu2,2,0\n\n#\nu3,3,1\nu4,4,0\nu1,5,0\nu2,1,1\nu3,2,0\nu4,3,1\nu1,4,1\nu2,5,0\n# the end";
    let plain = body.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect::<Vec<_>>().join("\n");
    let split = json!({"ratio": {"ratios": [0.5, 0.3, 0.2], "seed": 4}});
    let digest = read(&plain, &with(json!({"split": split}))).0.profile.digest;
    let spec = with(json!({"split": split, "skip_lines": 2, "comment": "#"}));
    let text = title.to_owned() + body;
    let (ingested, dataset) = read(&text, &spec);
    assert_eq!((ingested.profile.digest, dataset.feature_map.rows.total()), (digest, 10));
    let copy = String::from_utf8(copied(text.as_bytes(), &spec)).unwrap();
    assert_eq!(copy, text.replace("u2,2,0\n", ""), "row 1 alone is gone");

    // Lines are counted as an editor counts them.
    let broken = refused(text.replace("u4,4,0", "u4,4,?"), &spec);
    assert_eq!((broken.rows[0].row, broken.rows[0].line), (3, Some(11)));
    let wide = "a title\nuser::click\n// no row\n1::0\n2::1\n3::?\n";
    let broken = refused(wide, &with(json!({"separator": "::", "skip_lines": 1, "comment": "//"})));
    assert_eq!((broken.rows[0].row, broken.rows[0].line), (2, Some(6)));
    let lines = "exported\n{\"user\": 1, \"click\": 0}\n# {\n{\"user\": 1, \"click\": 7}\n";
    let broken = refused(lines, &with(json!({"format": "jsonl", "skip_lines": 1, "comment": "#"})));
    assert_eq!((broken.rows[0].row, broken.rows[0].line), (1, Some(4)));
    assert_eq!(refused(wide, &with(json!({"comment": ""}))).fields[0].pointer, "/comment");
}

#[test]
fn a_separator_may_be_a_character_that_cannot_be_typed() {
    let text = table(50).replace(',', "\u{1}");
    let digest = read(table(50), &click()).0.profile.digest;
    let spec = spec(json!({"label": "click", "split": {"column": "split"}, "separator": "\u{1}"}));
    assert_eq!(read(text, &spec).0.profile.digest, digest);
}

#[test]
fn rows_that_end_with_a_separator_have_no_more_values() {
    let text = table(50);
    let ended = text.replace('\n', ",\n").replacen(",\n", "\n", 1);
    let (ingested, _) = read(&ended, &click());
    assert_eq!(ingested.profile.digest, read(&text, &click()).0.profile.digest);
    assert!(ingested.profile.notes[0].contains("ends with a separator"), "{:?}", ingested.profile.notes);
    let broken = refused(ended.replacen("test,\n", "test,7\n", 1), &click());
    assert!(broken.rows[0].rule.contains("behind the last column") && broken.rows.len() == 1, "{broken}");
    let upload = upload(&ended);
    let out = upload.folder.path().join("copy");
    let mark = |_| autodenoise::ingest::RowMark { target: 1.0, weight: 0.5 };
    let changes = RowChanges { dropped: &|_| false, marks: Some(&mark) };
    write_denoised(&upload.path, &click(), changes, &out).unwrap();
    let copy = std::fs::read_to_string(out).unwrap();
    assert!(
        copy.starts_with(
            "user,item,price,click,split,,autodenoise_target,autodenoise_weight\nu0,i0,0.5,0,train,,1,0.5\n"
        )
    );
    // One row that does is a bad row.
    assert_eq!(refused(text.replacen("train\n", "train,\n", 1), &click()).rejected_rows, 1);
}

#[test]
fn a_table_is_the_same_in_every_compression_and_its_copy_keeps_it() {
    let text = table(500);
    let digest = read(&text, &click()).0.profile.digest;
    for (packed, compression, extension) in [
        (gzip(text.as_bytes()), Compression::Gzip, "csv.gz"),
        (zstd(text.as_bytes()), Compression::Zstd, "csv.zst"),
        (bzip2(text.as_bytes()), Compression::Bzip2, "csv.bz2"),
        (xz(text.as_bytes()), Compression::Xz, "csv.xz"),
        (zip(&[("data/clicks.csv", text.as_bytes())]), Compression::Zip, "csv.zip"),
    ] {
        let (ingested, _) = read(&packed, &click());
        assert_eq!((&ingested.profile.digest, ingested.spec.compression), (&digest, Some(compression)));
        assert_eq!(ingested.spec.extension(), extension);
        let copy = copied(&packed, &click());
        let again = read(&copy, &click()).0;
        assert_eq!((again.profile.rows.total(), again.spec.compression), (450, Some(compression)));
        assert_eq!(again.spec.member.as_deref(), (compression == Compression::Zip).then_some("data/clicks.csv"));
    }
}

#[test]
fn compressed_objects_are_known_for_what_they_are() {
    let lines: String = (0..400).map(|row| format!("{{\"user\": {}, \"click\": {}}}\n", row % 5, row % 2)).collect();
    let digest = read(&lines, &with(json!({}))).0.profile.digest;
    for packed in [bzip2(lines.as_bytes()), xz(lines.as_bytes()), zip(&[("a", lines.as_bytes())])] {
        assert_eq!(read(packed, &with(json!({}))).0.profile.digest, digest);
    }
}

#[test]
fn a_member_of_several_is_named() {
    let other = table(100).replace("u0", "u9");
    let archive = zip(&[("a.csv", table(100).as_bytes()), ("b.tsv", other.replace(',', "\t").as_bytes())]);
    let refusal = refused(&archive, &click());
    assert!(refusal.fields[0].pointer == "/member" && refusal.fields[0].rule.contains("`a.csv`, `b.tsv`"), "{refusal}");
    let named = spec(json!({"label": "click", "split": {"column": "split"}, "member": "b.tsv"}));
    assert_eq!(read(&archive, &named).0.profile.digest, read(&other, &click()).0.profile.digest);
    let plain = refused(table(50), &named);
    assert_eq!(plain.fields[0].pointer, "/member");
}

#[test]
fn damaged_and_endless_files_are_refused() {
    let text = table(20_000);
    let limits = IngestLimits { max_decompressed_bytes: 100_000, ..IngestLimits::default() };
    for packed in [
        bzip2(text.as_bytes()),
        xz(text.as_bytes()),
        zip(&[("a.csv", text.as_bytes())]),
        gzip(text.as_bytes()),
        zstd(text.as_bytes()),
    ] {
        let refusal = refused_within(&packed, &click(), &limits);
        assert!(refusal.to_string().contains("unpacks to more than 100000 bytes"), "{refusal}");
        let cut = refused(&packed[..packed.len() / 2], &click()).to_string();
        assert!(cut.contains("cut short"), "{cut}");
        // Not every stream of zstd has a checksum.
        let is_zstd = packed.starts_with(&[0x28, 0xb5]);
        let mut damaged = packed.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        let damaged = refused(&damaged, &click()).to_string();
        assert!(is_zstd || damaged.contains("damaged"), "{damaged}");
    }
    let twice = refused(gzip(&xz(text.as_bytes())), &click()).to_string();
    assert!(twice.contains("compressed twice"), "{twice}");
}

#[test]
fn what_stands_behind_a_gzip_stream_is_treated_as_gzip_treats_it() {
    let packed = gzip(table(50).as_bytes());
    let clean = read(&packed, &click()).0.profile;
    let zeros = read([&packed[..], &[0; 700]].concat(), &click()).0.profile;
    assert_eq!((&zeros.digest, &zeros.notes), (&clean.digest, &clean.notes));
    let garbage = read([&packed[..], b"trailing"].concat(), &click()).0.profile;
    assert_eq!(garbage.digest, clean.digest);
    assert!(garbage.notes[0].contains("8 bytes behind the gzip stream"), "{:?}", garbage.notes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn broken_archives_are_refused_and_nothing_else(at in 0_usize..1000, byte in any::<u8>()) {
        let mut packed = zip(&[("a.csv", table(50).as_bytes())]);
        let at = at % packed.len();
        packed[at] = byte;
        let upload = upload(&packed);
        // What comes out of it is a dataset or a refusal.
        if let Err(error) = upload.ingest(&click()) {
            prop_assert!(matches!(error, autodenoise::ingest::IngestError::Invalid(_)), "{error}");
        }
    }
}
