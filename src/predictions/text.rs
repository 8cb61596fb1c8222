//! A probability a line.

use super::error::{Naming, PredictionsError, check};
use crate::ingest::shown;
use std::io::BufRead;

pub(super) fn read(mut lines: impl BufRead, naming: Naming) -> Result<Vec<f64>, PredictionsError> {
    let (mut found, mut text) = (Vec::with_capacity(naming.rows), Vec::new());
    let (mut line, mut first_blank, mut has_header) = (0, None, false);
    while {
        text.clear();
        lines.read_until(b'\n', &mut text).map_err(|source| naming.read(source))? > 0
    } {
        line += 1;
        let fault = |line, rule| PredictionsError::Line { file: naming.file.to_owned(), line, rule };
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
            Some(number) => found.push(check(number).map_err(|rule| fault(line, rule))?),
            None if line == 1 => has_header = true,
            None => {
                let rule = format!(
                    "{:?} is not a number; write one probability a line, without an index beside it",
                    shown(cell)
                );
                return Err(fault(line, rule));
            }
        }
    }
    naming.check_count(found, if has_header { " below a first line that is no number" } else { "" })
}
