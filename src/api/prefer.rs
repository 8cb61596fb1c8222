//! `Prefer: wait=N` (RFC 7240): the client would rather wait than ask again.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

const PREFER: HeaderName = HeaderName::from_static("prefer");
pub const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// Longer waits are cut to this, because proxies close connections that are silent for longer.
const LONGEST: u64 = 60;

/// How long the client would wait, where it says so. As the RFC asks, a preference that cannot be read is ignored; of several
/// the first counts.
pub fn read_wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    let mut waits = preferences.flat_map(|value| value.split(',')).filter_map(|preference| {
        // What follows a semicolon are parameters, and `wait` has none.
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
    });
    let seconds = waits.next()?.parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds.min(LONGEST)))
}

/// The header that says that the preference was kept.
pub fn confirm_wait(wait: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("wait={}", wait.as_secs())).expect("digits fit a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        let wait = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(PREFER, HeaderValue::try_from(*value).unwrap());
            }
            read_wait(&headers).map(|wait| wait.as_secs())
        };
        for (values, seconds) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, Wait = \"7\"; q=1"], Some(7)),
            (&["return=minimal", "wait=3, wait=9"], Some(3)),
            (&["wait=100000"], Some(60)),
            (&["wait=0"], Some(0)),
            (&["wait"], None),
            (&["wait=-1"], None),
            (&["wait=soon"], None),
            (&[], None),
        ] {
            assert_eq!(wait(values), seconds, "{values:?}");
        }
    }
}
