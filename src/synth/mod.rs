//! A made table of clicks with planted noise, to see whether a denoiser finds it (spec `datasets.md`, section 5).
//!
//! The labels of a share of the train and valid rows are flipped. The test rows stay clean, so that they measure what was
//! learned. A wide table has context columns beside. Corruption with a structure is planted as `plant` has it.

mod spec;
mod world;

pub use spec::{SynthError, SynthSpec, dataset_spec};

use crate::plant::{self, PlantError, Table};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};
use world::World;

/// Writes the table as CSV to `out` and, if asked, the truth of every row to `truth_out`: `row,flipped`, or `row,corrupted`
/// where something is planted. Returns the number of rows, which is above that asked for where a planted kind adds some.
pub fn write(spec: &SynthSpec, out: &Path, truth_out: Option<&Path>) -> Result<u64, SynthError> {
    let world = World::new(spec)?;
    if spec.planted.is_empty() {
        stream(spec, &world, out, truth_out)?;
        return Ok(spec.rows);
    }
    let table = plant_all(spec, &world)?;
    plant::write_csv(&table, "click", "split", out)?;
    truth_out.map(|truth| plant::write_truth(&table, truth)).transpose()?;
    Ok(table.len() as u64)
}

/// The table with all that is to be planted in it.
fn plant_all(spec: &SynthSpec, world: &World) -> Result<Table, PlantError> {
    let contexts = (0..spec.contexts).map(|column| format!("context_{column}"));
    let columns =
        ["user", "item", "age", "device", "genre", "timestamp"].map(str::to_owned).into_iter().chain(contexts);
    let mut table = Table::new(columns);
    for row in (0..spec.rows).map(|row| world.row(row)) {
        table.push(row.cells().iter().map(String::as_str), row.label(), row.split());
        table.corrupted[table.labels.len() - 1] = row.flipped;
    }
    spec.planted.iter().try_for_each(|corruption| plant::plant(&mut table, corruption, spec.seed))?;
    Ok(table)
}

/// Writes the rows as they are drawn, so that a table may be larger than memory.
fn stream(spec: &SynthSpec, world: &World, out: &Path, flips_out: Option<&Path>) -> Result<(), SynthError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SynthError::Io { path, source }
    };
    write_rows(out, |out| {
        write!(out, "user,item,age,device,genre,timestamp,click,split")?;
        (0..spec.contexts).try_for_each(|column| write!(out, ",context_{column}"))?;
        writeln!(out)?;
        (0..spec.rows).try_for_each(|row| world.row(row).write(out))
    })
    .map_err(failed(out))?;
    if let Some(flips_out) = flips_out {
        write_rows(flips_out, |out| {
            writeln!(out, "row,flipped")?;
            (0..spec.rows).try_for_each(|row| writeln!(out, "{row},{}", u8::from(world.row(row).flipped)))
        })
        .map_err(failed(flips_out))?;
    }
    Ok(())
}

fn write_rows(path: &Path, rows: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, File::create(path)?);
    rows(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_spec_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let spec = SynthSpec { rows: 10, ..SynthSpec::default() };
        let (table, truth) = (folder.path().join("table.csv"), folder.path().join("truth.csv"));
        write(&spec, &table, Some(&truth)).unwrap();
        let text = std::fs::read_to_string(table).unwrap();
        assert_eq!(text.lines().take(3).collect::<Vec<_>>(), PINNED);
        assert_eq!(std::fs::read_to_string(truth).unwrap().lines().count(), 11);
    }

    #[test]
    fn a_planted_table_has_the_columns_of_any_other_and_a_truth_of_as_many_rows() {
        let folder = tempfile::tempdir().unwrap();
        let (table, truth) = (folder.path().join("table.csv"), folder.path().join("truth.csv"));
        let kinds = ["bots:user:item:0.1:30", "outage:timestamp:device:0.2", "clicks:context_0:context_1:0.5"];
        let spec = SynthSpec {
            flip_rate: 0.0,
            contexts: 2,
            planted: kinds.iter().map(|kind| kind.parse().unwrap()).collect(),
            ..SynthSpec::default()
        };
        let rows = write(&spec, &table, Some(&truth)).unwrap();
        assert_eq!(rows, spec.rows + 30 * 30, "a tenth of 300 users, 30 rows each");
        let text = std::fs::read_to_string(table).unwrap();
        let header = "user,item,age,device,genre,timestamp,context_0,context_1,click,split";
        assert_eq!((text.lines().next(), text.lines().count() as u64), (Some(header), rows + 1));
        let corrupted = plant::read_truth(&truth).unwrap();
        assert_eq!(corrupted.len() as u64, rows);
        let added = text.lines().skip(1).zip(&corrupted).filter(|(line, _)| line.starts_with("bot"));
        assert!(added.map(|(_, corrupted)| *corrupted).eq([true; 900]));
        assert!(corrupted.iter().filter(|corrupted| **corrupted).count() > 1000, "the other kinds too");
        let missing = SynthSpec { planted: vec!["random:movie:0.1".parse().unwrap()], ..spec };
        let error = write(&missing, &folder.path().join("none.csv"), None).unwrap_err().to_string();
        assert!(error.contains("no column `movie`; there are user, item, age"), "{error}");
    }

    const PINNED: [&str; 3] = [
        "user,item,age,device,genre,timestamp,click,split",
        "56,65,18,desktop,Drama,1700000023,1,train",
        "107,51,1,tablet,Horror,1700000034,1,train",
    ];

    #[test]
    fn a_wide_table_has_its_context_columns() {
        let spec = SynthSpec { rows: 20_000, contexts: 6, context_values: 50, ..SynthSpec::default() };
        let folder = tempfile::tempdir().unwrap();
        write(&spec, &folder.path().join("wide.csv"), None).unwrap();
        let text = std::fs::read_to_string(folder.path().join("wide.csv")).unwrap();
        assert!(text.lines().all(|line| line.split(',').count() == 8 + 6));
    }
}
