//! Ids as clients see them: a prefix that names the kind, then a time-ordered UUID (`job_0192f0c4...`).

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// Why a string is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a {kind} id: expected `{prefix}` and 32 hexadecimal digits")]
pub struct ParseIdError {
    value: String,
    kind: &'static str,
    prefix: &'static str,
}

macro_rules! decl_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
        #[serde(try_from = "String", into = "String")]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id; ids made later sort later.
            #[allow(clippy::new_without_default, reason = "a default id would hide that every call differs")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix($prefix)
                    .filter(|hex| hex.len() == 32)
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or_else(|| ParseIdError { value: text.to_owned(), kind: $kind, prefix: $prefix })
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseIdError;

            fn try_from(text: String) -> Result<Self, ParseIdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[0-9a-f]{32}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

decl_id!(
    /// An uploaded table and what was read from it.
    DatasetId,
    "dataset",
    "ds_"
);
decl_id!(
    /// One denoising job.
    JobId,
    "job",
    "job_"
);
decl_id!(
    /// An API key: its public part, which says nothing of the secret.
    KeyId,
    "key",
    "key_"
);
decl_id!(
    /// A table on its way in, sent in parts.
    UploadId,
    "upload",
    "up_"
);
decl_id!(
    /// An address of a client's that is told of its jobs.
    WebhookId,
    "webhook",
    "wh_"
);
decl_id!(
    /// One message to a webhook, the same in every attempt to deliver it.
    MessageId,
    "message",
    "msg_"
);
decl_id!(
    /// A verdict by models that are trained elsewhere.
    JudgementId,
    "judgement",
    "jdg_"
);
decl_id!(
    /// What somebody did, as the audit has it.
    AuditEntryId,
    "audit entry",
    "aud_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form_and_names_its_kind_when_wrong() {
        let id = JobId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        let error = id.to_string().parse::<DatasetId>().unwrap_err();
        assert!(error.to_string().contains("not a dataset id"), "{error}");
        assert!("job_not-hex".parse::<JobId>().is_err());
    }
}
