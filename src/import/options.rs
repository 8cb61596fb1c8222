//! How a table is made from a raw dataset, and how it is then to be read.

use super::spill::Pick;
use crate::types::{DatasetSpec, FieldSpec, FileFormat, LabelRule, SplitSpec, Vocabulary};

/// Shares of train, valid and test (paper, 3.1.1).
const RATIOS: [f64; 3] = [0.8, 0.1, 0.1];

/// How the table is made, whatever the dataset.
#[derive(Debug, Clone, Copy)]
pub struct ImportOptions {
    /// Of the order, a sample and a random split.
    pub seed: u64,
    /// Rows in the order of the raw files.
    pub keep_order: bool,
    pub vocabulary: Vocabulary,
}

impl ImportOptions {
    /// Which rows the table has: all, or a sample.
    pub(super) fn pick(self, sample: Option<u64>) -> Pick {
        Pick { sample, shuffle: !self.keep_order, seed: self.seed }
    }

    pub(super) fn ratio_split(self) -> SplitSpec {
        SplitSpec::Ratio { ratios: RATIOS, seed: self.seed }
    }

    pub(super) fn time_split(self, column: &str) -> SplitSpec {
        SplitSpec::Time { column: column.to_owned(), ratios: RATIOS }
    }

    /// How the table is to be read.
    pub(super) fn spec(self, label: &str, fields: &[&str], split: SplitSpec) -> DatasetSpec {
        DatasetSpec {
            format: Some(FileFormat::Csv),
            separator: Some(",".to_owned()),
            fields: Some(fields.iter().map(|field| FieldSpec::Name((*field).to_owned())).collect()),
            split,
            vocabulary: self.vocabulary,
            ..DatasetSpec::with_label(LabelRule::try_from(label.to_owned()).expect("a rule of ours"))
        }
    }
}
