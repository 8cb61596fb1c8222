//! The test rows, sealed: one function reads them, and it counts its reads (spec `design.md`, section 3).

use crate::backbone::{FitError, Model, Rows};
use crate::ingest::Dataset;
use crate::metrics::{MetricsError, Platt, RowDifferences, RowError, calibration, logloss, of_logits, placements};
use crate::types::{Calibration, Metrics, Options, Split};
use std::borrow::Cow;

pub struct SealedTest<'a> {
    dataset: &'a Dataset,
    /// Places of the rows that a verdict counts, ascending. Absent: all.
    trusted: Option<Vec<u32>>,
    reads: u64,
}

/// How a model does on the test rows.
pub struct Reading {
    pub metrics: Metrics,
    pub calibration: Calibration,
    /// `[n]`.
    pub logits: Vec<f32>,
    /// [`placements`] of the rows that a verdict counts. Absent where they have one label.
    pub placements: Option<Vec<f32>>,
}

impl<'a> SealedTest<'a> {
    /// `trusted`: places of the rows that a verdict counts, ascending; absent: all.
    pub fn new(dataset: &'a Dataset, trusted: Option<Vec<u32>>) -> Self {
        Self { dataset, trusted, reads: 0 }
    }

    /// The values `[n]` of the rows that a verdict counts.
    fn counted<'v, T: Copy>(&self, values: &'v [T]) -> Cow<'v, [T]> {
        match &self.trusted {
            None => values.into(),
            Some(rows) => rows.iter().map(|row| values[*row as usize]).collect(),
        }
    }

    fn counted_labels(&self) -> Cow<'_, [u8]> {
        self.counted(self.dataset.split(Split::Test).labels)
    }

    /// How a (single) model does on the test rows. The rows are on the device only while this runs.
    pub fn read(&mut self, model: &mut dyn Model, options: &Options) -> Result<Reading, FitError> {
        let logits = self.predict(model);
        self.read_logits(logits, options)
    }

    /// `[n]`: what a (single) model thinks of the test rows. Nothing is judged by it before [`Self::read_logits`] takes it in.
    pub fn predict(&self, model: &mut dyn Model) -> Vec<f32> {
        model.predict(&Rows::new(self.dataset.split(Split::Test), self.dataset.fields()))
    }

    /// The same of a model that is known by its logits `[n]` of the test rows alone.
    pub fn read_logits(&mut self, logits: Vec<f32>, options: &Options) -> Result<Reading, FitError> {
        self.reads += 1;
        let rows = self.dataset.split(Split::Test);
        if logits.iter().any(|z| !z.is_finite()) {
            return Err(FitError::NotFinitePrediction);
        }
        let (labels, counted) = (self.counted(rows.labels), self.counted(&logits));
        Ok(Reading {
            placements: placements(&labels, &counted)?,
            metrics: of_logits(rows.labels, &logits, options.auc_on, options.logloss_eps)?,
            calibration: calibration(rows.labels, &logits),
            logits,
        })
    }

    /// How a model does on a part of the test rows: their places, ascending. It uses a reading made before and counts as none.
    pub fn read_part(&self, reading: &Reading, rows: &[u32], options: &Options) -> Result<Metrics, MetricsError> {
        let labels = self.dataset.split(Split::Test).labels;
        let labels: Vec<u8> = rows.iter().map(|row| labels[*row as usize]).collect();
        let logits: Vec<f32> = rows.iter().map(|row| reading.logits[*row as usize]).collect();
        of_logits(&labels, &logits, options.auc_on, options.logloss_eps)
    }

    /// The log-loss of predictions that were recalibrated on validation rows, over the rows that a verdict counts. It uses a
    /// reading made before and counts as none.
    pub fn recalibrated_logloss(
        &self,
        reading: &Reading,
        recalibration: Platt,
        options: &Options,
    ) -> Result<f64, MetricsError> {
        let logits = self.counted(&reading.logits);
        let probabilities = logits.iter().map(|z| f64::from(recalibration.probability(*z)));
        Ok(logloss(&self.counted_labels(), probabilities, options.logloss_eps)?.mean)
    }

    /// The error of differences between models that is due to the draw of the rows that count, each on its own. It uses readings
    /// made before and counts as none.
    pub fn row_error(&self, differences: &RowDifferences) -> Option<RowError> {
        differences.error(&self.counted_labels())
    }

    /// The same where test rows come in clusters. `clusters` `[n]`: each row's, below `count`.
    pub fn clustered_error(&self, differences: &RowDifferences, clusters: &[u32], count: usize) -> Option<RowError> {
        differences.clustered_error(&self.counted_labels(), clusters, count)
    }

    /// Goes on counting from the reads of earlier attempts.
    pub fn resume(&mut self, reads: u64) {
        self.reads = reads;
    }

    pub fn reads(&self) -> u64 {
        self.reads
    }
}
