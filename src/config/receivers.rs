//! Receivers of webhooks that the operator vouches for.

use std::{net::IpAddr, str::FromStr};

/// Addresses and hosts that messages may be sent to, wherever they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receivers {
    networks: Vec<Network>,
    /// In lower case; those that begin with a point stand for all hosts below.
    hosts: Vec<String>,
}

/// Addresses whose first bits are those of `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address, network (10.8.0.0/16), host, or name with hosts below it (*.svc.cluster.local)")]
pub struct ReceiversError(String);

impl Receivers {
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.hosts.is_empty()
    }

    /// Whether a host is vouched for, wherever its name leads.
    pub fn has_host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let is_same = |own: &String| match own.strip_prefix('.') {
            Some(_) => host.ends_with(own.as_str()),
            None => host == *own,
        };
        self.hosts.iter().any(is_same)
    }

    pub fn has_address(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.has(address))
    }
}

impl Network {
    fn has(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u32::from(own) ^ u32::from(other)).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (u128::from(own) ^ u128::from(other)).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok().filter(|prefix| *prefix <= bits))?;
        Some(Self { address, prefix })
    }
}

impl FromStr for Receivers {
    type Err = ReceiversError;

    fn from_str(text: &str) -> Result<Self, ReceiversError> {
        let mut receivers = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            if let Some(network) = Network::read(word) {
                receivers.networks.push(network);
                continue;
            }
            let host = word.strip_prefix('*').unwrap_or(word);
            let is_below = host.len() < word.len();
            let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            let is_name = !host.is_empty() && host.chars().all(letters) && host.contains(char::is_alphabetic);
            if !is_name || is_below != host.starts_with('.') {
                return Err(ReceiversError(word.to_owned()));
            }
            receivers.hosts.push(host.to_ascii_lowercase());
        }
        Ok(receivers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_vouched_for_is_had() {
        let receivers: Receivers =
            "10.8.0.0/16, 192.168.1.7, fd00::/8, 0.0.0.0/32, Hooks.internal, *.svc.cluster.local".parse().unwrap();
        for had in ["10.8.0.0", "10.8.255.255", "192.168.1.7", "fd12::1", "0.0.0.0"] {
            assert!(receivers.has_address(had.parse().unwrap()), "{had}");
        }
        for other in ["10.9.0.0", "10.7.255.255", "192.168.1.8", "fe80::1", "::ffff:10.8.0.1", "0.0.0.1"] {
            assert!(!receivers.has_address(other.parse().unwrap()), "{other}");
        }
        for host in ["hooks.internal", "HOOKS.internal.", "a.svc.cluster.local", "a.b.svc.cluster.local"] {
            assert!(receivers.has_host(host), "{host}");
        }
        for host in ["svc.cluster.local", "evilsvc.cluster.local", "hooks.internal.evil.example", "a.hooks.internal"] {
            assert!(!receivers.has_host(host), "{host}");
        }
        assert!("0.0.0.0/0".parse::<Receivers>().unwrap().has_address("127.0.0.1".parse().unwrap()));
        assert!("".parse::<Receivers>().unwrap().is_empty());
        for wrong in ["10.8.0.0/33", "10.8.0.0/x", "*", "*host", "a b", "https://host", "host:80", ".host"] {
            assert!(wrong.parse::<Receivers>().is_err(), "{wrong}");
        }
    }
}
