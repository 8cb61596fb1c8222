//! Seconds of reading a CSV into a dataset on disk, beside what the `csv` crate takes to read its records and do nothing
//! with them: `cargo bench --bench ingest -- [FILE [SPEC]]`. Without a file, a generated table of MovieLens-1M's shape.
//!
//! The two take turns, so that other work on the machine slows both, and the medians are compared.

use autodenoise::ingest::{IngestLimits, ingest};
use autodenoise::random::{Purpose, Stream};
use autodenoise::types::DatasetSpec;
use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Instant,
};

const PAIRS: usize = 5;
const GENERATED_ROWS: u32 = 1_000_000;
const SPEC: &str = r#"{"label": "rating > 3", "split": {"column": "split"},
    "fields": ["movie_id", "genres", "year", "user_id", "occupation", "age", "gender", "zip"]}"#;

fn main() {
    // cargo adds `--bench` to the arguments.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let file = arguments.first().map_or_else(|| generated(folder.path()), PathBuf::from);
    let spec = serde_json::from_str(arguments.get(1).map_or(SPEC, String::as_str)).expect("a DatasetSpec as JSON");
    let mut seconds = [Vec::new(), Vec::new()];
    // The first pair is not counted: it brings the file into memory.
    for pair in 0..=PAIRS {
        let (read, ingested) = (bare_reading(&file), ingesting(&file, &spec, &folder.path().join("dataset")));
        if pair > 0 {
            println!("pair {pair}: csv crate {read:.3} s, ingest {ingested:.3} s, ratio {:.2}", ingested / read);
            seconds[0].push(read);
            seconds[1].push(ingested);
        }
    }
    let [read, ingested] = seconds.map(median);
    println!("median: csv crate {read:.3} s, ingest {ingested:.3} s, ratio {:.2}", ingested / read);
}

fn bare_reading(file: &Path) -> f64 {
    let started = Instant::now();
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(file).expect("a file");
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).expect("a CSV") {}
    started.elapsed().as_secs_f64()
}

fn ingesting(file: &Path, spec: &DatasetSpec, out: &Path) -> f64 {
    let started = Instant::now();
    ingest(file, spec, out, &IngestLimits::default(), &mut |_| ControlFlow::Continue(())).expect("a dataset");
    let seconds = started.elapsed().as_secs_f64();
    std::fs::remove_dir_all(out).expect("a folder");
    seconds
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// MovieLens-1M's columns, with about as many values each and as many bytes a row; a quarter of the titles are quoted.
fn generated(folder: &Path) -> PathBuf {
    let path = folder.join("generated.csv");
    let mut out = BufWriter::new(File::create(&path).expect("a file"));
    let mut write = |line: String| out.write_all(line.as_bytes()).expect("room on the disk");
    write("user_id,movie_id,title,genres,year,gender,age,occupation,zip,rating,split\n".to_owned());
    let stream = Stream::new(1, Purpose::Select, &[]);
    let draw = |row: u32, place: u64, below: u32| (stream.uniform_at(u64::from(row) * 8 + place) * below as f32) as u32;
    const GENRES: [&str; 5] =
        ["Drama", "Comedy|Romance", "Action|Adventure|Sci-Fi", "Thriller", "Animation|Children's"];
    for row in 0..GENERATED_ROWS {
        let (user, movie) = (draw(row, 0, 6040), draw(row, 1, 3706));
        let year = 1919 + movie % 81;
        let title = match movie % 4 {
            0 => format!("\"Film no. {movie}, The ({year})\""),
            _ => format!("Another film {movie} ({year})"),
        };
        let (genres, gender) = (GENRES[movie as usize % GENRES.len()], ["F", "M"][user as usize % 2]);
        let (age, occupation, zip) = (18 + 7 * (user % 7), user % 21, 10_000 + user * 7 % 3402);
        let split = ["train", "train", "train", "train", "train", "train", "train", "train", "valid", "test"];
        let (rating, split) = (1 + draw(row, 2, 5), split[draw(row, 3, 10) as usize]);
        write(format!("{user},{movie},{title},{genres},{year},{gender},{age},{occupation},{zip},{rating},{split}\n"));
    }
    out.flush().expect("room on the disk");
    path
}
