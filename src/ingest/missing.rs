//! The words that say that a cell holds no value.

/// What programs write for no value where numbers stand, in any case of letters: pandas, R, Python, SQL, spreadsheets.
const WORDS: [&str; 7] = ["nan", "na", "n/a", "<na>", "none", "null", "-"];

/// What PostgreSQL, MySQL and Hive write for it.
const ESCAPED: &[u8] = b"\\N";

/// Tells cells without a value from others.
pub(super) struct Missing {
    /// The words that the spec names.
    named: Vec<Vec<u8>>,
}

impl Missing {
    pub fn new(words: &[String]) -> Self {
        Self { named: words.iter().map(|word| word.clone().into_bytes()).collect() }
    }

    /// Whether the spec names the cell as one without a value, in whatever column.
    pub fn is_named(&self, cell: &[u8]) -> bool {
        self.named.iter().any(|word| word == cell)
    }

    /// Whether the cell holds no value in a column of words, where `None` may be a word like any other.
    pub fn is_blank(&self, cell: &[u8]) -> bool {
        cell.iter().all(u8::is_ascii_whitespace) || self.is_named(cell)
    }

    /// Whether the cell holds no value in a column of numbers.
    pub fn is_gap(&self, cell: &[u8]) -> bool {
        let word = cell.trim_ascii();
        let of_programs = || WORDS.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()));
        self.is_blank(cell) || word == ESCAPED || of_programs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_programs_are_gaps_among_numbers_alone() {
        let missing = Missing::new(&["unknown".to_owned()]);
        for gap in ["", "  ", "nan", "NaN", "NA", "n/a", "None", "NULL", "\\N", " - ", "<NA>", "unknown"] {
            assert!(missing.is_gap(gap.as_bytes()), "{gap:?}");
        }
        for value in ["0", "no", "--", "\\n", "Unknown"] {
            assert!(!missing.is_gap(value.as_bytes()), "{value:?}");
        }
        assert!(!missing.is_blank(b"None") && missing.is_blank(b" ") && missing.is_blank(b"unknown"));
    }
}
