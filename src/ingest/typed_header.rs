//! Names with types, as in RecBole's atomic files: `user_id:token`, `rating:float`, `genre:token_seq`.

use crate::types::DatasetSpec;

/// What a column's name says of its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedType {
    /// A category.
    Token,
    /// Several categories, with blanks between them.
    TokenSequence,
    /// A number.
    Number,
    /// Several numbers, which together are a vector.
    NumberSequence,
}

const WORDS: [(&str, NamedType); 4] = [
    ("token", NamedType::Token),
    ("token_seq", NamedType::TokenSequence),
    ("float", NamedType::Number),
    ("float_seq", NamedType::NumberSequence),
];

/// The name without its type, and the type.
fn divide(column: &str) -> Option<(&str, NamedType)> {
    let (name, word) = column.rsplit_once(':')?;
    let found = WORDS.iter().find(|(own, _)| *own == word.trim());
    found.map(|(_, kind)| (name, *kind)).filter(|(name, _)| !name.is_empty())
}

/// The types of all columns, which lose them from their names, here and in the spec; none where a column has none.
pub(super) fn take_types(columns: &mut [String], spec: &mut DatasetSpec) -> Option<Vec<NamedType>> {
    let divided = columns.iter().map(|column| divide(column)).collect::<Option<Vec<_>>>()?;
    if divided.is_empty() {
        return None;
    }
    let (names, types): (Vec<_>, Vec<_>) = divided.into_iter().map(|(name, kind)| (name.to_owned(), kind)).unzip();
    spec.rename_columns(|column| match columns.iter().position(|own| own == column) {
        Some(at) => names[at].clone(),
        None => column.to_owned(),
    });
    columns.clone_from_slice(&names);
    Some(types)
}

/// What is said of it.
pub(super) const NOTE: &str = "names have types (`user_id:token`), as RecBole writes them: a column is named without its type, and \
    read as that unless `category`, `numeric`, `multi` or `fields` say otherwise; of `token_seq` the last 8 values are kept, and \
    `float_seq` is no field";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_from_names_where_every_name_has_one() {
        let spec =
            serde_json::json!({"label": "rating:float > 3", "exclude": ["user_id"], "numeric": {"age:float": "log"}});
        let spec: DatasetSpec = serde_json::from_value(spec).unwrap();
        let names = |names: [&str; 4]| names.map(str::to_owned);
        let (mut columns, mut own) =
            (names(["user_id:token", "genre:token_seq", "rating:float", "age:float"]), spec.clone());
        let types = take_types(&mut columns, &mut own).unwrap();
        use NamedType::{Number, Token, TokenSequence};
        assert_eq!(types, [Token, TokenSequence, Number, Number]);
        assert_eq!(columns, names(["user_id", "genre", "rating", "age"]));
        assert_eq!((own.label.column.as_str(), &own.exclude[..]), ("rating", &["user_id".to_owned()][..]));
        assert!(own.numeric.contains_key("age"));
        for other in [["user_id:token", "genre", "a:float", "b:float"], [":token", "a:token", "b:token", "c:token"]] {
            let (mut columns, mut own) = (names(other), spec.clone());
            assert_eq!(take_types(&mut columns, &mut own), None);
            assert_eq!((columns, own), (names(other), spec.clone()));
        }
    }
}
