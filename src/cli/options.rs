//! Flags that describe a table and a method, shared by `denoise`, `submit` and `datasets upload`.

use super::error::CliError;
use crate::types::{
    BackboneKind, CompareSpec, DatasetSpec, Device, Engine, JobSpec, MethodName, MethodSpec, Preset, SplitSpec, Sweep,
    TableParts, Tuning, TuningGrid, WrongParts, enumerated,
};
use clap::Args;

/// How a table is to be read.
#[derive(Debug, Args)]
#[command(next_help_heading = "The table")]
pub struct TableArgs {
    /// The label: a column of 0 and 1 (`click`), or a rule (`rating > 3`)
    #[arg(long, value_name = "COLUMN|RULE")]
    pub label: Option<String>,

    /// Columns the models see, separated by commas [default: all but the label's, the split's, --time and --exclude]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub features: Option<Vec<String>>,

    /// Columns the models do not see, separated by commas; here and in the options below C* means every column whose name
    /// starts with C
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "features")]
    pub exclude: Vec<String>,

    /// Column that holds train, valid or test
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["split", "split_time", "split_group", "split_stratified"])]
    pub split_column: Option<String>,

    /// Shares of train, valid and test [default: 0.8,0.1,0.1]
    #[arg(long, value_name = "A,B,C", value_parser = SplitSpec::parse_ratios)]
    pub split: Option<[f64; 3]>,

    /// Seed of a random split
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub split_seed: u64,

    /// Split by time: the earliest rows by this column train, the latest test
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["split_group", "split_stratified"])]
    pub split_time: Option<String>,

    /// Split by the values of a column, for example of users: all rows of a value go into one split. Models do not see the
    /// column unless --features names it
    #[arg(long, value_name = "COLUMN", conflicts_with = "split_stratified")]
    pub split_group: Option<String>,

    /// Split the rows of each label separately, by the same shares: for rare labels
    #[arg(long)]
    pub split_stratified: bool,

    /// Column that says when a row happened: numbers, or ISO 8601 dates or times; models do not see it [default: that of
    /// --split-time]
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,

    /// Columns whose every value is a category, separated by commas [default: decided by all values: many different numbers
    /// with fractions are numeric, anything else is a category]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub category: Vec<String>,

    /// Put columns of numbers into buckets, separated by commas: COLUMN=quantile:N or COLUMN=log; COLUMN alone is quantile:32
    #[arg(long, value_name = "COLUMN[=HOW]", value_delimiter = ',')]
    pub numeric: Vec<String>,

    /// Column with several values in a cell: COLUMN=SEPARATOR for one category, COLUMN=SEPARATOR:N for up to N values,
    /// COLUMN=SEPARATOR:last:N for the last N of them (repeatable)
    #[arg(long, value_name = "COLUMN=HOW")]
    pub multi: Vec<String>,

    /// Words that stand for no value, separated by commas, as an empty cell does; in columns of numbers NaN, NA, None, NULL,
    /// \N and - always do
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub missing: Vec<String>,

    /// Refuse the table if a field looks as if it should not be one: it differs on every row, gives the label away, has no
    /// name, only one value, or values that no training row has. Without this, each is a warning
    #[arg(long)]
    pub strict: bool,

    /// What becomes of a row that cannot be read: error refuses the table, skip leaves the row out and says which it was
    #[arg(long, value_name = "error|skip")]
    pub on_bad_row: Option<String>,

    /// With --on-bad-row skip: refuse the table where more rows than this are bad [default: one in a hundred, or 10]
    #[arg(long, value_name = "N")]
    pub max_bad_rows: Option<u64>,

    /// Rows the vocabulary is taken from: train or all
    #[arg(long, value_name = "ROWS")]
    pub vocabulary: Option<String>,

    /// Separator of a text table, of one or more characters; \t is a tab, \x01 a character by its number [default: found in the
    /// first line]
    #[arg(long, value_name = "TEXT")]
    pub separator: Option<String>,

    /// Quote character of a text table, or none [default: ", unless the lines show that nothing is quoted]
    #[arg(long, value_name = "CHARACTER|none")]
    pub quote: Option<String>,

    /// Character that makes a quote or a separator behind it part of the cell, for example \
    #[arg(long, value_name = "CHARACTER")]
    pub escape: Option<char>,

    /// Names of the columns of a text table without a header line, separated by commas
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,

    /// Number of lines at the start of a text table that are neither names nor rows, such as a title
    #[arg(long, value_name = "N")]
    pub skip_lines: Option<u64>,

    /// Beginning of lines in a text table that are comments, for example #
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,

    /// Encoding of a text table: utf-8, utf-16le, utf-16be, latin-1, windows-1252, gbk, .. [default: utf-8, or utf-16 where the
    /// first bytes say so]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,

    /// The file in a zip archive that is the table [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub member: Option<String>,

    /// Format of the file: csv, parquet or jsonl [default: from its name and first bytes]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
}

impl TableArgs {
    /// The dataset spec: that of `base` (a --spec file) with the flags put over it.
    pub fn dataset_spec(&self, base: Option<DatasetSpec>) -> Result<DatasetSpec, CliError> {
        self.parts().apply(base).map_err(|wrong| match wrong {
            WrongParts::NoLabel => {
                CliError::usage("--label is needed: a column of 0 and 1 (`click`), or a rule (`rating > 3`)")
            }
            WrongParts::Part { name: "label" | "split", rule } => CliError::usage(rule),
            // The rule begins with what was given.
            WrongParts::Part { name: name @ ("numeric" | "multi"), rule } => {
                CliError::usage(format!("--{name} {rule}"))
            }
            WrongParts::Part { name, rule } => CliError::usage(format!("--{}: {rule}", name.replace('_', "-"))),
        })
    }

    /// The parts that every client can give.
    fn parts(&self) -> TableParts {
        TableParts {
            label: self.label.clone(),
            features: self.features.clone(),
            exclude: given(&self.exclude),
            category: given(&self.category),
            numeric: given(&self.numeric),
            multi: given(&self.multi),
            missing: given(&self.missing),
            on_bad_row: self.on_bad_row.clone(),
            max_bad_rows: self.max_bad_rows,
            split_column: self.split_column.clone(),
            split: self.split.map(Ok),
            split_seed: Some(self.split_seed).filter(|seed| *seed != 0),
            split_time: self.split_time.clone(),
            split_group: self.split_group.clone(),
            split_stratified: self.split_stratified.then_some(true),
            time: self.time.clone(),
            vocabulary: self.vocabulary.clone(),
            format: self.format.clone(),
            member: self.member.clone(),
            encoding: self.encoding.clone(),
            skip_lines: self.skip_lines,
            comment: self.comment.clone(),
            columns: self.columns.clone(),
            separator: self.separator.clone(),
            quote: self.quote.clone(),
            strict: self.strict.then_some(true),
            escape: self.escape,
        }
    }
}

/// The words of a flag; none where it was not given.
fn given(words: &[String]) -> Option<Vec<String>> {
    Some(words.to_vec()).filter(|words| !words.is_empty())
}

pub(super) fn assignment<'a>(text: &'a str, flag: &str, form: &str) -> Result<(&'a str, &'a str), CliError> {
    text.split_once('=')
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or_else(|| CliError::usage(format!("{flag} {text}: write {form}")))
}

/// What is to be done with a table.
#[derive(Debug, Args)]
#[command(next_help_heading = "The method")]
pub struct MethodArgs {
    #[arg(long, value_name = "NAME", help = help_of_method())]
    pub method: Option<MethodName>,

    /// Other methods to compare it with, separated by commas, or `all`; with options as METHOD:NAME=VALUE;NAME=VALUE
    /// (repeatable)
    #[arg(long, value_name = "METHODS")]
    pub compare: Vec<String>,

    /// Other backbones to train on what each method chose, separated by commas
    #[arg(long, value_name = "BACKBONES", value_delimiter = ',')]
    pub transfer: Vec<BackboneKind>,

    /// The method again with each of these values of one option: NAME=VALUE,VALUE,..
    #[arg(long, value_name = "NAME=VALUES")]
    pub sweep: Option<String>,

    /// Weight decays to tune every model over, on validation rows, before it is compared; separated by commas, or off
    /// [default: 1e-6,1e-5,3e-5,1e-4,3e-4,1e-3]
    #[arg(long, value_name = "VALUES|off", value_parser = parse_tuning)]
    pub tune: Option<Tuning>,

    /// Number of seeds to do everything with: --seed, --seed + 1 and so on [default: 1]
    #[arg(long, value_name = "N")]
    pub seeds: Option<u32>,

    #[arg(long, value_name = "NAME", help = help_of_preset())]
    pub preset: Option<Preset>,

    #[arg(long, value_name = "NAME", help = help_of_backbone())]
    pub backbone: Option<BackboneKind>,

    /// Epochs of the search, each followed by a validation
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,

    /// Passes of the warm-up; each adds one loss per row to the history
    #[arg(long, value_name = "N")]
    pub warmup_epochs: Option<u32>,

    /// Share of rows kept
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub select_ratio: Option<f64>,

    /// Any other option of the method: NAME=VALUE (repeatable), for example reward_norm=standardize
    #[arg(long = "option", short = 'O', value_name = "NAME=VALUE")]
    pub options: Vec<String>,

    /// Seed of every random number of the job [default: 42]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Where to compute: auto, cpu or cuda:N [default: auto]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Device>,

    /// What computes: auto, tch (libtorch, the reference) or fused (CPUs only, several times faster) [default: auto]
    #[arg(long, value_name = "NAME")]
    pub engine: Option<Engine>,
}

impl MethodArgs {
    /// Puts the flags over `spec`. What they mean and do not say is given back, to be told. `in_file`: the --spec file has a
    /// method, and no flag but --method and --preset names another.
    pub fn apply(&self, spec: &mut JobSpec, in_file: bool) -> Result<Option<String>, CliError> {
        let method: &mut MethodSpec = &mut spec.method;
        // A preset alone names its method, unless a --spec file names one that takes any.
        let of_preset = self.preset.filter(|_| method.name == MethodSpec::default().name).map(MethodName::of_preset);
        method.name = self.method.or(of_preset).unwrap_or(method.name);
        method.preset = self.preset.unwrap_or(method.preset);
        method.backbone = self.backbone.unwrap_or(method.backbone);
        if !self.transfer.is_empty() {
            spec.transfer.clone_from(&self.transfer);
        }
        if let Some(text) = &self.sweep {
            let (option, values) = assignment(text, "--sweep", "NAME=VALUE,VALUE")?;
            // Lists among the values are JSON; words are not.
            let list = serde_json::from_str(&format!("[{values}]"));
            let values = list.unwrap_or_else(|_| values.split(',').map(option_value).collect());
            spec.sweep = Some(Sweep { option: option.to_owned(), values });
        }
        match (&self.tune, &mut spec.tuning) {
            // The patience of a --spec file stays.
            (Some(Tuning::On(TuningGrid { weight_decay, .. })), Tuning::On(grid)) => {
                grid.weight_decay.clone_from(weight_decay);
            }
            (Some(tuning), own) => own.clone_from(tuning),
            (None, _) => {}
        }
        spec.seeds = self.seeds.unwrap_or(spec.seeds);
        spec.seed = self.seed.unwrap_or(spec.seed);
        spec.device = self.device.unwrap_or(spec.device);
        spec.engine = self.engine.unwrap_or(spec.engine);
        let mut set = |name: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                method.options.insert(name.to_owned(), value);
            }
        };
        set("epochs", self.epochs.map(Into::into));
        set("warmup_epochs", self.warmup_epochs.map(Into::into));
        set("select_ratio", self.select_ratio.map(Into::into));
        for option in &self.options {
            let (name, value) = assignment(option, "--option", "NAME=VALUE")?;
            set(name, Some(option_value(value)));
        }
        let named = in_file || self.method.is_some() || self.preset.is_some();
        let meant = method.method_of_options().filter(|_| !named).map(|meant| {
            let default = std::mem::replace(&mut method.name, meant);
            let options = method.options.keys().filter(|name| !default.has(name));
            let named: Vec<_> = options.map(|name| format!("`{name}`")).collect();
            let named = enumerated(&named, "and");
            format!("{default} has no {named}, so the paper's method chooses the rows, as --method {meant} says it")
        });
        let own = method.name;
        for text in &self.compare {
            spec.compare.extend(compared(text, own)?);
        }
        Ok(meant)
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "a share is a number above 0 and at most 1".to_owned())?;
    match share {
        _ if share > 0.0 && share <= 1.0 => Ok(share),
        _ if share > 1.0 && share < 100.0 => {
            Err(format!("a share is above 0 and at most 1; did you mean {}?", share / 100.0))
        }
        _ => Err("a share is above 0 and at most 1".to_owned()),
    }
}

fn parse_tuning(text: &str) -> Result<Tuning, String> {
    if text == "off" {
        return Ok(Tuning::Off);
    }
    let decay = |part: &str| part.trim().parse::<f64>().map_err(|_| format!("`{part}` is neither off nor a number"));
    let weight_decay = text.split(',').map(decay).collect::<Result<_, _>>()?;
    Ok(Tuning::On(TuningGrid { weight_decay, ..TuningGrid::default() }))
}

fn help_of_method() -> String {
    let methods = enumerated(MethodName::ALL, "or");
    format!("How rows are chosen: {methods} [default: {}]", MethodSpec::default().name)
}

fn help_of_preset() -> String {
    let presets = enumerated(Preset::ALL, "or");
    format!("Option values to start from: {presets}. Without --method it names the method, too: the paper's, or robust")
}

fn help_of_backbone() -> String {
    let (fused, others): (Vec<_>, Vec<_>) =
        BackboneKind::ALL.iter().copied().partition(|kind: &BackboneKind| kind.is_fused());
    format!(
        "The recommender model: {} (on every engine), {} (on libtorch) [default: {}]",
        enumerated(&fused, "and"),
        enumerated(&others, "or"),
        MethodSpec::default().backbone
    )
}

/// The methods of one --compare.
fn compared(text: &str, own: MethodName) -> Result<Vec<CompareSpec>, CliError> {
    let plain = |name| CompareSpec { name, preset: None, backbone: None, options: serde_json::Map::new() };
    let parse = |name: &str| name.parse().map_err(|error| CliError::usage(format!("--compare {text}: {error}")));
    if text == "all" {
        return Ok(MethodName::ALL.iter().filter(|name| **name != own).map(|name| plain(*name)).collect());
    }
    let Some((name, options)) = text.split_once(':') else {
        return text.split(',').map(|name| Ok(plain(parse(name)?))).collect();
    };
    let option = |option| {
        let (name, value) = assignment(option, "--compare", "METHOD:NAME=VALUE;NAME=VALUE")?;
        Ok((name.to_owned(), option_value(value)))
    };
    let options = options.split(';').map(option).collect::<Result<_, CliError>>()?;
    Ok(vec![CompareSpec { options, ..plain(parse(name)?) }])
}

/// `0.5`, `true` and `[8,8]` are JSON, `8,8` is short for the last; anything else is a word.
pub(super) fn option_value(text: &str) -> serde_json::Value {
    serde_json::from_str(text)
        .or_else(|error| if text.contains(',') { serde_json::from_str(&format!("[{text}]")) } else { Err(error) })
        .unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn options_of_the_papers_method_alone_name_it() {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            method: MethodArgs,
        }
        let apply = |flags: &str| {
            let words = std::iter::once("denoise").chain(flags.split_whitespace());
            let command = <Command as clap::Parser>::try_parse_from(words).unwrap();
            let mut spec: JobSpec =
                serde_json::from_value(serde_json::json!({"dataset_id": crate::types::DatasetId::new()})).unwrap();
            let meant = command.method.apply(&mut spec, false).unwrap();
            (spec.method.name, meant.is_some())
        };
        assert_eq!(apply("--epochs 1"), (MethodName::Autodenoise, true));
        assert_eq!(apply("--epochs 1 -O batch_size=64"), (MethodName::Autodenoise, true));
        assert_eq!(apply("-O batch_size=64"), (MethodName::Robust, false));
        // Neither method has both, so the one that was meant cannot be told.
        assert_eq!(apply("--epochs 1 -O folds=3"), (MethodName::Robust, false));
        assert_eq!(apply("--method robust --epochs 1"), (MethodName::Robust, false));
        assert_eq!(apply("--preset paper --epochs 1"), (MethodName::Autodenoise, false));
        assert!(parse_share("98").unwrap_err().ends_with("did you mean 0.98?"));
        assert_eq!(parse_share("0.98"), Ok(0.98));
    }

    /// Every way to say how a table is read has the same parts: flags, query parameters, and members of a JSON body.
    #[test]
    fn a_table_is_described_alike_everywhere() {
        let document: Value = serde_json::from_str(&crate::api::openapi_json()).unwrap();
        let names = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let without = |mut names: BTreeSet<String>, others: &[&str]| {
            others.iter().for_each(|other| assert!(names.remove(*other), "{other}"));
            names
        };
        let command = TableArgs::augment_args(clap::Command::new("table"));
        let flags: BTreeSet<String> = command.get_arguments().map(|flag| flag.get_id().to_string()).collect();
        let parameters = document["paths"]["/v1/datasets"]["post"]["parameters"].as_array().unwrap();
        let of_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let query = of_query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
        assert_eq!(without(query, &["name", "spec"]), flags);
        let schemas = &document["components"]["schemas"];
        let members = names(&schemas["DatasetFromUpload"]["properties"]);
        assert_eq!(without(members, &["upload_id", "sha256", "uploads", "name", "spec"]), flags);

        // A spec has them too: its split is in one member, its fields have another name, and its compression is found.
        let spec = without(names(&schemas["DatasetSpec"]["properties"]), &["compression", "split", "fields"]);
        let splits = ["split", "split_seed", "split_column", "split_time", "split_group", "split_stratified"];
        assert_eq!(spec, without(without(flags, &splits), &["features"]));
    }
}
