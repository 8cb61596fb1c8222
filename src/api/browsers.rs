//! What keeps pages of other origins out.
//!
//! A browser sends requests for whatever page is open in it, also to this machine. A server that asks for no key would take
//! them for its user's: any page could have it read tables or delete jobs. What browsers say of a request, and cannot be made
//! to leave out, tells them apart: the name that was asked for (`Host`), the page's origin, and how both relate.

use super::{
    error::{ApiError, Kind},
    state::AppState,
};
use crate::types::shorten;
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, request::Parts, uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::net::IpAddr;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Headers by which a proxy says for whom it asks.
const FORWARDED: [HeaderName; 5] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Refuses a request without a key that may not be of a user of this machine: one that asks for a name other than loopback's,
/// that a page of another origin has sent, or that came through a proxy.
pub fn check_keyless(parts: &Parts) -> Result<(), ApiError> {
    let refuse = |why: String| {
        let detail =
            format!("{why}; without API keys only programs and pages of this machine are served, so make a key");
        Err(ApiError::new(Kind::Forbidden, format!("{detail} (autodenoise keys create)")))
    };
    let headers = &parts.headers;
    if let Some(name) = FORWARDED.iter().find(|name| headers.contains_key(*name)) {
        return refuse(format!("the request came through a proxy ({name}), before which --require-keys belongs"));
    }
    let Some(host) = asked_host(&parts.uri, headers) else { return refuse("no host is named".to_owned()) };
    if !is_loopback(host.host()) {
        return refuse(format!("`{}` is not a name of loopback", shorten(host.as_str())));
    }
    if let Some(origin) = headers.get(header::ORIGIN)
        && !is_origin_of(origin, &host)
    {
        return refuse("a page of another origin asks".to_owned());
    }
    let said = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // A link from elsewhere only shows a page, and tells the page that has the link nothing.
    let follows_link = parts.method == Method::GET
        && said(SEC_FETCH_MODE) == Some("navigate")
        && said(SEC_FETCH_DEST) == Some("document");
    match said(SEC_FETCH_SITE) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) if follows_link => Ok(()),
        Some(_) => refuse("a page of another site asks".to_owned()),
    }
}

/// Middleware: a request names one host, and whoever reads its `Host` further on finds that one. With several, a proxy and this
/// server may each take another for the one.
pub async fn require_host(mut request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next().cloned(), hosts.next());
    if second.is_some() {
        return ApiError::bad_request("a request has one Host header (RFC 9112)").into_response();
    }
    match (request.uri().authority(), first) {
        // Of HTTP/2 (RFC 9113, 8.3.1).
        (Some(asked), Some(host)) if request.version() >= Version::HTTP_2 && host != asked.as_str() => {
            return ApiError::bad_request("Host is not what :authority says").into_response();
        }
        // Of HTTP/1.1 to a proxy, for which the address counts (RFC 9112, 3.2.2).
        (Some(asked), _) => {
            let host = HeaderValue::from_str(asked.as_str()).expect("an authority is visible ASCII");
            request.headers_mut().insert(header::HOST, host);
        }
        (None, Some(_)) => {}
        (None, None) if request.version() < Version::HTTP_11 => {}
        (None, None) => return ApiError::bad_request("a request names its host (RFC 9112)").into_response(),
    }
    next.run(request).await
}

/// The host that the request is for.
fn asked_host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => headers.get(header::HOST)?.to_str().ok()?.parse().ok(),
    }
}

/// Whether the name always means the machine that asks. Any other may be made to mean it for a moment (DNS rebinding).
fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn is_origin_of(origin: &HeaderValue, host: &Authority) -> bool {
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, authority)| authority);
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

/// Methods that pages of the origins allowed may use.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// Headers of requests that such pages may set.
const REQUEST_HEADERS: &str = "authorization, content-type, content-digest, idempotency-key, if-match, if-none-match, \
                               if-range, last-event-id, prefer, range, tus-resumable, upload-checksum, \
                               upload-defer-length, upload-length, upload-metadata, upload-offset, x-request-id";
/// Headers of answers that such pages may read.
const ANSWER_HEADERS: &str = "content-disposition, content-range, etag, idempotent-replayed, location, \
                              preference-applied, repr-digest, retry-after, tus-checksum-algorithm, tus-extension, \
                              tus-max-size, tus-resumable, tus-version, upload-defer-length, upload-expires, \
                              upload-length, upload-metadata, upload-offset, x-request-id";

/// Middleware: answers what browsers ask before they let a page of another origin use the API, for the origins that the
/// operator has named. Pages of all others stay shut out, because without these headers a browser keeps answers from them.
pub async fn allow_origins(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).filter(|origin| {
        state.config.cors_origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    });
    let Some(origin) = origin.cloned() else { return next.run(request).await };
    let asks_first =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_first { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if asks_first {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(method: Method, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/v1/jobs");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check_keyless(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn names_of_loopback_are_told_from_those_that_only_look_like_it() {
        for host in
            ["127.0.0.1:8080", "127.9.9.9", "localhost:1", "LOCALHOST", "a.localhost", "localhost.", "[::1]:8080"]
        {
            assert!(is_let_in(Method::GET, &[("host", host)]), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:8080", "[::2]", "a@b@c"]
        {
            assert!(!is_let_in(Method::GET, &[("host", host)]), "{host}");
        }
    }

    #[test]
    fn links_are_followed_and_nothing_else_of_another_site_is_done() {
        let host = ("host", "localhost:8080");
        let cross = ("sec-fetch-site", "cross-site");
        let link = [host, cross, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert!(is_let_in(Method::GET, &link));
        assert!(!is_let_in(Method::POST, &link), "a form is no link");
        assert!(!is_let_in(Method::GET, &[host, cross]));
        assert!(!is_let_in(Method::GET, &[host, cross, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]));
        assert!(is_let_in(
            Method::POST,
            &[host, ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")]
        ));
        for origin in ["http://localhost:3000", "null", "https://evil.example"] {
            assert!(!is_let_in(Method::POST, &[host, ("origin", origin)]), "{origin}");
        }
    }
}
