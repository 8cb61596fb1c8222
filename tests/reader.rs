//! The process that reads tables: what it reads is what is read without it, and its end is heard.

mod harness;

use autodenoise::{
    ingest::{IngestLimits, ingest},
    reader::TableReader,
    types::{DatasetSpec, ProblemItem},
    worker::IngestFailure,
};
use harness::{BIN, clicks, scratch};
use std::{
    fs,
    ops::ControlFlow,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

const MEMORY: u64 = 1 << 30;

fn spec() -> DatasetSpec {
    serde_json::from_value(serde_json::json!({"label": "click"})).unwrap()
}

fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A program in place of ours that takes its job and then does this.
fn impostor(dir: &Path, script: &str) -> TableReader {
    let program = dir.join("impostor.sh");
    fs::write(&program, format!("#!/bin/sh\nread job\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    TableReader::with_program(program, MEMORY)
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.file_name().unwrap().into(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_table_is_read_as_it_is_without_a_process() {
    let dir = scratch();
    let table = clicks(dir.path(), 60, 40);
    let [ours, theirs] = ["ours", "theirs"].map(|name| dir.path().join(name));
    let here = ingest(&table, &spec(), &ours, &IngestLimits::default(), &mut |_| ControlFlow::Continue(())).unwrap();
    let reader = TableReader::with_program(BIN.into(), MEMORY);
    let there = reader.read(&table, &spec(), &theirs, &mut go_on).unwrap();
    assert_eq!(files(&ours), files(&theirs));
    assert_eq!((here.spec, here.feature_map, here.profile), (there.spec, there.feature_map, there.profile));
    let wrong = reader.read(Path::new("/nowhere"), &spec(), &dir.path().join("none"), &mut go_on);
    assert!(matches!(&wrong, Err(IngestFailure::Failed(reason)) if reason.contains("/nowhere")), "{wrong:?}");
}

#[test]
fn a_reading_is_stopped_though_nothing_is_heard_of_it() {
    let dir = scratch();
    let reader = impostor(dir.path(), "exec sleep 600");
    let mut asked = 0;
    let read = reader.read(dir.path().join("table"), &spec(), &dir.path().join("out"), &mut |_| {
        asked += 1;
        if asked < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(matches!(read, Err(IngestFailure::Stopped)), "{read:?}");
}

#[test]
fn the_end_of_a_reader_is_told_for_what_it_is() {
    let dir = scratch();
    let read = |script: &str| {
        let reader = impostor(dir.path(), script).giving_up_after(Duration::from_secs(1));
        reader.read(dir.path().join("table"), &spec(), &dir.path().join("out"), &mut go_on)
    };
    let blamed = |script: &str| match read(script) {
        Err(IngestFailure::Invalid { errors, total: 1 }) => match &errors[..] {
            [ProblemItem::Field(error)] => error.rule.clone(),
            _ => panic!("{errors:?}"),
        },
        read => panic!("{read:?}"),
    };
    assert!(blamed("kill -SEGV $$").contains("signal 11"));
    assert!(blamed("echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$").contains("more than 1024 MiB"));
    assert!(blamed("exec sleep 600").contains("stood still"));
    let failed = |script: &str| match read(script) {
        Err(IngestFailure::Failed(reason)) => reason,
        read => panic!("{read:?}"),
    };
    assert!(failed("kill -KILL $$").contains("was killed"));
    assert!(failed("echo broken >&2; exit 7").contains("broken"));
    assert!(failed("echo '{\"rows\":3}'; echo no event; exec sleep 600").contains("no event"));
}
