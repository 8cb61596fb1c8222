//! Which addresses may be sent to. Clients name them, so an address must not lead into the server's own network.
//!
//! A host's name is resolved here, when the webhook is made and at each attempt. The HTTP client asks this guard too when it
//! connects, so the connection goes to no address that was not checked.

use super::address::why_blocked;
use crate::config::Receivers;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

const LONGEST_URL: usize = 2000;
/// How long a name may take to resolve.
const LOOKUP: Duration = Duration::from_secs(5);
/// Names that are looked up at once.
const MOST_LOOKUPS: usize = 16;
static LOOKUPS: Lookups = Lookups(Semaphore::const_new(MOST_LOOKUPS));

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
    /// The same for a name that leads nowhere and for one that leads into the server's own network: whoever may name
    /// addresses learns nothing of the names in it.
    #[error("a host whose name leads to the public internet")]
    Name,
    #[error("an address on the public internet; this one is {0}")]
    Address(&'static str),
}

/// Judges addresses. Clones share the operator's list.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Whether plain http, and this machine, may be sent to.
    pub allow_insecure: bool,
    /// Receivers that the operator vouches for: they may be anywhere, and speak plain http.
    pub allowed: Arc<Receivers>,
}

impl Guard {
    /// Reads an address and checks that it may be sent to now.
    pub async fn check(&self, text: &str) -> Result<Url, BlockedUrl> {
        let url = self.read(text)?;
        let host = url.host_str().ok_or(BlockedUrl::NotAUrl)?;
        let addresses = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => {
                self.check_address(host, address)?;
                vec![address]
            }
            Err(_) => self.resolve_host(host).await?.iter().map(SocketAddr::ip).collect(),
        };
        if self.allowed.has_host(host) || addresses.iter().all(|address| self.allowed.has_address(*address)) {
            return Ok(url);
        }
        match url.scheme() {
            "https" => {}
            "http" if self.allow_insecure && addresses.iter().all(IpAddr::is_loopback) => {}
            _ => return Err(BlockedUrl::Scheme),
        }
        match url.port_or_known_default() {
            Some(443 | 1024..) => Ok(url),
            // Those below belong to other protocols.
            _ => Err(BlockedUrl::Port),
        }
    }

    /// Reads an address and checks what needs neither a look-up nor the host.
    pub fn read(&self, text: &str) -> Result<Url, BlockedUrl> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST_URL).ok_or(BlockedUrl::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.speaks_http() => {}
            _ => return Err(BlockedUrl::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BlockedUrl::Credentials);
        }
        Ok(url)
    }

    /// Whether anything may be sent to over plain http.
    pub fn speaks_http(&self) -> bool {
        self.allow_insecure || !self.allowed.is_empty()
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), BlockedUrl> {
        match why_blocked(address) {
            Some(_) if self.allowed.has_host(host) || self.allowed.has_address(address) => Ok(()),
            Some(_) if self.allow_insecure && address.is_loopback() => Ok(()),
            Some(what) => Err(BlockedUrl::Address(what)),
            None => Ok(()),
        }
    }

    /// The host's addresses. If one of them may not be sent to, none may: a name that is public and private at once is no
    /// accident.
    async fn resolve_host(&self, host: &str) -> Result<Vec<SocketAddr>, BlockedUrl> {
        let owned = host.to_owned();
        let look_up = move || Some((owned.as_str(), 0).to_socket_addrs().ok()?.collect());
        let found = timeout(LOOKUP, LOOKUPS.run(look_up)).await;
        let addresses: Vec<SocketAddr> = found.ok().flatten().unwrap_or_default();
        if addresses.is_empty() {
            tracing::debug!(host, "the name of a webhook's host does not resolve");
            return Err(BlockedUrl::Name);
        }
        for address in &addresses {
            self.check_address(host, address.ip()).map_err(|why| {
                tracing::debug!(host, %why, "the name of a webhook's host leads to where nothing is sent");
                BlockedUrl::Name
            })?;
        }
        Ok(addresses)
    }
}

/// Places for look-ups. The system's look-up cannot be broken off, and goes on after whoever asked has given up, so it holds
/// its place until it ends: else names that never resolve would take every thread that reads and writes files.
struct Lookups(Semaphore);

impl Lookups {
    async fn run<T: Send + 'static>(&'static self, look_up: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
        let place = self.0.acquire().await.ok()?;
        let found = spawn_blocking(move || {
            let _place = place;
            look_up()
        });
        found.await.ok()?
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.resolve_host(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        time::Instant,
    };

    fn guard(allow_insecure: bool, allowed: &str) -> Guard {
        Guard { allow_insecure, allowed: Arc::new(allowed.parse().unwrap()) }
    }

    /// Forty names that do not resolve leave threads to whoever reads files, and are given up in time.
    #[tokio::test]
    async fn names_that_hang_take_no_more_than_their_own_threads() {
        static PLACES: Lookups = Lookups(Semaphore::const_new(4));
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let (let_go, hangs) = mpsc::channel::<()>();
        let hangs = Arc::new(std::sync::Mutex::new(hangs));
        let asked: Vec<_> = (0..40)
            .map(|_| {
                let hangs = hangs.clone();
                let look_up = move || {
                    RUNNING.fetch_add(1, Ordering::SeqCst);
                    let _ = hangs.lock().unwrap().recv();
                    None::<()>
                };
                tokio::spawn(timeout(Duration::from_millis(300), PLACES.run(look_up)))
            })
            .collect();
        for asked in asked {
            assert!(asked.await.unwrap().is_err(), "given up in time");
        }
        assert_eq!(RUNNING.load(Ordering::SeqCst), 4, "those given up hold their places until they end");
        let started = Instant::now();
        spawn_blocking(|| ()).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(1));
        // Once the system's look-ups end, names are looked up again.
        drop(let_go);
        assert_eq!(PLACES.run(|| Some(7)).await, Some(7));
    }

    #[tokio::test]
    async fn receivers_that_the_operator_vouches_for_may_be_anywhere() {
        let guard = guard(false, "10.8.0.0/16,127.0.0.1,*.localhost");
        for good in ["http://10.8.1.2/hook", "https://10.8.1.2:8443/", "http://127.0.0.1:9000/", "https://8.8.8.8/"] {
            assert!(guard.check(good).await.is_ok(), "{good}");
        }
        let blocked = [
            ("http://8.8.8.8/", BlockedUrl::Scheme),
            ("https://8.8.8.8:22/", BlockedUrl::Port),
            ("http://10.9.0.1/", BlockedUrl::Address("private")),
            ("http://127.0.0.2/", BlockedUrl::Address("loopback")),
            ("http://169.254.169.254/", BlockedUrl::Address("link-local")),
            ("http://user@10.8.1.2/", BlockedUrl::Credentials),
            ("ftp://10.8.1.2/", BlockedUrl::Scheme),
        ];
        for (text, why) in blocked {
            assert_eq!(guard.check(text).await.unwrap_err(), why, "{text}");
        }
    }

    #[tokio::test]
    async fn only_https_to_public_addresses_passes() {
        let guard = guard(false, "");
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
            // What a name leads to is not said.
            ("https://no-such-host.invalid/", BlockedUrl::Name),
            ("https://localhost/", BlockedUrl::Name),
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
        let guard = guard(true, "");
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
