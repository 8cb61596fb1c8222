//! Enums of words: what a spec, the API document and help texts call each variant, and what it means.

macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $vdoc:literal])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
        pub enum $name {
            $($(#[doc = $vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            pub const ALL: &'static [$name] = &[$(Self::$variant),+];

            /// The word in a spec.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(crate::types::words::no_such_word(word, &[$($word),+])),
                }
            }
        }

        // By hand: a derive does not say which word may be meant.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<str> as serde::Deserialize>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        // By hand: a derive does not see the words through the macro.
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let words = concat!($("- `", $word, "`", $($vdoc,)* "\n"),+);
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .description(Some(format!("{}\n{words}", concat!($($doc, "\n"),*).trim())))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(super) use choice;

/// That the word is none of those known, with the one that may be meant.
pub(super) fn no_such_word(word: &str, known: &[&str]) -> String {
    let guess =
        nearest(word, known.iter().copied()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("`{word}` is not one of {}{guess}", known.join(", "))
}

/// The known name that differs from `name` by a slip or two, whatever their case.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(1);
    let distance = |other: &str| strsim::damerau_levenshtein(&other.to_lowercase(), &name.to_lowercase());
    let near = known.into_iter().map(|other| (distance(other), other)).filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

/// The words in one sentence, the last behind `and` or `or`: `fm, dcn and ipnn`.
pub fn enumerated<W: std::fmt::Display>(words: &[W], conjunction: &str) -> String {
    match words {
        [] => String::new(),
        [word] => word.to_string(),
        [others @ .., last] => {
            let others: Vec<_> = others.iter().map(W::to_string).collect();
            format!("{} {conjunction} {last}", others.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BackboneKind, Engine, Optimizer};
    use serde_json::json;

    #[test]
    fn the_api_document_names_the_words_that_are_read() {
        fn words<T: utoipa::PartialSchema>() -> serde_json::Value {
            serde_json::to_value(T::schema()).unwrap()["enum"].clone()
        }
        assert_eq!(words::<Engine>(), json!(["auto", "tch", "fused"]));
        assert_eq!(words::<Optimizer>(), json!(["adam", "lazy_adam", "sgd"]));
        assert_eq!(words::<BackboneKind>(), json!(BackboneKind::ALL));
    }

    #[test]
    fn slips_are_told_from_other_words() {
        let known = ["fm", "deepfm", "xdeepfm"];
        assert_eq!(nearest("deepFM", known), Some("deepfm"));
        assert_eq!(nearest("depfm", known), Some("deepfm"));
        assert_eq!(nearest("transformer", known), None);
        assert!("deepFM".parse::<BackboneKind>().unwrap_err().ends_with("did you mean `deepfm`?"));
    }

    #[test]
    fn words_are_enumerated() {
        assert_eq!(enumerated::<&str>(&[], "or"), "");
        assert_eq!(enumerated(&["a"], "or"), "a");
        assert_eq!(enumerated(&["a", "b"], "or"), "a or b");
        assert_eq!(enumerated(&["a", "b", "c"], "and"), "a, b and c");
    }
}
