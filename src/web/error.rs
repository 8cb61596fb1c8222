//! A page that cannot be shown: what is wrong, in the API's words.

use super::shell::{Shell, render};
use crate::{
    api::{Chain, Problem},
    types::ProblemItem,
};
use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// What a page answers with when it cannot do what was asked. `door::know` makes a page of it, which knows who is asking.
#[derive(Debug, Clone)]
pub struct PageError {
    pub status: StatusCode,
    pub title: String,
    pub detail: String,
    /// One for each wrong part, where there are several.
    pub items: Vec<String>,
}

impl PageError {
    pub fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into(), items: Vec::new() }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This cannot be read", detail)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page", "The address leads nowhere.")
    }

    /// An answer of the API's without words.
    pub fn of_status(status: StatusCode) -> Self {
        Self::new(status, "This did not work", status.canonical_reason().unwrap_or("The server does not say why."))
    }

    /// Logs the cause; the reader learns only that it was ours.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %Chain(cause), "a page failed");
        let detail = "The page could not be made. Nothing that was stored is lost.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on our side", detail)
    }

    /// Of a cause that passes by itself, as a database that is away.
    pub fn unavailable(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::warn!(error = %Chain(cause), "a page could not be made, a part of the service is away");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "A part of the service is away", "Try again in a moment.")
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let items = problem.errors.iter().map(describe_item).collect();
        Self { items, ..Self::new(status, problem.title, problem.detail) }
    }
}

/// A wrong part in a line.
pub fn describe_item(item: &ProblemItem) -> String {
    match item {
        ProblemItem::Field(field) => format!("{}: {}", field.pointer.trim_start_matches('/'), field.rule),
        ProblemItem::Row(row) => {
            let line = row.line.map(|line| format!("line {line}")).unwrap_or_else(|| format!("row {}", row.row));
            let column = row.column.as_ref().map(|column| format!(", {column}")).unwrap_or_default();
            let value = row.value.as_ref().map(|value| format!(" `{value}`")).unwrap_or_default();
            format!("{line}{column}{value}: {}", row.rule)
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "error.html", config = "src/web/askama.toml")]
struct ErrorPage<'a> {
    shell: Shell,
    error: &'a PageError,
}

/// The error as a page for whoever is asking.
pub fn show(error: &PageError, shell: Shell) -> Response {
    (error.status, render(&ErrorPage { shell, error })).into_response()
}
