//! Raw public datasets, byte for byte as they come, into tables; and what ingest makes of those.

use autodenoise::{
    import::{AuthorsFiles, ImportError, ImportOptions, Imported, KuaiRec, MovieLens1m, Netflix, RawDataset, import},
    ingest::{Dataset, IngestLimits, Ingested, ingest},
    types::{Split, SplitSpec, Vocabulary},
};
use std::{
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A folder of raw files, and a place for the table.
struct Raw {
    folder: TempDir,
}

impl Raw {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        let raw = Self { folder };
        files.iter().for_each(|(name, bytes)| raw.put(name, bytes));
        raw
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    fn out(&self) -> PathBuf {
        self.path().join("out/table.csv")
    }

    fn import_as(&self, raw: &RawDataset, options: ImportOptions) -> Result<Imported, ImportError> {
        import(raw, options, &self.out(), &mut |_| ControlFlow::Continue(()))
    }

    fn import(&self, raw: &RawDataset) -> Imported {
        self.import_as(raw, IN_ORDER).unwrap()
    }

    /// What is wrong, in words; nothing may have been written.
    fn refused(&self, raw: &RawDataset) -> String {
        let error = self.import_as(raw, IN_ORDER).unwrap_err().to_string();
        assert_eq!(fs::read_dir(self.path().join("out")).unwrap().count(), 0, "{error}");
        error.replace(&format!("{}/", self.path().display()), "")
    }

    fn table(&self) -> String {
        fs::read_to_string(self.out()).unwrap()
    }

    fn ingest(&self, imported: &Imported) -> (Ingested, Dataset) {
        read(&self.out(), imported, &self.path().join("dataset"))
    }
}

fn read(table: &Path, imported: &Imported, dir: &Path) -> (Ingested, Dataset) {
    let limits = IngestLimits::default();
    let ingested = ingest(table, &imported.spec, dir, &limits, &mut |_| ControlFlow::Continue(())).unwrap();
    (ingested, Dataset::open(dir).unwrap())
}

const IN_ORDER: ImportOptions = ImportOptions { seed: 7, keep_order: true, vocabulary: Vocabulary::All };

/// Labels by position in the file.
fn labels(dataset: &Dataset) -> Vec<u8> {
    let mut labels = BTreeMap::new();
    for split in Split::ALL {
        let data = dataset.split(split);
        labels.extend(data.rows.iter().copied().zip(data.labels.iter().copied()));
    }
    labels.into_values().collect()
}

const MOVIES: &[u8] = b"1::Toy Story (1995)::Animation|Children's|Comedy\n\
    11::American President, The (1995)::Comedy|Drama|Romance\n\
    541::Blade Runner: The Director's Cut (1982)::Film-Noir|Sci-Fi\n\
    2005::Mis\xe9rables, \"Les\" (1998)::Drama\n";
const USERS: &[u8] = b"1::F::1::10::48067\n2::M::56::16::98107-2117\n";
const RATINGS: &[u8] = b"1::1::5::978300760\n1::2005::3::978302109\n1::541::4::978301968\n2::11::1::978298413\n\
    2::541::2::978299000\n2::1::4::978299913\n2::2005::5::978299914\n1::11::3::978300055\n2::11::4::978298414\n\
    1::1::1::978300761\n";

/// Rows enough for both labels in every split.
const TIMES: usize = 20;

fn movielens() -> Raw {
    Raw::new(&[("movies.dat", MOVIES), ("users.dat", USERS), ("ratings.dat", &RATINGS.repeat(TIMES))])
}

fn movielens_of(raw: &Raw, by_time: bool) -> RawDataset {
    RawDataset::MovieLens1m(MovieLens1m { folder: raw.path(), by_time })
}

#[test]
fn movielens_is_read_to_its_eight_fields() {
    let raw = movielens();
    let imported = raw.import(&movielens_of(&raw, false));
    let lines: Vec<_> = raw.table().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "movie,title,genres,year,user,occupation,age,gender,zip,rating,timestamp");
    assert_eq!(lines[1], "1,Toy Story (1995),Animation|Children's|Comedy,1995,1,10,1,F,48067,5,978300760");
    assert_eq!(lines[2], "2005,\"Misérables, \"\"Les\"\" (1998)\",Drama,1998,1,10,1,F,48067,3,978302109");
    assert_eq!(lines[4], "11,\"American President, The (1995)\",Comedy|Drama|Romance,1995,2,16,56,M,98107,1,978298413");
    assert_eq!((imported.rows, imported.positives), (200, 100));
    let fields = ["movie", "genres", "year", "user", "occupation", "age", "gender", "zip"];
    let counts = [4, 4, 3, 2, 2, 2, 2, 2];
    assert!(
        imported.cardinalities.iter().map(|(name, count)| (name.as_str(), *count)).eq(fields.into_iter().zip(counts))
    );
    assert_eq!(imported.densities[0].share(), 200.0 / 8.0);

    let (ingested, dataset) = raw.ingest(&imported);
    assert_eq!(labels(&dataset), [1, 0, 1, 0, 0, 1, 1, 0, 1, 0].repeat(TIMES));
    assert!(ingested.feature_map.fields.iter().map(|field| field.name.as_str()).eq(fields));
    assert!(ingested.feature_map.fields.iter().map(|field| u64::from(field.cardinality)).eq(counts));
    let rows = ingested.profile.rows;
    assert_eq!((rows.train, rows.valid, rows.test), (160, 20, 20));
}

#[test]
fn lines_may_end_in_crlf_and_files_be_packed() {
    let raw = movielens();
    raw.import(&movielens_of(&raw, false));
    let expected = raw.table();
    for name in ["movies.dat", "users.dat", "ratings.dat"] {
        let bytes = fs::read(raw.path().join(name)).unwrap();
        let latin1: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let crlf: Vec<u8> = latin1.replace('\n', "\r\n").chars().map(|c| c as u8).collect();
        raw.put(name, &zstd::encode_all(&crlf[..], 1).unwrap());
    }
    raw.import(&movielens_of(&raw, false));
    assert!(raw.table() == expected, "the same table");
}

#[test]
fn a_split_by_time_tests_the_latest() {
    let raw = movielens();
    // The latest first.
    let ratings: String = (0..40).map(|row| format!("1::1::{}::{}\n", 3 + row % 2, 978300760 - row)).collect();
    raw.put("ratings.dat", ratings.as_bytes());
    let imported = raw.import(&movielens_of(&raw, true));
    let (_, dataset) = raw.ingest(&imported);
    assert_eq!(dataset.split(Split::Test).rows, [0, 1, 2, 3]);
    assert_eq!(dataset.split(Split::Valid).rows, [4, 5, 6, 7]);
}

#[test]
fn rows_come_in_random_order_of_the_seed_and_none_is_lost() {
    let raw = movielens();
    let in_order = |seed| {
        raw.import_as(&movielens_of(&raw, false), ImportOptions { seed, keep_order: false, ..IN_ORDER }).unwrap();
        raw.table().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let (first, again, other) = (in_order(1), in_order(1), in_order(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    raw.import(&movielens_of(&raw, false));
    let raw_order: Vec<_> = raw.table().lines().skip(1).map(str::to_owned).collect();
    assert_ne!(first, raw_order);
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(first), sorted(raw_order));
}

#[test]
fn bad_movielens_lines_are_named() {
    let cases: [(&str, &[u8], &str); 10] = [
        (
            "ratings.dat",
            b"1::1::5::1\n1::1::6::2\n",
            "ratings.dat: line 2, rating = \"6\": must be a whole number from 1 to 5",
        ),
        ("ratings.dat", b"1::1::5\n", "ratings.dat: line 1, \"1::1::5\": must be UserID::MovieID::Rating::Timestamp"),
        ("ratings.dat", b"1::2::5::1\n", "ratings.dat: line 1, MovieID = \"2\": must be a movie of movies.dat"),
        ("ratings.dat", b"\n3::1::5::1\n", "ratings.dat: line 2, UserID = \"3\": must be a user of users.dat"),
        ("ratings.dat", b"", "the raw dataset: 0 rows; a table has from 1 to 4294967295"),
        ("movies.dat", b"1::Toy Story::Comedy\n", "movies.dat: line 1, title = \"Toy Story\": must end with its year"),
        ("movies.dat", b"1,Toy Story (1995),Comedy\n", "must be MovieID::Title (Year)::Genres"),
        ("users.dat", b"1::X::1::10::48067\n", "users.dat: line 1, gender = \"X\": must be F or M"),
        ("users.dat", b"1::F::1::21::48067\n", "occupation = \"21\": must be a whole number from 0 to 20"),
        (
            "users.dat",
            b"1::F::1::2::48067\n1::F::1::2::48067\n",
            "users.dat: line 2, UserID = \"1\": must stand in one line only",
        ),
    ];
    for (name, bytes, expected) in cases {
        let raw = movielens();
        raw.put(name, bytes);
        let said = raw.refused(&movielens_of(&raw, false));
        assert!(said.contains(expected), "{said}");
    }
    let raw = movielens();
    fs::remove_file(raw.path().join("users.dat")).unwrap();
    assert_eq!(raw.refused(&movielens_of(&raw, false)), "users.dat: there is no such file");
}

/// The columns and the empty cells of the original.
const KUAIREC: &[u8] = b"user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n\
    14,148,4381,6067,2020-07-05 05:27:48.378,20200705.0,1593898068.378,0.7221031811438932\n\
    14,183,11635,6100,2020-07-05 05:28:00.057,20200705.0,1593898080.057,1.907377049180328\n\
    19,148,6067,6067,,,,1.0\n\
    14,3649,22422,10867,,,,2.0633109413821664\n\
    19,183,0,6100,2020-07-05 05:29:00.057,20200705.0,1593898140.057,0.0\n";

#[test]
fn kuairec_needs_no_more_than_three_columns() {
    let kuairec = |raw: &Raw, threshold| RawDataset::KuaiRec(KuaiRec { path: raw.path(), threshold });
    let raw = Raw::new(&[("data/small_matrix.csv", KUAIREC)]);
    let imported = raw.import(&kuairec(&raw, 1.0));
    let expected = "user_id,video_id,watch_ratio\n14,148,0.7221031811438932\n14,183,1.907377049180328\n19,148,1\n\
        14,3649,2.0633109413821664\n19,183,0\n";
    assert_eq!(raw.table(), expected);
    assert_eq!((imported.rows, imported.positives), (5, 2), "a ratio of 1 is label 0");
    assert_eq!(imported.densities[0].share(), 5.0 / 6.0);
    assert_eq!(raw.import(&kuairec(&raw, 0.5)).positives, 4);

    let text = String::from_utf8(KUAIREC.to_vec()).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    raw.put("data/small_matrix.csv", format!("{header}\n{}", rows.repeat(TIMES)).as_bytes());
    let imported = raw.import(&kuairec(&raw, 1.0));
    let (ingested, dataset) = raw.ingest(&imported);
    assert_eq!(labels(&dataset), [0, 1, 0, 1, 0].repeat(TIMES));
    assert!(ingested.feature_map.fields.iter().map(|field| field.cardinality).eq([2, 3]));

    let raw = Raw::new(&[("small_matrix.csv", text.replace(",0.0\n", ",\n").as_bytes())]);
    assert_eq!(
        raw.refused(&kuairec(&raw, 1.0)),
        "small_matrix.csv: line 6, watch_ratio = \"\": must be a number, 0 or more"
    );
    raw.put("small_matrix.csv", b"user_id,video_id\n1,2\n");
    assert!(raw.refused(&kuairec(&raw, 1.0)).contains("the header must name the column watch_ratio"));
    raw.put("small_matrix.csv", b"user_id,video_id,watch_ratio\n1,2\n");
    assert!(raw.refused(&kuairec(&raw, 1.0)).ends_with("must have 3 cells as the header, and has 2"));
}

const TITLES: &[u8] = b"1,2003,Dinosaur Planet\n2,NULL,Eros Dance Dhamaka, Vol. 1\n3,1997,Caf\xe9\n";
const MV_1: &[u8] = b"1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n885013,4,2005-10-19\n";
const MV_2: &[u8] = b"2:\n822109,1,2004-01-30\n2649429,4,1999-12-31\n";
const MV_3: &[u8] = b"3:\n885013,2,2005-01-01\n";

fn netflix_of(raw: &Raw, sample_rows: Option<u64>) -> RawDataset {
    RawDataset::Netflix(Netflix { folder: raw.path(), sample_rows, year: true, by_time: false })
}

#[test]
fn both_forms_of_netflix_give_the_same_table() {
    let many = Raw::new(&[
        ("movie_titles.csv", TITLES),
        ("training_set/mv_0000001.txt", MV_1),
        ("training_set/mv_0000002.txt", MV_2),
        ("training_set/mv_0000003.txt", MV_3),
    ]);
    let few = Raw::new(&[
        ("movie_titles.csv", TITLES),
        ("combined_data_1.txt", &[MV_1, MV_2].concat()),
        ("combined_data_2.txt", MV_3),
        ("qualifying.txt", b"1:\n1046323,2005-12-19\n"),
    ]);
    let imported = many.import(&netflix_of(&many, None));
    assert_eq!(few.import(&netflix_of(&few, None)), imported);
    assert_eq!(many.table(), few.table());
    let expected = "customer,movie,year,rating,date\n1488844,1,2003,3,2005-09-06\n822109,1,2003,5,2005-05-13\n\
        885013,1,2003,4,2005-10-19\n822109,2,NULL,1,2004-01-30\n2649429,2,NULL,4,1999-12-31\n885013,3,1997,2,2005-01-01\n";
    assert_eq!(many.table(), expected);
    assert_eq!((imported.rows, imported.positives), (6, 3));
    for (name, bytes) in [("mv_0000001.txt", MV_1), ("mv_0000002.txt", MV_2), ("mv_0000003.txt", MV_3)] {
        many.put(&format!("training_set/{name}"), &bytes.repeat(TIMES));
    }
    let (ingested, dataset) = many.ingest(&many.import(&netflix_of(&many, None)));
    let expected = [[0, 1, 1].repeat(TIMES), [0, 1].repeat(TIMES), [0].repeat(TIMES)];
    assert_eq!(labels(&dataset), expected.concat());
    assert!(ingested.feature_map.fields.iter().map(|field| field.cardinality).eq([4, 3, 3]));

    let bare = RawDataset::Netflix(Netflix { folder: few.path(), sample_rows: None, year: false, by_time: false });
    fs::remove_file(few.path().join("movie_titles.csv")).unwrap();
    few.import(&bare);
    assert!(few.table().starts_with("customer,movie,rating,date\n1488844,1,3,"));
}

#[test]
fn a_sample_has_its_own_density_and_that_of_the_whole() {
    let raw = Raw::new(&[("movie_titles.csv", TITLES), ("combined_data_1.txt", &[MV_1, MV_2, MV_3].concat())]);
    let imported = raw.import(&netflix_of(&raw, Some(2)));
    assert_eq!((imported.rows, raw.table().lines().count()), (2, 3));
    let [sampled, full] = &imported.densities[..] else { panic!("{:?}", imported.densities) };
    assert_eq!((full.users, full.items, full.rows), (4, 3, 2));
    assert!(sampled.users <= 2 && sampled.items <= 2 && sampled.share() > full.share());
    assert_eq!(raw.import(&netflix_of(&raw, Some(7))).rows, 6, "no more than there are");
}

#[test]
fn bad_netflix_lines_are_named() {
    let cases: [(&[u8], &str); 6] = [
        (b"1488844,3,2005-09-06\n", "line 1, \"1488844,3,2005-09-06\": a line `MovieID:` must stand before it"),
        (b"1:\n1488844,0,2005-09-06\n", "line 2, rating = \"0\": must be a whole number from 1 to 5"),
        (b"1:\n1488844,3,2005-13-06\n", "line 2, date = \"2005-13-06\": must be a day"),
        (b"1:\r\n1488844,3\r\n", "line 2, \"1488844,3\": must be CustomerID,Rating,YYYY-MM-DD or MovieID:"),
        (b"4:\n1488844,3,2005-09-06\n", "line 1, MovieID = \"4\": must be a movie of movie_titles.csv"),
        (b"x:\n", "line 1, MovieID = \"x\": must be a whole number"),
    ];
    for (bytes, expected) in cases {
        let raw = Raw::new(&[("movie_titles.csv", TITLES), ("combined_data_1.txt", bytes)]);
        let said = raw.refused(&netflix_of(&raw, None));
        assert!(said.starts_with(&format!("combined_data_1.txt: {expected}")), "{said}");
    }
    let raw = Raw::new(&[("movie_titles.csv", b"1,2003\n"), ("combined_data_1.txt", MV_1)]);
    assert!(raw.refused(&netflix_of(&raw, None)).contains("must be MovieID,YearOfRelease,Title"));
    let raw = Raw::new(&[("movie_titles.csv", TITLES)]);
    assert!(raw.refused(&netflix_of(&raw, None)).contains("no combined_data_*.txt"));
}

const TRAIN: &[u8] = b"1104,57,64,0,10,0,0,1588,1\n639,57,77,0,10,0,0,1588,0\n853,250,45,5,3,2,1,7,1\n";
const VALID: &[u8] = b"3177,57,64,1,16,6,1,2247,1\r\n1104,57,64,5,3,2,1,7,0\r\n";
const TEST: &[u8] = b"1104,57,64,1,16,6,1,2247,0\n639,57,77,5,3,2,1,7,1";

#[test]
fn the_authors_files_keep_their_split_and_order() {
    let raw =
        Raw::new(&[("ml-1m_train_12345.txt", TRAIN), ("ml-1m_valid_12345.txt", VALID), ("ml-1m_test_12345.txt", TEST)]);
    let authors = RawDataset::Authors(AuthorsFiles { folder: raw.path(), name: None });
    let shuffling = ImportOptions { keep_order: false, ..IN_ORDER };
    let imported = raw.import_as(&authors, shuffling).unwrap();
    let table = raw.table();
    assert!(table.starts_with(
        "movie,genres,year,user,occupation,age,gender,zip,click,split\n1104,57,64,0,10,0,0,1588,1,train\n"
    ));
    assert!(table.ends_with("639,57,77,5,3,2,1,7,1,test\n"));
    assert_eq!((imported.rows, imported.positives), (7, 4));
    assert_eq!(imported.spec.split, SplitSpec::Column("split".to_owned()));
    let (ingested, dataset) = raw.ingest(&imported);
    assert_eq!(Split::ALL.map(|split| dataset.split(split).rows.to_vec()), [vec![0, 1, 2], vec![3, 4], vec![5, 6]]);
    assert_eq!(labels(&dataset), [1, 0, 1, 1, 0, 0, 1]);
    assert_eq!(ingested.feature_map.vocabulary, Vocabulary::All);

    raw.put("kuai_train_12345.txt", b"1,2,0\n");
    assert!(raw.import_as(&authors, IN_ORDER).unwrap_err().to_string().contains("--name: it holds kuai, ml-1m"));
}

#[test]
fn bad_lines_of_the_authors_files_are_named() {
    let cases: [(&str, &[u8], &str); 6] = [
        ("a_valid_12345.txt", b"1,2,0\n1,2,2\n", "a_valid_12345.txt: line 2, label = \"2\": must be 0 or 1"),
        ("a_valid_12345.txt", b"1,-2,0\n", "a_valid_12345.txt: line 1, code = \"-2\": must be a whole number from 0"),
        ("a_test_12345.txt", b"1,2,3,0\n", "a_test_12345.txt: line 1, \"1,2,3,0\": must have 2 codes and the label"),
        ("a_test_12345.txt", b"", "a_test_12345.txt: the file is empty"),
        ("a_train_12345.txt", b"", "a_train_12345.txt: the file is empty"),
        ("a_train_12345.txt", b"1\n", "must be codes between commas and the label last"),
    ];
    for (name, bytes, expected) in cases {
        let good: &[u8] = b"1,2,0\n2,1,1\n";
        let raw = Raw::new(&[("a_train_12345.txt", good), ("a_valid_12345.txt", good), ("a_test_12345.txt", good)]);
        raw.put(name, bytes);
        let said = raw.refused(&RawDataset::Authors(AuthorsFiles { folder: raw.path(), name: None }));
        assert!(said.contains(expected), "{said}");
    }
    let raw = Raw::new(&[]);
    assert!(raw.refused(&RawDataset::Authors(AuthorsFiles { folder: raw.path(), name: None })).contains("it holds no"));
}

#[test]
fn the_command_writes_a_table_and_the_spec_that_reads_it() {
    let raw = movielens();
    let run = |arguments: &[&str]| {
        let command = Command::new(env!("CARGO_BIN_EXE_autodenoise")).args(arguments).current_dir(raw.path()).output();
        let output = command.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, said, _) = run(&["import", "movielens-1m", ".", "--out", "out/ml.csv.zst", "--seed", "3"]);
    assert_eq!(code, Some(0));
    for part in ["200 rows; 100 of them (50.00 %) have label 1 (rating > 3)", "density 2500.000 %", "out/ml.spec.json"]
    {
        assert!(said.contains(part), "{said}");
    }
    let (code, _, said) = run(&["datasets", "check", "out/ml.csv.zst", "--spec", "out/ml.spec.json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("200 rows: 160 train, 20 valid, 20 test"), "{said}");

    raw.put("ratings.dat", b"1::1::nine::5\n");
    let (code, _, said) = run(&["import", "movielens-1m", ".", "--out", "out/other.csv"]);
    assert_eq!(code, Some(3));
    assert!(said.contains("ratings.dat: line 1, rating = \"nine\": must be a whole number from 1 to 5"), "{said}");
    assert!(!raw.path().join("out/other.csv").exists());
}
