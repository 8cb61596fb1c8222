//! Findings that speak of the same rows: a bot has an address of its own, and both look wrong.

use super::Finding;

/// A finding of which less than this share of its rows is new says what a stronger one has said.
const NEW: f64 = 0.5;

/// The findings, the strongest first, without the rows that a stronger one has; without those that are told by stronger ones.
pub fn part(mut findings: Vec<Finding>, rows: usize) -> Vec<Finding> {
    findings.sort_by(|a, b| b.evidence.total_cmp(&a.evidence).then_with(|| a.fields.cmp(&b.fields)));
    let mut taken = vec![false; rows];
    let mut parted = Vec::new();
    for mut finding in findings {
        let before = finding.rows();
        finding.remedies.retain(|(row, _)| !taken[*row as usize]);
        if finding.rows() as f64 >= NEW * before as f64 && finding.rows() > 0 {
            finding.remedies.iter().for_each(|(row, _)| taken[*row as usize] = true);
            parted.push(finding);
        }
    }
    parted
}
