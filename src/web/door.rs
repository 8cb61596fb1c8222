//! Who looks at a page: whoever has signed in, holds a key, or is there where no key is asked for.

use super::{
    error::{self, PageError},
    routes::Web,
    session,
    shell::Shell,
    words,
};
use crate::api::{self, Caller};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

/// Middleware: reads the session's cookie, and makes a page of an error.
pub async fn know(State(_): State<Web>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let token = session::read_cookie(&parts.headers);
    let has_session = token.is_some();
    if let Some(token) = token {
        parts.extensions.insert(token);
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    match response.extensions_mut().remove::<PageError>() {
        Some(found) => {
            let caller = response.extensions_mut().remove::<Caller>();
            error::show(&found, Shell::new(caller, has_session))
        }
        None => response,
    }
}

/// Middleware: refuses what another site had a browser send. A cookie of `SameSite=Strict` does not come with that, but where no
/// key is asked for there is no cookie either. Whoever sends a key says by it that no browser was talked into anything: browsers
/// send no `Bearer` by themselves.
pub async fn check_origin(request: Request, next: Next) -> Response {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    if reads || has_key(request.headers()) || is_own_origin(request.headers()) {
        return next.run(request).await;
    }
    let detail = "The request does not say that it comes from a page of this server. Open the page anew and try again.";
    PageError::new(StatusCode::FORBIDDEN, "This came from elsewhere", detail).into_response()
}

fn has_key(headers: &HeaderMap) -> bool {
    let scheme = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split(' ').next());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}

/// Whether the page that sent a request is of the host it was sent to.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let word = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (word(header::ORIGIN), word(header::HOST)) else { return false };
    let origin_host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    origin_host.is_some_and(|origin_host| origin_host.eq_ignore_ascii_case(host))
}

/// Middleware: lets in whom the API would, by a session too. Others are led to the sign-in.
pub async fn let_in(State(web): State<Web>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match api::admit(&parts, &web.app).await {
        Ok(caller) => caller,
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED && wants_page(&parts.method, &parts.headers) => {
            let address = parts.uri.path_and_query().map_or("/", |address| address.as_str());
            return Redirect::to(&format!("/sign-in?next={}", words::encode(address))).into_response();
        }
        Err(problem) => return PageError::from(problem).into_response(),
    };
    parts.extensions.insert(caller.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    response.extensions_mut().insert(caller);
    response
}

/// Whether a browser asks for a page to show, and not a script for something in it.
fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    *method == Method::GET && accepts.contains("text/html")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_write_comes_from_our_own_pages_or_not_at_all() {
        let from = |origin: &str| is_own_origin(&headers(&[("host", "data.example:8080"), ("origin", origin)]));
        assert!(from("http://data.example:8080"));
        assert!(from("https://data.example:8080"), "a proxy in front may do TLS");
        for wrong in
            ["http://data.example", "http://evil.example", "null", "data.example:8080", "http://data.example:80801"]
        {
            assert!(!from(wrong), "{wrong}");
        }
        assert!(!is_own_origin(&headers(&[("host", "data.example")])));
    }

    #[test]
    fn a_password_that_a_browser_sends_by_itself_is_no_key() {
        let has = |value: &str| has_key(&headers(&[("authorization", value)]));
        assert!(has("Bearer adk_1") && has("bearer adk_1"));
        assert!(!has("Basic dTpw") && !has("Bearers x") && !has_key(&HeaderMap::new()));
    }
}
