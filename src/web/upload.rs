//! `/new`: a table from a file. With script it is sent in parts, which a broken connection only interrupts, and its columns
//! are chosen afterwards; without, it goes in one piece and its label is said beforehand.

use super::{
    ask::Ask,
    error::PageError,
    shell::{Shell, render},
    words,
};
use crate::{
    api::{Capabilities, DatasetView, Problem},
    types::DatasetId,
};
use askama::Template;
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Multipart, Request, multipart::Field},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use futures_util::stream;
use tokio::sync::mpsc;

/// Most bytes of a field of the form that is no file, and of an answer about a dataset.
const MOST_BYTES: usize = 16 << 20;

#[derive(Template)]
#[template(path = "upload.html", config = "src/web/askama.toml")]
struct UploadPage {
    shell: Shell,
    most: String,
}

pub async fn show(shell: Shell, ask: Ask) -> Result<Response, PageError> {
    shell.check_write()?;
    let capabilities: Capabilities = ask.get("/v1/capabilities").await?;
    Ok(render(&UploadPage { shell, most: words::bytes(capabilities.max_upload_bytes) }))
}

/// Takes the form in one piece: what is said of the table stands before the file.
pub async fn send(ask: Ask, mut form: Multipart) -> Result<Response, PageError> {
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(refuse)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let id = send_file(&ask, &parts, field).await?;
            return Ok(Redirect::to(&format!("/datasets/{id}/new-job")).into_response());
        }
        let value = field.text().await.map_err(refuse)?;
        if !value.trim().is_empty() {
            parts.push((name, value.trim().to_owned()));
        }
    }
    Err(PageError::bad_request("The form holds no file."))
}

fn refuse(error: axum::extract::multipart::MultipartError) -> PageError {
    PageError::bad_request(error.body_text())
}

/// Hands the file on to the API while it arrives; gives the dataset that it becomes.
async fn send_file(ask: &Ask, parts: &[(String, String)], mut file: Field<'_>) -> Result<DatasetId, PageError> {
    let own_name = parts.iter().all(|(name, _)| name != "name").then(|| file.file_name().map(str::to_owned)).flatten();
    let own_name = own_name.filter(|name| !name.is_empty()).map(|name| ("name".to_owned(), name));
    let query: Vec<String> = parts
        .iter()
        .chain(&own_name)
        .map(|(name, value)| format!("{}={}", words::encode(name), words::encode(value)))
        .collect();
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    let body = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let request = Request::builder()
        .method("POST")
        .uri(format!("/v1/datasets?{}", query.join("&")))
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(Body::from_stream(Box::pin(body)))
        .map_err(|error| PageError::internal(&error))?;
    // The sender goes with the last part, which ends the body.
    let arriving = async move {
        while let Some(part) = file.chunk().await.map_err(std::io::Error::other).transpose() {
            // Where nobody reads any more, the API has answered already.
            if sender.send(part).await.is_err() {
                break;
            }
        }
    };
    let (mut answer, ()) = tokio::join!(ask.send(request), arriving);
    if let Some(problem) = answer.extensions_mut().remove::<Problem>() {
        return Err(PageError::from(problem));
    }
    if !answer.status().is_success() {
        return Err(PageError::of_status(answer.status()));
    }
    let bytes = to_bytes(answer.into_body(), MOST_BYTES).await.map_err(|error| PageError::internal(&error))?;
    let dataset: DatasetView = serde_json::from_slice(&bytes).map_err(|error| PageError::internal(&error))?;
    Ok(dataset.id)
}
