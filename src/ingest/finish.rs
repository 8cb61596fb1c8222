//! Second reading, of the spilled rows: divides them into splits, gives values their ids, and writes the dataset's files.

use super::{
    alone::Alone,
    assemble::{self, Assembly, Positions},
    duplicates::Duplicates,
    encode::Encoded,
    encoding::{Encoding, feature_map},
    error::IngestError,
    layout::Layout,
    part::Part,
    plan::{Plan, SlotKind},
    progress::Ticker,
    readings::{self, Readings},
    split::{SplitsSeen, Splitter},
    survey::{Survey, find_bounds},
    table::Table,
    times::{TimeScale, TimesSeen},
    values::Values,
};
use crate::types::{FeatureMap, FieldError, PartRows, Profile, TimeColumn, shorten};
use std::{collections::BTreeMap, path::Path};

/// Writes the dataset into `out_dir`, by way of a temporary folder in `parent`.
pub(super) fn write_dataset(
    plan: &Plan,
    encoded: Encoded,
    table: &Table,
    notes: Vec<String>,
    out_dir: &Path,
    parent: &Path,
    ticker: &mut Ticker,
) -> Result<(FeatureMap, Profile), IngestError> {
    let Encoded { spill, vocabularies, direct, cut, splits, part_rows, skipped, skipped_rows, other_words } = encoded;
    let values = |(vocabulary, direct)| Values::new(vocabulary, direct, &plan.missing);
    let values: Vec<_> = vocabularies.into_iter().zip(direct).map(values).collect();
    readings::check(plan, &values)?;
    let (splitter, rows) = Splitter::new(plan.split, &spill, &splits, ticker)?;
    let survey = Survey::read(plan, &spill, &splitter, &values, ticker)?;
    survey.check_labels(plan, rows, &other_words)?;
    let mut readings = Readings::new(plan, &values, &survey.missing, rows);
    let measures = readings.measures(plan, &values);
    let bounds = find_bounds(plan, &measures, &spill, &splitter, ticker)?;
    let encodings = Encoding::for_plan(plan, &values, survey.ranks, &measures, bounds);
    let time = plan.times.last().copied().zip(splits.times.last().map(TimesSeen::unit));
    let time_column = time.map(|(slot, unit)| TimeColumn { column: plan.columns[slot.column].clone(), unit });
    let large_group =
        (splits.groups.largest() > rows.total() / LARGE_GROUP).then(|| large_group(&splits, rows.total()));
    let feature_map = feature_map(plan, &encodings, table.spec.label.clone(), rows, time_column);

    let layout = Layout::create(parent)?;
    let regions = layout.create_regions(rows, feature_map.fields.len(), time.is_some())?;
    let names = plan.slots.iter().zip(&encodings).filter_map(|(slot, encoding)| {
        let vocabulary = &values[slot.kind.vocabulary()?].vocabulary;
        Some((plan.columns[slot.column].as_str(), vocabulary, encoding.named_ids()))
    });
    let mut assembly = Assembly {
        plan,
        encodings: &encodings,
        splitter: &splitter,
        positions: Positions::new(&skipped),
        times: time.map(|(slot, unit)| TimeScale::new(slot, unit)),
        duplicates: Duplicates::new(rows.train, parent)?,
        alone: Alone::new(&feature_map),
        unknown: vec![0; feature_map.fields.len()],
        ids: Vec::new(),
    };
    let (hashes, (duplicates, unknown, alone)) = assemble::write_regions(regions, |blocks| {
        assembly.send_blocks(&spill, ticker, &blocks)?;
        // Without a sender the writer makes the files durable, which takes a while: the rest is done meanwhile.
        drop(blocks);
        layout.write_vocabulary(names)?;
        Ok((assembly.duplicates.count()?, assembly.unknown, assembly.alone))
    })?;
    let warnings = readings.judge(&feature_map, &alone, &unknown);
    if table.spec.strict && !warnings.is_empty() {
        let errors = warnings.into_iter().map(|warning| FieldError::new("/fields", warning.message));
        return Err(IngestError::fields(errors.collect()));
    }
    // Times that only a split needs show in the splits; named ones are content of their own.
    let digest = layout.digest(&feature_map, &hashes, table.spec.time.is_some());
    let counted = feature_map.fields.iter().zip(unknown);
    let profile = Profile {
        rows,
        positives: survey.positives,
        duplicate_rows: duplicates.duplicate,
        contradicting_rows: duplicates.contradicting,
        unknown_cells: counted.map(|(field, cells)| (field.name.clone(), cells)).collect::<BTreeMap<_, _>>(),
        columns: plan.columns.clone(),
        fields: readings.fields,
        skipped: skipped_rows,
        notes: notes.into_iter().chain(readings.notes).chain(cut_cells(plan, &cut)).chain(large_group).collect(),
        warnings,
        parts: part_ranges(table, &part_rows),
        bytes: table.bytes,
        digest,
    };
    layout.finish(&feature_map, &profile, out_dir)?;
    Ok((feature_map, profile))
}

/// Which rows each part has, where there are several.
fn part_ranges(table: &Table, part_rows: &[u64]) -> Vec<PartRows> {
    let mut first_row = 0;
    let range = |(part, rows): (&Part, &u64)| {
        let range = PartRows { name: part.name.clone()?, first_row, rows: *rows };
        first_row += rows;
        Some(range)
    };
    table.parts.iter().zip(part_rows).filter_map(range).collect()
}

/// A group with more than one of so many rows decides the sizes of the splits.
const LARGE_GROUP: u64 = 5;

fn large_group(splits: &SplitsSeen, rows: u64) -> String {
    let largest = splits.groups.largest();
    format!(
        "a value of the column that rows are split by has {largest} of the {rows} rows, so the splits may be far from their shares; \
         rows without a value are one group"
    )
}

/// Says of which columns not all values were kept.
fn cut_cells<'a>(plan: &'a Plan, cut: &'a [u64]) -> impl Iterator<Item = String> + 'a {
    plan.slots.iter().filter_map(|slot| {
        let SlotKind::Multi { vocabulary, places, .. } = slot.kind else { return None };
        let (column, cells) = (shorten(&plan.columns[slot.column]), cut[vocabulary]);
        (cells > 0).then(|| {
            format!("{cells} cells of column `{column}` have more than {places} values; the last {places} are kept")
        })
    })
}
