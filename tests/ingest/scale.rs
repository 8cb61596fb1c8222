//! Speed and memory at size. Not part of a plain run:
//! `ROWS=10000000 cargo test --release --test ingest -- --ignored --nocapture scale`.

use autodenoise::ingest::{IngestLimits, RowChanges, ingest, write_denoised};
use serde_json::json;
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    ops::ControlFlow,
    time::Instant,
};

/// A line of `/proc/self/status`, in MiB.
fn mib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Processor seconds so far, which other work on the machine distorts little.
fn cpu() -> f64 {
    // SAFETY: all zeros is a value of this plain structure, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[test]
#[ignore = "minutes, and a release build"]
fn scale() {
    let rows: u64 = std::env::var("ROWS").map_or(10_000_000, |rows| rows.parse().unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (csv, out, copy) = (folder.path().join("table"), folder.path().join("dataset"), folder.path().join("copy"));
    let mut text = BufWriter::with_capacity(1 << 20, File::create(&csv).unwrap());
    writeln!(text, "user,item,rating,at").unwrap();
    let mut state = 1_u64;
    for row in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (user, item, rating) = ((state >> 33) % 412_000, (state >> 20) % 99_000, (state >> 45) % 5 + 1);
        writeln!(text, "u{user:06},i{item:05},{rating},{}", 1_600_000_000 + row / 10).unwrap();
    }
    text.flush().unwrap();
    let bytes = fs::metadata(&csv).unwrap().len();

    // What the process has mapped before (libtorch) is not ingest's; beyond that it gets 600 MiB in all.
    let mapped = mib("VmSize");
    let limit = libc::rlimit { rlim_cur: (mapped + 600) << 20, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure is valid for the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    let resident = mib("VmRSS");
    for split in
        [json!({"ratio": {"ratios": [0.8, 0.1, 0.1]}}), json!({"time": {"column": "at", "ratios": [0.8, 0.1, 0.1]}})]
    {
        let spec =
            serde_json::from_value(json!({"label": "rating > 3", "fields": ["user", "item"], "split": split})).unwrap();
        let (start, cpu_start) = (Instant::now(), cpu());
        let ingested = ingest(&csv, &spec, &out, &IngestLimits::default(), &mut |_| ControlFlow::Continue(())).unwrap();
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu() - cpu_start);
        println!(
            "ingest {split}: {rows} rows, {} MiB in {seconds:.2} s ({cpu:.2} s of processor); peak {} MiB, {resident} before",
            bytes >> 20,
            mib("VmHWM")
        );
        assert_eq!(ingested.profile.rows.total(), rows);
        fs::remove_dir_all(&out).unwrap();
    }
    let spec = serde_json::from_value(json!({"label": "rating > 3"})).unwrap();
    let start = Instant::now();
    let changes = RowChanges { dropped: &|row| row % 50 == 0, marks: None };
    let counts = write_denoised(&csv, &spec, changes, &copy).unwrap().counts;
    println!("export: {} of {rows} rows in {:.2} s", counts.kept, start.elapsed().as_secs_f64());
}
