//! The loss history LMat (spec `autodenoise.md`, sections 1, 5 and 6, rows 10 and 11): C rows of one loss per training
//! row, the oldest overwritten after each search epoch; and their mean, the look-back a reward is measured against.

use crate::backbone::{TensorFile, WeightsError};
use crate::types::LmatDeselected;
use tch::{Device, Kind, Tensor};

/// Training rows averaged at once: bounds the memory of the f64 copies.
const MEAN_ROWS: i64 = 1 << 20;

pub struct History {
    /// `[C, N]`.
    rows: Tensor,
    /// `[N]`: the losses last seen by an update, 1 before the first; kept only by `carry`.
    carried: Option<Tensor>,
    mode: LmatDeselected,
}

/// The row a search epoch is writing.
pub struct Entries {
    values: Tensor,
}

impl Entries {
    /// Losses of all rows of a batch that starts at `offset`.
    pub fn put(&mut self, offset: usize, losses: &Tensor) {
        self.values.narrow(0, offset as i64, losses.size()[0]).copy_(losses);
    }

    /// Losses of the rows `index` (within the batch) of a batch that starts at `offset`.
    pub fn put_selected(&mut self, offset: usize, index: &Tensor, losses: &Tensor) {
        let _ = self.values.index_copy_(0, &(index + offset as i64), losses);
    }

    pub fn values(&self) -> &Tensor {
        &self.values
    }
}

impl History {
    pub fn new(look_back: u32, rows: usize, mode: LmatDeselected, device: Device) -> Self {
        let carried = (mode == LmatDeselected::Carry).then(|| Tensor::ones([rows as i64], (Kind::Float, device)));
        Self { rows: Tensor::zeros([i64::from(look_back), rows as i64], (Kind::Float, device)), carried, mode }
    }

    /// Sets row `c` (from 0) of the warm-up.
    pub fn set(&mut self, c: u32, losses: &Tensor) {
        self.rows.get(i64::from(c)).copy_(losses);
    }

    /// Mean over the C rows, `[N]`, summed in f64.
    pub fn look_back(&self) -> Tensor {
        let parts = self.rows.split(MEAN_ROWS, 1);
        let means: Vec<_> =
            parts.iter().map(|part| part.mean_dim(0, false, Kind::Double).to_kind(Kind::Float)).collect();
        Tensor::cat(&means, 0)
    }

    /// The row that search epoch `epoch` (from 1) overwrites: the oldest.
    fn oldest(&self, epoch: u32) -> i64 {
        i64::from(epoch - 1) % self.rows.size()[0]
    }

    /// Starts the row of a search epoch, with the values that rows never selected in it will have.
    pub fn start(&self, epoch: u32, look_back: &Tensor) -> Entries {
        let values = match self.mode {
            LmatDeselected::Carry => self.carried.as_ref().expect("carry keeps a row").copy(),
            LmatDeselected::KeepRow => self.rows.get(self.oldest(epoch)).copy(),
            LmatDeselected::FillMean | LmatDeselected::EvaluateAll => look_back.copy(),
        };
        Entries { values }
    }

    /// Ends a search epoch: its row replaces the oldest.
    pub fn finish(&mut self, epoch: u32, entries: Entries) {
        self.rows.get(self.oldest(epoch)).copy_(&entries.values);
        if let Some(carried) = &mut self.carried {
            carried.copy_(&entries.values);
        }
    }

    /// `[C, N]`.
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    pub fn save(&self, prefix: &str, file: &mut TensorFile) {
        file.put(format!("{prefix}rows"), &self.rows);
        if let Some(carried) = &self.carried {
            file.put(format!("{prefix}carried"), carried);
        }
    }

    pub fn load(&mut self, prefix: &str, file: &TensorFile) -> Result<(), WeightsError> {
        let size = self.rows.size();
        self.rows.copy_(&file.get_shaped(&format!("{prefix}rows"), &size)?);
        if let Some(carried) = &mut self.carried {
            let size = carried.size();
            carried.copy_(&file.get_shaped(&format!("{prefix}carried"), &size)?);
        }
        Ok(())
    }
}
