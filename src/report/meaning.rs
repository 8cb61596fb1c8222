//! What a finding means, for readers who do not know the method.

use super::words::{number, percent};
use crate::types::{Corruption, CorruptionFound, RemedyKind};

/// What is wrong with the labels, what that looks like, and what was done about it: two sentences without statistics.
pub fn explain_finding(found: &CorruptionFound) -> String {
    format!("{} {}", describe_wrong(found.kind), describe_done(found))
}

fn describe_wrong(kind: Corruption) -> &'static str {
    match kind {
        Corruption::RandomValues => {
            "The labels of these values do not follow what the rest of the table leads one to expect, as if a coin had been tossed \
             for each."
        }
        Corruption::InvertedValues => {
            "The labels of these values are the opposite of what the rest of the table leads one to expect, as if 0 and 1 had been \
             swapped."
        }
        Corruption::AddedOnes => {
            "These values have more rows with label 1 than they should, as if clicks or likes had been bought for them."
        }
        Corruption::AddedZeros => {
            "These values have more rows with label 0 than they should, as if somebody had wanted them to look bad."
        }
        Corruption::TurnedOnes => {
            "Here some labels are 1 that should be 0, as if a client had reported the wrong event."
        }
        Corruption::TurnedZeros => "Here some labels are 0 that should be 1, as if a client had lost the event.",
        Corruption::ZeroWindow => "In this stretch of time nearly every label is 0, as if nothing had been recorded.",
        Corruption::OneWindow => {
            "In this stretch of time nearly every label is 1, as if every view had been taken for a click."
        }
        Corruption::InvertedWindow => {
            "In this stretch of time the labels are the opposite of what the rest of the table leads one to expect."
        }
        Corruption::RandomWindow => {
            "In this stretch of time the labels do not follow what the rest of the table leads one to expect."
        }
        Corruption::Immature => {
            "The last rows have too few labels 1: they were written before a late click or purchase could arrive."
        }
        Corruption::Repeats => "The same event was recorded more than once.",
        Corruption::RowNoise => {
            "Models that have not seen the rows judge some labels to be unlikely, with no place in common. That does not prove them \
             wrong."
        }
    }
}

fn describe_done(found: &CorruptionFound) -> String {
    let rows = format!("{} training rows ({})", number(found.rows), percent(found.share));
    match (found.taken, found.remedy) {
        (false, _) if found.gain.is_some() => format!("It is about {rows}; a remedy was tried and did not help."),
        (false, _) => format!("It is about {rows}; no remedy was tried."),
        (true, RemedyKind::Drop) => format!("So {rows} were dropped."),
        (true, RemedyKind::Relabel) => format!("So {rows} count as of the other label."),
        (true, RemedyKind::SoftLabels) => {
            format!("So {rows} are trained on a probability between 0 and 1 in place of their label.")
        }
        (true, RemedyKind::Weigh) => format!("So {rows} count by how likely each of them is real."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_finding_is_explained_with_what_was_done() {
        let found = |kind: &str, taken: bool, gain: Option<f64>| -> CorruptionFound {
            let found = json!({"kind": kind, "fields": ["item"], "values": 3, "examples": [], "rows": 1200, "share": 0.1,
                "evidence": 50.0, "strength": -0.9, "remedy": "drop", "gain": gain, "gain_error": gain, "taken": taken});
            serde_json::from_value(found).unwrap()
        };
        let told = explain_finding(&found("inverted_values", true, Some(0.01)));
        assert!(told.contains("0 and 1 had been swapped. So 1,200 training rows (10.0 %) were dropped."), "{told}");
        assert!(explain_finding(&found("repeats", false, Some(0.0))).ends_with("did not help."));
        assert!(explain_finding(&found("repeats", false, None)).ends_with("no remedy was tried."));
    }
}
