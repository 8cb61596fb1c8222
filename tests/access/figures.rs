//! `/metrics`: what it says of itself, and what clients cannot put there.

use super::harness;
use harness::{Service, scratch};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

#[test]
fn every_figure_is_described_and_starts_at_zero_and_no_client_adds_one() {
    let dir = scratch();
    let service = Service::start_with(&dir.path().join("data"), &["--no-worker"]);
    let method = "X".repeat(20_000);
    let mut stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).unwrap();
    write!(stream, "{method} /v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
    service.expect(service.get("/v1/jobs"), 200);
    let text = service.get("/metrics").send().unwrap().text().unwrap();
    assert!(text.contains("method=\"other\"") && !text.contains("XXX"), "{text:.2000}");
    let described: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(described.contains(&name), "{name} has no HELP");
    }
    for series in [
        "autodenoise_leases_lost_total 0",
        "autodenoise_attempts_total{outcome=\"queued\",error_kind=\"trainer_died\"} 0",
        "autodenoise_datasets_total{outcome=\"invalid\"} 0",
        "autodenoise_webhook_deliveries_total{outcome=\"failed\"} 0",
        "autodenoise_epochs_total{phase=\"search\"} 0",
    ] {
        assert!(text.contains(series), "{series} in {text}");
    }
}
