//! Made-up reports.

use autodenoise::{
    reproduce::{
        DatasetName, DatasetSummary, Facts, JobFacts, Outcome, PAPER_BACKBONES, PlannedJob, Protocol, Reproduction,
        Settings, Target, jobs, lines, reproduction,
    },
    types::{
        DatasetFacts, Device, Engine, KeptShare, LabelRule, MethodName, Metrics, Preset, Report, ResolvedSpec,
        RunResult, SplitCounts, TableLine, Tested, Tuning, Verdict,
    },
};

pub fn settings(seeds: u32) -> Settings {
    Settings {
        dataset: DatasetName::Ml1m,
        preset: Preset::Paper,
        options: serde_json::Map::new(),
        backbones: PAPER_BACKBONES.to_vec(),
        seed: 42,
        seeds,
        tuning: Tuning::Off,
        device: Device::Auto,
        engine: Engine::Auto,
        user_item: None,
    }
}

fn metrics(auc: f64, logloss: f64) -> Metrics {
    Metrics { auc: Some(auc), logloss, clipped: 0 }
}

/// A run whose test AUC is `auc`, and the AUC as selected .01 above it.
fn run(seed: u64, auc: f64, searched: bool) -> RunResult {
    let kept = |rows| KeptShare { rows, of: 100 };
    let test = metrics(auc, 1.3 - auc);
    RunResult {
        trained_rows: 1,
        seed,
        kept: kept(if searched { 98 } else { 100 }),
        kept_positive: kept(50),
        kept_negative: kept(50),
        best_epoch: searched.then_some(3),
        passes: 9,
        best_pass: 7,
        valid: test,
        test,
        as_selected: searched.then(|| Tested { valid: test, test: metrics(auc + 0.01, 1.29 - auc) }),
        found: None,
        calibration: None,
        select_seconds: 10.0,
        train_seconds: 2.5,
    }
}

/// The report of a job: every line's AUC by `auc`, of the line, the seed's number and the protocol.
pub fn report(job: &PlannedJob, auc: &dyn Fn(&TableLine, u32) -> f64) -> Report {
    let spec: ResolvedSpec = job.spec.resolve(&DatasetFacts::default()).unwrap();
    let mut table = Vec::new();
    for (contender, method) in spec.contenders().into_iter().enumerate() {
        let trainees = spec.transfer.iter().map(|trainee| trainee.backbone);
        for backbone in std::iter::once(method.backbone).chain(trainees) {
            let mut line = TableLine {
                contender: contender as u32,
                method: method.name(),
                label: method.label.clone(),
                chosen_with: method.backbone,
                backbone,
                runs: Vec::new(),
            };
            let searched = method.name().searches() && job.protocol == Protocol::Published && spec.transfer.is_empty();
            line.runs = (0..spec.seeds).map(|n| run(42 + u64::from(n), auc(&line, n), searched)).collect();
            table.push(line);
        }
    }
    let kept = KeptShare { rows: 98, of: 100 };
    Report {
        device: "cpu".to_owned(),
        engine: "fused, x86-64-v3".to_owned(),
        threads: 2,
        kept,
        kept_positive: kept,
        kept_negative: kept,
        kept_valid: None,
        relabelled: 0,
        softened: 0,
        reweighted: 0,
        label_columns: None,
        best_epoch: Some(3),
        arms: Vec::new(),
        table,
        test_reads: 4,
        warnings: Vec::new(),
        seconds: 12.5,
        peak_memory_bytes: None,
        verdict: Verdict::NotEvaluated,
        certification: None,
        transfers: Vec::new(),
        tuned: Vec::new(),
        self_check: None,
        findings: None,
        guard: None,
        stability: None,
        oracle: Vec::new(),
        spec,
    }
}

pub fn facts(settings: &Settings, protocols: &[Protocol]) -> Facts {
    let rows = SplitCounts { train: 800, valid: 100, test: 100 };
    Facts {
        version: "0.1.0".to_owned(),
        dataset: DatasetSummary {
            name: settings.dataset,
            file: "clicks <1>.csv".to_owned(),
            label: LabelRule::try_from("rating > 3".to_owned()).unwrap(),
            rows,
            positives: SplitCounts { train: 460, valid: 57, test: 58 },
            fields: vec![("movie".to_owned(), 3706), ("user".to_owned(), 6040)],
            total_cardinality: 9746,
            digest: "d1".to_owned(),
        },
        protocols: protocols.to_vec(),
        preset: settings.preset,
        tuning: settings.tuning.clone(),
        options: settings.options.clone(),
        seeds: (42..42 + u64::from(settings.seeds)).collect(),
        jobs: Vec::new(),
    }
}

/// A whole table from made-up reports; jobs of the methods in `failing` have failed.
pub fn made_up(
    target: Target,
    settings: &Settings,
    failing: &[MethodName],
    auc: &dyn Fn(&TableLine, u32) -> f64,
) -> Reproduction {
    let plan = lines(target, settings);
    let planned = jobs(&plan, &Protocol::ALL, settings);
    let outcome = |job: &PlannedJob| -> Outcome {
        if failing.contains(&job.spec.method.name) {
            return Err("the job failed: no memory".to_owned());
        }
        Ok(Box::new(report(job, auc)))
    };
    let outcomes: Vec<Outcome> = planned.iter().map(outcome).collect();
    let mut facts = facts(settings, &Protocol::ALL);
    facts.jobs = planned.iter().zip(&outcomes).map(|(job, outcome)| job_facts(job, outcome)).collect();
    reproduction(target, &plan, facts, &|line, protocol| {
        let spec = line.spec(protocol, settings);
        &outcomes[planned.iter().position(|job| job.spec == spec).unwrap()]
    })
}

fn job_facts(job: &PlannedJob, outcome: &Outcome) -> JobFacts {
    let report = outcome.as_ref().ok();
    JobFacts {
        title: job.title.clone(),
        protocol: job.protocol,
        spec: report.map(|report| report.spec.clone()),
        device: "cpu".to_owned(),
        engine: "fused".to_owned(),
        threads: 2,
        seconds: 12.5,
        test_reads: 4,
        warnings: Vec::new(),
        failed: outcome.as_ref().err().cloned(),
    }
}
