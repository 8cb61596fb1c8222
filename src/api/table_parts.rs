//! What both doors of `POST /v1/datasets` have in common: a body that is the table (`datasets`), and one that names an upload
//! in parts (`from_upload`).

use super::{error::ApiError, state::AppState};
use crate::{
    files::Key,
    ingest::{self, SNIFF_BYTES},
    types::{DatasetSpec, FieldError, FieldSpec, LabelRule, SplitSpec},
};
use futures_util::TryStreamExt;

/// What a request says of how its table is to be read; `spec` gives way to the others.
pub struct Parts {
    pub spec: Option<DatasetSpec>,
    pub label: Option<String>,
    pub features: Option<Vec<String>>,
    pub exclude: Option<Vec<String>>,
    pub split_column: Option<String>,
    pub split: Option<String>,
    pub split_seed: Option<u64>,
    pub separator: Option<String>,
}

impl Parts {
    /// The spec that the parts come to.
    pub fn dataset_spec(self) -> Result<DatasetSpec, ApiError> {
        let label = self.label.map(LabelRule::try_from).transpose().map_err(|rule| wrong("/label", rule))?;
        let mut spec = match (self.spec, &label) {
            (Some(spec), _) => spec,
            (None, Some(label)) => DatasetSpec::with_label(label.clone()),
            (None, None) => {
                let rule =
                    "is needed: a column of 0 and 1 (`label=click`), or a rule (`label=rating > 3`, URL-encoded)";
                return Err(wrong("/label", rule));
            }
        };
        spec.label = label.unwrap_or(spec.label);
        if let Some(features) = self.features {
            spec.fields = Some(features.into_iter().map(FieldSpec::Name).collect());
        }
        if let Some(exclude) = self.exclude {
            spec.exclude = exclude;
        }
        if let Some(separator) = self.separator {
            spec.separator = Some(separator.replace("\\t", "\t"));
        }
        match (self.split_column, self.split) {
            (Some(_), Some(_)) => return Err(wrong("/split", "give split_column or split, not both")),
            (Some(column), None) => spec.split = SplitSpec::Column(column),
            (None, Some(ratios)) => {
                let ratios = SplitSpec::parse_ratios(&ratios).map_err(|rule| wrong("/split", rule))?;
                spec.split = SplitSpec::Ratio { ratios, seed: self.split_seed.unwrap_or(0) };
            }
            (None, None) => {
                if let (SplitSpec::Ratio { seed, .. }, Some(given)) = (&mut spec.split, self.split_seed) {
                    *seed = given;
                }
            }
        }
        Ok(spec)
    }
}

/// A dataset's name is at most 200 bytes.
pub fn check_name(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        Some(name) if name.len() > 200 => Err(wrong("/name", "at most 200 bytes")),
        _ => Ok(()),
    }
}

/// Fills in what the object's first bytes tell of its format.
pub async fn resolve_format(
    state: &AppState,
    key: &Key,
    spec: &mut DatasetSpec,
    name: Option<&str>,
    media_type: Option<&str>,
) -> Result<(), ApiError> {
    let first = async {
        let reading = state.files.read(key, Some(0..SNIFF_BYTES as u64)).await?;
        let gathered = reading.stream.try_fold(Vec::new(), async |mut bytes, chunk| {
            bytes.extend_from_slice(&chunk);
            Ok(bytes)
        });
        gathered.await
    };
    let first = first.await.map_err(|error| ApiError::internal(&error))?;
    ingest::resolve_format(spec, name, media_type, &first);
    Ok(())
}

/// One wrong part of what was asked for, which the pointer names.
pub fn wrong(pointer: &str, rule: impl Into<String>) -> ApiError {
    ApiError::invalid_spec(vec![FieldError::new(pointer, rule)])
}
