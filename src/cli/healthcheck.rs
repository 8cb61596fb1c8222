//! `autodenoise healthcheck`: what an orchestrator runs beside the service, in an image without other programs.

use super::error::CliError;
use clap::Args;
use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// How long the service may take to accept, and to answer.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Args)]
pub struct HealthcheckArgs {
    /// Where the service answers /healthz, without TLS: its --health-listen, or its --listen
    #[arg(long, env = "AUTODENOISE_HEALTH_LISTEN", value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    address: SocketAddr,

    /// Ask whether it can take work (/readyz) in place of whether it lives (/healthz)
    #[arg(long)]
    ready: bool,
}

/// Ends well where the service answers 200.
pub fn healthcheck(args: &HealthcheckArgs) -> Result<(), CliError> {
    let address = reachable(args.address);
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let status = ask(address, path)
        .map_err(|error| CliError::failed_because(format!("http://{address}{path} does not answer: {error}")))?;
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(CliError::failed_because(format!("http://{address}{path} answers {status}")))
}

/// Where a service that listens on all addresses is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let host = match listen.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    SocketAddr::new(host, listen.port())
}

/// The first line of the answer.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_on_all_addresses_is_asked_on_loopback() {
        for (listen, asked) in [("0.0.0.0:81", "127.0.0.1:81"), ("[::]:81", "[::1]:81"), ("10.1.2.3:81", "10.1.2.3:81")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
