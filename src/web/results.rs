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
    report::PAGE,
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
    /// Where it is shown, if it is a page.
    shown_at: Option<String>,
}

pub async fn show(shell: Shell, ask: Ask, Path(id): Path<JobId>, headers: HeaderMap) -> Result<Response, PageError> {
    let job: JobView = ask.get(&format!("/v1/jobs/{id}")).await?;
    let files: ArtifactList = ask.get(&format!("/v1/jobs/{id}/artifacts")).await?;
    let kept_back = job.verdict.filter(|verdict| job.spec.certify.is_some() && *verdict != Verdict::Certified);
    let server = server_address(&headers);
    let with_key = shell.has_session;
    Ok(render(&ResultsPage {
        head: JobHead::of(&ask, &job).await?,
        files: in_order(&files.data).into_iter().map(|file| describe(id, file, kept_back.is_some())).collect(),
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
        shown_at: (file.name == PAGE).then(|| format!("/jobs/{job}/report")),
        address: (!(kept_back && file.name == "denoised")).then_some(address),
    }
}

/// Results and what they are for, the first to be looked for first.
const PURPOSES: [(&str, &str); 15] = [
    ("denoised", "The uploaded table without the dropped rows: what to train on."),
    ("report.html", "Everything the job came to, for people: one page."),
    ("certificate", "The verdict, signed."),
    ("report.json", "Everything the job came to, for programs."),
    ("explanations", "Why rows were dropped or changed; the page Rows shows it."),
    ("labels", "What each training row's label counts as, and what it weighs."),
    ("weights", "What each training row weighs in training."),
    ("scores", "How much each training row is worth keeping."),
    ("stability", "How many seeds kept each training row."),
    ("keep_mask", "For NumPy, a number for each row of the uploaded file: 0 where it was dropped, else 1."),
    ("indices", "Positions of the training rows kept, counted from 0 in the uploaded file, as Parquet."),
    ("indices.csv", "The same positions as CSV."),
    ("indices.npy", "The same positions for NumPy."),
    ("model", "The model trained on the rows kept."),
    ("reference_model", "The model trained on all rows."),
];

/// The files as a reader looks for them; what is not known stands last.
fn in_order(files: &[ArtifactView]) -> Vec<&ArtifactView> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|file| PURPOSES.iter().position(|(name, _)| *name == file.name).unwrap_or(PURPOSES.len()));
    files
}

/// What a result is for, by its name.
fn purpose(name: &str) -> &'static str {
    match PURPOSES.iter().find(|(known, _)| *known == name) {
        Some((_, purpose)) => purpose,
        None if name == "policy" => "The network that chose the rows.",
        None => "",
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
