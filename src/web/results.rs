//! `/jobs/{id}/results`: the files a job left, and how to fetch them.

use super::{
    ask::Ask,
    error::PageError,
    extract::Path,
    job::JobHead,
    shell::{Shell, render},
    words,
};
use crate::{
    api::{ArtifactList, ArtifactView, JobView},
    types::{JobId, Verdict},
};
use askama::Template;
use axum::{
    http::{HeaderMap, header},
    response::Response,
};

#[derive(Template)]
#[template(path = "results.html", config = "src/web/askama.toml")]
struct ResultsPage {
    shell: Shell,
    head: JobHead,
    files: Vec<FileLine>,
    /// The word of a verdict that keeps the denoised table back.
    kept_back: Option<&'static str>,
    curl: String,
    command: String,
    python: String,
}

struct FileLine {
    name: String,
    what: &'static str,
    download_name: String,
    bytes: String,
    sha256: String,
    media_type: String,
    /// Where it is to be had; absent where the verdict keeps it back.
    address: Option<String>,
}

pub async fn show(shell: Shell, ask: Ask, Path(id): Path<JobId>, headers: HeaderMap) -> Result<Response, PageError> {
    let job: JobView = ask.get(&format!("/v1/jobs/{id}")).await?;
    let files: ArtifactList = ask.get(&format!("/v1/jobs/{id}/artifacts")).await?;
    let kept_back = job.verdict.filter(|verdict| job.spec.certify.is_some() && *verdict != Verdict::Certified);
    let server = server_address(&headers);
    let with_key = shell.has_session;
    Ok(render(&ResultsPage {
        head: JobHead::of(&ask, &job).await?,
        files: files.data.iter().map(|file| describe(id, file, kept_back.is_some())).collect(),
        kept_back: kept_back.and_then(words::verdict_badge).map(|badge| badge.word),
        curl: curl_lines(&server, id, with_key),
        command: command_lines(&server, id, with_key),
        python: python_lines(&server, id, with_key),
        shell,
    }))
}

fn describe(job: JobId, file: &ArtifactView, kept_back: bool) -> FileLine {
    let address = format!("/jobs/{job}/results/{}", file.name);
    FileLine {
        name: file.name.clone(),
        what: purpose(&file.name),
        download_name: file.download_name.clone(),
        bytes: words::bytes(file.bytes),
        sha256: file.sha256.clone(),
        media_type: file.media_type.clone(),
        address: (!(kept_back && file.name == "denoised")).then_some(address),
    }
}

/// What a result is for, by its name.
fn purpose(name: &str) -> &'static str {
    match name {
        "denoised" => "The uploaded table without the dropped rows: what to train on.",
        "indices" => "Positions of the rows kept, in the order of the file.",
        "indices.csv" => "The same as CSV.",
        "indices.npy" => "The same for NumPy.",
        "keep_mask" => "A yes or no for each training row.",
        "scores" => "How much each row is worth keeping.",
        "weights" => "What each row weighs in training.",
        "labels" => "What each row's label counts as.",
        "explanations" => "Why rows were dropped; the page Rows shows it.",
        "policy" => "The network that chose the rows.",
        "model" => "The model trained on the rows kept.",
        "reference_model" => "The model trained on all rows.",
        "report.json" => "Everything the job came to, for programs.",
        "report.html" => "Everything the job came to, for people: one file.",
        "certificate" => "The verdict, signed.",
        _ => "",
    }
}

/// The address under which the reader sees the server.
fn server_address(headers: &HeaderMap) -> String {
    let word = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = word("x-forwarded-proto").filter(|scheme| *scheme == "https").unwrap_or("http");
    format!("{scheme}://{}", word(header::HOST.as_str()).unwrap_or("127.0.0.1:8080"))
}

fn curl_lines(server: &str, job: JobId, with_key: bool) -> String {
    let key = if with_key { " -H \"Authorization: Bearer $AUTODENOISE_API_KEY\"" } else { "" };
    format!("curl --fail -OJ{key} {server}/v1/jobs/{job}/artifacts/denoised")
}

fn command_lines(server: &str, job: JobId, with_key: bool) -> String {
    let key = if with_key { "export AUTODENOISE_API_KEY=adk_…\n" } else { "" };
    format!(
        "{key}export AUTODENOISE_SERVER={server}\nautodenoise download {job} --artifacts denoised,report.json --out data/"
    )
}

fn python_lines(server: &str, job: JobId, with_key: bool) -> String {
    let (import, headers) = match with_key {
        true => (
            "import os, urllib.request\n",
            ", headers={\"Authorization\": \"Bearer \" + os.environ[\"AUTODENOISE_API_KEY\"]}",
        ),
        false => ("import urllib.request\n", ""),
    };
    format!(
        "{import}\nrequest = urllib.request.Request(\"{server}/v1/jobs/{job}/artifacts/denoised\"{headers})\n\
         with urllib.request.urlopen(request) as answer, open(\"denoised.csv\", \"wb\") as file:\n    \
         while part := answer.read(1 << 20):\n        file.write(part)"
    )
}
