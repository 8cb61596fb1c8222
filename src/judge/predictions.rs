//! A file of predictions: the probability of label 1 of each row, a line each, in the order of the rows. The first line may
//! be a header.

use crate::ingest::shown;
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// The most bytes of a line, on average: no writer's numbers are longer. Bounds what is read.
const MOST_BYTES_A_ROW: u64 = 64;
/// And the most beside them, for a header.
const MOST_BYTES_BESIDE: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    #[error("there is no file `{file}`; a probability for each of {rows} rows is to be written there")]
    Missing { file: String, rows: usize },
    #[error("cannot read `{file}`: {source}")]
    Read { file: String, source: io::Error },
    #[error("`{file}` is no plain file")]
    NotAFile { file: String },
    #[error("`{file}` has {bytes} bytes, more than {rows} probabilities need; write one a line and nothing else")]
    TooLarge { file: String, bytes: u64, rows: usize },
    #[error("`{file}`, line {line}: {rule}")]
    Line { file: String, line: u64, rule: String },
    #[error("`{file}` has {found} predictions{header}, and there are {rows} rows; write one a row, in their order")]
    Count { file: String, found: usize, rows: usize, header: &'static str },
}

/// The predictions of so many rows.
pub fn read_predictions(path: &Path, rows: usize) -> Result<Vec<f64>, PredictionsError> {
    let file = path.display().to_string();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => PredictionsError::Missing { file: file.clone(), rows },
        _ => PredictionsError::Read { file: file.clone(), source },
    };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    // To open a pipe would wait for whoever writes to it.
    if !metadata.is_file() {
        return Err(PredictionsError::NotAFile { file });
    }
    let (bytes, most) = (metadata.len(), rows as u64 * MOST_BYTES_A_ROW + MOST_BYTES_BESIDE);
    if bytes > most {
        return Err(PredictionsError::TooLarge { file, bytes, rows });
    }
    let mut lines = BufReader::new(File::open(path).map_err(failed)?);
    let (mut found, mut text) = (Vec::with_capacity(rows), Vec::new());
    let (mut line, mut first_blank, mut has_header) = (0, None, false);
    while {
        text.clear();
        lines.read_until(b'\n', &mut text).map_err(failed)? > 0
    } {
        line += 1;
        let fault = |line, rule| PredictionsError::Line { file: file.clone(), line, rule };
        let cell = if line == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text) } else { &text[..] }.trim_ascii();
        // Blank lines at the end are no predictions; elsewhere a row has none.
        if cell.is_empty() {
            first_blank.get_or_insert(line);
            continue;
        }
        if let Some(blank) = first_blank {
            return Err(fault(blank, "no prediction stands here; write one for every row".to_owned()));
        }
        let number = std::str::from_utf8(cell).ok().and_then(|cell| cell.parse::<f64>().ok());
        match number {
            None if line == 1 => has_header = true,
            _ => found.push(check(number, cell).map_err(|rule| fault(line, rule))?),
        }
    }
    if found.len() != rows {
        let header = if has_header { " below a first line that is no number" } else { "" };
        return Err(PredictionsError::Count { file, found: found.len(), rows, header });
    }
    Ok(found)
}

fn check(number: Option<f64>, cell: &[u8]) -> Result<f64, String> {
    match number {
        None => {
            Err(format!("{:?} is not a number; write one probability a line, without an index beside it", shown(cell)))
        }
        Some(number) if number.is_nan() => Err("the prediction is not a number (NaN)".to_owned()),
        Some(number) if !(0.0..=1.0).contains(&number) => {
            Err(format!("{number} is not from 0 to 1; write probabilities of label 1, not scores or log-odds"))
        }
        Some(number) => Ok(number),
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
