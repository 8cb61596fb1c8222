//! `/jobs/{id}/rows`: the rows least worth keeping, with what they hold and what speaks against them.

use super::{
    ask::Ask,
    error::PageError,
    extract::{Path, Query},
    job::JobHead,
    shell::{Shell, render},
    words,
};
use crate::{
    api::{DatasetView, JobView, Page, RowWithCells},
    chart::sparkline,
    report::{ExplainedRow, explain_finding},
    types::{CorruptionFound, JobId, Report},
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

/// Filters of the page, and where it begins. An empty one is none, as an empty field of the form has it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RowsQuery {
    #[serde(default)]
    kept: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    row: String,
    /// Number of a finding in the report.
    #[serde(default)]
    finding: String,
    #[serde(default)]
    column: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    after: String,
}

impl RowsQuery {
    fn to_query(&self, after: &str) -> String {
        // A column without a value is a form half filled in, and no filter.
        let column = if self.value.is_empty() { "" } else { &self.column[..] };
        let value = if self.column.is_empty() { "" } else { &self.value[..] };
        let pairs = [
            ("kept", &self.kept[..]),
            ("label", &self.label),
            ("row", self.row.trim()),
            ("finding", &self.finding),
            ("column", column),
            ("value", value),
            ("after", after),
        ];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("{name}={}", words::encode(value))).collect::<Vec<_>>().join("&")
    }
}

#[derive(Template)]
#[template(path = "rows.html", config = "src/web/askama.toml")]
struct RowsPage {
    shell: Shell,
    head: JobHead,
    query: RowsQuery,
    filters: bool,
    /// Columns of the uploaded file; none where the dataset was deleted.
    columns: Vec<String>,
    rows: Vec<RowLine>,
    has_scores: bool,
    has_losses: bool,
    has_twins: bool,
    /// Whether there is anything to show of any row.
    is_explained: bool,
    findings: Vec<FindingLink>,
    next: Option<String>,
}

struct RowLine {
    number: String,
    /// Whether it was kept as it is.
    untouched: bool,
    done: String,
    label: u8,
    score: String,
    losses: String,
    twins: String,
    reason: String,
    cells: Vec<CellText>,
}

struct CellText {
    column: String,
    text: String,
    /// Whether a finding is about this value.
    is_found: bool,
}

/// A finding, and where its rows and those of its first values are.
struct FindingLink {
    number: String,
    what: String,
    meaning: String,
    address: String,
    values: Vec<(String, String)>,
    /// Values that are not among those.
    more: u64,
}

pub async fn show(
    shell: Shell,
    ask: Ask,
    Path(id): Path<JobId>,
    Query(query): Query<RowsQuery>,
) -> Result<Response, PageError> {
    let job: JobView = ask.get(&format!("/v1/jobs/{id}")).await?;
    let report: Report = ask.get(&format!("/v1/jobs/{id}/report")).await?;
    let dataset: Option<DatasetView> = ask.find(&format!("/v1/datasets/{}", job.dataset_id)).await?;
    let address = format!("/v1/jobs/{id}/rows?cells=true&limit=20&{}", query.to_query(&query.after));
    let page: Option<Page<RowWithCells>> = ask.find(&address).await?;
    let is_explained = page.is_some();
    let page = page.unwrap_or(Page { data: Vec::new(), has_more: false, next: None });
    let found = report.findings.map(|findings| findings.corruptions).unwrap_or_default();
    let columns = dataset.and_then(|dataset| dataset.profile).map(|profile| profile.columns).unwrap_or_default();
    Ok(render(&RowsPage {
        head: JobHead::of(&ask, &job).await?,
        filters: !query.to_query("").is_empty(),
        // A score that all rows have tells none of them from another.
        has_scores: page.data.windows(2).any(|pair| pair[0].row.score != pair[1].row.score),
        has_losses: page.data.iter().any(|it| !it.row.losses.is_empty()),
        has_twins: page.data.iter().any(|it| it.row.opposite_duplicates > 0),
        rows: page.data.iter().map(|it| describe(it, &columns, &found)).collect(),
        is_explained,
        findings: found.iter().enumerate().map(|(number, found)| link_finding(id, number, found)).collect(),
        next: page.next.map(|next| format!("/jobs/{id}/rows?{}", query.to_query(&next))),
        columns,
        query,
        shell,
    }))
}

fn describe(it: &RowWithCells, columns: &[String], found: &[CorruptionFound]) -> RowLine {
    let RowWithCells { row, cells } = it;
    let losses: Vec<f64> = row.losses.iter().map(|loss| f64::from(*loss)).collect();
    let cell = |column: &String| cells.iter().find(|cell| cell.column == *column);
    let value = |column: &String| cell(column).map(|cell| cell.value.as_str());
    // A finding names the first of its values only; the job says of every row to which finding it belongs.
    let own = row.finding.and_then(|number| found.get(number as usize));
    let text = |column: &String| CellText {
        column: column.clone(),
        text: cell(column).map(|cell| cell.value.clone()).unwrap_or_default(),
        is_found: own.is_some_and(|own| own.fields.contains(column))
            || found.iter().any(|found| found.fields.contains(column) && names(found, &value)),
    };
    RowLine {
        number: row.row.to_string(),
        untouched: !row.is_touched(),
        done: row.what_was_done(),
        label: row.label,
        score: row.score.map_or(String::new(), |score| format!("{score:.4}")),
        losses: sparkline(&losses, "losses, the oldest first"),
        twins: if row.opposite_duplicates > 0 {
            words::count(u64::from(row.opposite_duplicates))
        } else {
            String::new()
        },
        reason: reason(row),
        cells: columns.iter().map(text).collect(),
    }
}

/// Whether a row, whose values `value` gives, lies in a place that a finding names among its examples.
fn names<'a>(found: &CorruptionFound, value: &impl Fn(&String) -> Option<&'a str>) -> bool {
    let lies_in = |names: &[String]| {
        names.len() == found.fields.len()
            && found.fields.iter().zip(names).all(|(field, name)| value(field) == Some(name.as_str()))
    };
    found.examples.iter().any(|example| !example.names.is_empty() && lies_in(&example.names))
}

/// What speaks against a row: the reason that the job gave, else how rare it is.
fn reason(row: &ExplainedRow) -> String {
    if let Some(reason) = &row.reason {
        return reason.clone();
    }
    if row.opposite_duplicates > 0 {
        return format!(
            "{} equal training rows have the other label",
            words::count(u64::from(row.opposite_duplicates))
        );
    }
    let value = row.rarest.value.as_ref().map(|value| format!("{} = {value}", row.rarest.field));
    value.map_or(String::new(), |value| {
        format!("rarest value: {value}, in {}", words::counted(u64::from(row.rarest.rows), "row"))
    })
}

fn link_finding(job: JobId, number: usize, found: &CorruptionFound) -> FindingLink {
    let link = |field: &str, name: &str| {
        let address = format!("/jobs/{job}/rows?column={}&value={}", words::encode(field), words::encode(name));
        (format!("{field} = {name}"), address)
    };
    let values = match &found.fields[..] {
        [field] => found.examples.iter().filter_map(|it| it.names.first()).map(|name| link(field, name)).collect(),
        // A cell of two columns cannot be looked up by one.
        _ => Vec::new(),
    };
    FindingLink {
        number: number.to_string(),
        what: found.what(),
        meaning: explain_finding(found),
        address: format!("/jobs/{job}/rows?finding={number}"),
        more: if values.is_empty() { 0 } else { found.values.saturating_sub(values.len() as u64) },
        values,
    }
}
