//! A made table of clicks with planted label noise, to see whether a denoiser finds it (spec `datasets.md`, section 5).
//!
//! The labels of a share of the train and valid rows are flipped. The test rows stay clean, so that they measure what was
//! learned. A wide table has context columns beside.

mod spec;
mod world;

pub use spec::{SynthError, SynthSpec, dataset_spec};

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};
use world::World;

/// Writes the table as CSV to `out` and, if asked, the truth (`row,flipped` for every row) to `flips_out`.
pub fn write(spec: &SynthSpec, out: &Path, flips_out: Option<&Path>) -> Result<(), SynthError> {
    let world = World::new(spec)?;
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
