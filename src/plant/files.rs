//! Tables and their truth on disk.

use super::{error::PlantError, table::Table};
use crate::{
    ingest::{Dataset, for_each_row},
    types::{Compression, DatasetSpec, FileFormat, LabelRule, Split, SplitSpec},
};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
};

/// The first line of a truth file. A line a row follows, by its position in the table from 0.
const TRUTH: &str = "row,corrupted";

/// The table in `source`, which `spec`, the one ingest gave back, reads as `dataset`: labels and splits are the dataset's.
pub fn read_table(source: &Path, spec: &DatasetSpec, dataset: &Dataset) -> Result<Table, PlantError> {
    // Rows that could not be read have neither.
    let mut rows = vec![None; dataset.profile.rows_of_file() as usize];
    for split in Split::ALL {
        let data = dataset.split(split);
        for (row, label) in data.rows.iter().zip(data.labels) {
            rows[*row as usize] = Some((*label, split));
        }
    }
    let kept: Vec<usize> = (0..dataset.profile.columns.len())
        .filter(|place| {
            let name = &dataset.profile.columns[*place];
            *name != spec.label.column && !matches!(&spec.split, SplitSpec::Column(split) if split == name)
        })
        .collect();
    let mut table = Table::new(kept.iter().map(|place| dataset.profile.columns[*place].clone()));
    let mut at = rows.into_iter();
    for_each_row(source, spec, &mut |cells| {
        if let Some((label, split)) = at.next().flatten() {
            table.push(kept.iter().map(|place| cells.get(*place).map_or("", |cell| cell.as_ref())), label, split);
        }
    })?;
    Ok(table)
}

/// `[N]`: the numbers in the column of the label.
pub fn read_ratings(source: &Path, spec: &DatasetSpec, dataset: &Dataset) -> Result<Vec<f64>, PlantError> {
    let column = &spec.label.column;
    let place = dataset.profile.columns.iter().position(|name| name == column);
    let mut read = vec![false; dataset.profile.rows_of_file() as usize];
    for row in Split::ALL.into_iter().flat_map(|split| dataset.split(split).rows) {
        read[*row as usize] = true;
    }
    let mut read = read.into_iter();
    let (mut ratings, mut wrong) = (Vec::new(), None);
    for_each_row(source, spec, &mut |cells| {
        if read.next() != Some(true) {
            return;
        }
        let cell = place.and_then(|place| cells.get(place)).map_or("", |cell| cell.as_ref());
        match cell.trim().parse::<f64>() {
            Ok(rating) => ratings.push(rating),
            Err(_) => {
                wrong.get_or_insert(PlantError::NoRating { column: column.clone(), value: cell.to_owned() });
            }
        }
    })?;
    wrong.map_or(Ok(ratings), Err)
}

/// Writes the table as CSV, with columns of these names for the label and the split behind its own.
pub fn write_csv(table: &Table, label: &str, split: &str, out: &Path) -> Result<(), PlantError> {
    write_lines(out, |out| {
        for column in &table.columns {
            write_cell(out, &column.name)?;
            out.write_all(b",")?;
        }
        writeln!(out, "{label},{split}")?;
        for row in 0..table.len() {
            for column in &table.columns {
                write_cell(out, column.cell(row))?;
                out.write_all(b",")?;
            }
            writeln!(out, "{},{}", table.labels[row], table.splits[row].as_str())?;
        }
        Ok(())
    })
}

/// Writes the table as CSV, and returns how it is read: its fields are those of `spec`, which the clean table was read by, its
/// label and split stand in columns of their own.
pub fn write_table(table: &Table, spec: &DatasetSpec, out: &Path) -> Result<DatasetSpec, PlantError> {
    let (label, split) = (free_name(table, "planted_label"), free_name(table, "planted_split"));
    write_csv(table, &label, &split, out)?;
    let there = |name: &String| table.columns.iter().any(|column| column.name == *name);
    let mut exclude: Vec<String> = spec.exclude.iter().filter(|name| there(name)).cloned().collect();
    let time = match &spec.split {
        SplitSpec::Time { column, .. } => spec.time.clone().or_else(|| Some(column.clone())),
        _ => spec.time.clone(),
    };
    if let SplitSpec::Time { column, .. } | SplitSpec::Group { column, .. } = &spec.split
        && spec.fields.is_none()
        && time.as_ref() != Some(column)
        && !exclude.contains(column)
    {
        exclude.push(column.clone());
    }
    Ok(DatasetSpec {
        format: Some(FileFormat::Csv),
        compression: Some(Compression::None),
        separator: Some(",".to_owned()),
        fields: spec.fields.clone(),
        exclude,
        category: spec.category.iter().filter(|name| there(name)).cloned().collect(),
        numeric: spec.numeric.clone(),
        multi: spec.multi.clone(),
        missing: spec.missing.clone(),
        split: SplitSpec::Column(split),
        time,
        vocabulary: spec.vocabulary,
        // The clean table was accepted, and this one is written in the one way.
        ..DatasetSpec::with_label(LabelRule { column: label, rule: None })
    })
}

/// Writes which rows of the table are corrupted: a header, then `row,1` or `row,0`.
pub fn write_truth(table: &Table, out: &Path) -> Result<(), PlantError> {
    write_lines(out, |out| {
        writeln!(out, "{TRUTH}")?;
        (0..)
            .zip(&table.corrupted)
            .try_for_each(|(row, corrupted): (u64, _)| writeln!(out, "{row},{}", u8::from(*corrupted)))
    })
}

/// `[N]`: which rows a truth file says are corrupted, by their positions in the table.
pub fn read_truth(path: &Path) -> Result<Vec<bool>, PlantError> {
    let failed = |source| PlantError::Io { path: path.to_owned(), source };
    let mut corrupted = Vec::new();
    for (number, line) in BufReader::new(File::open(path).map_err(failed)?).lines().enumerate() {
        let line = line.map_err(failed)?;
        if number == 0 && line == TRUTH {
            continue;
        }
        let cells = line.split_once(',').filter(|(row, _)| row.parse() == Ok(corrupted.len()));
        match cells {
            Some((_, "0")) => corrupted.push(false),
            Some((_, "1")) => corrupted.push(true),
            _ => return Err(PlantError::Truth { path: path.to_owned(), line }),
        }
    }
    Ok(corrupted)
}

fn write_lines(path: &Path, lines: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), PlantError> {
    let write = || {
        let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
        lines(&mut out)?;
        out.flush()
    };
    write().map_err(|source| PlantError::Io { path: path.to_owned(), source })
}

fn write_cell(out: &mut impl Write, cell: &str) -> io::Result<()> {
    if cell.contains([',', '"', '\n', '\r']) {
        write!(out, "\"{}\"", cell.replace('"', "\"\""))
    } else {
        out.write_all(cell.as_bytes())
    }
}

/// `word`, or it with as many underscores behind it as it takes for no column to have the name.
fn free_name(table: &Table, word: &str) -> String {
    let mut name = word.to_owned();
    while table.columns.iter().any(|column| column.name == name) {
        name.push('_');
    }
    name
}
