//! `/datasets/{id}`: what a table was read as, and what is wrong with it.

use super::{
    ask::Ask,
    dataset_list,
    error::{PageError, describe_item},
    extract::Path,
    shell::{Shell, render},
    words::{self, Badge, Moment},
};
use crate::{
    api::DatasetView,
    types::{DatasetId, DatasetStatus, FieldReading, FieldWarning, Profile, Split},
};
use askama::Template;
use axum::{
    http::Method,
    response::{Redirect, Response},
};

/// Most errors and fields of which a page shows each.
const MOST_ERRORS: usize = 100;

#[derive(Template)]
#[template(path = "dataset.html", config = "src/web/askama.toml")]
struct DatasetPage {
    shell: Shell,
    id: String,
    name: String,
    status: Badge,
    is_ready: bool,
    is_read: bool,
    created: Moment,
    facts: Vec<(&'static str, String)>,
    errors: Vec<String>,
    more_errors: u64,
    profile: Option<ProfileView>,
    settings: String,
}

struct ProfileView {
    splits: Vec<SplitLine>,
    columns: Vec<ColumnLine>,
    notes: Vec<String>,
    drift: Vec<DriftLine>,
}

struct SplitLine {
    name: &'static str,
    rows: String,
    /// Rows of label 1, of how many.
    positives: u64,
    of: u64,
    words: String,
}

struct ColumnLine {
    name: String,
    role: &'static str,
    read_as: String,
    reason: String,
    values: String,
    missing: String,
    examples: String,
    auc: String,
    drift: String,
    warning: Option<String>,
}

/// Cells of validation and test rows that hold what no training row has.
struct DriftLine {
    field: String,
    cells: u64,
    of: u64,
    words: String,
}

pub async fn show(shell: Shell, ask: Ask, Path(id): Path<DatasetId>) -> Result<Response, PageError> {
    let dataset: DatasetView = ask.get(&format!("/v1/datasets/{id}")).await?;
    let shown = dataset.errors.len().min(MOST_ERRORS);
    Ok(render(&DatasetPage {
        shell,
        id: id.to_string(),
        name: dataset_list::name(&dataset),
        status: dataset_list::status_badge(dataset.status),
        is_ready: dataset.status == DatasetStatus::Ready,
        is_read: dataset.status != DatasetStatus::Processing,
        created: Moment::new(dataset.created_at),
        facts: list_facts(&dataset),
        errors: dataset.errors.iter().take(MOST_ERRORS).map(describe_item).collect(),
        more_errors: dataset.error_total.saturating_sub(shown as u64),
        profile: dataset.profile.as_ref().map(|profile| ProfileView::new(profile, &dataset)),
        settings: serde_json::to_string_pretty(&dataset.spec).expect("a spec is plain data"),
    }))
}

pub async fn delete(ask: Ask, Path(id): Path<DatasetId>) -> Result<Redirect, PageError> {
    ask.act(Method::DELETE, &format!("/v1/datasets/{id}")).await?;
    Ok(Redirect::to("/datasets"))
}

fn list_facts(dataset: &DatasetView) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Label", String::from(dataset.spec.label.clone())), ("Size", words::bytes(dataset.bytes))];
    if let Some(profile) = &dataset.profile {
        facts.push(("Rows", words::count(profile.rows.total())));
        facts.push(("Equal rows in training", words::count(profile.duplicate_rows)));
        facts.push(("Rows with an opposite twin", words::count(profile.contradicting_rows)));
    }
    if let Some(map) = &dataset.feature_map {
        facts.push(("Fields", map.fields.len().to_string()));
        facts.push(("Values in all", words::count(u64::from(map.total_cardinality))));
        facts.extend(map.time.as_ref().map(|time| ("Time", time.column.clone())));
    }
    facts
}

impl ProfileView {
    fn new(profile: &Profile, dataset: &DatasetView) -> Self {
        Self {
            splits: Split::ALL.iter().map(|split| describe_split(profile, *split)).collect(),
            columns: profile.columns.iter().map(|column| describe_column(column, profile, dataset)).collect(),
            notes: profile.notes.clone(),
            drift: list_drift(profile),
        }
    }
}

fn describe_split(profile: &Profile, split: Split) -> SplitLine {
    let (positives, of) = (profile.positives.of(split), profile.rows.of(split));
    SplitLine {
        name: split.as_str(),
        rows: words::count(of),
        positives,
        of,
        words: format!("{} ({})", words::count(positives), words::percent(positives as f64 / of.max(1) as f64)),
    }
}

fn describe_column(column: &str, profile: &Profile, dataset: &DatasetView) -> ColumnLine {
    let reading: Option<&FieldReading> = profile.fields.iter().find(|reading| reading.column == column);
    let warning: Option<&FieldWarning> = profile.warnings.iter().find(|warning| warning.column == column);
    let spec = &dataset.spec;
    let split_column = match &spec.split {
        crate::types::SplitSpec::Column(split) => Some(split.as_str()),
        _ => None,
    };
    let role = if reading.is_some() {
        "field"
    } else if spec.label.column == column {
        "label"
    } else if split_column == Some(column) {
        "split"
    } else if spec.time.as_deref() == Some(column) {
        "time"
    } else {
        "left out"
    };
    ColumnLine {
        name: column.to_owned(),
        role,
        read_as: reading.map_or(String::new(), |reading| reading.read_as.as_str().to_owned()),
        reason: reading.and_then(|reading| reading.reason.clone()).unwrap_or_default(),
        values: reading.and_then(|reading| reading.values).map_or(String::new(), words::count),
        missing: reading.map_or(String::new(), |reading| words::count(reading.missing)),
        examples: reading.map_or(String::new(), |reading| reading.examples.join(", ")),
        auc: reading.and_then(|reading| reading.auc).map_or(String::new(), |auc| format!("{auc:.3}")),
        drift: reading
            .and_then(|reading| reading.drift)
            .map_or(String::new(), |drift| format!("{:.1} %", 100.0 * drift)),
        warning: warning.map(|warning| warning.message.clone()),
    }
}

fn list_drift(profile: &Profile) -> Vec<DriftLine> {
    let of = profile.rows.valid + profile.rows.test;
    let line = |(field, cells): (&String, &u64)| DriftLine {
        field: field.clone(),
        cells: *cells,
        of,
        words: format!(
            "{} of {} ({})",
            words::count(*cells),
            words::count(of),
            words::percent(*cells as f64 / of.max(1) as f64)
        ),
    };
    profile.unknown_cells.iter().filter(|(_, cells)| **cells > 0).map(line).collect()
}
