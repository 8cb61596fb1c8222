//! A table of several files: the same dataset as in one, errors that name the file, and the files again at the end.

use crate::{
    gzip,
    same::{Cells, PLAIN, csv, jsonl, parquet, rows},
    spec, zstd,
};
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, cast::AsArray, types::Int32Type};
use autodenoise::{
    ingest::{
        Dataset, ExportCounts, IngestError, IngestLimits, Ingested, InvalidTable, RowChanges, RowMark, find_parts,
        for_each_row, ingest, join_parts, write_denoised_as, write_withheld,
    },
    types::{DatasetSpec, OutputForm, PartRows, Split, TableSource},
};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use proptest::prelude::*;
use serde_json::json;
use std::{collections::BTreeMap, fs, io::Read, ops::ControlFlow, path::Path, sync::Arc};
use tempfile::TempDir;

/// Files below a folder, which are the parts of one table.
pub struct Folder {
    root: TempDir,
}

impl Folder {
    pub fn new<N: AsRef<str>, B: AsRef<[u8]>>(files: impl IntoIterator<Item = (N, B)>) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = root.path().join("table").join(name.as_ref());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { root }
    }

    /// Where the table and what is made of it are.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn source(&self) -> TableSource {
        let found = find_parts(&self.root.path().join("table")).unwrap();
        join_parts(found.into_iter().map(|part| (part, None)).collect()).unwrap()
    }

    /// The same files, of these splits in their order.
    fn split_source(&self, splits: &[Split]) -> TableSource {
        let mut source = self.source();
        source.parts.iter_mut().zip(splits).for_each(|(part, split)| part.split = Some(*split));
        source
    }

    pub fn read(&self, source: &TableSource, spec: &DatasetSpec) -> Result<(Ingested, Dataset), IngestError> {
        let out = tempfile::tempdir_in(self.root.path()).unwrap();
        let dataset = out.path().join("dataset");
        let go_on = &mut |_| ControlFlow::Continue(());
        let ingested = ingest(source, spec, &dataset, &IngestLimits::default(), go_on)?;
        Ok((ingested, Dataset::open(&dataset).unwrap()))
    }

    pub fn refuse(&self, spec: &DatasetSpec) -> InvalidTable {
        match self.read(&self.source(), spec).err().expect("the table is refused") {
            IngestError::Invalid(invalid) => invalid,
            other => panic!("{other}"),
        }
    }

    /// What is written in a form, by file: without row 1, and with marks where they are wanted.
    fn write(&self, source: &TableSource, form: OutputForm, marks: bool) -> (BTreeMap<String, Vec<u8>>, ExportCounts) {
        let out = tempfile::tempdir_in(self.root.path()).unwrap();
        let to = out.path().join("denoised");
        let mark = |row: u32| RowMark { target: row as f32, weight: 0.5 };
        let marks = marks.then_some(&mark as &dyn Fn(u32) -> RowMark);
        let changes = RowChanges { dropped: &|row| row == 1, marks };
        let counts = write_denoised_as(form, source, &click(), changes, &to).unwrap().counts;
        (files_below(&to), counts)
    }
}

fn files_below(path: &Path) -> BTreeMap<String, Vec<u8>> {
    if path.is_file() {
        return BTreeMap::from([(String::new(), fs::read(path).unwrap())]);
    }
    let found = find_parts(path).unwrap();
    found.into_iter().map(|part| (part.name, fs::read(part.path).unwrap())).collect()
}

pub fn click() -> DatasetSpec {
    spec(json!({"label": "click"}))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// Rows of `user,click` from this number on.
pub fn some_rows(first: u32, count: u32) -> String {
    (first..first + count).map(|row| format!("u{},{}\n", row % 5, row % 2)).collect()
}

/// The first part with its columns in another order.
fn turned(csv: &str) -> String {
    csv.lines().map(|line| line.rsplit(',').collect::<Vec<_>>().join(",") + "\n").collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_one_dataset_however_it_is_cut(rows in rows(), cuts in prop::collection::vec(0..20_usize, 0..6)) {
        let fields = json!(["id", "word", "price"]);
        let spec = spec(json!({"label": "click", "fields": fields, "split": {"ratio": {"ratios": [0.5, 0.25, 0.25]}}}));
        let whole = Folder::new([("whole.csv", csv(&rows, &PLAIN))]);
        let digest = whole.read(&whole.source(), &spec).unwrap().0.profile.digest;
        // The labels of these rows come back every four rows.
        let mut ends: Vec<usize> = cuts.iter().map(|cut| (4 * cut).min(rows.len())).chain([0, rows.len()]).collect();
        ends.sort_unstable();
        ends.dedup();
        let pieces: Vec<&[Cells]> = ends.windows(2).map(|ends| &rows[ends[0]..ends[1]]).collect();
        let cut = |name: &str, write: &dyn Fn(usize, &[Cells]) -> Vec<u8>| {
            let names = (0..).map(|number| format!("part-{number:03}{name}"));
            Folder::new(names.zip(pieces.iter().enumerate().map(|(number, piece)| write(number, piece))))
        };
        let compressed = |number: usize, text: String| match number % 3 {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            _ => zstd(text.as_bytes()),
        };
        for folder in [
            cut(".csv", &|number, piece| compressed(number, csv(piece, &PLAIN))),
            cut(".jsonl", &|number, piece| compressed(number + 1, jsonl(piece))),
            cut(".parquet", &|_, piece| parquet(piece)),
        ] {
            let profile = folder.read(&folder.source(), &spec).unwrap().0.profile;
            prop_assert_eq!(&profile.digest, &digest);
            prop_assert_eq!(profile.parts.iter().map(|part| part.rows).sum::<u64>(), profile.rows.total() * u64::from(pieces.len() > 1));
        }
    }
}

#[test]
fn parts_may_have_their_columns_in_another_order_and_may_be_empty() {
    let head = "user,click\n";
    let one = head.to_owned() + &some_rows(0, 40);
    let other = turned(&(head.to_owned() + &some_rows(40, 20)));
    let folder = Folder::new([("a.csv", one.as_str()), ("b.csv", ""), ("c.csv", other.as_str()), ("d.csv", head)]);
    let (ingested, _) = folder.read(&folder.source(), &click()).unwrap();
    let whole = Folder::new([("a.csv", one.clone() + &some_rows(40, 20))]);
    assert_eq!(ingested.profile.digest, whole.read(&whole.source(), &click()).unwrap().0.profile.digest);
    let part = |name: &str, first_row, rows| PartRows { name: name.to_owned(), first_row, rows };
    let parts = [part("a.csv", 0, 40), part("b.csv", 40, 0), part("c.csv", 40, 20), part("d.csv", 60, 0)];
    assert_eq!(ingested.profile.parts, parts);
    assert_eq!(ingested.profile.bytes, (one.len() + other.len() + head.len()) as u64);
}

#[test]
fn what_is_wrong_is_told_by_part_and_line_and_by_the_tables_columns() {
    let first = "user,click\n".to_owned() + &some_rows(0, 5);
    let folder = Folder::new([("a.csv", first.as_str()), ("day/b.csv", "click,user\n1,u1\nmaybe,u2\n1\n")]);
    let found = folder.refuse(&click());
    let rows: Vec<_> =
        found.rows.iter().map(|row| (row.row, row.part.as_deref(), row.line, row.value.as_deref())).collect();
    assert_eq!(rows, [(6, Some("day/b.csv"), Some(3), Some("maybe")), (7, Some("day/b.csv"), Some(4), None)]);
    assert!(found.to_string().contains("row 6 (day/b.csv, line 3), column `click`, value `maybe`"), "{found}");

    let refused = |name: &str, text: &str| {
        let folder = Folder::new([("a.csv", first.as_str()), (name, text)]);
        folder.refuse(&click()).to_string()
    };
    let text = refused("b.csv", "user,klick\nu1,0\n");
    assert!(text.contains("b.csv: has no column `click`; its columns are `user`, `klick`"), "{text}");
    let text = refused("b.csv", "user,click,time\nu1,0,3\n");
    assert!(text.contains("b.csv: has `time`, which the first part has not"), "{text}");
    let parquet = Folder::new([("a.csv", first.as_bytes().to_vec()), ("b.parquet", parquet(&[]))]);
    let text = parquet.refuse(&click()).to_string();
    assert!(text.contains("b.parquet: is Parquet, but the first part is text"), "{text}");
    let cut = &gzip(first.as_bytes())[..30];
    let damaged = Folder::new([("a.csv", first.as_bytes()), ("b.csv.gz", cut)]);
    let text = damaged.refuse(&click()).to_string();
    assert!(text.contains("b.csv.gz") && text.contains("cut short"), "{text}");
}

#[test]
fn every_row_of_every_part_is_handed_on() {
    let cells = |id: u32| -> Cells { (Some(id), None, Some(id)) };
    let rows: Vec<Cells> = (0..7).map(cells).collect();
    // JSON has its keys by the alphabet.
    for (id, folder) in [
        (0, Folder::new([("a.csv", csv(&rows[..4], &PLAIN)), ("b.csv", csv(&rows[4..], &PLAIN))])),
        (1, Folder::new([("a.jsonl", jsonl(&rows[..4])), ("b.jsonl", jsonl(&rows[4..]))])),
        (0, Folder::new([("a.parquet", parquet(&rows[..4])), ("b.parquet", parquet(&rows[4..]))])),
    ] {
        let mut ids = Vec::new();
        for_each_row(folder.source(), &click(), &mut |cells| ids.push(cells[id].parse::<f64>().unwrap())).unwrap();
        assert_eq!(ids, (0..7).map(f64::from).collect::<Vec<_>>());
    }
}

#[test]
fn folders_name_columns() {
    let part = |first| "user,click\n".to_owned() + &some_rows(first, 30);
    let folder = Folder::new([("day=1/x.csv", part(0)), ("day=2/x.csv", part(30))]);
    let with_day = |rows: String, day: &str| rows.replace('\n', &format!(",{day}\n"));
    let whole = "user,click,day\n".to_owned() + &with_day(some_rows(0, 30), "1") + &with_day(some_rows(30, 30), "2");
    let whole = Folder::new([("whole.csv", whole)]);
    let (ingested, _) = folder.read(&folder.source(), &click()).unwrap();
    assert_eq!(ingested.profile.columns, ["user", "click", "day"]);
    assert_eq!(ingested.profile.digest, whole.read(&whole.source(), &click()).unwrap().0.profile.digest);

    let one = folder.write(&folder.source(), OutputForm::File, false).0;
    let expected = whole.write(&whole.source(), OutputForm::File, false).0;
    assert_eq!(one, expected, "one file has the column");
    let parts = folder.write(&folder.source(), OutputForm::Folder, false).0;
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["day=1/x.csv", "day=2/x.csv"]);
    assert_eq!(text(&parts["day=2/x.csv"]), part(30), "a part is what it was");

    let mixed = Folder::new([("day=1/x.csv", part(0)), ("x.csv", part(30))]);
    let rule = mixed.refuse(&click()).to_string();
    assert!(rule.contains("x.csv: the folders of this part name none, and those of the first name `day=`"), "{rule}");
}

#[test]
fn files_may_say_the_split() {
    let part = |first, count| "user,click\n".to_owned() + &some_rows(first, count);
    let folder = Folder::new([("a.csv", part(0, 20)), ("b.csv", part(20, 6)), ("c.csv", part(26, 4))]);
    let source = folder.split_source(&Split::ALL);
    let (ingested, dataset) = folder.read(&source, &click()).unwrap();
    let rows = ingested.profile.rows;
    assert_eq!((rows.train, rows.valid, rows.test), (20, 6, 4));
    assert_eq!(dataset.split(Split::Test).rows, [26, 27, 28, 29]);
    let by_column = spec(json!({"label": "click", "split": {"column": "user"}}));
    let error = folder.read(&source, &by_column).err().unwrap().to_string();
    assert!(error.contains("the files say which rows are train"), "{error}");

    let (file, counts) = folder.write(&source, OutputForm::TrainFile, false);
    assert_eq!(text(&file[""]), part(0, 20).replacen("u1,1\n", "", 1), "the training rows alone");
    assert_eq!(counts, ExportCounts { kept: 19, dropped: 1 });
    let parts = folder.write(&source, OutputForm::Folder, false).0;
    assert_eq!(text(&parts["c.csv"]), part(26, 4));
}

#[test]
fn the_output_is_parts_again_or_one_file() {
    let first = "user,click\r\nu0,0\r\nu1,1\r\nu2,0";
    let second = gzip(b"click,user\n1,\"u,3\"\n");
    let folder = Folder::new([("a.csv", first.as_bytes().to_vec()), ("b.csv.gz", second)]);
    let source = folder.source();
    let (one, counts) = folder.write(&source, OutputForm::File, true);
    assert_eq!(counts, ExportCounts { kept: 3, dropped: 1 });
    let expected = "user,click,autodenoise_target,autodenoise_weight\r\nu0,0,0,0.5\r\nu2,0,2,0.5\n\"u,3\",1,3,0.5\n";
    assert_eq!(text(&one[""]), expected);
    let parts = folder.write(&source, OutputForm::Folder, true).0;
    let expected = "user,click,autodenoise_target,autodenoise_weight\r\nu0,0,0,0.5\r\nu2,0,2,0.5";
    assert_eq!(text(&parts["a.csv"]), expected);
    assert_eq!(gunzip(&parts["b.csv.gz"]), "click,user,autodenoise_target,autodenoise_weight\n1,\"u,3\",3,0.5\n");

    let out = folder.root.path().join("withheld");
    write_withheld(&source, &click(), &|row| row == 1, "click", &out).unwrap();
    assert_eq!(fs::read_to_string(out).unwrap(), "user\r\nu0\r\nu2\n\"u,3\"\n", "of every part the right column");
}

#[test]
fn parquet_parts_become_one_file_of_the_firsts_schema() {
    let cells = |id: u32| -> Cells { (Some(id), Some(format!("w{id}")), None) };
    let rows: Vec<Cells> = (0..40).map(cells).collect();
    let folder = Folder::new([("a.parquet", parquet(&rows[..20])), ("b.parquet", parquet(&rows[20..]))]);
    let whole = Folder::new([("whole.parquet", parquet(&rows))]);
    let written = |folder: &Folder| {
        let bytes = folder.write(&folder.source(), OutputForm::File, true).0.remove("").unwrap();
        let copy = Folder::new([("copy.parquet", bytes)]);
        let spec = spec(json!({"label": "click", "exclude": ["price"]}));
        copy.read(&copy.source(), &spec).unwrap().0.profile
    };
    let (of_parts, of_whole) = (written(&folder), written(&whole));
    assert_eq!((of_parts.digest, of_parts.columns), (of_whole.digest, of_whole.columns));
    let parts = folder.write(&folder.source(), OutputForm::Folder, false).0;
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["a.parquet", "b.parquet"]);
}

#[test]
fn one_file_of_parquet_parts_has_the_categories_of_all() {
    let part = |words: [&str; 3]| {
        let words: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::from_iter(words));
        let clicks: ArrayRef = Arc::new(Int64Array::from(vec![0, 1, 0]));
        let batch = RecordBatch::try_from_iter([("word", words), ("click", clicks)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    };
    let folder = Folder::new([("a.parquet", part(["b", "z", "a"])), ("b.parquet", part(["c", "a", "b"]))]);
    let (mut files, counts) = folder.write(&folder.source(), OutputForm::File, false);
    assert_eq!(counts, ExportCounts { kept: 5, dropped: 1 }, "`z` has no row any more");
    let file = bytes::Bytes::from(files.remove("").unwrap());
    let mut found = Vec::new();
    for group in 0..2 {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap().with_row_groups(vec![group]);
        let batch = reader.build().unwrap().next().unwrap().unwrap();
        let words = batch.column(0).as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
        assert_eq!(words.values().iter().flatten().collect::<Vec<_>>(), ["b", "z", "a", "c"]);
        found.extend(words.into_iter().flatten().map(str::to_owned));
    }
    assert_eq!(found, ["b", "a", "c", "a", "b"]);
}
