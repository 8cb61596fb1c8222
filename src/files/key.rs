//! Names of objects. They are made from digests, ids and the trainer's words, or read back from the database.

use crate::types::{JobId, JudgementId};
use std::fmt;
use uuid::Uuid;

/// Stands before the sha256 in the name of uploaded bytes.
const UPLOADS: &str = "uploads/";

/// Name of an object: words of letters, digits, `.`, `_` and `-`, with `/` between them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name an object: words of letters, digits, `.`, `_` and `-` are needed, with `/` between them")]
pub struct ParseKeyError(String);

impl Key {
    /// What stands before the sha256 in the name of uploaded bytes.
    pub const UPLOAD_PREFIX: &'static str = UPLOADS;

    /// Uploaded bytes of this digest (hexadecimal).
    pub fn upload(sha256: &str) -> Result<Self, ParseKeyError> {
        Self::parse(format!("{UPLOADS}{sha256}"))
    }

    /// A job's checkpoint; `number` counts within the attempt.
    pub fn checkpoint(job: JobId, attempt: i32, number: u64) -> Self {
        Self(format!("checkpoints/{job}/{attempt}-{number}"))
    }

    /// A job's result.
    pub fn result(job: JobId, attempt: i32, name: &str) -> Result<Self, ParseKeyError> {
        // A name with a slash in it would be a key, but of a deeper folder.
        if name.contains('/') {
            return Err(ParseKeyError(name.to_owned()));
        }
        Self::parse(format!("results/{job}/{attempt}/{name}"))
    }

    /// A file of a judgement; each call gives another name.
    pub fn judgement(judgement: JudgementId) -> Self {
        Self(format!("judgements/{judgement}/{}", Uuid::now_v7().simple()))
    }

    /// Something of a job's parts: which rows they are about, or what came of one.
    pub fn part(job: JobId, name: &str) -> Result<Self, ParseKeyError> {
        if name.contains('/') {
            return Err(ParseKeyError(name.to_owned()));
        }
        Self::parse(format!("parts/{job}/{name}"))
    }

    /// A name as the database keeps it.
    pub fn parse(name: impl Into<String>) -> Result<Self, ParseKeyError> {
        let name = name.into();
        let word = |word: &str| {
            !word.is_empty()
                && !word.starts_with('.')
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if name.split('/').all(word) { Ok(Self(name)) } else { Err(ParseKeyError(name)) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn location(&self) -> object_store::path::Path {
        object_store::path::Path::from(self.0.as_str())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_folder() {
        for name in ["..", "../x", "a/../b", "/a", "a//b", "a/", "", "a b", ".hidden", "a\\b", "ü"] {
            assert!(Key::parse(name).is_err(), "{name}");
        }
        assert!(Key::result(JobId::new(), 1, "a/b").is_err());
        let key = Key::result(JobId::new(), 1, "report.json").unwrap();
        assert_eq!(Key::parse(key.as_str()), Ok(key));
    }
}
