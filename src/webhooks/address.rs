//! Which IP addresses are on the public internet.
//!
//! IPv4 is public unless a registry says otherwise (IANA's special-purpose addresses). IPv6 is public only within 2000::/3,
//! the space given out, and there not where it stands for IPv4 or for nothing: so IPv4 in IPv6 clothes (mapped,
//! translated, tunnelled) never passes, whatever it holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Network, length of its prefix, what it is.
const BLOCKED_V4: [(Ipv4Addr, u32, &str); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared by a provider's customers"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // Where clouds have their metadata services.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    // One cloud's hosts answer their machines here, though the address looks public.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "a cloud's own"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "a relay to IPv6"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for measurements"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved or broadcast"),
];

/// Given out to everyone.
const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Within `PUBLIC_V6`.
const BLOCKED_V6: [(Ipv6Addr, u32, &str); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "IPv4 tunnelled (6to4)"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
];

/// Why nothing may be sent to the address; nothing where it is public.
pub fn why_blocked(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::from(address);
            let within =
                |(network, prefix, _): &&(Ipv4Addr, u32, _)| (bits ^ u32::from(*network)) >> (32 - prefix) == 0;
            BLOCKED_V4.iter().find(within).map(|(_, _, what)| *what)
        }
        IpAddr::V6(address) => {
            let within =
                |network: Ipv6Addr, prefix: u32| (u128::from(address) ^ u128::from(network)) >> (128 - prefix) == 0;
            if !within(PUBLIC_V6.0, PUBLIC_V6.1) {
                return Some(if address.is_loopback() { "loopback" } else { "not public IPv6" });
            }
            BLOCKED_V6.iter().find(|(network, prefix, _)| within(*network, *prefix)).map(|(_, _, what)| *what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass() {
        let public = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 \
            168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 \
            192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 \
            198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 2000::1 2001:200::1 2001:4860:4860::8888 \
            2001:db7:ffff:: 2001:db9:: 2003::1 2606:4700::1111 2a00:1450:4001::1 3ffe:ffff::1 3fff:1000::";
        for text in public.split_whitespace() {
            assert_eq!(why_blocked(text.parse().unwrap()), None, "{text}");
        }
        let blocked = [
            ("this network", "0.0.0.0 0.255.255.255"),
            ("private", "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255"),
            ("shared by a provider's customers", "100.64.0.0 100.127.255.255"),
            ("loopback", "127.0.0.0 127.0.0.1 127.255.255.255 ::1"),
            ("link-local", "169.254.0.0 169.254.169.254 169.254.255.255"),
            ("a cloud's own", "168.63.129.16"),
            ("reserved for protocols", "192.0.0.0 192.0.0.170 192.0.0.255"),
            ("for documentation", "192.0.2.0 192.0.2.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255"),
            ("a relay to IPv6", "192.88.99.1"),
            ("for measurements", "198.18.0.0 198.19.255.255"),
            ("multicast", "224.0.0.0 239.255.255.255"),
            ("reserved or broadcast", "240.0.0.0 255.255.255.255"),
            // Unspecified; IPv4 within it, mapped and translated (NAT64, well known and local), whatever that IPv4 is.
            ("not public IPv6", ":: ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8"),
            ("not public IPv6", "64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::a00:1"),
            // Discard, segments, unique local, link-local, site-local, multicast, and what nobody was given.
            ("not public IPv6", "100::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 1fff:ffff:: 4000::"),
            // Teredo, which holds an IPv4 address, measurements, identifiers.
            ("reserved for protocols", "2001::1 2001:0:7f00:1:: 2001:2::1 2001:20::1 2001:1ff:ffff::"),
            ("IPv4 tunnelled (6to4)", "2002:7f00:1::1 2002:808:808::1"),
            ("for documentation", "2001:db8::1 2001:db8:ffff:: 3fff::1 3fff:fff:ffff::"),
        ];
        for (why, addresses) in blocked {
            for text in addresses.split_whitespace() {
                assert_eq!(why_blocked(text.parse().unwrap()), Some(why), "{text}");
            }
        }
    }
}
