//! The table of a report: a line for each method and each backbone trained on what it chose.

use super::book::Tried;
use super::tasks::find_trainee;
use crate::types::{Arm, ArmResult, MethodName, ResolvedSpec, TableLine};

/// All trainings: a line for each method and backbone, in their order, with the results of all seeds.
pub(super) fn make_table(spec: &ResolvedSpec, results: &[Tried]) -> Vec<TableLine> {
    let mut lines: Vec<TableLine> = Vec::new();
    for (contender, method) in spec.contenders().into_iter().enumerate() {
        for number in 0..=spec.transfer.len() {
            let of_line = |tried: &&Tried| tried.contender == contender && tried.trainee == number;
            let runs: Vec<_> = results.iter().filter(of_line).map(|tried| tried.result.clone()).collect();
            if !runs.is_empty() {
                lines.push(TableLine {
                    contender: contender as u32,
                    method: method.name(),
                    label: method.label.clone(),
                    chosen_with: method.backbone,
                    backbone: find_trainee(spec, method, number).0,
                    runs,
                });
            }
        }
    }
    lines
}

/// The first seed's results with the job's own backbone: all rows, and the rows its method kept.
pub(super) fn list_arms(spec: &ResolvedSpec, table: &[TableLine]) -> Vec<ArmResult> {
    let arm = |arm, line: &TableLine| {
        let run = &line.runs[0];
        ArmResult {
            arm,
            seed: run.seed,
            train_rows: run.trained_rows,
            passes: run.passes,
            best_pass: run.best_pass,
            valid: run.valid,
            test: run.test,
            seconds: run.train_seconds,
        }
    };
    let of = |number: Option<usize>| {
        let direct = |line: &&TableLine| line.backbone == line.chosen_with && Some(line.contender as usize) == number;
        table.iter().find(direct)
    };
    let full = of(spec.reference());
    let own = of(Some(0)).filter(|line| line.method != MethodName::None);
    full.map(|line| arm(Arm::Full, line)).into_iter().chain(own.map(|line| arm(Arm::Denoised, line))).collect()
}
