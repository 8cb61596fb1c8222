//! Certificates: what a job came to and the digests of its results, signed, so that a file can be held against them
//! anywhere and without a server.
//!
//! The envelope is DSSE (Dead Simple Signing Envelope): the signature is over the payload's bytes as they are, so nothing
//! depends on how JSON is written. The signature is Ed25519 (RFC 8032).

use crate::{
    remote,
    types::{
        ArtifactDigest, Certificate, Envelope, EnvelopeSignature, JobId, Report, ResolvedSpec, SourcePart, TableSource,
        json_sha256, list_parts,
    },
};
use aws_lc_rs::{
    error::{KeyRejected, Unspecified},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    io::{self, Read, Write},
    path::Path,
};

/// What the payload is.
pub const PAYLOAD_TYPE: &str = "application/vnd.autodenoise.certificate+json";
/// Name of the file that a certificate is handed out in.
pub const FILE: &str = "certificate.json";
/// Name of the uploaded table's digest in a certificate.
pub const SOURCE: &str = "source";
const PREFIX: &str = "ed25519:";

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("cannot read or write the signing key `{file}`: {source}")]
    KeyFile { file: String, source: io::Error },
    #[error("`{file}` is not an Ed25519 signing key (PKCS #8)")]
    NotAKey { file: String, source: KeyRejected },
    #[error("no signing key could be made")]
    Unspecified(#[from] Unspecified),
    #[error("this is no certificate: {0}")]
    NotACertificate(String),
    #[error("the certificate is not signed by {expected} but by {found}")]
    OtherKey { expected: String, found: String },
    #[error("the signature is not good: the certificate was changed")]
    BadSignature,
}

/// The key that signs.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A fresh key that is kept nowhere.
    pub fn ephemeral() -> Result<Self, CertificateError> {
        Ok(Self(Ed25519KeyPair::generate()?))
    }

    /// The key in the file; a fresh one is put there where there is none.
    pub fn open(path: &Path) -> Result<Self, CertificateError> {
        let failed = |source| CertificateError::KeyFile { file: path.display().to_string(), source };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match create(path) {
                // Another process was quicker: its key is the one.
                Err(CertificateError::KeyFile { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                    std::fs::read(path).map_err(failed)?
                }
                created => created?,
            },
            Err(error) => return Err(failed(error)),
        };
        let pair = Ed25519KeyPair::from_pkcs8(&bytes);
        Ok(Self(pair.map_err(|source| CertificateError::NotAKey { file: path.display().to_string(), source })?))
    }

    /// `ed25519:` and the public key in hexadecimal.
    pub fn public(&self) -> String {
        name(self.0.public_key().as_ref())
    }

    /// The certificate in an envelope that bears this key's signature.
    pub fn sign(&self, certificate: &Certificate) -> Envelope {
        let payload = serde_json::to_vec(certificate).expect("a certificate is plain data");
        let signature = self.0.sign(&to_be_signed(PAYLOAD_TYPE, &payload));
        Envelope {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: BASE64_STANDARD.encode(payload),
            signatures: vec![EnvelopeSignature {
                keyid: self.public(),
                sig: BASE64_STANDARD.encode(signature.as_ref()),
            }],
        }
    }
}

/// The digest of a table, and those of its files where it has several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceDigest {
    pub whole: ArtifactDigest,
    pub parts: Vec<ArtifactDigest>,
}

impl SourceDigest {
    /// Reads the table's files.
    pub fn of(source: &TableSource) -> io::Result<Self> {
        let part = |part: &SourcePart| digest(&part.name, remote::open(&part.path)?);
        if let Some(path) = source.one_file() {
            return Ok(digest(SOURCE, remote::open(path)?)?.into());
        }
        let parts = source.parts.iter().map(part).collect::<io::Result<Vec<_>>>()?;
        let list = list_parts(parts.iter().map(|part| (&*part.sha256, &*part.name)));
        let bytes = parts.iter().map(|part| part.bytes).sum();
        Ok(Self { whole: ArtifactDigest { bytes, ..digest(SOURCE, list.as_bytes())? }, parts })
    }
}

impl From<ArtifactDigest> for SourceDigest {
    fn from(whole: ArtifactDigest) -> Self {
        Self { whole, parts: Vec::new() }
    }
}

/// What is certified of a job: its resolved spec, what its report says, and the digests of the table it read (`source`, named
/// `SOURCE`) and of every result. It is issued now, by this version of the program.
pub fn describe_job(
    job_id: JobId,
    spec: &ResolvedSpec,
    report: &Report,
    source: SourceDigest,
    artifacts: Vec<ArtifactDigest>,
) -> Certificate {
    let certification = report.certification.as_ref();
    let clusters = certification.and_then(|certification| certification.clusters.as_ref());
    Certificate {
        job_id,
        issued_at: Utc::now(),
        program: concat!("autodenoise ", env!("CARGO_PKG_VERSION")).to_owned(),
        dataset_digest: spec.dataset_digest.clone(),
        source: source.whole,
        source_parts: source.parts,
        spec_sha256: json_sha256(spec),
        verdict: report.verdict,
        clustered_by: clusters.map(|clusters| clusters.field.clone()),
        trusted: spec.certify.as_ref().and_then(|certify| certify.trusted.clone()),
        judged_by: certification.and_then(|certification| certification.judged_by.clone()),
        test_read: report.certification.as_ref().and_then(|certification| certification.test_read),
        kept: report.kept,
        artifacts,
    }
}

/// The text of the file that an envelope is handed out in.
pub fn file_text(envelope: &Envelope) -> Vec<u8> {
    serde_json::to_vec_pretty(envelope).expect("an envelope is plain data")
}

/// Writes a fresh key that only its owner may read, whole or not at all.
fn create(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let bytes = Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec();
    let write = || {
        // Only its owner may read a temporary file.
        let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok::<_, io::Error>(())
    };
    write().map_err(|source| CertificateError::KeyFile { file: path.display().to_string(), source })?;
    Ok(bytes)
}

/// The certificate of an envelope and who signed it, where its signature is good and, if `key` names one, by that key.
pub fn verify(envelope: &Envelope, key: Option<&str>) -> Result<(Certificate, String), CertificateError> {
    let wrong = |what: &str| CertificateError::NotACertificate(what.to_owned());
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(wrong("its payload is something else"));
    }
    let [signature] = &envelope.signatures[..] else { return Err(wrong("it has not one signature")) };
    let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| wrong("it is not base64"));
    let (payload, signed) = (decode(&envelope.payload)?, decode(&signature.sig)?);
    let public = signature.keyid.strip_prefix(PREFIX).and_then(|hex| hex::decode(hex).ok());
    let public = public.ok_or_else(|| wrong("its key is not an Ed25519 key"))?;
    if let Some(expected) = key.filter(|expected| *expected != signature.keyid) {
        return Err(CertificateError::OtherKey { expected: expected.to_owned(), found: signature.keyid.clone() });
    }
    UnparsedPublicKey::new(&ED25519, &public)
        .verify(&to_be_signed(&envelope.payload_type, &payload), &signed)
        .map_err(|_| CertificateError::BadSignature)?;
    let certificate = serde_json::from_slice(&payload);
    let certificate = certificate.map_err(|error| CertificateError::NotACertificate(error.to_string()))?;
    Ok((certificate, signature.keyid.clone()))
}

/// A file's sha256 and size.
pub fn digest(name: &str, mut file: impl Read) -> io::Result<ArtifactDigest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(ArtifactDigest { name: name.to_owned(), sha256: hex::encode(hash.finalize()), bytes });
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

fn name(public: &[u8]) -> String {
    format!("{PREFIX}{}", hex::encode(public))
}

/// DSSE's pre-authentication encoding.
fn to_be_signed(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{KeptShare, TestRead, Verdict};

    fn certificate() -> Certificate {
        Certificate {
            job_id: JobId::new(),
            issued_at: chrono::DateTime::UNIX_EPOCH,
            program: "autodenoise 0.0.0".to_owned(),
            dataset_digest: "d".to_owned(),
            source: ArtifactDigest { name: "source".to_owned(), sha256: "00".to_owned(), bytes: 1 },
            source_parts: Vec::new(),
            spec_sha256: "11".to_owned(),
            verdict: Verdict::Certified,
            clustered_by: Some("user".to_owned()),
            trusted: Some("source = panel".parse().unwrap()),
            judged_by: Some("python train.py".to_owned()),
            test_read: Some(TestRead::new(1, 0.05)),
            kept: KeptShare { rows: 9, of: 10 },
            artifacts: vec![ArtifactDigest { name: "denoised".to_owned(), sha256: "22".to_owned(), bytes: 2 }],
        }
    }

    #[test]
    fn a_certificate_is_what_was_signed_or_nothing() {
        let (key, other) = (SigningKey::ephemeral().unwrap(), SigningKey::ephemeral().unwrap());
        let envelope = key.sign(&certificate());
        let (read, signer) = verify(&envelope, None).unwrap();
        assert_eq!((&read.verdict, &signer), (&Verdict::Certified, &key.public()));
        assert!(verify(&envelope, Some(&key.public())).is_ok());
        assert!(matches!(verify(&envelope, Some(&other.public())), Err(CertificateError::OtherKey { .. })));

        let mut changed = certificate();
        changed.verdict = Verdict::NotBetter;
        let payload = BASE64_STANDARD.encode(serde_json::to_vec(&changed).unwrap());
        let forged = Envelope { payload, ..envelope.clone() };
        assert!(matches!(verify(&forged, None), Err(CertificateError::BadSignature)));

        let mut claimed = envelope.clone();
        claimed.signatures[0].keyid = other.public();
        assert!(matches!(verify(&claimed, None), Err(CertificateError::BadSignature)));
        let unsigned = Envelope { signatures: Vec::new(), ..envelope };
        assert!(matches!(verify(&unsigned, None), Err(CertificateError::NotACertificate(_))));
    }

    #[test]
    fn a_key_file_is_made_once_and_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let keys: Vec<String> = std::thread::scope(|scope| {
            let open = || SigningKey::open(&path).map(|key| key.public());
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::write(&path, b"no key").unwrap();
        assert!(matches!(SigningKey::open(&path), Err(CertificateError::NotAKey { .. })));
    }

    /// The example of the DSSE protocol.
    #[test]
    fn what_is_signed_is_encoded_as_dsse_says() {
        let bytes = to_be_signed("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
