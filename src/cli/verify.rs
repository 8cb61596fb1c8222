//! `autodenoise verify`: holds files against a certificate, without a server.

use super::{error::CliError, json::JsonArgs, screen::Screen};
use crate::certificate;
use crate::types::{Certificate, Envelope};
use clap::Args;
use serde::Serialize;
use std::{fs::File, path::PathBuf};

#[derive(Args)]
pub struct VerifyArgs {
    /// The certificate, as downloaded: certificate.json
    certificate: PathBuf,
    /// Files to hold against it: the denoised table, the report, any other result, the table they came from
    files: Vec<PathBuf>,
    /// The key it must be signed with, as the server's /v1/capabilities names it: ed25519:…
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    json: JsonArgs,
}

/// What a certificate says of files.
#[derive(Serialize)]
struct Verified {
    certificate: Certificate,
    /// Whose key it is signed with, and whether that is the one asked for.
    signer: String,
    signer_was_asked_for: bool,
    files: Vec<VerifiedFile>,
}

/// A file that was held against a certificate.
#[derive(Serialize)]
struct VerifiedFile {
    path: PathBuf,
    sha256: String,
    /// Which of the job's files it is; absent where it is none.
    is: Option<String>,
}

pub fn verify(args: VerifyArgs) -> Result<(), CliError> {
    let cannot_read = |path: &PathBuf, error: std::io::Error| {
        CliError::failed_because(format!("cannot read {}: {error}", path.display()))
    };
    let text = std::fs::read(&args.certificate).map_err(|error| cannot_read(&args.certificate, error))?;
    let envelope: Envelope = serde_json::from_slice(&text).map_err(|error| {
        CliError::not_verified(format!("{} is no certificate: {error}", args.certificate.display()))
    })?;
    let (certificate, signer) = certificate::verify(&envelope, args.key.as_deref()).map_err(CliError::not_verified)?;
    let mut files = Vec::new();
    for path in &args.files {
        let found = File::open(path).and_then(|file| certificate::digest("", file));
        let found = found.map_err(|error| cannot_read(path, error))?;
        let mut known = certificate.artifacts.iter().chain(&certificate.source_parts).chain([&certificate.source]);
        let is = known.find(|one| one.sha256 == found.sha256).map(|one| one.name.clone());
        files.push(VerifiedFile { path: path.clone(), sha256: found.sha256, is });
    }
    let verified = Verified { certificate, signer, signer_was_asked_for: args.key.is_some(), files };
    args.json.print(&verified, || verified.describe());
    let unknown = verified.files.iter().filter(|file| file.is.is_none()).map(|file| file.path.display().to_string());
    let unknown: Vec<String> = unknown.collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{}: no file of this job has this content: it was changed, or belongs to another job",
        unknown.join(", ")
    );
    Err(CliError::not_verified(text))
}

impl Verified {
    fn describe(&self) -> String {
        let Self { certificate, signer, .. } = self;
        let trust = if self.signer_was_asked_for { "the one asked for" } else { "whose it is, --key would check" };
        let issued = certificate.issued_at.format("%Y-%m-%d %H:%M:%S UTC");
        let (program, kept) = (&certificate.program, certificate.kept);
        let mut lines = vec![
            format!("certificate of {}, issued {issued}", certificate.job_id),
            format!("made by {program}; kept {} of {} training rows", kept.rows, kept.of),
            format!("signature good, by {signer} ({trust})"),
        ];
        lines.extend(self.files.iter().map(|file| match &file.is {
            Some(name) => format!("{}: the job's {name}", file.path.display()),
            None => format!("{}: not a file of this job (sha256 {})", file.path.display(), file.sha256),
        }));
        lines.push(format!("verdict: {}", certificate.verdict));
        lines.extend(certificate.clustered_by.as_ref().map(|field| format!("test rows clustered by: {field}")));
        lines.extend(certificate.trusted.as_ref().map(|rule| format!("test labels trusted: {rule}")));
        lines.extend(certificate.judged_by.as_ref().map(|model| format!("judged by models of: {model}")));
        lines.extend(certificate.test_read.as_ref().map(|read| read.describe()));
        let screen = Screen::stdout();
        lines.iter().map(|line| screen.wrap(line, 2)).collect::<Vec<_>>().join("\n")
    }
}
