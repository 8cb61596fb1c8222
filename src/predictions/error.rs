//! What is wrong with predictions.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    #[error("there is no file {file}; a probability for each of {rows} rows is to be written there")]
    Missing { file: String, rows: usize },
    #[error("cannot read {file}: {source}")]
    Read { file: String, source: io::Error },
    #[error("{file} is no plain file")]
    NotAFile { file: String },
    #[error("{file} has {bytes} bytes, more than {rows} probabilities need; write one a line and nothing else")]
    TooLarge { file: String, bytes: u64, rows: usize },
    #[error("{file}, line {line}: {rule}")]
    Line { file: String, line: u64, rule: String },
    #[error("{file}, number {at} (from 0): {rule}")]
    Number { file: String, at: usize, rule: String },
    #[error("{file} has {found} predictions{header}, and there are {rows} rows; write one a row, in their order")]
    Count { file: String, found: usize, rows: usize, header: &'static str },
    #[error("{file} is a NumPy array that cannot be used: {rule}")]
    Array { file: String, rule: String },
}

/// What errors call the file, and how many rows there are to predict.
#[derive(Clone, Copy)]
pub(super) struct Naming<'a> {
    pub file: &'a str,
    pub rows: usize,
}

impl Naming<'_> {
    pub fn read(self, source: io::Error) -> PredictionsError {
        PredictionsError::Read { file: self.file.to_owned(), source }
    }

    /// The predictions, if there is one for each row. `header`: what to say of a first line that was none.
    pub fn check_count(self, found: Vec<f64>, header: &'static str) -> Result<Vec<f64>, PredictionsError> {
        if found.len() == self.rows {
            return Ok(found);
        }
        Err(PredictionsError::Count { file: self.file.to_owned(), found: found.len(), rows: self.rows, header })
    }
}

/// What is wrong with a number, if it is no probability.
pub(super) fn check(number: f64) -> Result<f64, String> {
    if number.is_nan() {
        return Err("the prediction is not a number (NaN)".to_owned());
    }
    if !(0.0..=1.0).contains(&number) {
        return Err(format!("{number} is not from 0 to 1; write probabilities of label 1, not scores or log-odds"));
    }
    Ok(number)
}
