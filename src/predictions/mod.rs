//! What a model predicts, as it is handed in: the probability of label 1 of each row, in the order of the rows. Either text, a
//! line each, whose first line may be a header, or a NumPy array (NPY) of 32-bit or 64-bit numbers.

mod error;
mod npy;
mod text;

pub use error::PredictionsError;

use error::Naming;
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// The most bytes of a line, on average: no writer's numbers are longer.
const MOST_BYTES_A_ROW: u64 = 64;
/// And the most beside them, for a header.
const MOST_BYTES_BESIDE: u64 = 4096;

/// The most bytes that the predictions of so many rows may have.
pub fn most_bytes(rows: u64) -> u64 {
    rows.saturating_mul(MOST_BYTES_A_ROW).saturating_add(MOST_BYTES_BESIDE)
}

/// The predictions of so many rows, from a file.
pub fn read_predictions(path: &Path, rows: usize) -> Result<Vec<f64>, PredictionsError> {
    read_predictions_as(&format!("`{}`", path.display()), path, rows)
}

/// As [`read_predictions`], from a file that errors call `name`.
pub fn read_predictions_as(name: &str, path: &Path, rows: usize) -> Result<Vec<f64>, PredictionsError> {
    let naming = Naming { file: name, rows };
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => PredictionsError::Missing { file: name.to_owned(), rows },
        _ => naming.read(source),
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    // To open a pipe would wait for whoever writes to it.
    if !metadata.is_file() {
        return Err(PredictionsError::NotAFile { file: name.to_owned() });
    }
    let bytes = metadata.len();
    if bytes > most_bytes(rows as u64) {
        return Err(PredictionsError::TooLarge { file: name.to_owned(), bytes, rows });
    }
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    match file.fill_buf().map_err(failed)?.starts_with(npy::MAGIC) {
        true => npy::read(file, naming),
        false => text::read(file, naming),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<f64>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        std::fs::write(&path, text).unwrap();
        read_predictions(&path, 3).map_err(|error| error.to_string().replace(&path.display().to_string(), "p.csv"))
    }

    #[test]
    fn a_probability_a_line_with_or_without_a_header() {
        for text in ["0\n0.5\n1", "p\n0\n0.5\n1\n", "\u{feff}0\r\n 5e-1\r\n1.0\r\n\r\n", "\"p\"\n0\n+0.5\n1\n\n"] {
            assert_eq!(read(text), Ok(vec![0.0, 0.5, 1.0]), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_file_and_line() {
        for (text, said) in [
            ("0.1\n0.2\n", "`p.csv` has 2 predictions, and there are 3 rows"),
            ("p\n0.1\n0.2\n", "`p.csv` has 2 predictions below a first line that is no number, and there are 3 rows"),
            ("0.1\n0.2\n0.3\n0.4\n", "`p.csv` has 4 predictions, and"),
            ("", "`p.csv` has 0 predictions"),
            ("0.1\n0.2,1\n0.3\n", "`p.csv`, line 2: \"0.2,1\" is not a number"),
            ("p\n0.1\nNaN\n0.3\n", "`p.csv`, line 3: the prediction is not a number (NaN)"),
            ("nan\n0.2\n0.3\n", "`p.csv`, line 1: the prediction is not"),
            ("0.1\n0.2\n1.5\n", "`p.csv`, line 3: 1.5 is not from 0 to 1"),
            ("-0.1\n0.2\n1\n", "`p.csv`, line 1: -0.1 is not from 0 to 1"),
            ("inf\n0.2\n1\n", "`p.csv`, line 1: inf is not from 0 to 1"),
            ("0.1\n\n0.3\n0.4\n", "`p.csv`, line 2: no prediction stands here"),
            (&"0.1\n".repeat(2000), "`p.csv` has 8000 bytes, more than 3 probabilities need"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(said), "{text:?}: {found}");
        }
        let folder = tempfile::tempdir().unwrap();
        let missing = read_predictions(&folder.path().join("p.csv"), 3).unwrap_err().to_string();
        assert!(missing.contains("there is no file") && missing.contains("each of 3 rows"), "{missing}");
        assert!(matches!(read_predictions(folder.path(), 3), Err(PredictionsError::NotAFile { .. })));
    }
}
