//! What stands around every page: who is looking, what they may do, and where the files of the pages are.

use super::{
    assets::{ADDRESSES, Addresses},
    error::PageError,
    session,
};
use crate::{api::Caller, types::Scope};
use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use std::convert::Infallible;

/// The frame of a page.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    /// Nobody on pages that are open to everybody.
    caller: Option<Caller>,
    /// Whether there is a session to sign out of.
    pub has_session: bool,
}

impl Shell {
    pub fn new(caller: Option<Caller>, has_session: bool) -> Self {
        Self { caller, has_session }
    }

    pub fn tenant(&self) -> Option<&str> {
        self.caller.as_ref().map(|caller| caller.tenant.as_str())
    }

    /// Whether somebody was let in.
    pub fn is_in(&self) -> bool {
        self.caller.is_some()
    }

    /// Whether they may make, cancel and delete.
    pub fn can_write(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.scope >= Scope::Write)
    }

    /// An error unless they may: a form that cannot be sent is not shown.
    pub fn check_write(&self) -> Result<(), PageError> {
        if self.can_write() {
            return Ok(());
        }
        let detail = "Your key may only read: it shows jobs, datasets and results, and makes none. Sign in with a key of scope \
                      `write` to begin a job, or ask whoever made your key for one.";
        Err(PageError::new(StatusCode::FORBIDDEN, "A key that may only read", detail))
    }

    /// Whether they are the operator, who sees what belongs to no tenant.
    pub fn is_operator(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.scope >= Scope::Admin)
    }

    pub fn addresses(&self) -> &'static Addresses {
        &ADDRESSES
    }
}

impl<S: Sync> FromRequestParts<S> for Shell {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Caller>().cloned();
        Ok(Self { caller, has_session: session::read_cookie(&parts.headers).is_some() })
    }
}

/// A page as it goes out.
pub fn render(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => PageError::internal(&error).into_response(),
    }
}
