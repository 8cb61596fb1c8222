//! Labels corrupted on purpose, so that it is known which rows a method ought to drop. Test labels are never touched.

use crate::backbone::{Rows, TrainingData};
use crate::ingest::{Dataset, SplitData};
use crate::metrics::{auc, hanley_mcneil};
use crate::random::{PLANTED_VALUES, Purpose, Stream};
use crate::selection::{Selected, top_k};
use crate::types::{Found, Noise, Split};

/// A dataset's training and validation labels with noise in them.
pub struct Planted<'a> {
    dataset: &'a Dataset,
    train: Vec<u8>,
    valid: Vec<u8>,
    /// `[N]`: training rows that the noise was applied to, also those whose label it happened not to change.
    corrupted: Vec<bool>,
    /// `[V]`: the same of validation rows.
    corrupted_valid: Vec<bool>,
}

impl<'a> Planted<'a> {
    /// Fails where the dataset lacks a field that the noise names.
    pub fn new(dataset: &'a Dataset, noise: &Noise, seed: u64) -> Result<Self, String> {
        let (train, corrupted) = corrupt(dataset, Split::Train, noise, seed)?;
        let (valid, corrupted_valid) = corrupt(dataset, Split::Valid, noise, seed)?;
        Ok(Self { dataset, train, valid, corrupted, corrupted_valid })
    }

    /// A dataset that was read from a table with noise in it already; `corrupted` says of each of the table's rows whether the
    /// noise touched it. Fails where the table has other rows.
    pub fn known(dataset: &'a Dataset, corrupted: &[bool]) -> Result<Self, String> {
        let (rows, said) = (dataset.feature_map.rows.total(), corrupted.len());
        if said as u64 != rows {
            return Err(format!("the truth is of {said} rows, the table has {rows}"));
        }
        let [train, valid] = [Split::Train, Split::Valid].map(|split| dataset.split(split));
        let corrupted = |rows: &[u32]| rows.iter().map(|row| corrupted[*row as usize]).collect();
        Ok(Self {
            dataset,
            train: train.labels.to_vec(),
            valid: valid.labels.to_vec(),
            corrupted: corrupted(train.rows),
            corrupted_valid: corrupted(valid.rows),
        })
    }

    /// The training and validation rows, with the noise in their labels.
    pub fn data(&'a self) -> TrainingData<'a> {
        let rows = |split, labels| {
            let clean = self.dataset.split(split);
            Rows::new(SplitData { labels, ..clean }, self.dataset.fields())
        };
        TrainingData {
            train: rows(Split::Train, &self.train),
            valid: rows(Split::Valid, &self.valid),
            times: crate::backbone::times(self.dataset),
        }
    }

    /// The perfect choice: the rows that were left alone.
    pub fn clean_choice(&self) -> Selected {
        Selected { valid: self.clean_valid_rows(), ..Selected::rows(list_clean(&self.corrupted)) }
    }

    /// The validation rows that were left alone; absent where these are all, or of one label.
    fn clean_valid_rows(&self) -> Option<Vec<u32>> {
        let clean = list_clean(&self.corrupted_valid);
        let ones = clean.iter().filter(|row| self.valid[**row as usize] == 1).count();
        (clean.len() < self.valid.len() && (1..clean.len()).contains(&ones)).then_some(clean)
    }

    /// How well a choice tells corrupted rows from others. `None` keeps every row, which tells nothing.
    pub fn measure_choice(&self, selected: Option<&Selected>) -> Found {
        let rows = self.corrupted.len();
        let mut kept = vec![selected.is_none(); rows];
        for row in selected.iter().flat_map(|selected| &selected.kept) {
            kept[*row as usize] = true;
        }
        // Rows with low scores are taken to be corrupted.
        let suspicion: Vec<f32> = match selected.and_then(|selected| selected.scores.as_ref()) {
            Some(scores) => scores.values.iter().map(|score| -score).collect(),
            None => kept.iter().map(|kept| f32::from(u8::from(!kept))).collect(),
        };
        let truth: Vec<u8> = self.corrupted.iter().map(|corrupted| u8::from(*corrupted)).collect();
        let corrupted = truth.iter().map(|corrupted| u64::from(*corrupted)).sum::<u64>();
        let dropped = kept.iter().filter(|kept| !**kept).count() as u64;
        let both = kept.iter().zip(&self.corrupted).filter(|(kept, corrupted)| !**kept && **corrupted).count() as u64;
        let share = |of: u64| (of > 0).then(|| both as f64 / of as f64);
        let auroc = auc(&truth, &suspicion).ok().flatten();
        Found {
            corrupted,
            dropped,
            auroc,
            auroc_standard_error: auroc.map(|auroc| hanley_mcneil(auroc, corrupted, rows as u64 - corrupted)),
            precision: share(dropped),
            recall: share(corrupted),
        }
    }
}

fn list_clean(corrupted: &[bool]) -> Vec<u32> {
    (0..).zip(corrupted).filter(|(_, corrupted)| !**corrupted).map(|(row, _)| row).collect()
}

/// The labels of a split with the noise in them, and the rows it touched.
fn corrupt(dataset: &Dataset, split: Split, noise: &Noise, seed: u64) -> Result<(Vec<u8>, Vec<bool>), String> {
    let clean = dataset.split(split);
    let mut labels = clean.labels.to_vec();
    let mut draws = vec![0.0; labels.len()];
    Stream::new(seed, Purpose::Plant, &[split as u32]).fill_uniform(&mut draws);
    let corrupted: Vec<bool> = match noise {
        Noise::Flips { rate } => draws.iter().map(|draw| f64::from(*draw) < *rate).collect(),
        Noise::RandomValues { field, share } | Noise::InvertedValues { field, share } => {
            let values = draw_values(dataset, field, *share, seed)?;
            let column = find_column(dataset, field)?;
            let ids = clean.ids.iter().skip(column).step_by(dataset.fields());
            ids.map(|id| values.contains(&(*id as u32))).collect()
        }
    };
    for ((label, draw), _) in labels.iter_mut().zip(&draws).zip(&corrupted).filter(|(_, corrupted)| **corrupted) {
        *label = match noise {
            Noise::Flips { .. } | Noise::InvertedValues { .. } => 1 - *label,
            Noise::RandomValues { .. } => u8::from(*draw < 0.5),
        };
    }
    Ok((labels, corrupted))
}

fn find_column(dataset: &Dataset, field: &str) -> Result<usize, String> {
    let fields = &dataset.feature_map.fields;
    let names = || fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    fields
        .iter()
        .position(|own| own.name == field)
        .ok_or_else(|| format!("there is no field `{field}`; there are {}", names()))
}

/// A share of a field's values, the same in every split.
fn draw_values(
    dataset: &Dataset,
    field: &str,
    share: f64,
    seed: u64,
) -> Result<std::collections::HashSet<u32>, String> {
    let field = &dataset.feature_map.fields[find_column(dataset, field)?];
    let mut draws = vec![0.0; field.cardinality as usize];
    Stream::new(seed, Purpose::Plant, &[PLANTED_VALUES]).fill_uniform(&mut draws);
    let count = (f64::from(field.cardinality) * share).round() as usize;
    Ok(top_k(&draws, count).into_iter().map(|value| field.offset + value).collect())
}
