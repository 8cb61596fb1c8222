//! The HTTP client behind the commands that talk to a server.

use super::error::CliError;
use crate::api::Problem;
use clap::Args;
use reqwest::{
    Method, RequestBuilder, Response, Url,
    header::{self, HeaderValue},
};
use serde::de::DeserializeOwned;

#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// The server's address
    #[arg(long, env = "AUTODENOISE_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub server: Url,

    /// Key of the API, where the server asks for one
    #[arg(long, env = "AUTODENOISE_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub api_key: Option<Secret>,
}

/// What no log and no message may show.
#[derive(Clone)]
pub struct Secret(String);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

pub struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    pub fn new(args: &ServerArgs) -> Self {
        let headers = args.api_key.iter().map(|key| (header::AUTHORIZATION, bearer(key))).collect();
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("autodenoise/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(std::time::Duration::from_secs(10))
            .build()
            .expect("the TLS library is built in");
        Self { http, base: args.server.clone() }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.url(path))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.url(path))
    }

    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.http.delete(self.url(path))
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// Sends; an error response becomes a `CliError` with all it says.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = self.try_send(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.refusal(response).await) }
    }

    /// Sends, and gives the answer whatever its status.
    pub async fn try_send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        request.send().await.map_err(|error| CliError::unreachable(self.base.as_str(), &error))
    }

    /// What an error response says.
    pub async fn refusal(&self, response: Response) -> CliError {
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => problem.into(),
            Err(_) => {
                CliError::failed_because(format!("the server at {} answered {status}; is it autodenoise?", self.base))
            }
        }
    }

    pub async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CliError> {
        self.send(request).await?.json().await.map_err(CliError::failed)
    }
}

/// The header of a key. What is no part of one, a line break say, is left out.
fn bearer(Secret(key): &Secret) -> HeaderValue {
    let word: String = key.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let mut value = HeaderValue::try_from(format!("Bearer {word}")).expect("letters and digits fit a header");
    value.set_sensitive(true);
    value
}
