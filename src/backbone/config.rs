//! What a model is made of: the values of a job's options and of its dataset.

use crate::types::{BackboneKind, FeatureMap, Field, Options, Preset};
use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{option} is `{name}`, and the dataset has no such field; it has {fields}")]
    NoSuchField { option: &'static str, name: String, fields: String },
    #[error("user_field and item_field are both `{0}`; name two fields")]
    SameField(String),
    #[error("backbone {backbone} is made of pairs of fields, and the dataset has {fields}; use another backbone")]
    TooFewFields { backbone: BackboneKind, fields: usize },
}

/// What a model is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct BackboneConfig {
    pub kind: BackboneKind,
    /// The global ids of each of the F fields. Fields share a range (places of one split column) or nothing.
    pub ranges: Vec<Range<u32>>,
    /// Positions of the user's and the item's field among them.
    pub user_item: [usize; 2],
    pub options: Options,
}

impl BackboneConfig {
    pub fn new(kind: BackboneKind, map: &FeatureMap, options: &Options) -> Result<Self, ConfigError> {
        let pairs = matches!(
            kind,
            BackboneKind::Ffm | BackboneKind::Fnfm | BackboneKind::Opnn | BackboneKind::Afm | BackboneKind::Ncf
        );
        if pairs && map.fields.len() < 2 {
            return Err(ConfigError::TooFewFields { backbone: kind, fields: map.fields.len() });
        }
        let user_item = user_item(&map.fields, options)?;
        Ok(Self { kind, ranges: map.id_ranges(), user_item, options: options.clone() })
    }

    /// The preset `paper` of a model over these fields.
    pub fn preset(kind: BackboneKind, ranges: Vec<Range<u32>>) -> Self {
        Self { kind, ranges, user_item: [0, 1], options: Options::preset(Preset::Paper, kind) }
    }

    /// F.
    pub fn fields(&self) -> usize {
        self.ranges.len()
    }

    /// D: rows of the embedding table.
    pub fn cardinality(&self) -> usize {
        self.ranges.iter().map(|range| range.end).max().unwrap_or(0) as usize
    }

    /// F E: width of the flat embeddings.
    pub fn flat(&self) -> usize {
        self.fields() * self.options.embed_dim as usize
    }
}

/// Positions of the user's and the item's field: those named, else the first that is not the other.
fn user_item(fields: &[Field], options: &Options) -> Result<[usize; 2], ConfigError> {
    let find = |option, name: &Option<String>| {
        name.as_ref().map(|name| {
            fields.iter().position(|field| field.name == *name).ok_or_else(|| ConfigError::NoSuchField {
                option,
                name: name.clone(),
                fields: fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", "),
            })
        })
    };
    let named_item = find("item_field", &options.item_field).transpose()?;
    let first_but = |other: Option<usize>| usize::from(other == Some(0));
    let user = find("user_field", &options.user_field).transpose()?.unwrap_or_else(|| first_but(named_item));
    let item = named_item.unwrap_or_else(|| first_but(Some(user)));
    if user == item {
        return Err(ConfigError::SameField(fields[user].name.clone()));
    }
    Ok([user, item])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::FieldKind;

    fn fields(names: &[&str]) -> Vec<Field> {
        let field = |name: &&str| Field {
            name: (*name).to_owned(),
            column: (*name).to_owned(),
            kind: FieldKind::Category,
            cardinality: 2,
            offset: 0,
            unknown: None,
            padding: None,
        };
        names.iter().map(field).collect()
    }

    fn found(user: Option<&str>, item: Option<&str>) -> Result<[usize; 2], ConfigError> {
        let options = Options {
            user_field: user.map(str::to_owned),
            item_field: item.map(str::to_owned),
            ..Options::preset(Preset::Paper, BackboneKind::Ncf)
        };
        user_item(&fields(&["movie", "genre", "user"]), &options)
    }

    #[test]
    fn fields_are_found_by_name_and_unknown_ones_are_answered_with_those_there_are() {
        assert_eq!(found(None, None), Ok([0, 1]));
        assert_eq!(found(Some("user"), Some("movie")), Ok([2, 0]));
        assert_eq!(found(Some("user"), None), Ok([2, 0]));
        assert_eq!(found(Some("movie"), None), Ok([0, 1]));
        assert_eq!(found(None, Some("movie")), Ok([1, 0]));
        assert_eq!(found(Some("user"), Some("user")), Err(ConfigError::SameField("user".to_owned())));
        assert_eq!(
            found(Some("usr"), None).unwrap_err().to_string(),
            "user_field is `usr`, and the dataset has no such field; it has movie, genre, user"
        );
    }
}
