//! A NumPy array: one dimension, or one column.
//!
//! The header is a Python dictionary. It comes from strangers, so it is not read as one, which would nest as deep as it does:
//! three words are looked for in it.

use super::error::{Naming, PredictionsError, check};
use std::io::Read;

/// How such files begin; two bytes of the version follow, and two of the header's length.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// The first version, whose header has at most 64 KiB. NumPy writes it unless the header needs more.
const VERSION: [u8; 2] = [1, 0];

pub(super) fn read(mut file: impl Read, naming: Naming) -> Result<Vec<f64>, PredictionsError> {
    let unusable = |rule: String| PredictionsError::Array { file: naming.file.to_owned(), rule };
    let mut start = [0; MAGIC.len() + 4];
    file.read_exact(&mut start).map_err(|_| unusable("it ends within its header".to_owned()))?;
    let [.., major, minor, low, high] = start;
    if [major, minor] != VERSION {
        return Err(unusable("it is not of version 1.0 of the format; save a plain array of numbers".to_owned()));
    }
    let mut header = vec![0; usize::from(u16::from_le_bytes([low, high]))];
    file.read_exact(&mut header).map_err(|_| unusable("it ends within its header".to_owned()))?;
    let header = String::from_utf8_lossy(&header);
    let Some((kind, shape)) = kind_of(&header).zip(shape_of(&header)) else {
        return Err(unusable("its header does not say the type and the shape of it".to_owned()));
    };
    let rows = naming.rows as u64;
    if ![&[rows][..], &[rows, 1]].contains(&&shape[..]) {
        let shape: Vec<String> = shape.iter().map(u64::to_string).collect();
        return Err(unusable(format!("its shape is ({}), and there are {rows} rows to predict", shape.join(", "))));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|source| naming.read(source))?;
    let found: Vec<f64> = match kind {
        "<f8" => numbers(&bytes, f64::from_le_bytes),
        ">f8" => numbers(&bytes, f64::from_be_bytes),
        "<f4" => numbers(&bytes, |bytes| f64::from(f32::from_le_bytes(bytes))),
        ">f4" => numbers(&bytes, |bytes| f64::from(f32::from_be_bytes(bytes))),
        other => {
            let rule = format!("its numbers are of type {other:?}; save float64 (<f8) or float32 (<f4)");
            return Err(unusable(rule));
        }
    };
    for (at, number) in found.iter().enumerate() {
        check(*number).map_err(|rule| PredictionsError::Number { file: naming.file.to_owned(), at, rule })?;
    }
    naming.check_count(found, "")
}

fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}

/// What stands behind a key of the dictionary.
fn find<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let (_, behind) = header.split_once(&format!("'{key}'"))?;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}

/// The type of the numbers, at most a short word.
fn kind_of(header: &str) -> Option<&str> {
    let (kind, _) = find(header, "descr")?.strip_prefix('\'')?.split_once('\'')?;
    (kind.len() <= 16).then_some(kind)
}

fn shape_of(header: &str) -> Option<Vec<u64>> {
    let (shape, _) = find(header, "shape")?.strip_prefix('(')?.split_once(')')?;
    let sizes: Vec<&str> = shape.split(',').map(str::trim).filter(|size| !size.is_empty()).collect();
    if sizes.len() > 8 {
        return None;
    }
    sizes.into_iter().map(|size| size.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as NumPy writes it.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let padded = format!("{header:<117}\n");
        [MAGIC, &[1, 0], &(padded.len() as u16).to_le_bytes(), padded.as_bytes(), data].concat()
    }

    fn header(kind: &str, shape: &str) -> String {
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")
    }

    fn read_bytes(bytes: &[u8]) -> Result<Vec<f64>, String> {
        read(bytes, Naming { file: "p.npy", rows: 2 }).map_err(|error| error.to_string())
    }

    #[test]
    fn arrays_of_both_sizes_and_of_one_column_are_read() {
        let (wide, narrow) = ([0.25_f64, 1.0].map(f64::to_le_bytes), [0.25_f32, 1.0].map(f32::to_be_bytes));
        assert_eq!(read_bytes(&file(&header("<f8", "(2,)"), &wide.concat())), Ok(vec![0.25, 1.0]));
        assert_eq!(read_bytes(&file(&header(">f4", "(2, 1)"), &narrow.concat())), Ok(vec![0.25, 1.0]));
    }

    #[test]
    fn what_is_wrong_with_an_array_is_told() {
        let two = |numbers: [f64; 2]| numbers.map(f64::to_le_bytes).concat();
        for (bytes, said) in [
            (file(&header("<f8", "(3,)"), &[0; 24]), "its shape is (3), and there are 2 rows"),
            (file(&header("<f8", "(2, 2)"), &[0; 32]), "its shape is (2, 2)"),
            (file(&header("<f8", "(18446744073709551615, 1)"), &[]), "its shape is"),
            (file(&header("<i8", "(2,)"), &[0; 16]), "its numbers are of type \"<i8\""),
            (
                file(&header("<f8", "(2,)"), &two([0.5, f64::NAN])),
                "p.npy, number 1 (from 0): the prediction is not a number",
            ),
            (file(&header("<f8", "(2,)"), &two([-2.0, 0.5])), "p.npy, number 0 (from 0): -2 is not from 0 to 1"),
            (file(&header("<f8", "(2,)"), &[0; 9]), "p.npy has 1 predictions"),
            (file(&header("<f8", "(2,)"), &[0; 24]), "p.npy has 3 predictions"),
            (file(&"(".repeat(60_000), &[]), "does not say"),
            (file("{'descr'", &[]), "does not say"),
            (MAGIC.to_vec(), "ends within its header"),
            ([MAGIC, &[3, 0, 255, 255, 255, 255]].concat(), "version 1.0"),
        ] {
            let found = read_bytes(&bytes).unwrap_err();
            assert!(found.contains(said), "{found}");
        }
    }
}
