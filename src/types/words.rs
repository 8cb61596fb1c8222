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
                // Words of several parts are written `loss_drop`, and by habit of the command line `loss-drop`.
                let found = Self::ALL.iter().copied().find(|one| crate::types::words::is_same_word(one.as_str(), word));
                found.ok_or_else(|| crate::types::words::no_such_word(word, &[$($word),+]))
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

/// Whether two words are the same but for hyphens in place of underscores.
pub(super) fn is_same_word(one: &str, other: &str) -> bool {
    let dashless = |byte: u8| if byte == b'-' { b'_' } else { byte };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(a, b)| dashless(a) == dashless(b))
}

/// That the word is none of those known, with the one that may be meant.
pub(super) fn no_such_word(word: &str, known: &[&str]) -> String {
    let guess =
        nearest(word, known.iter().copied()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("`{}` is not one of {}{guess}", shorten(word), known.join(", "))
}

/// Most characters of a name that a message shows, and of names that are compared with each other.
const LONGEST_NAME: usize = 64;

/// A name as a message shows it: names come from outside and may be of any length.
pub fn shorten(name: &str) -> std::borrow::Cow<'_, str> {
    match name.char_indices().nth(LONGEST_NAME) {
        None => name.into(),
        Some((end, _)) => format!("{}…", &name[..end]).into(),
    }
}

/// The known name that differs from `name` by a slip or two, whatever their case. Long names are no slip's: to compare them
/// takes as long as the product of their lengths.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_short = |name: &str| name.len() <= 4 * LONGEST_NAME && name.chars().count() <= LONGEST_NAME;
    if !is_short(name) {
        return None;
    }
    let most = (name.chars().count() / 3).max(1);
    let distance = |other: &str| strsim::damerau_levenshtein(&other.to_lowercase(), &name.to_lowercase());
    let near = known
        .into_iter()
        .filter(|other| is_short(other))
        .map(|other| (distance(other), other))
        .filter(|(distance, _)| *distance <= most);
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
    use crate::types::{BackboneKind, Engine, MethodName, Optimizer};
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
    fn hyphens_stand_for_underscores_in_words_that_have_some() {
        assert_eq!("loss-drop".parse(), Ok(MethodName::LossDrop));
        assert_eq!(serde_json::from_str::<MethodName>("\"loss-drop\"").unwrap(), MethodName::LossDrop);
        assert!("loss drop".parse::<MethodName>().unwrap_err().ends_with("did you mean `loss_drop`?"));
        assert!("deep-fm".parse::<BackboneKind>().is_err(), "`deepfm` has none");
    }

    #[test]
    fn long_names_are_cut_and_not_compared() {
        assert_eq!(shorten("user"), "user");
        assert_eq!(shorten(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(shorten(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
        let near =
            |length: usize| nearest(&"a".repeat(length), [&format!("{}b", "a".repeat(length - 1))[..]]).is_some();
        assert!(near(64) && !near(65));
        // The product of these lengths would take hours.
        assert_eq!(nearest(&"a".repeat(60_000), [&"a".repeat(4_000_000)[..]]), None);
        assert_eq!(nearest("label", [&"a".repeat(4_000_000)[..]]), None);
    }

    #[test]
    fn words_are_enumerated() {
        assert_eq!(enumerated::<&str>(&[], "or"), "");
        assert_eq!(enumerated(&["a"], "or"), "a");
        assert_eq!(enumerated(&["a", "b"], "or"), "a or b");
        assert_eq!(enumerated(&["a", "b", "c"], "and"), "a, b and c");
    }
}
