//! What the numbers say, in sentences. A difference within the run-to-run spread is not called one.

use super::{
    facts::Facts,
    numbers::{Line, Metric, Spread},
    protocol::Protocol,
};

/// Sentences on every protocol and metric: how near the paper's numbers are, and what choosing rows changes.
pub(super) fn verdicts(lines: &[Line], facts: &Facts) -> Vec<String> {
    if facts.seeds.len() < 2 {
        let sentence = "One seed: the run-to-run spread is not known, so no difference can be told from chance.";
        return vec![sentence.to_owned()];
    }
    let mut verdicts = Vec::new();
    for (number, protocol) in facts.protocols.iter().enumerate() {
        for metric in Metric::BOTH {
            let place = format!("{}, {}", protocol.title(), metric.title());
            verdicts.extend(beside_paper(&place, lines, number, metric));
            verdicts.extend(beside_all_rows(*protocol, &place, lines, number, metric));
        }
    }
    verdicts.iter_mut().for_each(|verdict| capitalise(verdict));
    verdicts
}

fn beside_paper(place: &str, lines: &[Line], protocol: usize, metric: Metric) -> Option<String> {
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for line in lines {
        if let (Some(Spread { sd: Some(sd), .. }), Some(difference)) = metric.measured(&line.measured[protocol]) {
            (if difference.abs() <= sd { &mut near } else { &mut far }).push(line.title.as_str());
        }
    }
    let parts = [
        listed(&near, "within the run-to-run spread (one standard deviation) of the paper's number:"),
        listed(&far, "further than that spread from the paper's number:"),
    ];
    joined(place, parts)
}

fn beside_all_rows(protocol: Protocol, place: &str, lines: &[Line], number: usize, metric: Metric) -> Option<String> {
    let (mut same, mut better, mut worse) = (Vec::new(), Vec::new(), Vec::new());
    let mut chose_itself = false;
    for line in lines {
        let gain = line.measured[number].gain.and_then(|gain| metric.gain(gain));
        if let Some(Spread { mean, sd: Some(sd), .. }) = gain {
            let list = match mean.abs() <= sd {
                true => &mut same,
                false if metric.is_better(mean) => {
                    chose_itself |= protocol == Protocol::Published && line.method.searches();
                    &mut better
                }
                false => &mut worse,
            };
            list.push(line.title.as_str());
        }
    }
    let parts = [
        listed(&same, "the difference to training on all rows is within the run-to-run spread, so none is seen:"),
        listed(&better, "better than all rows by more than one standard deviation:"),
        chose_itself.then(|| "AutoDenoise's rows were chosen by their test result, so this is no evidence".to_owned()),
        listed(&worse, "worse than all rows by more than one standard deviation:"),
    ];
    joined(place, parts)
}

fn listed(titles: &[&str], words: &str) -> Option<String> {
    (!titles.is_empty()).then(|| format!("{words} {}", titles.join(", ")))
}

fn joined<const N: usize>(place: &str, parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{place}: {}.", parts.join("; ")))
}

fn capitalise(sentence: &mut str) {
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
}
