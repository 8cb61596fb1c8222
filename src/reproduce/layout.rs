//! What stands on a page of results, and in what order.

use super::{
    case_study::{CaseStudy, CaseTable},
    drawings::drawings,
    facts::Facts,
    numbers::{Line, Metric, Spread},
    page::{ADDED, Block, Grid, GridRow, Page},
    results::Reproduction,
    target::Target,
};
use crate::types::{MethodName, Tuning, TuningGrid};

/// Shown where there is no number.
const NONE: &str = "–";

/// The page of a table or figure.
pub fn page(result: &Reproduction) -> Page {
    let facts = &result.facts;
    let mut blocks = opening(result.target, facts);
    for metric in Metric::BOTH {
        let better = if metric == Metric::Auc { "higher is better" } else { "lower is better" };
        blocks.push(Block::Heading(format!("Test {} ({better})", metric.title())));
        let words = "Ours: mean ± sample standard deviation over the seeds (number of seeds). Difference: ours less the paper's.";
        blocks.push(Block::Text(words.to_owned()));
        blocks.push(Block::Table(numbers(result, metric)));
        blocks.extend(drawings(result, metric));
    }
    blocks.push(Block::Heading("In words".to_owned()));
    blocks.push(Block::Items(result.verdicts.clone()));
    blocks.push(Block::Heading("Against training on all rows".to_owned()));
    let words = "Differences seed by seed to the model trained on all rows, their mean and standard deviation.";
    blocks.push(Block::Text(words.to_owned()));
    blocks.push(Block::Table(gains(result)));
    blocks.push(Block::Heading("Rows kept, and time".to_owned()));
    blocks.push(Block::Table(costs(result)));
    blocks.extend(closing(facts));
    Page { title: result.target.title().to_owned(), blocks }
}

/// The page of the case study.
pub fn case_study_page(study: &CaseStudy) -> Page {
    let mut blocks = opening(Target::CaseStudy, &study.facts);
    blocks.push(Block::Text(format!(
        "The rows of one user, {} = {}. This page shows data, unlike the others.",
        study.user_column, study.user
    )));
    for section in &study.sections {
        blocks.push(Block::Heading(format!("Table 4, {}: training rows", section.protocol.title())));
        blocks.push(Block::Text(section.train_words()));
        blocks.push(Block::Table(case_table(&section.train)));
        blocks.push(Block::Heading(format!("Table 5, {}: test rows", section.protocol.title())));
        let words =
            "Predicted chance of label 1, by the model trained on all rows and by the one trained on the kept rows.";
        blocks.push(Block::Text(words.to_owned()));
        blocks.push(Block::Table(case_table(&section.test)));
    }
    blocks.extend(closing(&study.facts));
    Page { title: Target::CaseStudy.title().to_owned(), blocks }
}

fn opening(target: Target, facts: &Facts) -> Vec<Block> {
    let dataset = &facts.dataset;
    let seeds = match facts.seeds.as_slice() {
        [seed] => format!("One seed ({seed})."),
        [first, .., last] => format!("{} seeds ({first} to {last}).", facts.seeds.len()),
        [] => String::new(),
    };
    let what = format!(
        "{} ({}), {} rows. {seeds} Beside the numbers of Lin, Zhao, Wang, Zhu and Wang, “AutoDenoise”, WWW 2023, \
         doi 10.1145/3543507.3583339. Made by autodenoise {}.",
        dataset.name.title(),
        dataset.file,
        dataset.rows.total(),
        facts.version
    );
    let mut blocks = vec![Block::Text(what)];
    blocks.push(Block::Items(facts.protocols.iter().map(|protocol| protocol.text().to_owned()).collect()));
    blocks.extend(target.remark().map(|remark| Block::Text(remark.to_owned())));
    blocks
}

/// The paper's number, ours by each protocol, and the differences.
fn numbers(result: &Reproduction, metric: Metric) -> Grid {
    let mut header = vec!["model".to_owned(), "paper".to_owned()];
    for protocol in &result.facts.protocols {
        header.push(format!("ours, {}", protocol.title()));
        header.push("difference".to_owned());
    }
    let cells = |line: &Line| {
        let published =
            line.published.map_or(NONE.to_owned(), |published| format!("{:.4}", metric.published(published)));
        let mut cells = vec![line.title.clone(), published];
        for measured in &line.measured {
            let (ours, difference) = metric.measured(measured);
            cells.push(if measured.failed.is_some() { "failed".to_owned() } else { spread(ours) });
            cells.push(signed(difference));
        }
        cells
    };
    Grid { header, words: 1, rows: ruled(result.lines.iter(), cells) }
}

fn gains(result: &Reproduction) -> Grid {
    let mut header = vec!["model".to_owned()];
    for metric in Metric::BOTH {
        header.push(format!("{}, paper", metric.title()));
        header
            .extend(result.facts.protocols.iter().map(|protocol| format!("{}, {}", metric.title(), protocol.title())));
    }
    let cells = |line: &Line| {
        let mut cells = vec![line.title.clone()];
        for metric in Metric::BOTH {
            cells.push(signed(line.published_gain.map(|gain| metric.published(gain))));
            cells.extend(line.measured.iter().map(|measured| {
                let gain = measured.gain.and_then(|gain| metric.gain(gain));
                gain.map_or(NONE.to_owned(), |gain| match gain.sd {
                    Some(sd) => format!("{} ± {sd:.4}", signed(Some(gain.mean))),
                    None => signed(Some(gain.mean)),
                })
            }));
        }
        cells
    };
    let others = result.lines.iter().filter(|line| line.method != MethodName::None);
    Grid { header, words: 1, rows: ruled(others, cells) }
}

fn costs(result: &Reproduction) -> Grid {
    let mut header = vec!["model".to_owned()];
    for protocol in &result.facts.protocols {
        header.push(format!("kept %, {}", protocol.title()));
        header.push("seconds a seed".to_owned());
    }
    let number = |value: Option<f64>, digits: usize| value.map_or(NONE.to_owned(), |value| format!("{value:.digits$}"));
    let cells = |line: &Line| {
        let mut cells = vec![line.title.clone()];
        for measured in &line.measured {
            cells.push(number(measured.kept.map(|kept| 100.0 * kept), 2));
            cells.push(number(measured.seconds, 1));
        }
        cells
    };
    Grid { header, words: 1, rows: ruled(result.lines.iter(), cells) }
}

/// The lines as rows, with a rule before what is not in the paper.
fn ruled<'l>(lines: impl Iterator<Item = &'l Line>, cells: impl Fn(&Line) -> Vec<String>) -> Vec<GridRow> {
    let mut rows = Vec::new();
    let mut in_paper = true;
    for line in lines {
        if in_paper && !line.in_paper {
            rows.push(GridRow::Rule(ADDED.to_owned()));
        }
        in_paper = line.in_paper;
        rows.push(GridRow::Cells(cells(line)));
    }
    rows
}

fn closing(facts: &Facts) -> Vec<Block> {
    let mut blocks = Vec::new();
    let failures: Vec<String> = facts
        .jobs
        .iter()
        .filter_map(|job| Some(format!("{}, {}: {}", job.title, job.protocol.title(), job.failed.as_ref()?)))
        .collect();
    if !failures.is_empty() {
        blocks.push(Block::Heading("What failed".to_owned()));
        blocks.push(Block::Items(failures));
    }
    let dataset = &facts.dataset;
    let share = 100.0 * dataset.positives.total() as f64 / dataset.rows.total().max(1) as f64;
    let fields: Vec<String> = dataset.fields.iter().map(|(name, count)| format!("{name} ({count})")).collect();
    blocks.push(Block::Heading("The data".to_owned()));
    blocks.push(Block::Items(vec![
        format!(
            "{} training, {} validation and {} test rows; {share:.2} % have label 1 ({})",
            dataset.rows.train,
            dataset.rows.valid,
            dataset.rows.test,
            String::from(dataset.label.clone())
        ),
        format!("fields and their numbers of ids: {}; {} in all", fields.join(", "), dataset.total_cardinality),
        format!("digest of the encoded rows: {}", dataset.digest),
    ]));
    blocks.push(Block::Heading("The jobs".to_owned()));
    let asked = facts.options.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ");
    let asked = if asked.is_empty() { "nothing else asked for".to_owned() } else { format!("asked for: {asked}") };
    let students = match &facts.tuning {
        Tuning::Off => "the models that are compared are not tuned, as the paper's".to_owned(),
        Tuning::On(TuningGrid { weight_decay, patience }) => {
            let grid: Vec<String> = weight_decay.iter().map(|decay| format!("{decay:e}")).collect();
            format!(
                "the models that are compared are tuned on validation rows: weight decay one of {}, patience {patience}",
                grid.join(", ")
            )
        }
    };
    blocks.push(Block::Text(format!("Preset {}, with each protocol's options; {students}; {asked}.", facts.preset)));
    blocks.push(Block::Table(jobs(facts)));
    let specs: Vec<_> = facts.jobs.iter().filter_map(|job| job.spec.as_ref()).collect();
    let text = serde_json::to_string_pretty(&specs).expect("specs are plain data");
    blocks.push(Block::Details { summary: "Every option of every job".to_owned(), text });
    blocks
}

fn jobs(facts: &Facts) -> Grid {
    let header = ["job", "protocol", "computed on", "threads", "readings of the test labels", "seconds", "warnings"];
    let cells = facts.jobs.iter().map(|job| {
        let computed = if job.device.is_empty() { NONE.to_owned() } else { format!("{} ({})", job.device, job.engine) };
        GridRow::Cells(vec![
            job.title.clone(),
            job.protocol.title().to_owned(),
            computed,
            job.threads.to_string(),
            job.test_reads.to_string(),
            format!("{:.1}", job.seconds),
            job.warnings.len().to_string(),
        ])
    });
    let mut rows: Vec<GridRow> = cells.collect();
    let mut total = vec![String::new(); header.len()];
    (total[0], total[5]) = ("together".to_owned(), format!("{:.1}", facts.seconds()));
    rows.push(GridRow::Cells(total));
    Grid { header: header.map(str::to_owned).to_vec(), words: 3, rows }
}

fn case_table(table: &CaseTable) -> Grid {
    let rows = table.rows.iter().cloned().map(GridRow::Cells).collect();
    Grid { header: table.header.clone(), words: table.words, rows }
}

/// `0.8079 ± 0.0008 (3)`: mean, standard deviation and number of seeds.
fn spread(spread: Option<Spread>) -> String {
    match spread {
        None => NONE.to_owned(),
        Some(Spread { mean, sd: None, .. }) => format!("{mean:.4} (1)"),
        Some(Spread { mean, sd: Some(sd), runs }) => format!("{mean:.4} ± {sd:.4} ({runs})"),
    }
}

/// With its sign, a true minus; 0 has none.
fn signed(number: Option<f64>) -> String {
    let Some(number) = number else { return NONE.to_owned() };
    let digits = format!("{:.4}", number.abs());
    match digits.as_str() {
        "0.0000" => digits,
        _ if number < 0.0 => format!("−{digits}"),
        _ => format!("+{digits}"),
    }
}
