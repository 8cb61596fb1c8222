//! Signing in with a key, and out. The browser gets a session's token in a cookie and never keeps the key.

use super::{
    error::PageError,
    extract::{Form, Query},
    routes::Web,
    shell::{Shell, render},
};
use crate::{
    api::Witness,
    store::{
        keys::{self, ApiKey},
        sessions::{self, SessionToken},
    },
};
use askama::Template;
use axum::{
    extract::{Extension, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

const COOKIE: &str = "autodenoise_session";
/// How long a session lasts.
const SECONDS: u32 = 12 * 3600;

/// The session in a request's cookies.
pub fn read_cookie(headers: &HeaderMap) -> Option<SessionToken> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).find_map(|(_, value)| value.parse().ok())
}

/// The cookie of a value that lasts so long; 0 seconds end it. No script can read it, and no other site has it sent. Where the
/// page came over TLS, it goes over nothing else.
fn make_cookie(value: &str, seconds: u32, headers: &HeaderMap) -> HeaderValue {
    let secured = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if secured { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(cookie).expect("hexadecimal digits and plain words")
}

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/web/askama.toml")]
struct SignInPage<'a> {
    shell: Shell,
    next: &'a str,
    /// What was wrong with the key that was tried.
    refusal: Option<String>,
}

#[derive(Deserialize)]
pub struct SignInQuery {
    next: Option<String>,
}

pub async fn show_form(shell: Shell, Query(query): Query<SignInQuery>) -> Response {
    let next = own_address(query.next.as_deref());
    render(&SignInPage { shell, next, refusal: None })
}

#[derive(Deserialize)]
pub struct SignInForm {
    key: String,
    next: Option<String>,
}

pub async fn sign_in(
    State(web): State<Web>,
    shell: Shell,
    Extension(witness): Extension<Witness>,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Result<Response, PageError> {
    let next = own_address(form.next.as_deref());
    let refuse = |refusal: String| {
        (StatusCode::UNAUTHORIZED, render(&SignInPage { shell, next, refusal: Some(refusal) })).into_response()
    };
    let key: ApiKey = match form.key.trim().parse() {
        Ok(key) => key,
        Err(error) => return Ok(refuse(format!("{error}."))),
    };
    let connection = &mut *web.app.store.acquire().await.map_err(|error| PageError::unavailable(&error))?;
    let holder = keys::find_holder(connection, &key).await.map_err(|error| PageError::unavailable(&error))?;
    let Some(holder) = holder else {
        return Ok(refuse("The key is unknown, revoked or expired; ask the operator for another.".to_owned()));
    };
    witness.saw(&holder.tenant, Some(holder.key));
    let token =
        sessions::begin(connection, holder.key, SECONDS).await.map_err(|error| PageError::unavailable(&error))?;
    let cookie = make_cookie(&token.reveal(), SECONDS, &headers);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response())
}

#[derive(Deserialize)]
pub struct SignOutForm {
    /// On every machine where somebody signed in with the same key.
    everywhere: Option<String>,
}

pub async fn sign_out(
    State(web): State<Web>,
    headers: HeaderMap,
    Form(form): Form<SignOutForm>,
) -> Result<Response, PageError> {
    if let Some(token) = read_cookie(&headers) {
        let connection = &mut *web.app.store.acquire().await.map_err(|error| PageError::unavailable(&error))?;
        let ended = match form.everywhere {
            Some(_) => sessions::end_all(connection, &token).await,
            None => sessions::end(connection, &token).await,
        };
        ended.map_err(|error| PageError::unavailable(&error))?;
    }
    let cookie = make_cookie("", 0, &headers);
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

/// An address of ours to go on to: nobody is led away by a link to the sign-in.
fn own_address(next: Option<&str>) -> &str {
    let is_own =
        |next: &&str| next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n', '\t']);
    next.filter(is_own).unwrap_or("/jobs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_in_leads_on_to_pages_of_ours_only() {
        for (next, expected) in [
            (None, "/jobs"),
            (Some("/datasets?after=1"), "/datasets?after=1"),
            (Some("https://evil.example"), "/jobs"),
            (Some("//evil.example"), "/jobs"),
            (Some("/\\evil.example"), "/jobs"),
            (Some("/\t/evil.example"), "/jobs"),
        ] {
            assert_eq!(own_address(next), expected);
        }
    }

    #[test]
    fn a_cookie_is_for_us_alone() {
        let headers = |origin: &str| HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
        let token = "ab".repeat(32);
        let plain = make_cookie(&token, 60, &headers("http://127.0.0.1:8080"));
        assert_eq!(
            plain.to_str().unwrap(),
            format!("autodenoise_session={token}; Path=/; Max-Age=60; HttpOnly; SameSite=Strict")
        );
        assert!(make_cookie(&token, 60, &headers("https://data.example")).to_str().unwrap().ends_with("; Secure"));
        let cookies = format!("theme=dark; autodenoise_session={token}");
        let sent = HeaderMap::from_iter([(header::COOKIE, cookies.parse().unwrap())]);
        assert_eq!(read_cookie(&sent).unwrap().reveal(), token);
        assert!(read_cookie(&HeaderMap::new()).is_none());
    }
}
