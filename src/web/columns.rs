//! `/new/{upload}`: what the columns of an uploaded file are. A dataset is made of it then.

use super::{
    ask::Ask,
    error::PageError,
    extract::{Form, Path},
    shell::{Shell, render},
    words,
};
use crate::{
    api::{DatasetView, UploadSample},
    types::UploadId,
};
use askama::Template;
use axum::response::{Redirect, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values of a column that are shown.
const SHOWN: usize = 4;

/// What a column is to the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Field,
    Label,
    Split,
    Time,
    Left,
}

impl Role {
    const ALL: [Role; 5] = [Self::Field, Self::Label, Self::Split, Self::Time, Self::Left];

    fn as_str(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Label => "label",
            Self::Split => "split",
            Self::Time => "time",
            Self::Left => "left",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Label => "label",
            Self::Split => "split",
            Self::Time => "time",
            Self::Left => "leave out",
        }
    }
}

#[derive(Template)]
#[template(path = "columns.html", config = "src/web/askama.toml")]
struct ColumnsPage {
    shell: Shell,
    upload: String,
    name: String,
    facts: String,
    columns: Vec<ColumnChoice>,
    roles: [Role; 5],
}

struct ColumnChoice {
    name: String,
    values: Vec<String>,
    role: Role,
}

pub async fn show(shell: Shell, ask: Ask, Path(upload): Path<UploadId>) -> Result<Response, PageError> {
    shell.check_write()?;
    let sample: UploadSample = ask.get(&format!("/v1/uploads/{upload}/sample")).await?;
    let format = serde_json::to_value(sample.format).ok().and_then(|word| word.as_str().map(str::to_uppercase));
    Ok(render(&ColumnsPage {
        shell,
        upload: upload.to_string(),
        facts: format!("{}, {}", words::bytes(sample.bytes), format.unwrap_or_default()),
        columns: guess(&sample),
        name: sample.name.unwrap_or_default(),
        roles: Role::ALL,
    }))
}

/// The columns, each with the role that its name and its first values speak for. No role but the field's is given twice.
fn guess(sample: &UploadSample) -> Vec<ColumnChoice> {
    const LABELS: [&str; 8] = ["label", "click", "clicked", "target", "y", "conversion", "is_click", "rating"];
    const TIMES: [&str; 5] = ["timestamp", "time", "date", "datetime", "ts"];
    let values = |at: usize| sample.rows.iter().filter_map(move |row| row.get(at)).map(String::as_str);
    let is_split = |at: usize| {
        values(at).next().is_some()
            && values(at).all(|value| ["train", "valid", "val", "validation", "dev", "test"].contains(&value))
    };
    let first_of = |words: &[&str]| {
        let named = |word: &&str| sample.columns.iter().position(|column| column.eq_ignore_ascii_case(word));
        words.iter().find_map(named)
    };
    let (label, time) = (first_of(&LABELS), first_of(&TIMES));
    let split = (0..sample.columns.len()).find(|at| is_split(*at));
    let role = |at: usize| match Some(at) {
        found if found == split => Role::Split,
        found if found == label => Role::Label,
        found if found == time => Role::Time,
        _ => Role::Field,
    };
    let choice = |(at, name): (usize, &String)| ColumnChoice {
        name: name.clone(),
        values: values(at).take(SHOWN).map(str::to_owned).collect(),
        role: role(at),
    };
    sample.columns.iter().enumerate().map(choice).collect()
}

/// Makes the dataset, and leads on to its job. Its columns are named by their places, because their names may hold anything.
pub async fn choose(
    ask: Ask,
    Path(upload): Path<UploadId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect, PageError> {
    let sample: UploadSample = ask.get(&format!("/v1/uploads/{upload}/sample")).await?;
    let body = describe(upload, &sample, &fields.into_iter().collect())?;
    let dataset: DatasetView = ask.post("/v1/datasets", &body).await?;
    Ok(Redirect::to(&format!("/datasets/{}/new-job", dataset.id)))
}

/// What the API is asked for.
fn describe(upload: UploadId, sample: &UploadSample, form: &BTreeMap<String, String>) -> Result<Value, PageError> {
    let said = |name: &str| form.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let of_role = |role: Role| {
        let is_of = move |at: usize| form.get(&format!("role.{at}")).is_some_and(|word| word == role.as_str());
        sample.columns.iter().enumerate().filter(move |(at, _)| is_of(*at)).map(|(_, name)| name.clone())
    };
    let only = |role: Role| -> Result<Option<String>, PageError> {
        let found: Vec<String> = of_role(role).collect();
        match &found[..] {
            [] => Ok(None),
            [one] => Ok(Some(one.clone())),
            several => Err(PageError::bad_request(format!(
                "Only one column can be the {}; {} are.",
                role.title(),
                several.join(" and ")
            ))),
        }
    };
    let treated = |word: &str| -> Vec<String> {
        let is_so = |at: usize| form.get(&format!("kind.{at}")).is_some_and(|kind| kind == word);
        let is_field = |at: usize| form.get(&format!("role.{at}")).is_some_and(|role| role == Role::Field.as_str());
        let chosen = sample.columns.iter().enumerate().filter(|(at, _)| is_so(*at) && is_field(*at));
        chosen.map(|(_, name)| name.clone()).collect()
    };
    let column = only(Role::Label)?.ok_or_else(|| {
        PageError::bad_request("No column is the label. Choose the one that says whether there was a click.")
    })?;
    let label = said("rule").map_or(column.clone(), |rule| format!("{column} {rule}"));
    let (split, time) = (only(Role::Split)?, only(Role::Time)?);
    let mut body = json!({
        "upload_id": upload,
        "sha256": sample.sha256,
        "label": label,
        "exclude": of_role(Role::Left).collect::<Vec<_>>(),
        "category": treated("category"),
        "numeric": treated("number"),
    });
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            body[name] = value.into();
        }
    };
    add("name", said("name").map(str::to_owned));
    add("split_column", split.clone());
    add("time", time.clone());
    add("on_bad_row", said("bad").map(str::to_owned));
    match (split, time, said("divide")) {
        (None, Some(time), Some("time")) => {
            let split = json!({"time": {"column": time, "ratios": [0.8, 0.1, 0.1]}});
            body["spec"] = json!({"label": label, "split": split});
        }
        (None, None, Some("time")) => {
            return Err(PageError::bad_request("Rows are to be divided by time, and no column says the time."));
        }
        _ => {}
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Compression, FileFormat};

    fn sample() -> UploadSample {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        UploadSample {
            name: Some("clicks.csv".to_owned()),
            bytes: 100,
            sha256: "ab".repeat(32),
            format: FileFormat::Csv,
            compression: Compression::None,
            separator: Some(",".to_owned()),
            columns: row(["user", "Click", "part", "ts"]),
            rows: vec![row(["1", "0", "train", "17"]), row(["2", "1", "test", "18"])],
        }
    }

    fn form(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn roles_are_guessed_by_names_and_values() {
        let roles: Vec<Role> = guess(&sample()).iter().map(|choice| choice.role).collect();
        assert_eq!(roles, [Role::Field, Role::Label, Role::Split, Role::Time]);
    }

    #[test]
    fn a_choice_becomes_what_the_api_asks_for() {
        let upload = UploadId::new();
        let chosen =
            [("role.0", "field"), ("kind.0", "category"), ("role.1", "label"), ("role.2", "left"), ("role.3", "time")];
        let body = describe(upload, &sample(), &form(&chosen)).unwrap();
        assert_eq!(
            (&body["label"], &body["exclude"], &body["category"]),
            (&json!("Click"), &json!(["part"]), &json!(["user"]))
        );
        assert!(body["split_column"].is_null() && body["spec"].is_null());

        let by_time =
            [&chosen[..], &[("divide", "time"), ("rule", "> 0"), ("name", " demo "), ("bad", "skip")]].concat();
        let body = describe(upload, &sample(), &form(&by_time)).unwrap();
        assert_eq!(body["spec"]["split"]["time"]["column"], "ts");
        assert_eq!((&body["label"], &body["name"]), (&json!("Click > 0"), &json!("demo")));
        assert_eq!(body["on_bad_row"], "skip");

        let none = describe(upload, &sample(), &form(&[("role.0", "field")])).unwrap_err();
        assert!(none.detail.contains("No column is the label"), "{}", none.detail);
        let two = describe(upload, &sample(), &form(&[("role.0", "label"), ("role.1", "label")])).unwrap_err();
        assert!(two.detail.contains("user and Click"), "{}", two.detail);
    }
}
