//! `/datasets/{id}/new-job`: what a job is to do, what it would take, and its start.

use super::{
    ask::Ask,
    dataset_list,
    error::PageError,
    extract::{Form, Path, Query},
    shell::{Shell, render},
    words,
};
use crate::{
    api::{Capabilities, DatasetView, JobView},
    types::{Certify, DatasetId, DatasetStatus, JobSpec, MethodName, Plan},
};
use askama::Template;
use axum::response::{Redirect, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The form, as a query where a plan is asked for and as a body where the job is to start. Nothing of it is there when the
/// page is first opened.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct JobForm {
    #[serde(default)]
    method: String,
    #[serde(default)]
    backbone: String,
    /// Set where a verdict is asked for.
    #[serde(default)]
    certify: String,
    #[serde(default)]
    seeds: String,
    #[serde(default)]
    seed: String,
    #[serde(default, alias = "labels")]
    tags: String,
    #[serde(default)]
    options: String,
    #[serde(default)]
    plan: String,
}

impl JobForm {
    /// What is recommended.
    fn usual() -> Self {
        Self {
            method: "robust".to_owned(),
            backbone: "deepfm".to_owned(),
            certify: "on".to_owned(),
            seeds: Certify::default().seeds.to_string(),
            seed: JobSpec::default_seed().to_string(),
            ..Self::default()
        }
    }

    /// The job as the API is asked for it.
    fn spec(&self, dataset: DatasetId) -> Result<Value, PageError> {
        let number = |name: &str, text: &str| -> Result<Option<u64>, PageError> {
            match text.trim() {
                "" => Ok(None),
                text => text
                    .parse()
                    .map(Some)
                    .map_err(|_| PageError::bad_request(format!("{name} is `{text}`; write a number."))),
            }
        };
        let mut method = match self.method.as_str() {
            preset @ ("paper" | "released_code") => json!({"preset": preset}),
            name => json!({"name": name}),
        };
        if !self.backbone.is_empty() {
            method["backbone"] = self.backbone.as_str().into();
        }
        if !self.options.trim().is_empty() {
            let options: Map<String, Value> = serde_json::from_str(&self.options)
                .map_err(|error| PageError::bad_request(format!("Further options are no JSON object: {error}.")))?;
            method["options"] = options.into();
        }
        let mut spec = json!({"dataset_id": dataset, "method": method, "labels": self.read_tags()?});
        if let Some(seed) = number("The seed", &self.seed)? {
            spec["seed"] = seed.into();
        }
        if !self.certify.is_empty() {
            let seeds = number("Seeds of the verdict", &self.seeds)?;
            spec["certify"] = seeds.map_or_else(|| json!({}), |seeds| json!({"seeds": seeds}));
        }
        Ok(spec)
    }

    fn read_tags(&self) -> Result<Map<String, Value>, PageError> {
        let pairs = self.tags.split([',', ' ', '\n']).map(str::trim).filter(|pair| !pair.is_empty());
        let read = |pair: &str| match pair.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), Value::from(value))),
            None => Err(PageError::bad_request(format!("The tag `{pair}` has no value; write name=value."))),
        };
        pairs.map(read).collect()
    }
}

#[derive(Template)]
#[template(path = "new_job.html", config = "src/web/askama.toml")]
struct NewJobPage {
    shell: Shell,
    id: String,
    name: String,
    form: JobForm,
    methods: Vec<MethodGroup>,
    backbones: Vec<String>,
    /// Where the table is on its way, which it has to end before there can be a job.
    reading: Reading,
    plan: Option<PlanView>,
    refusal: Option<PageError>,
}

/// How far the reading of a table is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Reading {
    is_under_way: bool,
    /// How much is wrong with a table that cannot be used.
    errors: Option<String>,
    /// How many rows it has, and what its owner should look at.
    rows: String,
    notes: Vec<String>,
}

impl Reading {
    fn of(dataset: &DatasetView) -> Self {
        match (dataset.status, &dataset.profile) {
            (DatasetStatus::Invalid, _) => {
                Self { errors: Some(words::counted(dataset.error_total, "error")), ..Self::default() }
            }
            (DatasetStatus::Ready, Some(profile)) => {
                let notes = profile.warnings.iter().map(|warning| warning.message.clone()).chain(profile.notes.clone());
                let rows = words::counted(profile.rows.total(), "row");
                Self { rows, notes: notes.collect(), ..Self::default() }
            }
            _ => Self { is_under_way: true, ..Self::default() },
        }
    }
}

/// Methods of a kind: their words, and what each does.
struct MethodGroup {
    title: &'static str,
    methods: Vec<(String, String)>,
}

/// What the job would take and could show.
struct PlanView {
    time: String,
    time_basis: String,
    memory: String,
    models: String,
    reads: String,
    gain: Option<(String, String)>,
    /// What cannot come of it, as it is asked for.
    warning: Option<String>,
    verdict: Option<String>,
}

pub async fn show(
    shell: Shell,
    ask: Ask,
    Path(id): Path<DatasetId>,
    Query(query): Query<JobForm>,
) -> Result<Response, PageError> {
    shell.check_write()?;
    let form = if query.method.is_empty() { JobForm::usual() } else { query };
    let planned = if form.plan.is_empty() { None } else { Some(make_plan(&ask, id, &form).await) };
    let (plan, refusal) = match planned {
        None => (None, None),
        Some(Ok(plan)) => (Some(PlanView::new(&plan)), None),
        Some(Err(error)) => (None, Some(error)),
    };
    show_form(shell, &ask, id, form, plan, refusal).await
}

async fn make_plan(ask: &Ask, id: DatasetId, form: &JobForm) -> Result<Plan, PageError> {
    ask.post("/v1/jobs/plan", &form.spec(id)?).await
}

/// Starts the job, and leads to it. A job that is refused is shown again with what is wrong.
pub async fn start(
    shell: Shell,
    ask: Ask,
    Path(id): Path<DatasetId>,
    Form(form): Form<JobForm>,
) -> Result<Response, PageError> {
    let made: Result<JobView, PageError> = match form.spec(id) {
        Ok(spec) => ask.post("/v1/jobs", &spec).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(job) => Ok(axum::response::IntoResponse::into_response(Redirect::to(&format!("/jobs/{}", job.id)))),
        Err(error) => {
            let status = error.status;
            let mut page = show_form(shell, &ask, id, form, None, Some(error)).await?;
            *page.status_mut() = status;
            Ok(page)
        }
    }
}

async fn show_form(
    shell: Shell,
    ask: &Ask,
    id: DatasetId,
    form: JobForm,
    plan: Option<PlanView>,
    refusal: Option<PageError>,
) -> Result<Response, PageError> {
    let dataset: DatasetView = ask.get(&format!("/v1/datasets/{id}")).await?;
    let capabilities: Capabilities = ask.get("/v1/capabilities").await?;
    Ok(render(&NewJobPage {
        shell,
        id: id.to_string(),
        name: dataset_list::name(&dataset),
        form,
        methods: list_methods(&capabilities.methods),
        backbones: capabilities.backbones,
        reading: Reading::of(&dataset),
        plan,
        refusal,
    }))
}

/// What can choose rows, by kinds: what is recommended first, then the paper's settings, then what is published elsewhere, and
/// last what others are measured by.
fn list_methods(methods: &[String]) -> Vec<MethodGroup> {
    use MethodName::{Autodenoise, AutodenoiseV, None as AllRows, Robust};
    // What a method says of itself is where it belongs.
    let is_control = |it: &MethodName| *it == AllRows || it.purpose().starts_with("Control");
    const OWN: [MethodName; 3] = [Robust, Autodenoise, AutodenoiseV];
    let known: Vec<MethodName> = methods.iter().filter_map(|word| word.parse().ok()).collect();
    let line = |method: &MethodName| (method.to_string(), format!("{method}: {}", first_sentence(method.purpose())));
    let of =
        |belongs: &dyn Fn(&MethodName) -> bool| known.iter().filter(|it| belongs(it)).map(line).collect::<Vec<_>>();
    let paper = [("paper", "autodenoise as in the paper"), ("released_code", "autodenoise as in the released code")];
    let paper = paper.map(|(word, title)| (word.to_owned(), title.to_owned()));
    let groups = [
        ("Recommended", vec![("robust".to_owned(), "robust: finds what is corrupt, and mends it".to_owned())]),
        ("The paper's method", paper.into_iter().chain(of(&|it| *it == AutodenoiseV)).collect()),
        ("Published elsewhere", of(&|it| !is_control(it) && !OWN.contains(it))),
        ("To compare with", of(&is_control)),
    ];
    groups.into_iter().map(|(title, methods)| MethodGroup { title, methods }).collect()
}

/// Without the stop at its end, as it stands in a list.
fn first_sentence(text: &str) -> &str {
    let end = text.match_indices(". ").map(|(at, _)| at).find(|at| !text[..*at].ends_with(" al"));
    text[..end.unwrap_or(text.len())].trim_end_matches('.')
}

impl PlanView {
    fn new(plan: &Plan) -> Self {
        let never = plan.spec.certify.as_ref().filter(|_| plan.detectable_gain.is_none());
        Self {
            time: format!("about {}", words::seconds(plan.seconds.value.max(1.0))),
            time_basis: plan.seconds.basis.clone(),
            memory: format!("about {}", words::bytes(plan.memory_bytes)),
            models: format!(
                "{} in {} over {} training rows",
                words::counted(plan.trainings, "model"),
                if plan.passes == 1 { "1 pass".to_owned() } else { format!("{} passes", words::count(plan.passes)) },
                words::count(plan.rows.train)
            ),
            reads: words::counted(plan.test_reads, "time"),
            gain: plan
                .detectable_gain
                .as_ref()
                .map(|gain| (format!("about {:.4} AUC", gain.value), gain.basis.clone())),
            warning: never.zip(plan.test_read).map(|(certify, read)| {
                format!(
                    "{} seeds never certify anything here: ask for at least {}.",
                    certify.seeds,
                    read.seeds_needed()
                )
            }),
            verdict: plan.test_read.as_ref().map(|read| read.describe()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_offered_once_with_what_it_does() {
        let methods: Vec<String> = MethodName::ALL.iter().map(ToString::to_string).collect();
        let groups = list_methods(&methods);
        let words: Vec<&str> = groups.iter().flat_map(|group| &group.methods).map(|(word, _)| word.as_str()).collect();
        // `autodenoise` goes by its presets.
        assert_eq!(words.len(), MethodName::ALL.len() + 1);
        assert!(
            MethodName::ALL.iter().all(|method| *method == MethodName::Autodenoise || words.contains(&method.as_str()))
        );
        let lines: Vec<&str> = groups.iter().flat_map(|group| &group.methods).map(|(_, line)| line.as_str()).collect();
        assert!(
            lines.contains(&"cnn: Condensed nearest neighbours (Hart 1968): keeps what a nearest-neighbour rule needs")
        );
        assert!(lines.iter().all(|line| line.len() < 160), "{lines:?}");
    }

    #[test]
    fn the_form_becomes_the_spec_of_a_job() {
        let id = DatasetId::new();
        let form = JobForm { tags: "commit=3fe1, night=1".to_owned(), ..JobForm::usual() };
        let spec: JobSpec = serde_json::from_value(form.spec(id).unwrap()).unwrap();
        assert_eq!((spec.seed, spec.certify.unwrap().seeds, spec.labels["night"].as_str()), (42, 5, "1"));

        let paper = JobForm {
            method: "paper".to_owned(),
            certify: String::new(),
            options: r#"{"epochs": 2}"#.to_owned(),
            ..JobForm::usual()
        };
        let spec: JobSpec = serde_json::from_value(paper.spec(id).unwrap()).unwrap();
        assert_eq!((spec.method.name.as_str(), spec.certify), ("autodenoise", None));
        assert_eq!(spec.method.options["epochs"], 2);

        for (wrong, says) in [
            (JobForm { seed: "x".to_owned(), ..JobForm::usual() }, "The seed"),
            (JobForm { tags: "commit".to_owned(), ..JobForm::usual() }, "name=value"),
            (JobForm { options: "[1]".to_owned(), ..JobForm::usual() }, "no JSON object"),
        ] {
            let detail = wrong.spec(id).unwrap_err().detail;
            assert!(detail.contains(says), "{detail}");
        }
    }
}
