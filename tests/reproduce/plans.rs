//! Which jobs make a table.

use super::reports::settings;
use autodenoise::{
    reproduce::{DatasetName, PAPER_BACKBONES, PlannedJob, Protocol, Settings, Target, jobs, lines},
    types::{BackboneKind, DatasetFacts, JobSpec, MethodName, Options, Preset, ResolvedSpec, Select, SelectBy, Tuning},
};
use serde_json::json;
use std::collections::HashSet;

fn planned(target: Target, settings: &Settings) -> Vec<PlannedJob> {
    jobs(&lines(target, settings), &Protocol::ALL, settings)
}

fn resolved(spec: &JobSpec) -> ResolvedSpec {
    spec.resolve(&DatasetFacts::default()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn table_1_is_one_job_for_each_backbone_and_protocol() {
    let (settings, all) = (settings(3), PAPER_BACKBONES.len());
    let jobs = planned(Target::Table1, &settings);
    assert_eq!((jobs.len(), lines(Target::Table1, &settings).len()), (2 * all, 2 * all));
    for job in &jobs {
        let spec = resolved(&job.spec);
        let options = &spec.method.options;
        let published = job.protocol == Protocol::Published;
        assert_eq!((spec.method.name(), spec.seeds), (MethodName::Autodenoise, 3));
        assert_eq!(options.select_by, if published { SelectBy::TestAuc } else { SelectBy::ValidAuc });
        assert_eq!((options.restore_best, options.retrain_shuffle), (!published, !published));
        if !published {
            assert_eq!(*options, Options::preset(Preset::Paper, spec.method.backbone), "the preset as it is");
        }
        let reference = &spec.compare[0];
        assert_eq!((reference.name(), reference.backbone), (MethodName::None, spec.method.backbone));
        assert_eq!(reference.options.restore_best, options.restore_best, "all rows are trained alike");
    }
}

#[test]
fn table_2_has_the_papers_baselines_then_our_own() {
    let mut settings = settings(1);
    settings.options = json!({"epochs": 2, "k": 5, "lr": 0.01}).as_object().unwrap().clone();
    let titles = |settings: &Settings, in_paper: bool| {
        let lines = lines(Target::Table2, settings).into_iter().filter(|line| line.in_paper == in_paper);
        lines.map(|line| line.title).collect::<Vec<_>>()
    };
    let paper = ["DeepFM w/o", "DROP3", "BDIS", "LSBo", "LSSm", "T-CE, explicit", "R-CE, explicit", "AutoDenoise"];
    assert_eq!(titles(&settings, true), paper);
    assert_eq!(
        titles(&settings, false),
        ["random drop", "loss drop", "ENN", "CNN", "confident learning", "random drop, best of 2"]
    );

    settings.user_item = Some(("user".to_owned(), "movie".to_owned()));
    let with_drawn = titles(&settings, true);
    assert!(with_drawn.contains(&"T-CE, sampled".to_owned()) && with_drawn.contains(&"R-CE, sampled".to_owned()));
    let jobs = planned(Target::Table2, &settings);
    assert_eq!(jobs.len(), 2 * 15);
    for job in &jobs {
        let spec = resolved(&job.spec);
        let votes = matches!(spec.method.name(), MethodName::Enn | MethodName::Drop3);
        let own = serde_json::to_value(&spec.method).unwrap()["own"].take();
        assert_eq!(own.get("k"), votes.then_some(&json!(5)), "{}", job.title);
        assert_eq!(spec.method.options.lr, 0.01);
        let searches = spec.method.name().searches();
        assert_eq!(spec.method.options.epochs, if searches { 2 } else { 50 });
    }
    let drawn = jobs.iter().find(|job| job.title.starts_with("t_ce") && job.title.contains("sampled")).unwrap();
    assert_eq!(resolved(&drawn.spec).method.kind.sampled().unwrap().item_column, "movie");
}

#[test]
fn students_are_the_papers_unless_tuning_is_asked_for() {
    let tuning = |settings: &Settings| {
        let jobs = planned(Target::Table1, settings);
        jobs.iter().map(|job| resolved(&job.spec).tuning).collect::<Vec<_>>()
    };
    assert!(tuning(&settings(1)).iter().all(|tuning| *tuning == Tuning::Off));
    let tuned = Settings { tuning: Tuning::default(), ..settings(1) };
    assert!(tuning(&tuned).iter().all(|tuning| matches!(tuning, Tuning::On(_))));
}

#[test]
fn table_3_trains_the_others_on_what_deepfm_chose() {
    let jobs = planned(Target::Table3, &settings(2));
    assert_eq!(jobs.len(), 2);
    let spec = resolved(&jobs[0].spec);
    assert_eq!(spec.method.backbone, BackboneKind::DeepFm);
    use BackboneKind::{Dcn, Fm, Ipnn, WideDeep};
    assert!(spec.transfer.iter().map(|trainee| trainee.backbone).eq([Fm, WideDeep, Dcn, Ipnn]));
    let lines = lines(Target::Table3, &settings(2));
    let numbers: Vec<_> = lines[..2].iter().map(|line| line.published.unwrap().auc).collect();
    assert_eq!(numbers, [0.8080, 0.8082]);
}

#[test]
fn figures_vary_one_thing() {
    let settings = settings(1);
    let ablation = planned(Target::Figure3, &settings);
    assert_eq!(ablation.len(), 2 * 2 * 5);
    let v = ablation.iter().find(|job| job.spec.method.name == MethodName::AutodenoiseV).unwrap();
    assert_eq!(resolved(&v.spec).method.options.select, Select::Sample);

    let lines = lines(Target::Figure4, &settings);
    let points: Vec<_> = lines.iter().filter_map(|line| line.point).collect();
    let warmups = [2.0, 3.0, 4.0, 5.0, 6.0].map(|c| ("warmup_epochs", c));
    let ratios = [0.95, 0.96, 0.97, 0.98, 0.99].map(|ratio| ("select_ratio", ratio));
    assert_eq!(points, [warmups, ratios].concat());
    let printed: Vec<_> =
        lines.iter().filter(|line| line.published.is_some()).map(|line| line.title.as_str()).collect();
    assert_eq!(printed, ["DeepFM w/o", "C = 4", "ratio 0.98"], "the paper prints no others");
    assert_eq!(planned(Target::Figure4, &settings).len(), 2 * 9, "the default setting is run once");
}

#[test]
fn what_deepfm_and_autodenoise_do_is_run_once_for_all() {
    let settings = settings(2);
    let specs = |target| planned(target, &settings).into_iter().map(|job| serde_json::to_string(&job.spec).unwrap());
    let shared: HashSet<_> = specs(Target::Table2).collect();
    for target in [Target::Table1, Target::Figure3, Target::Figure4] {
        assert_eq!(specs(target).filter(|spec| shared.contains(spec)).count(), 2, "{target:?}, one a protocol");
    }
}

#[test]
fn options_that_no_method_has_and_the_protocols_own_are_refused() {
    let mut settings = settings(1);
    settings.options = json!({"epochz": 2}).as_object().unwrap().clone();
    for job in planned(Target::Table2, &settings) {
        assert!(job.spec.resolve(&DatasetFacts::default()).is_err(), "{}", job.title);
    }
    assert!(settings.check().is_ok());
    settings.options = json!({"select_by": "valid_auc"}).as_object().unwrap().clone();
    assert!(settings.check().unwrap_err()[0].rule.contains("--protocol"));
}

#[test]
fn a_dataset_that_is_not_the_papers_has_no_published_numbers() {
    let settings = Settings { dataset: DatasetName::Other, ..settings(1) };
    for target in [Target::Table1, Target::Table2, Target::Table3, Target::Figure3, Target::Figure4] {
        assert!(lines(target, &settings).iter().all(|line| line.published.is_none()));
    }
}
