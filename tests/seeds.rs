//! The seeds of the fuzz targets, and every input that once broke one, through the same functions.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::{fs, path::Path};

/// Runs a target on each of its seeds; returns how many there are.
fn run(target: &str, on: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let seeds = fs::read_dir(folder).unwrap().map(|seed| seed.unwrap().path());
    seeds.map(|seed| on(&fs::read(seed).unwrap())).count()
}

#[test]
fn no_seed_breaks_its_parser() {
    let seeds = [
        run("csv", fuzz::csv),
        run("jsonl", fuzz::jsonl),
        run("parquet", fuzz::parquet),
        run("spec", fuzz::spec),
        run("tus", fuzz::tus),
        run("label", fuzz::label),
        run("headers", fuzz::headers),
        run("webhook", fuzz::webhook),
        run("reader", fuzz::reader_event),
    ];
    assert!(seeds.iter().all(|seeds| *seeds > 2), "each has some: {seeds:?}");
}
