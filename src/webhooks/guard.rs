//! Which addresses may be sent to. Clients name them, so an address must not lead into the server's own network.
//!
//! A host's name is resolved here, when the webhook is made and at each attempt. The HTTP client asks this guard too when it
//! connects, so the connection goes to no address that was not checked.

use super::address::why_blocked;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    time::Duration,
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

const LONGEST_URL: usize = 2000;
/// How long a name may take to resolve.
const LOOKUP: Duration = Duration::from_secs(5);
/// Names that are looked up at once.
const LOOKUPS: usize = 16;

/// Why nothing is sent to an address, in words for the client that named it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockedUrl {
    #[error("an https address of at most {LONGEST_URL} bytes, for example https://ci.example.com/hooks/autodenoise")]
    NotAUrl,
    #[error("an https address")]
    Scheme,
    #[error("an address without a user's name and password; the signature says who sends")]
    Credentials,
    #[error("port 443, or one from 1024 on")]
    Port,
    #[error("a host whose name resolves")]
    Unresolved,
    #[error("an address on the public internet; this one is {0}")]
    Address(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Whether plain http, and this machine, may be sent to.
    pub allow_insecure: bool,
}

impl Guard {
    /// Reads an address and checks that it may be sent to now.
    pub async fn check(self, text: &str) -> Result<Url, BlockedUrl> {
        let url = self.parse(text)?;
        let host = url.host_str().ok_or(BlockedUrl::NotAUrl)?;
        let addresses = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => {
                self.check_address(address)?;
                vec![address]
            }
            Err(_) => self.resolve_host(host).await?.iter().map(SocketAddr::ip).collect(),
        };
        if url.scheme() != "https" && !addresses.iter().all(IpAddr::is_loopback) {
            return Err(BlockedUrl::Scheme);
        }
        Ok(url)
    }

    /// Reads an address and checks what needs no look-up.
    fn parse(self, text: &str) -> Result<Url, BlockedUrl> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST_URL).ok_or(BlockedUrl::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.allow_insecure => {}
            _ => return Err(BlockedUrl::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BlockedUrl::Credentials);
        }
        match url.port_or_known_default() {
            Some(443 | 1024..) => Ok(url),
            // Those below belong to other protocols.
            _ => Err(BlockedUrl::Port),
        }
    }

    fn check_address(self, address: IpAddr) -> Result<(), BlockedUrl> {
        match why_blocked(address) {
            Some(_) if self.allow_insecure && address.is_loopback() => Ok(()),
            Some(what) => Err(BlockedUrl::Address(what)),
            None => Ok(()),
        }
    }

    /// The host's addresses. If one of them may not be sent to, none may: a name that is public and private at once is no
    /// accident.
    async fn resolve_host(self, host: &str) -> Result<Vec<SocketAddr>, BlockedUrl> {
        let found = timeout(LOOKUP, look_up(host.to_owned())).await;
        let addresses = found.ok().flatten().ok_or(BlockedUrl::Unresolved)?;
        if addresses.is_empty() {
            return Err(BlockedUrl::Unresolved);
        }
        addresses.iter().try_for_each(|address| self.check_address(address.ip()))?;
        Ok(addresses)
    }
}

/// The host's addresses. The system's look-up cannot be broken off, and goes on after whoever asked has given up, so it holds
/// its place until it ends: else names that never resolve would take every thread that reads and writes files.
async fn look_up(host: String) -> Option<Vec<SocketAddr>> {
    static PLACES: Semaphore = Semaphore::const_new(LOOKUPS);
    let place = PLACES.acquire().await.ok()?;
    let found = spawn_blocking(move || {
        let _place = place;
        (host.as_str(), 0).to_socket_addrs().map(Iterator::collect)
    });
    found.await.ok()?.ok()
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let addresses = guard.resolve_host(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_https_to_public_addresses_passes() {
        let guard = Guard { allow_insecure: false };
        for good in
            ["https://8.8.8.8/hook?key=1", "https://8.8.8.8:8443/", "https://[2606:4700::1111]/", "https://134744072/"]
        {
            assert!(guard.check(good).await.is_ok(), "{good}");
        }
        let long = format!("https://8.8.8.8/{}", "x".repeat(LONGEST_URL));
        let blocked = [
            ("", BlockedUrl::NotAUrl),
            ("8.8.8.8", BlockedUrl::NotAUrl),
            ("https://", BlockedUrl::NotAUrl),
            (&long, BlockedUrl::NotAUrl),
            ("http://8.8.8.8/", BlockedUrl::Scheme),
            ("ftp://8.8.8.8/", BlockedUrl::Scheme),
            ("file:///etc/passwd", BlockedUrl::Scheme),
            ("https://user@8.8.8.8/", BlockedUrl::Credentials),
            ("https://:password@8.8.8.8/", BlockedUrl::Credentials),
            ("https://8.8.8.8:22/", BlockedUrl::Port),
            ("https://8.8.8.8:80/", BlockedUrl::Port),
            ("https://no-such-host.invalid/", BlockedUrl::Unresolved),
            ("https://localhost/", BlockedUrl::Address("loopback")),
            ("https://127.0.0.1/", BlockedUrl::Address("loopback")),
            // The same address in other spellings.
            ("https://127.1/", BlockedUrl::Address("loopback")),
            ("https://2130706433/", BlockedUrl::Address("loopback")),
            ("https://0x7f.0.0.1/", BlockedUrl::Address("loopback")),
            ("https://0177.0.0.1/", BlockedUrl::Address("loopback")),
            ("https://１２７.0.0.1/", BlockedUrl::Address("loopback")),
            ("https://169.254.169.254/latest/meta-data/", BlockedUrl::Address("link-local")),
            ("https://[::1]/", BlockedUrl::Address("loopback")),
            ("https://[::ffff:127.0.0.1]/", BlockedUrl::Address("not public IPv6")),
            ("https://0/", BlockedUrl::Address("this network")),
        ];
        for (text, why) in blocked {
            assert_eq!(guard.check(text).await.unwrap_err(), why, "{text}");
        }
    }

    #[tokio::test]
    async fn the_flag_for_development_opens_this_machine_and_nothing_else() {
        let guard = Guard { allow_insecure: true };
        for good in ["http://127.0.0.1:8000/", "http://localhost:8000/", "http://[::1]:8000/", "https://127.0.0.1/"] {
            assert!(guard.check(good).await.is_ok(), "{good}");
        }
        assert_eq!(guard.check("http://8.8.8.8:8000/").await.unwrap_err(), BlockedUrl::Scheme);
        assert_eq!(guard.check("http://10.0.0.1:8000/").await.unwrap_err(), BlockedUrl::Address("private"));
        assert_eq!(
            guard.check("https://[::ffff:127.0.0.1]/").await.unwrap_err(),
            BlockedUrl::Address("not public IPv6")
        );
    }
}
