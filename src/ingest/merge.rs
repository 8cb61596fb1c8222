//! Values of a column that are one value: `123.0` and `123` where every value is a number, and all the words for no value.

use super::{
    content::{Content, without_zero_fraction},
    missing::Missing,
    survey::UNSEEN,
    vocabulary::Vocabulary,
};

/// The values that a vocabulary comes down to, numbered in order of first appearance.
pub(super) struct Merge {
    /// The number of each code's value.
    pub to: Vec<u32>,
    pub values: Vec<Merged>,
}

/// One of the values.
#[derive(Clone, Copy)]
pub(super) struct Merged {
    /// The first code that says it.
    pub code: u32,
    /// The code whose text it is shown by.
    pub shown: u32,
}

impl Merge {
    /// None where every code is a value of its own. May add texts to the vocabulary that no cell has.
    pub fn of(vocabulary: &mut Vocabulary, content: &Content, missing: &Missing) -> Option<Self> {
        let codes = vocabulary.len() as u32;
        let numbers = content.is_numbers();
        // A blank cell is no value among words either, but may be one of several there, and stays as it is.
        let is_gap = |value: &[u8]| if numbers { missing.is_gap(value) } else { missing.is_named(value) };
        let one_text = |gap: &u32| vocabulary.value(*gap).is_empty() || !is_gap(vocabulary.value(*gap));
        if content.gaps.iter().all(one_text) && !(numbers && content.restated) {
            return None;
        }
        let mut merge = Self { to: Vec::with_capacity(codes as usize), values: Vec::new() };
        // By the code it is shown by.
        let mut places = vec![UNSEEN; codes as usize];
        for code in 0..codes {
            let value = vocabulary.value(code);
            let text = if is_gap(value) {
                b""
            } else if numbers {
                without_zero_fraction(value)
            } else {
                value
            };
            let other_text = (text.len() < value.len()).then(|| text.to_vec());
            let shown = other_text.map_or(code, |text| vocabulary.code_of(&text));
            if places.len() <= shown as usize {
                places.resize(shown as usize + 1, UNSEEN);
            }
            let place = &mut places[shown as usize];
            if *place == UNSEEN {
                *place = merge.values.len() as u32;
                merge.values.push(Merged { code, shown });
            }
            merge.to.push(*place);
        }
        Some(merge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(values: &[&str], named: &[&str]) -> Option<(Vec<u32>, Vec<String>)> {
        let mut vocabulary = Vocabulary::default();
        for value in values {
            vocabulary.code_of(value.as_bytes());
        }
        let missing = Missing::new(&named.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let content = Content::of(&vocabulary, &missing);
        let merge = Merge::of(&mut vocabulary, &content, &missing)?;
        let text = |value: &Merged| String::from_utf8_lossy(vocabulary.value(value.shown)).into_owned();
        let shown = merge.values.iter().map(text).collect();
        Some((merge.to, shown))
    }

    #[test]
    fn whole_numbers_and_gaps_are_one_value_each() {
        let (to, shown) = merged(&["7.0", "nan", "8", "7", "", "7.00", "8.0"], &[]).unwrap();
        assert_eq!(to, [0, 1, 2, 0, 1, 0, 2]);
        assert_eq!(shown, ["7", "", "8"]);
        assert_eq!(merged(&["7", "8", ""], &[]), None, "nothing to merge");
    }

    #[test]
    fn text_stays_text_but_for_named_words() {
        assert_eq!(merged(&["7.0", "7", "abc", "nan", "", " "], &[]), None);
        let (to, shown) = merged(&["abc", "unknown", "7.0", "7", "?"], &["unknown", "?"]).unwrap();
        assert_eq!(to, [0, 1, 2, 3, 1]);
        assert_eq!(shown, ["abc", "", "7.0", "7"]);
    }
}
