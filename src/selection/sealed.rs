//! The test rows, sealed: one function reads them, and it counts its reads (spec `design.md`, section 3).

use crate::backbone::{FitError, Model, Rows};
use crate::ingest::Dataset;
use crate::metrics::{MetricsError, Platt, RowDifferences, RowError, calibration, logloss, of_logits, placements};
use crate::types::{Calibration, Metrics, Options, Split};

pub struct SealedTest<'a> {
    dataset: &'a Dataset,
    reads: u64,
}

/// How a model does on the test rows.
pub struct Reading {
    pub metrics: Metrics,
    pub calibration: Calibration,
    /// `[n]`.
    pub logits: Vec<f32>,
    /// [`placements`] of the test rows. Absent where they have one label.
    pub placements: Option<Vec<f32>>,
}

impl<'a> SealedTest<'a> {
    pub fn new(dataset: &'a Dataset) -> Self {
        Self { dataset, reads: 0 }
    }

    /// How a (single) model does on the test rows. The rows are on the device only while this runs.
    pub fn read(&mut self, model: &mut dyn Model, options: &Options) -> Result<Reading, FitError> {
        self.reads += 1;
        let rows = Rows::new(self.dataset.split(Split::Test), self.dataset.fields());
        let logits = model.predict(&rows);
        if logits.iter().any(|z| !z.is_finite()) {
            return Err(FitError::NotFinitePrediction);
        }
        Ok(Reading {
            metrics: of_logits(rows.labels, &logits, options.auc_on, options.logloss_eps)?,
            calibration: calibration(rows.labels, &logits),
            placements: placements(rows.labels, &logits)?,
            logits,
        })
    }

    /// The log-loss of predictions that were recalibrated, on validation rows. It uses a reading made before and counts as
    /// none.
    pub fn recalibrated_logloss(
        &self,
        reading: &Reading,
        recalibration: Platt,
        options: &Options,
    ) -> Result<f64, MetricsError> {
        let probabilities = reading.logits.iter().map(|z| f64::from(recalibration.probability(*z)));
        let labels = self.dataset.split(Split::Test).labels;
        Ok(logloss(labels, probabilities, options.logloss_eps)?.mean)
    }

    /// The error of differences between models that is due to the draw of the test rows, each on its own. It uses readings
    /// made before and counts as none.
    pub fn row_error(&self, differences: &RowDifferences) -> Option<RowError> {
        differences.error(self.dataset.split(Split::Test).labels)
    }

    /// The same where test rows come in clusters. `clusters` `[n]`: each row's, below `count`.
    pub fn clustered_error(&self, differences: &RowDifferences, clusters: &[u32], count: usize) -> Option<RowError> {
        differences.clustered_error(self.dataset.split(Split::Test).labels, clusters, count)
    }

    /// Goes on counting from the reads of earlier attempts.
    pub fn resume(&mut self, reads: u64) {
        self.reads = reads;
    }

    pub fn reads(&self) -> u64 {
        self.reads
    }
}
