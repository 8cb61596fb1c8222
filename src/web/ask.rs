//! Questions to the API, in this process, on behalf of whoever looks at the page.

use super::{error::PageError, routes::Web};
use crate::api::{Caller, Problem};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request},
    http::{Method, StatusCode, header, request::Parts},
    response::Response,
};
use serde::{Serialize, de::DeserializeOwned};
use std::convert::Infallible;
use tower::ServiceExt;

/// Most bytes of an answer that a page is made of.
const MOST_BYTES: usize = 64 << 20;

/// Asks the API as the caller who was let in. Without one the API lets in whom it would from outside without a key.
pub struct Ask {
    api: Router,
    caller: Option<Caller>,
}

impl FromRequestParts<Web> for Ask {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Infallible> {
        Ok(Self { api: web.api.clone(), caller: parts.extensions.get::<Caller>().cloned() })
    }
}

impl Ask {
    /// What there is at an address.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, PageError> {
        self.answer(Method::GET, path, Body::empty()).await
    }

    /// The same; nothing where the API says that there is no such thing.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, PageError> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What comes of sending JSON to an address.
    pub async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, PageError> {
        let body = serde_json::to_vec(body).expect("what is sent is plain data");
        self.answer(Method::POST, path, body.into()).await
    }

    /// Does what an address does when it is sent nothing.
    pub async fn act(&self, method: Method, path: &str) -> Result<(), PageError> {
        self.take(method, path, Body::empty()).await.map(drop)
    }

    /// The answer to a request as it is, errors too. What a request for a page was found to be says nothing of the API's.
    pub async fn send(&self, mut request: Request) -> Response {
        request.extensions_mut().clear();
        if let Some(caller) = &self.caller {
            request.extensions_mut().insert(caller.clone());
        }
        self.api.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }

    async fn answer<T: DeserializeOwned>(&self, method: Method, path: &str, body: Body) -> Result<T, PageError> {
        let response = self.take(method, path, body).await?;
        let bytes = to_bytes(response.into_body(), MOST_BYTES).await.map_err(|error| PageError::internal(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| PageError::internal(&error))
    }

    /// The answer to a request that succeeds.
    async fn take(&self, method: Method, path: &str, body: Body) -> Result<Response, PageError> {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let request = request.body(body).map_err(|error| PageError::internal(&error))?;
        let mut response = self.send(request).await;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(match response.extensions_mut().remove::<Problem>() {
            Some(problem) => PageError::from(problem),
            None => PageError::of_status(response.status()),
        })
    }
}
