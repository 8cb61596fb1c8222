//! Where the API listens.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAt {
    Address(SocketAddr),
    /// A socket of this machine, by its file: `unix:/run/autodenoise.sock`.
    Socket(PathBuf),
    /// The one socket that systemd hands over (`systemd`).
    HandedOver,
}

impl FromStr for ListenAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Socket(path.into())),
            None if text == "systemd" => Ok(Self::HandedOver),
            _ => text.parse().map(Self::Address).map_err(|_| {
                "expected ADDR:PORT, unix:/PATH for a socket of this machine, or systemd for one that systemd hands over".to_owned()
            }),
        }
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::HandedOver => f.write_str("systemd"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_are_told_apart() {
        for text in ["127.0.0.1:8080", "[::1]:0", "unix:/run/a.sock", "systemd"] {
            assert_eq!(text.parse::<ListenAt>().unwrap().to_string(), text);
        }
        for wrong in ["", "8080", "unix:", "unix:relative", "localhost:80"] {
            assert!(wrong.parse::<ListenAt>().is_err(), "{wrong}");
        }
    }
}
