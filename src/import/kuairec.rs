//! KuaiRec's small matrix (spec `datasets.md`, section 2): `small_matrix.csv`, of which the user, the video and the
//! watch ratio are read. Its other columns may have empty cells.

use super::{
    error::ImportError,
    imported::Imported,
    options::ImportOptions,
    raw::RawFile,
    spill::Spill,
    table::{TableWriter, Tick, column_names},
};
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 3] = ["user_id", "video_id", "watch_ratio"];

#[derive(Debug, Clone)]
pub struct KuaiRec {
    /// `small_matrix.csv`, or a folder that holds it, itself or in its `data`.
    pub path: PathBuf,
    /// A larger watch ratio is label 1.
    pub threshold: f64,
}

impl KuaiRec {
    pub(super) fn import(&self, options: ImportOptions, out: &Path, tick: Tick) -> Result<Imported, ImportError> {
        let rows = read_matrix(&self.find_matrix()?, out)?;
        let columns = column_names(&COLUMNS);
        let mut table = TableWriter::create(out, &columns, tick)?;
        rows.for_each_picked(options.pick(None), |[user, video, low, high]| {
            let ratio = f64::from_bits(u64::from(high) << 32 | u64::from(low));
            table.write_row(&[&user.to_string(), &video.to_string(), &ratio.to_string()], ratio > self.threshold)
        })?;
        let label = format!("watch_ratio > {}", self.threshold);
        let spec = options.spec(&label, &COLUMNS[..2], options.ratio_split());
        Ok(Imported::new(&columns, table.finish()?, spec).with_density("user_id", "video_id"))
    }

    fn find_matrix(&self) -> Result<PathBuf, ImportError> {
        const NAME: &str = "small_matrix.csv";
        if !self.path.is_dir() {
            return Ok(self.path.clone());
        }
        let places = [self.path.join(NAME), self.path.join("data").join(NAME)];
        places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
            ImportError::file(&self.path, format!("neither it nor its folder `data` holds {NAME}; unpack KuaiRec.zip"))
        })
    }
}

/// Records of user, video, and the low and the high half of the watch ratio's bits.
fn read_matrix(path: &Path, out: &Path) -> Result<Spill, ImportError> {
    let mut file = RawFile::open(path)?;
    if !file.advance()? {
        return Err(ImportError::file(path, "the file is empty"));
    }
    let header: Vec<&[u8]> = file.line().split(|byte| *byte == b',').collect();
    let width = header.len();
    let mut places = [0; 3];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        *place = header
            .iter()
            .position(|name| *name == column.as_bytes())
            .ok_or_else(|| file.bad_line(format!("the header must name the column {column}")))?;
    }
    let mut rows = Spill::new(out)?;
    while file.advance()? {
        let found: Vec<&[u8]> = file.line().split(|byte| *byte == b',').collect();
        if found.len() != width {
            let rule = format!("must have {width} cells as the header, and has {}", found.len());
            return Err(file.bad_line(rule));
        }
        let [user, video, ratio] = places.map(|place| found[place]);
        let bits = parse_watch_ratio(&file, ratio)?.to_bits();
        rows.push([
            file.number(COLUMNS[0], user, 0..=u32::MAX)?,
            file.number(COLUMNS[1], video, 0..=u32::MAX)?,
            bits as u32,
            (bits >> 32) as u32,
        ])?;
    }
    Ok(rows)
}

fn parse_watch_ratio(file: &RawFile, cell: &[u8]) -> Result<f64, ImportError> {
    let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse::<f64>().ok());
    number
        .filter(|ratio| ratio.is_finite() && *ratio >= 0.0)
        .ok_or_else(|| file.bad_value(COLUMNS[2], cell, "must be a number, 0 or more"))
}
