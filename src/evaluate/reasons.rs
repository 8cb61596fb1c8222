//! Why a method dropped or changed a row, in words.

use super::names::name_values;
use super::parts::Area;
use super::relabelling::Relabelling;
use crate::ingest::{Dataset, DatasetError, RowMark};
use crate::selection::Selected;
use crate::types::{CorruptionFound, RemedyKind, Split};
use std::collections::{HashMap, HashSet};

pub(super) struct Reasons<'a> {
    dataset: &'a Dataset,
    labels: &'a [u8],
    kept: &'a [bool],
    selected: &'a Selected,
    relabelling: Option<&'a Relabelling<'a>>,
    /// What the method is called.
    method: &'a str,
    /// The findings that were acted on, each with its number and, where it is about one, its place.
    taken: Vec<(usize, &'a CorruptionFound, Option<Area>)>,
    /// Names of the ids in those places.
    names: HashMap<u32, String>,
}

impl<'a> Reasons<'a> {
    pub fn new(
        dataset: &'a Dataset,
        labels: &'a [u8],
        kept: &'a [bool],
        selected: &'a Selected,
        relabelling: Option<&'a Relabelling<'a>>,
        method: &'a str,
    ) -> Result<Self, DatasetError> {
        let mut places = selected.note.places.iter();
        let findings = selected.note.findings.iter().flat_map(|findings| &findings.corruptions).enumerate();
        let (mut taken, mut ids) = (Vec::new(), HashSet::new());
        for (number, found) in findings {
            // Places stand in the order of the findings that have one.
            let place = if found.window.is_some() || found.values > 0 { places.next() } else { None };
            if found.taken {
                ids.extend(place.iter().flat_map(|place| &place.values).flatten());
                taken.push((number, found, place.map(|place| Area::new(dataset, place))));
            }
        }
        let names = name_values(dataset, &ids)?;
        Ok(Self { dataset, labels, kept, selected, relabelling, method, taken, names })
    }

    /// What a kept training row is trained on, where that is not its label, and what it weighs, where that is not 1.
    pub fn change(&self, row: usize) -> (Option<f32>, Option<f32>) {
        let Some(relabelling) = self.relabelling.filter(|_| self.kept[row]) else { return (None, None) };
        let RowMark { target, weight } = relabelling.mark_of(row);
        (
            Some(target).filter(|target| *target != f32::from(self.labels[row])),
            Some(weight).filter(|weight| *weight != 1.0),
        )
    }

    /// Number of the finding that a training row was dropped or changed for.
    pub fn finding(&self, row: usize) -> Option<usize> {
        self.find(row).map(|(number, ..)| *number)
    }

    /// Why a training row was dropped or changed; none where it is kept as it is. `opposite`: training rows that equal it and
    /// have the other label.
    pub fn reason(&self, row: usize, opposite: u32) -> Option<String> {
        let change = self.change(row);
        if self.kept[row] && change == (None, None) {
            return None;
        }
        let mut text = match self.find(row) {
            Some((_, found, area)) => found.reason(&self.name_cell(row, found, area.as_ref())),
            None => self.describe_score(row),
        };
        if opposite > 0 {
            let rows = if opposite == 1 { "1 equal row has".to_owned() } else { format!("{opposite} equal rows have") };
            text += &format!("; {rows} the other label");
        }
        Some(text)
    }

    fn find(&self, row: usize) -> Option<&(usize, &'a CorruptionFound, Option<Area>)> {
        let (target, weight) = self.change(row);
        if self.kept[row] && target.is_none() && weight.is_none() {
            return None;
        }
        let train = self.dataset.split(Split::Train);
        let fields = self.dataset.fields();
        let ids = &train.ids[row * fields..][..fields];
        let time = self.dataset.times(Split::Train).map(|times| times[row]);
        let lies_in = |area: &Option<Area>| area.as_ref().is_some_and(|area| area.holds(ids, time));
        // Where a finding names no place, what was done tells its rows.
        let is_done = |found: &CorruptionFound| match found.remedy {
            RemedyKind::Drop => !self.kept[row],
            RemedyKind::Weigh => weight.is_some(),
            RemedyKind::Relabel | RemedyKind::SoftLabels => target.is_some(),
        };
        let placed = self.taken.iter().find(|(.., area)| lies_in(area));
        placed.or_else(|| self.taken.iter().find(|(_, found, area)| area.is_none() && is_done(found)))
    }

    /// `genres=Thriller`: what the row has in the fields that the finding is about.
    fn name_cell(&self, row: usize, found: &CorruptionFound, area: Option<&Area>) -> String {
        let Some(area) = area else { return String::new() };
        let (ids, fields) = (self.dataset.split(Split::Train).ids, self.dataset.fields());
        let name = |(field, column): (&String, &usize)| {
            let id = ids[row * fields + column] as u32;
            format!("{field}={}", self.names.get(&id).map_or("", |name| name))
        };
        found.fields.iter().zip(area.columns()).map(name).collect::<Vec<_>>().join(", ")
    }

    /// What the method's own number says of the row.
    fn describe_score(&self, row: usize) -> String {
        let Some(scores) = &self.selected.scores else { return format!("left out by {}", self.method) };
        let score = scores.values[row];
        match &scores.name[..] {
            "keep_prob" => format!("the policy would keep it with {}", probability(score)),
            "self_confidence" => format!("models that have not seen it give its label {}", probability(score)),
            "minus_mean_loss" => format!("its mean loss is {:.3}, above that of the rows kept", -score),
            "margin" | "area_under_margin" => format!("its margin is {score:.3}: models doubt its label"),
            name => format!("its {} is {score:.3}", name.replace('_', " ")),
        }
    }
}

fn probability(share: f32) -> String {
    if share < 5e-4 { "a probability below .001".to_owned() } else { format!("a probability of {share:.3}") }
}
