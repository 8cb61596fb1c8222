//! Which rows have reliable values only, and so may be learned from and judged by.

use crate::backbone::{TensorFile, WeightsError};

pub(super) struct ReliableRows {
    /// `[N]` of the training rows.
    pub train: Vec<bool>,
    /// `[N]` of the validation rows.
    pub valid: Vec<bool>,
}

impl ReliableRows {
    /// All of so many training and validation rows.
    pub fn all(train: usize, valid: usize) -> Self {
        Self { train: vec![true; train], valid: vec![true; valid] }
    }

    /// Whether any training row has an unreliable value.
    pub fn leave_rows_out(&self) -> bool {
        self.train.contains(&false)
    }

    /// Positions of the reliable training rows, ascending.
    pub fn positions(&self) -> Vec<u32> {
        (0..).zip(&self.train).filter(|(_, reliable)| **reliable).map(|(row, _)| row).collect()
    }

    /// Of values `[N]`, one a training row, those of the reliable rows.
    pub fn filter<T: Copy>(&self, values: &[T]) -> Vec<T> {
        values.iter().zip(&self.train).filter(|(_, reliable)| **reliable).map(|(value, _)| *value).collect()
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        for (name, rows) in [("reliable", &self.train), ("reliable_valid", &self.valid)] {
            let bits: Vec<f32> = rows.iter().map(|reliable| f32::from(u8::from(*reliable))).collect();
            file.put_values(format!("{prefix}{name}"), &[bits.len()], &bits);
        }
    }

    /// Takes up what `save` left.
    pub fn load(&mut self, prefix: &str, file: &TensorFile) -> Result<(), WeightsError> {
        for (name, rows) in [("reliable", &mut self.train), ("reliable_valid", &mut self.valid)] {
            let bits = file.values(&format!("{prefix}{name}"), &[rows.len()])?;
            *rows = bits.iter().map(|bit| *bit > 0.5).collect();
        }
        Ok(())
    }
}
