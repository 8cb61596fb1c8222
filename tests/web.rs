//! The pages of the real service: who gets in, what goes out with them, and how they look and work in a real browser.

mod harness;

#[path = "web/audit.rs"]
mod audit;
#[path = "web/browser.rs"]
mod browser;
#[path = "web/door.rs"]
mod door;
#[path = "web/forms.rs"]
mod forms;
#[path = "web/rows.rs"]
mod rows;
#[path = "web/tour.rs"]
mod tour;

use harness::{Service, autodenoise_ok};
use reqwest::{
    blocking::{Client, RequestBuilder, Response},
    redirect::Policy,
};
use std::path::Path;

/// Makes a key on the database of the data folder.
fn make_key(data: &Path, args: &[&str]) -> String {
    let data = data.to_str().unwrap();
    autodenoise_ok(&[&["keys", "create", "--data-dir", data], args].concat()).trim().to_owned()
}

/// Somebody who asks for pages as a browser does, and follows no redirect.
struct Visitor {
    http: Client,
    url: String,
    /// The cookie that the server gave.
    cookie: Option<String>,
}

impl Visitor {
    fn new(service: &Service) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { http, url: service.url.clone(), cookie: None }
    }

    fn with_cookie(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("accept", "text/html,application/xhtml+xml");
        self.cookie.iter().fold(request, |request, cookie| request.header("cookie", cookie))
    }

    fn get(&self, path: &str) -> Response {
        self.with_cookie(self.http.get(format!("{}{path}", self.url))).send().unwrap()
    }

    /// Sends a form from a page of the server.
    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        self.post_from(Some(&self.url), path, fields)
    }

    fn post_from(&self, origin: Option<&str>, path: &str, fields: &[(&str, &str)]) -> Response {
        let body = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let body = body.collect::<Vec<_>>().join("&");
        let request = self.with_cookie(self.http.post(format!("{}{path}", self.url)));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        origin.into_iter().fold(request, |request, origin| request.header("origin", origin)).send().unwrap()
    }

    /// Signs in with a key, and keeps the cookie.
    fn sign_in(&mut self, key: &str) {
        let response = self.post("/sign-in", &[("key", key), ("next", "/jobs")]);
        assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/jobs"));
        let cookie = header(&response, "set-cookie");
        self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
    }
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Text as a part of a form or a query.
fn encode(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
