//! `autodenoise verify`: holds files against a certificate, without a server.

use super::error::CliError;
use crate::certificate;
use crate::types::Envelope;
use clap::Args;
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
    println!("certificate of {}, issued {}", certificate.job_id, certificate.issued_at.format("%Y-%m-%d %H:%M:%S UTC"));
    println!(
        "made by {}; kept {} of {} training rows",
        certificate.program, certificate.kept.rows, certificate.kept.of
    );
    let trust = if args.key.is_some() { "the one asked for" } else { "whose it is, --key would check" };
    println!("signature good, by {signer} ({trust})");
    let mut unknown = Vec::new();
    for path in &args.files {
        let found = File::open(path).and_then(|file| certificate::digest("", file));
        let found = found.map_err(|error| cannot_read(path, error))?;
        let mut known = certificate.artifacts.iter().chain(&certificate.source_parts).chain([&certificate.source]);
        match known.find(|one| one.sha256 == found.sha256) {
            Some(one) => println!("{}: the job's {}", path.display(), one.name),
            None => {
                println!("{}: not a file of this job (sha256 {})", path.display(), found.sha256);
                unknown.push(path.display().to_string());
            }
        }
    }
    println!("verdict: {}", certificate.verdict);
    if let Some(field) = &certificate.clustered_by {
        println!("test rows clustered by: {field}");
    }
    if let Some(rule) = &certificate.trusted {
        println!("test labels trusted: {rule}");
    }
    if let Some(model) = &certificate.judged_by {
        println!("judged by models of: {model}");
    }
    if let Some(read) = &certificate.test_read {
        println!("{}", read.describe());
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let text = format!("{} differs from every file of the job: it was changed, or is of another", unknown.join(", "));
    Err(CliError::not_verified(text))
}
