//! Every parser of bytes from outside, fed with anything: none may panic, hang, or take memory without bound, and what one
//! lets in must come out again as it went in. `fuzz_targets` gives these to libFuzzer; `tests/seeds.rs` runs them on the
//! seeds.

use autodenoise::{
    api::{
        self, Preferences,
        tus::{self, Checksum},
    },
    config::Receivers,
    ingest::{Dataset, IngestError, IngestLimits, RowChanges, RowMark, ingest, write_denoised},
    reader,
    store::Cursor,
    types::{DatasetFacts, DatasetSpec, FileFormat, JobSpec, LabelRule, Split},
    webhooks::Guard,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use std::{
    fs,
    net::IpAddr,
    ops::ControlFlow,
    path::Path,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// CSV, TSV and tables with other separators.
pub fn csv(input: &[u8]) {
    table(input, FileFormat::Csv);
}

/// JSON lines.
pub fn jsonl(input: &[u8]) {
    table(input, FileFormat::Jsonl);
}

pub fn parquet(input: &[u8]) {
    table(input, FileFormat::Parquet);
}

/// A line with a `DatasetSpec`, then the table: what is read is encoded, and half of it is copied out.
fn table(input: &[u8], format: FileFormat) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(mut spec) = serde_json::from_slice::<DatasetSpec>(&input[..end]) else { return };
    spec.format = Some(format);
    let limits = IngestLimits {
        max_rows: 10_000,
        max_columns: 200,
        max_vocabulary: 20_000,
        max_decompressed_bytes: 1 << 22,
        max_line_bytes: 1 << 16,
        ..IngestLimits::default()
    };
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a folder for the table");
    let (source, encoded, copy) =
        (folder.path().join("upload"), folder.path().join("encoded"), folder.path().join("denoised"));
    fs::write(&source, &input[end + 1..]).expect("room for the table");
    let ingested = match ingest(&source, &spec, &encoded, &limits, &mut |_| ControlFlow::Continue(())) {
        Ok(ingested) => ingested,
        Err(IngestError::Invalid(invalid)) => {
            assert!(invalid.faults() > 0, "what is refused is told why");
            return;
        }
        Err(error) => panic!("{error:?}"),
    };
    let dataset = Dataset::open(&encoded).expect("what was encoded can be opened");
    let kept = [Split::Train, Split::Valid, Split::Test].map(|split| dataset.len(split)).iter().sum::<usize>();
    let changes = RowChanges {
        dropped: &|row| row % 2 == 1,
        marks: Some(&|row| RowMark { target: (row % 3) as f32 / 2.0, weight: 1.0 }),
    };
    let counts = write_denoised(&source, &ingested.spec, changes, &copy);
    counts.unwrap_or_else(|error| panic!("{kept} rows were read, and cannot be copied: {error:?}"));
}

/// A job's spec, or a dataset's, as JSON.
pub fn spec(input: &[u8]) {
    if let Ok(job) = serde_json::from_slice::<JobSpec>(input) {
        let text = serde_json::to_vec(&job).expect("a spec is plain data");
        let again = serde_json::from_slice::<JobSpec>(&text).expect("a spec that was written can be read");
        assert_eq!(again, job);
        let fields = Some(vec!["user".to_owned(), "item".to_owned()]);
        if let Ok(resolved) = job.resolve(&DatasetFacts {
            train_rows: Some(1000),
            columns: fields.clone(),
            fields,
            ..DatasetFacts::default()
        }) {
            let text = serde_json::to_vec(&resolved).expect("a spec is plain data");
            assert_eq!(serde_json::from_slice::<autodenoise::types::ResolvedSpec>(&text).expect("as above"), resolved);
        }
    }
    if let Ok(dataset) = serde_json::from_slice::<DatasetSpec>(input) {
        let text = serde_json::to_vec(&dataset).expect("a spec is plain data");
        assert_eq!(serde_json::from_slice::<DatasetSpec>(&text).expect("a spec that was written can be read"), dataset);
    }
}

/// The headers of resumable uploads.
pub fn tus(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(bytes) = tus::parse_bytes(text) {
        assert_eq!(text.trim_start_matches('0'), bytes.to_string().trim_start_matches('0'));
    }
    if let Ok(pairs) = tus::parse_metadata(text) {
        for (key, _) in &pairs {
            assert!(!key.is_empty() && key.is_ascii());
            assert!(tus::find_word(text, key).is_none_or(|word| !word.is_empty()));
        }
    }
    if let Ok(checksum) = Checksum::parse(text) {
        // In sha256 and in sha1.
        let nothing = ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="];
        let is_of_nothing = nothing.iter().any(|digest| text.trim_end().ends_with(digest));
        assert_eq!(checksum.matches(checksum.start_digest()), is_of_nothing);
    }
}

/// Rules that make a label of a column.
pub fn label(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(rule) = LabelRule::try_from(text.to_owned()) {
        let written = String::from(rule.clone());
        assert_eq!(LabelRule::try_from(written.clone()), Ok(rule), "{written}");
    }
}

/// The address of a request on the first line, and a header on each other, as the server judges them before it knows who asks.
pub fn headers(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Some(uri) = lines.next().and_then(|line| Uri::try_from(line).ok()) else { return };
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(line[at + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if let Ok(Some(length)) = tus::read_length(&headers) {
        assert!(length > 0);
    }
    assert!(api::read_wait(&headers).is_none_or(|wait| wait.as_secs() <= 60));
    for name in [header::ACCEPT, header::ACCEPT_ENCODING] {
        for text in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
            let preferences = Preferences::read(text);
            for form in ["text/event-stream", "application/json", "zstd", "gzip"] {
                assert!((0.0..=1.0).contains(&preferences.weight(form)), "{form} in {text}");
            }
        }
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.uri, parts.headers) = (uri, headers);
    if api::check_keyless(&parts).is_ok() {
        assert!(!parts.headers.contains_key("x-forwarded-for"));
        let named = parts.uri.authority().map(|authority| authority.as_str());
        let host = named.or_else(|| parts.headers.get(header::HOST)?.to_str().ok()).expect("a host was named");
        assert!(is_of_this_machine(host), "{host}");
        if let Some(origin) = parts.headers.get(header::ORIGIN) {
            let (_, of_page) = origin.to_str().unwrap().split_once("://").unwrap();
            assert!(of_page.eq_ignore_ascii_case(host), "{of_page} is not {host}");
        }
    }
}

/// Whether a host with its port is loopback, as a browser would see it.
fn is_of_this_machine(authority: &str) -> bool {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host.parse::<IpAddr>().map_or(host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

/// Addresses of webhooks that name no host, so that nothing is looked up, and cursors of lists.
pub fn webhook(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert!(cursor.to_string().eq_ignore_ascii_case(text), "{cursor} is not {text}");
    }
    let allowed: Receivers = Receivers::default();
    let guard = Guard { allow_insecure: false, allowed: allowed.into() };
    let Ok(url) = guard.read(text) else { return };
    assert!(url.scheme() == "https" && url.username().is_empty() && url.password().is_none(), "{url}");
    let Some(Ok(address)) = url.host_str().map(|host| host.trim_matches(['[', ']']).parse::<IpAddr>()) else { return };
    let Poll::Ready(checked) = pin!(guard.check(text)).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing is to be waited for: {url}");
    };
    if checked.is_ok() {
        let is_private = match address {
            IpAddr::V4(it) => it.is_private() || it.is_link_local() || it.is_broadcast() || it.is_documentation(),
            IpAddr::V6(it) => it.is_unique_local() || it.is_unicast_link_local() || it.to_ipv4_mapped().is_some(),
        };
        let is_special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
        assert!(!is_private && !is_special, "{url}");
        assert!(matches!(url.port_or_known_default(), Some(443 | 1024..)), "{url}");
    }
}

/// What the process that reads a table says, which has read what strangers sent.
pub fn reader_event(input: &[u8]) {
    let event = reader::read_event(input);
    let text = serde_json::to_vec(&event).expect("an event is plain data");
    let again = reader::read_event(&text);
    assert_eq!(format!("{event:?}"), format!("{again:?}"));
}
