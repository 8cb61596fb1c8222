//! The loss history LMat (spec `autodenoise.md`, sections 1, 5 and 6, rows 10 and 11): C rows of one loss per training
//! row, the oldest overwritten after each search epoch; and their mean, the look-back a reward is measured against.

use crate::backbone::{TensorFile, WeightsError};
use crate::types::LmatDeselected;

pub struct History {
    /// C rows of N losses.
    rows: Vec<Vec<f32>>,
    /// `[N]`: the losses last seen by an update, 1 before the first; kept only by `carry`.
    carried: Option<Vec<f32>>,
    mode: LmatDeselected,
}

impl History {
    pub fn new(look_back: u32, rows: usize, mode: LmatDeselected) -> Self {
        let carried = (mode == LmatDeselected::Carry).then(|| vec![1.0; rows]);
        Self { rows: vec![vec![0.0; rows]; look_back as usize], carried, mode }
    }

    /// Sets row `c` (from 0) of the warm-up.
    pub fn set(&mut self, c: u32, losses: Vec<f32>) {
        assert_eq!(losses.len(), self.rows[0].len(), "a loss for each row");
        self.rows[c as usize] = losses;
    }

    /// Mean over the C rows, `[N]`, summed in f64.
    pub fn look_back(&self) -> Vec<f32> {
        let count = self.rows.len() as f64;
        let mean = |i: usize| (self.rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / count) as f32;
        (0..self.rows[0].len()).map(mean).collect()
    }

    /// The row that search epoch `epoch` (from 1) overwrites: the oldest.
    fn oldest(&self, epoch: u32) -> usize {
        (epoch as usize - 1) % self.rows.len()
    }

    /// Starts the row of a search epoch, with the values that rows never selected in it will have.
    pub fn start(&self, epoch: u32, look_back: &[f32]) -> Vec<f32> {
        match self.mode {
            LmatDeselected::Carry => self.carried.clone().expect("carry keeps a row"),
            LmatDeselected::KeepRow => self.rows[self.oldest(epoch)].clone(),
            LmatDeselected::FillMean | LmatDeselected::EvaluateAll => look_back.to_vec(),
        }
    }

    /// Ends a search epoch: its row replaces the oldest.
    pub fn finish(&mut self, epoch: u32, losses: Vec<f32>) {
        assert_eq!(losses.len(), self.rows[0].len(), "a loss for each row");
        if let Some(carried) = &mut self.carried {
            carried.copy_from_slice(&losses);
        }
        let oldest = self.oldest(epoch);
        self.rows[oldest] = losses;
    }

    /// The rows after `epochs` search epochs, the oldest first.
    pub fn by_age(&self, epochs: u32) -> Vec<Vec<f32>> {
        let mut rows = self.rows.clone();
        let oldest = self.oldest(epochs + 1);
        rows.rotate_left(oldest);
        rows
    }

    /// C rows of N losses.
    pub fn rows(&self) -> &[Vec<f32>] {
        &self.rows
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        for (c, row) in self.rows.iter().enumerate() {
            file.put_values(format!("{prefix}rows/{c}"), &[row.len()], row);
        }
        if let Some(carried) = &self.carried {
            file.put_values(format!("{prefix}carried"), &[carried.len()], carried);
        }
    }

    pub fn load(&mut self, prefix: &str, file: &TensorFile) -> Result<(), WeightsError> {
        for (c, row) in self.rows.iter_mut().enumerate() {
            *row = file.values(&format!("{prefix}rows/{c}"), &[row.len()])?;
        }
        if let Some(carried) = &mut self.carried {
            *carried = file.values(&format!("{prefix}carried"), &[carried.len()])?;
        }
        Ok(())
    }
}
