//! What the job's own method kept, row by row.

use super::guard::measure_stability;
use crate::ingest::Dataset;
use crate::selection::Selected;
use crate::types::{Split, Stability};

/// The choice with the first seed, and how far it depends on the seed.
pub(super) struct Choice<'a> {
    /// Of every training row: its position in the uploaded file, ascending.
    pub rows: &'a [u32],
    /// Of every training row.
    pub kept: Vec<bool>,
    /// Of every row of the file: 0 where it is dropped, as training rows are, and validation rows that are left out.
    pub mask: Vec<u8>,
    /// Where the job ran with several seeds: how often each training row was kept.
    pub votes: Option<(Stability, Vec<u32>)>,
}

impl<'a> Choice<'a> {
    /// `own` is absent where every row was kept. `by_seed`: what was chosen with each seed, where there are several. `labels`:
    /// those it was chosen with.
    pub fn new(dataset: &'a Dataset, labels: &[u8], own: Option<&Selected>, by_seed: &[Selected]) -> Self {
        let split = dataset.split(Split::Train);
        let mut kept = vec![own.is_none(); split.len()];
        if let Some(own) = own {
            own.kept.iter().for_each(|position| kept[*position as usize] = true);
        }
        let mut mask = mask_of_read_rows(dataset);
        for (row, _) in split.rows.iter().zip(&kept).filter(|(_, kept)| !**kept) {
            mask[*row as usize] = 0;
        }
        let valid = dataset.split(Split::Valid).rows;
        for place in own.iter().flat_map(|own| &own.left_out) {
            mask[valid[*place as usize] as usize] = 0;
        }
        let votes = (by_seed.len() > 1).then(|| measure_stability(by_seed, labels));
        Self { rows: split.rows, kept, mask, votes }
    }

    /// Positions in the file of the training rows kept, ascending.
    pub fn kept_rows(&self) -> impl Iterator<Item = u32> {
        self.rows.iter().zip(&self.kept).filter(|(_, kept)| **kept).map(|(row, _)| *row)
    }

    /// Whether any row was dropped.
    pub fn drops_rows(&self) -> bool {
        self.kept.contains(&false)
    }
}

/// Of every row of the file: 1 where it could be read, so that the dataset has it.
fn mask_of_read_rows(dataset: &Dataset) -> Vec<u8> {
    let rows = dataset.profile.rows_of_file() as usize;
    if dataset.profile.skipped.is_empty() {
        return vec![1; rows];
    }
    let mut mask = vec![0; rows];
    for row in Split::ALL.into_iter().flat_map(|split| dataset.split(split).rows) {
        mask[*row as usize] = 1;
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{IngestLimits, ingest};
    use crate::types::{DatasetSpec, LabelRule, OnBadRow, SplitSpec};
    use std::ops::ControlFlow;

    #[test]
    fn rows_that_could_not_be_read_are_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let row = |row: u32| match row {
            5 => "u1,maybe,train\n".to_owned(),
            _ => format!("u{},{},{}\n", row % 3, row / 4 % 2, ["train", "train", "valid", "test"][row as usize % 4]),
        };
        let table = "user,click,split\n".to_owned() + &(0..24).map(row).collect::<String>();
        std::fs::write(folder.path().join("table.csv"), table).unwrap();
        let spec = DatasetSpec {
            split: SplitSpec::Column("split".to_owned()),
            on_bad_row: OnBadRow::Skip,
            ..DatasetSpec::with_label(LabelRule::try_from("click".to_owned()).unwrap())
        };
        let out = folder.path().join("dataset");
        let go_on = &mut |_| ControlFlow::Continue(());
        ingest(folder.path().join("table.csv"), &spec, &out, &IngestLimits::default(), go_on).unwrap();
        let dataset = Dataset::open(&out).unwrap();
        // Of the training rows, which are rows 0, 1, 4, 8, .., the third is dropped.
        let kept = (0..11).filter(|row| *row != 2).collect();
        let labels = dataset.split(Split::Train).labels;
        let choice = Choice::new(&dataset, labels, Some(&Selected::rows(kept)), &[]);
        let dropped: Vec<_> = (0..24).filter(|row| choice.mask[*row] == 0).collect();
        assert_eq!((choice.mask.len(), dropped), (24, vec![4, 5]));
    }
}
