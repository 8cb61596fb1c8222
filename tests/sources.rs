//! Where a table comes from and goes to, from the command line: parts, files that say the split, standard input, the web, copied or
//! read where it is.

mod harness;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use harness::{autodenoise, autodenoise_ok, scratch};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

/// Rows of `user,item,click`, with their header.
fn table(rows: std::ops::Range<u32>) -> String {
    let row = |row| format!("u{},i{},{}\n", row % 17, row % 23, row / 3 % 2);
    "user,item,click\n".to_owned() + &rows.map(row).collect::<String>()
}

fn write(path: &Path, text: &str) -> String {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `denoise` with what trains for a moment only.
fn denoise(args: &[&str]) {
    let how = ["--label", "click", "--method", "random_drop", "--no-certify", "--device", "cpu"];
    autodenoise_ok(&[&["denoise"], args, &how].concat());
}

/// The digest of a table as `datasets check` prints it.
fn digest(printed: &str) -> String {
    serde_json::from_str::<Value>(printed).unwrap()["digest"].as_str().unwrap().to_owned()
}

#[test]
fn parts_come_back_as_parts_and_their_certificate_knows_them() {
    let dir = scratch();
    let path = |name: &str| dir.path().join(name);
    let first = write(&path("parts/day=1/a.csv"), &table(0..200));
    write(&path("parts/day=2/a.csv"), &table(200..400));
    write(&path("parts/_SUCCESS"), "");
    let (parts, out, results) = (path("parts"), path("out/"), path("results"));
    let [parts, out, results] = [&parts, &out, &results].map(|path| path.to_str().unwrap());
    denoise(&[parts, "-o", out, "--results", results]);
    let lines = |name: &str| fs::read_to_string(path(name)).unwrap().lines().count();
    let written = lines("out/day=1/a.csv") + lines("out/day=2/a.csv");
    assert!((300..402).contains(&written), "{written} lines");
    let certificate = path("results/certificate.json");
    let denoised = path("out/day=2/a.csv");
    let [certificate, denoised] = [&certificate, &denoised].map(|path| path.to_str().unwrap());
    let said = autodenoise_ok(&["verify", certificate, &first, denoised]);
    assert!(said.contains("the job's day=1/a.csv") && said.contains("the job's denoised/day=2/a.csv"), "{said}");
    let again = autodenoise(&["denoise", parts, "-o", out, "--label", "click"]);
    assert_eq!(again.status.code(), Some(2), "parts are not mixed with what is there");
}

#[test]
fn files_that_say_the_split_leave_the_training_rows() {
    let dir = scratch();
    let file = |name: &str, rows| write(&dir.path().join(name), &table(rows));
    let (train, valid, test) = (file("train.csv", 0..300), file("valid.csv", 300..350), file("test.csv", 350..400));
    let out = dir.path().join("clean.csv");
    denoise(&["--train", &train, "--valid", &valid, "--test", &test, "-o", out.to_str().unwrap()]);
    let clean = fs::read_to_string(out).unwrap();
    assert!((200..301).contains(&clean.lines().count()), "{} lines", clean.lines().count());
    let unsure = autodenoise(&["datasets", "check", &train, &valid, &test, "--label", "click"]);
    assert!(String::from_utf8_lossy(&unsure.stderr).contains("say --train, --valid and --test"));
}

#[test]
fn standard_input_and_an_address_are_tables() {
    let dir = scratch();
    let text = table(0..200);
    let file = write(&dir.path().join("table.csv"), &text);
    let expected = digest(&autodenoise_ok(&["datasets", "check", &file, "--label", "click"]));
    let mut child = Command::new(env!("CARGO_BIN_EXE_autodenoise"))
        .args(["datasets", "check", "-", "--label", "click"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(digest(&String::from_utf8(output.stdout).unwrap()), expected);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/table.csv?secret=1", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut asked = BufReader::new(connection.try_clone().unwrap()).lines();
        let first = asked.next().unwrap().unwrap();
        asked.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).for_each(drop);
        write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())
            .unwrap();
        first
    });
    assert_eq!(digest(&autodenoise_ok(&["datasets", "check", &address, "--label", "click"])), expected);
    assert_eq!(server.join().unwrap(), "GET /table.csv?secret=1 HTTP/1.1");
}

/// A server of one file that gives ranges of it. From the answer `replaced` on the file is another one.
fn serve_ranges(text: String, replaced: usize) -> String {
    serve_file("table.csv", text.into_bytes(), replaced, usize::MAX)
}

/// The same of any file. Of the range in the answer `cut`, and of those behind it, half is sent before the connection is closed.
fn serve_file(name: &str, bytes: Vec<u8>, replaced: usize, cut: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/{name}?secret=1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for (answered, connection) in listener.incoming().enumerate() {
            let mut connection = connection.unwrap();
            let asked =
                BufReader::new(connection.try_clone().unwrap()).lines().map(|line| line.unwrap().to_lowercase());
            let asked: Vec<_> = asked.take_while(|line| !line.is_empty()).collect();
            let header = |name: &str| asked.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let etag = if answered < replaced { "\"one\"" } else { "\"two\"" };
            let whole = bytes.len();
            let about = format!("etag: {etag}\r\naccept-ranges: bytes\r\nconnection: close\r\n");
            let range = header("range").map(|range| range.strip_prefix("bytes=").unwrap().split_once('-').unwrap());
            let (head, part) = match range {
                _ if header("if-match").is_some_and(|wanted| wanted != etag) => {
                    (format!("HTTP/1.1 412 Precondition Failed\r\n{about}content-length: 0\r\n\r\n"), &[][..])
                }
                Some((first, last)) => {
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    let part = &bytes[first..=last];
                    let head = format!(
                        "HTTP/1.1 206 Partial Content\r\n{about}content-range: bytes {first}-{last}/{whole}\r\n\
                         content-length: {}\r\n\r\n",
                        part.len()
                    );
                    (head, if answered < cut { part } else { &part[..part.len() / 2] })
                }
                None => (format!("HTTP/1.1 200 OK\r\n{about}content-length: {whole}\r\n\r\n"), &[][..]),
            };
            // Whoever asked may have gone.
            let _ = connection.write_all(&[head.as_bytes(), part].concat());
        }
    });
    address
}

#[test]
fn a_file_of_the_web_is_read_where_it_is_in_one_version() {
    let dir = scratch();
    // Several pieces of it.
    let text = table(0..300_000);
    let file = write(&dir.path().join("table.csv"), &text);
    let check = |source: &str| autodenoise(&["datasets", "check", source, "--label", "click", "--stream"]);
    let here = check(&file);
    let there = check(&serve_ranges(text.clone(), usize::MAX));
    let [here, there] = [here, there].map(|output| digest(&String::from_utf8(output.stdout).unwrap()));
    assert_eq!(there, here);

    let out = dir.path().join("clean.csv");
    let out = out.to_str().unwrap();
    denoise(&[&serve_ranges(table(0..200), usize::MAX), "--stream", "-o", out]);
    assert!(fs::read_to_string(out).unwrap().starts_with("user,item,click\n"));

    // Replaced before its second piece is asked for.
    let refused = check(&serve_ranges(text, 3));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("was replaced while it was read"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

/// A Parquet file of `user,item,click` that is larger than a few pieces, whose rows do not pack well.
fn large_parquet() -> Vec<u8> {
    let rows = 0..400_000_u32;
    let mixed = |row: u32| row.wrapping_mul(2_654_435_761);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user", Arc::new(UInt32Array::from_iter_values(rows.clone().map(|row| mixed(row) % 100_000)))),
        ("item", Arc::new(UInt32Array::from_iter_values(rows.clone().map(mixed)))),
        ("click", Arc::new(UInt32Array::from_iter_values(rows.map(|row| row / 3 % 2)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn a_network_that_fails_is_not_told_as_a_damaged_file() {
    let parquet = large_parquet();
    assert!(parquet.len() > 2 << 20, "{} bytes", parquet.len());
    // Cut where the footer is read, and where the rows are.
    let said = [3, 6].map(|cut| {
        let address = serve_file("table.parquet", parquet.clone(), usize::MAX, cut);
        thread::spawn(move || {
            let check = autodenoise(&["datasets", "check", &address, "--label", "click", "--stream"]);
            assert!(!check.status.success(), "cut at {cut}");
            String::from_utf8(check.stderr).unwrap()
        })
    });
    for said in said.map(|said| said.join().unwrap()) {
        assert!(said.contains("try again when it answers") && !said.contains("damaged"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}
