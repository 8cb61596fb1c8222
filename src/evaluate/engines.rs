//! What computes a job's models, in words.

use super::tasks::list_trainees;
use crate::backbone::Engines;
use crate::types::ResolvedSpec;

/// What computes a job's models, for reports.
pub fn describe_engines(engines: &Engines, spec: &ResolvedSpec) -> String {
    let mut found: Vec<String> = Vec::new();
    for (backbone, _) in list_trainees(spec) {
        // Without an engine for a backbone the job ends before there is a report.
        let Ok(engine) = engines.for_model(backbone) else { continue };
        if !found.contains(&engine.describe()) {
            found.push(engine.describe());
        }
    }
    found.join("; ")
}
