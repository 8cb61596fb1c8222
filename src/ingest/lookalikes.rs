//! Values of a category that are perhaps not what they are taken for: splits, and others with blanks around them.

use super::{cell::parse_split, vocabulary::Vocabulary};
use crate::types::{Split, shorten};
use std::collections::HashSet;

/// There are no more words for splits than this, each in a few cases.
const MOST_SPLITS: usize = 12;

/// What a column's values look like.
#[derive(Debug, Default)]
pub(super) struct Lookalikes {
    /// Whether every value names a split, `train` and another at least.
    splits: bool,
    /// Values that are other values with blanks around them, and the first of them.
    blanks: u64,
    blank: String,
}

impl Lookalikes {
    pub fn of(vocabulary: &Vocabulary) -> Self {
        let (blanks, blank) = find_blanks(vocabulary);
        Self { splits: are_splits(vocabulary), blanks, blank }
    }

    /// What may be wrong with the column as a field.
    pub fn note(&self, column: &str) -> Option<String> {
        let column = shorten(column);
        if self.splits {
            return Some(format!(
                "column `{column}` holds words as train and test, and is read as a field; if they say how the rows are divided, split \
                 by it (`split_column`, --split-column '{column}')"
            ));
        }
        (self.blanks > 0).then(|| {
            format!(
                "column `{column}` has values that differ from others only by blanks or marks around them, for example {:?}; there are \
                 {} of them, each taken as a value of its own: take off what stands around them",
                self.blank, self.blanks
            )
        })
    }
}

fn are_splits(vocabulary: &Vocabulary) -> bool {
    let codes = 0..vocabulary.len() as u32;
    if codes.len() > MOST_SPLITS {
        return false;
    }
    let values = codes.map(|code| vocabulary.value(code)).filter(|value| !value.trim_ascii().is_empty());
    let named: Option<HashSet<Split>> = values.map(parse_split).collect();
    named.is_some_and(|named| named.contains(&Split::Train) && named.len() > 1)
}

/// How many values are others with blanks around them, and the first of them.
fn find_blanks(vocabulary: &Vocabulary) -> (u64, String) {
    let codes = || 0..vocabulary.len() as u32;
    let trimmed = |code: u32| {
        let value = vocabulary.value(code);
        // Most values are plain at both ends.
        let may_be_blank = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii_graphic());
        if !may_be_blank(value.first()) && !may_be_blank(value.last()) {
            return None;
        }
        let text = std::str::from_utf8(value).ok()?;
        let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'));
        (!bare.is_empty() && bare.len() < text.len()).then_some((text, bare))
    };
    let bare: HashSet<&[u8]> = codes().filter_map(|code| trimmed(code).map(|(_, bare)| bare.as_bytes())).collect();
    if bare.is_empty() {
        return (0, String::new());
    }
    let plain: HashSet<&[u8]> =
        codes().map(|code| vocabulary.value(code)).filter(|value| bare.contains(value)).collect();
    let mut like_others = codes().filter_map(trimmed).filter(|(_, bare)| plain.contains(bare.as_bytes()));
    match like_others.next() {
        Some((first, _)) => (1 + like_others.count() as u64, shorten(first).into_owned()),
        None => (0, String::new()),
    }
}
