//! `/datasets`: the tables there are.

use super::{
    ask::Ask,
    error::PageError,
    extract::Query,
    shell::{Shell, render},
    words::{self, Badge, Moment},
};
use crate::{
    api::{DatasetView, Page},
    types::DatasetStatus,
};
use askama::Template;
use axum::response::Response;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
pub struct DatasetListQuery {
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "dataset_list.html", config = "src/web/askama.toml")]
struct DatasetListPage {
    shell: Shell,
    datasets: Vec<DatasetLine>,
    is_live: bool,
    older: Option<String>,
}

struct DatasetLine {
    id: String,
    name: String,
    status: Badge,
    rows: String,
    fields: String,
    label: String,
    bytes: String,
    created: Moment,
}

pub async fn show(shell: Shell, ask: Ask, Query(query): Query<DatasetListQuery>) -> Result<Response, PageError> {
    let after = if query.after.is_empty() { String::new() } else { format!("?after={}", words::encode(&query.after)) };
    let page: Page<DatasetView> = ask.get(&format!("/v1/datasets{after}")).await?;
    Ok(render(&DatasetListPage {
        shell,
        is_live: page.data.iter().any(|dataset| dataset.status == DatasetStatus::Processing),
        datasets: page.data.iter().map(describe).collect(),
        older: page.next.map(|next| format!("/datasets?after={}", words::encode(&next))),
    }))
}

fn describe(dataset: &DatasetView) -> DatasetLine {
    let profile = dataset.profile.as_ref();
    let fields = dataset.feature_map.as_ref().map(|map| map.fields.len());
    DatasetLine {
        id: dataset.id.to_string(),
        name: name(dataset),
        status: status_badge(dataset.status),
        rows: profile.map_or("–".to_owned(), |profile| words::count(profile.rows.total())),
        fields: fields.map_or("–".to_owned(), |fields| fields.to_string()),
        label: String::from(dataset.spec.label.clone()),
        bytes: words::bytes(dataset.bytes),
        created: Moment::new(dataset.created_at),
    }
}

/// The client's name, else that of the uploaded file or of the first of several, else the end of the id.
pub fn name(dataset: &DatasetView) -> String {
    let of_parts = || match &dataset.parts[..] {
        [] => None,
        [only] => Some(only.name.clone()),
        [first, others @ ..] => {
            Some(format!("{} and {}", first.name, words::counted(others.len() as u64, "other file")))
        }
    };
    let named = dataset.name.clone().or_else(|| dataset.file_name.clone()).or_else(of_parts);
    named.unwrap_or_else(|| format!("dataset …{}", words::short_id(dataset.id)))
}

pub fn status_badge(status: DatasetStatus) -> Badge {
    let (word, tone) = match status {
        DatasetStatus::Processing => ("being read", "live"),
        DatasetStatus::Ready => ("ready", "plain"),
        DatasetStatus::Invalid => ("invalid", "bad"),
    };
    Badge { word, tone }
}
