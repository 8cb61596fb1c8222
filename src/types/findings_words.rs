//! Findings in words.

use super::{Corruption, CorruptionFound, RemedyKind, signed};

impl CorruptionFound {
    /// What is wrong, where, how far, and what was done about it: one sentence.
    pub fn describe(&self) -> String {
        let gain = match (self.gain, self.gain_error) {
            (Some(gain), Some(error)) => format!(", AUC {} ± {error:.4} on validation rows", signed(gain, 4)),
            _ => String::new(),
        };
        if self.kind == Corruption::RowNoise {
            let done = if self.taken { "trained on" } else { "tried, and not worth it" };
            let rate = 100.0 * self.strength;
            return format!(
                "a probability in place of each label, by models that have not seen the row (at most {rate:.0} % of labels wrong): \
                 {done}{gain}"
            );
        }
        let share = format!("{:.1} % of the rows", 100.0 * self.share);
        format!("{} ({}; {share}): {}{gain}", self.place(), self.extent(), self.action())
    }

    /// What is wrong, in a line: `12 values of item: labels inverted`.
    pub fn what(&self) -> String {
        self.place()
    }

    /// Why a row that belongs to it was dropped or changed. `cell` is the row's own value or cell: `genres=Thriller`; empty
    /// where it is about rows of any value.
    pub fn reason(&self, cell: &str) -> String {
        let unreliable = |why: &str| format!("{cell} judged unreliable: {why}");
        let window = |why: &str| match cell {
            "" => format!("in a window of time whose labels are {why}"),
            cell => format!("{cell} in a window of time whose labels are {why}"),
        };
        match self.kind {
            Corruption::RandomValues => unreliable("its labels are at random"),
            Corruption::InvertedValues => unreliable("its labels are inverted"),
            Corruption::AddedOnes => unreliable("rows of label 1 were added to it"),
            Corruption::AddedZeros => unreliable("rows of label 0 were added to it"),
            Corruption::TurnedOnes => unreliable("labels 0 became 1"),
            Corruption::TurnedZeros => unreliable("labels 1 became 0"),
            Corruption::ZeroWindow => window("all 0"),
            Corruption::OneWindow => window("all 1"),
            Corruption::InvertedWindow => window("inverted"),
            Corruption::RandomWindow => window("at random"),
            Corruption::Immature => "so late that a label 1 may not have arrived yet".to_owned(),
            Corruption::Repeats => "written more than once".to_owned(),
            Corruption::RowNoise => "its label is unlikely to models that have not seen it".to_owned(),
        }
    }

    fn place(&self) -> String {
        let of = |what: &str| match &self.fields[..] {
            [field] => format!("{} values of {field}: labels {what}", self.values),
            _ => format!("labels {what}"),
        };
        let added =
            |label: u8| format!("{} values of {}: rows of label {label} were added", self.values, self.field(0));
        let cell = |from: u8| format!("the cell {}: labels {from} became {}", self.first_cell(), 1 - from);
        let window = |what: &str| match self.first_cell() {
            cell if cell.is_empty() => format!("a window of time: labels {what}"),
            cell => format!("a window of time of {cell}: labels {what}"),
        };
        match self.kind {
            Corruption::RandomValues => of("at random"),
            Corruption::InvertedValues => of("inverted"),
            Corruption::AddedOnes => added(1),
            Corruption::AddedZeros => added(0),
            Corruption::TurnedOnes => cell(0),
            Corruption::TurnedZeros => cell(1),
            Corruption::ZeroWindow => window("all 0"),
            Corruption::OneWindow => window("all 1"),
            Corruption::InvertedWindow => window("inverted"),
            Corruption::RandomWindow => window("at random"),
            Corruption::Immature => "labels that are not there yet towards the end of time".to_owned(),
            Corruption::Repeats => "rows that were written more than once".to_owned(),
            Corruption::RowNoise => "labels here and there".to_owned(),
        }
    }

    /// How far it goes.
    pub fn extent(&self) -> String {
        let percent = format!("{:.0} %", 100.0 * self.strength);
        match self.kind {
            Corruption::RandomValues | Corruption::InvertedValues => {
                format!("slope {:.2} instead of 1", self.strength)
            }
            Corruption::AddedOnes | Corruption::AddedZeros => format!("{percent} of their rows of that label"),
            Corruption::TurnedOnes | Corruption::TurnedZeros => format!("{percent} of them"),
            Corruption::ZeroWindow | Corruption::OneWindow | Corruption::InvertedWindow | Corruption::RandomWindow => {
                format!("label 1 in {percent}")
            }
            Corruption::Immature => format!("{percent} of the labels 1 are still missing"),
            Corruption::Repeats => format!("equal rows have equal labels in {percent}"),
            Corruption::RowNoise => format!("about {percent}"),
        }
    }

    /// What was done about it.
    pub fn action(&self) -> &'static str {
        match (self.taken, self.gain, self.remedy) {
            (false, None, _) => "not tried",
            (false, Some(_), _) => "left alone, because doing something about it did not help",
            (true, _, RemedyKind::Drop) => "dropped",
            (true, _, RemedyKind::Relabel) => "given the other label",
            (true, _, RemedyKind::SoftLabels) => "given a probability as label",
            (true, _, RemedyKind::Weigh) => "weighed by how probably each belongs",
        }
    }

    fn field(&self, at: usize) -> &str {
        self.fields.get(at).map_or("", |field| field)
    }

    /// `field = value, field = value` of the first example.
    fn first_cell(&self) -> String {
        let Some(example) = self.examples.first() else { return String::new() };
        let named = self.fields.iter().zip(&example.names).map(|(field, name)| format!("{field} = {name}"));
        named.collect::<Vec<_>>().join(", ")
    }
}
