//! What the values of a column come down to, once all rows are read.

use super::{
    content::{Choice, Content, Said, read},
    lookalikes::Lookalikes,
    merge::Merge,
    missing::Missing,
    vocabulary::Vocabulary,
};
use crate::types::shorten;

/// Values that a column shows for people to see what it holds.
const EXAMPLES: usize = 3;

/// The values of a vocabulary.
pub(super) struct Values {
    pub vocabulary: Vocabulary,
    pub content: Content,
    pub lookalikes: Lookalikes,
    /// Where several codes say one value.
    pub merge: Option<Merge>,
    /// How many codes cells have.
    codes: usize,
    /// Whether there were too many numbers to keep them all.
    pub direct: bool,
}

impl Values {
    /// No value can be coded after this.
    pub fn new(mut vocabulary: Vocabulary, direct: bool, missing: &Missing) -> Self {
        let codes = vocabulary.len();
        let content = Content::of(&vocabulary, missing);
        let lookalikes = Lookalikes::of(&vocabulary);
        let merge = Merge::of(&mut vocabulary, &content, missing);
        vocabulary.seal();
        Self { vocabulary, content, lookalikes, merge, codes, direct }
    }

    /// How many values there are, those for no value left out.
    pub fn known(&self) -> usize {
        let mut gaps = self.content.gaps.clone();
        if let Some(merge) = &self.merge {
            gaps = gaps.into_iter().map(|gap| merge.to[gap as usize]).collect();
            gaps.sort_unstable();
            gaps.dedup();
        }
        self.len() - gaps.len()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.merge.as_ref().map_or(self.codes, |merge| merge.values.len())
    }

    /// What a column of these values is, where so many `cells` have one.
    pub fn choose(&self, cells: u64) -> Choice {
        self.content.choose(cells, self.direct)
    }

    /// The first values there are, those for no value left out.
    pub fn examples(&self) -> Vec<String> {
        let codes = (0..self.vocabulary.len() as u32).filter(|code| !self.content.gaps.contains(code));
        let values = codes.map(|code| String::from_utf8_lossy(self.vocabulary.value(code)));
        values.take(EXAMPLES).map(|value| shorten(&value).into_owned()).collect()
    }

    /// The number of each code; NaN where it says that there is none.
    pub fn numbers(&self, missing: &Missing) -> Vec<f64> {
        let notation = self.content.notation();
        let number = |code| {
            let value = self.vocabulary.value(code);
            if let Some(notation) = notation {
                return notation.parse(value).unwrap_or(f64::NAN);
            }
            match read(value, missing) {
                Said::Number(number) => number,
                Said::Gap | Said::Word => f64::NAN,
            }
        };
        (0..self.codes as u32).map(number).collect()
    }
}
