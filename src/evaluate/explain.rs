//! Why rows were dropped or changed: for each of those least worth keeping, the reason in words, what the method saw and what
//! else speaks against it.

use super::names::name_valueless;
use super::reasons::Reasons;
use crate::ingest::{Dataset, DatasetError};
use crate::selection::Selected;
use crate::types::Split;
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, ListArray, RecordBatch, StringArray, UInt8Array, UInt32Array, UInt64Array,
    builder::{ListBuilder, StringBuilder},
    types::Float32Type,
};
use rayon::slice::ParallelSliceMut;
use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    ops::Range,
    sync::Arc,
};

/// Most rows that are explained, the ones least worth keeping: bounds the memory and the file.
const MOST: usize = 1_000_000;

/// Of so many, the first, the values stand beside the reason; and of so many of each finding.
const WITH_VALUES: usize = 10_000;
const WITH_VALUES_EACH: usize = 50;

pub(super) struct Explanations<'a> {
    dataset: &'a Dataset,
    labels: &'a [u8],
    kept: &'a [bool],
    selected: &'a Selected,
    /// How often each row was kept, where the job ran with several seeds.
    votes: Option<&'a [u32]>,
    reasons: &'a Reasons<'a>,
    /// Positions within the training split, those least worth keeping first.
    order: Vec<u32>,
    /// Of each of them, whether its values stand beside the reason.
    valued: Vec<bool>,
    /// Of each of them, the field and id that the fewest training rows have, and how many have it.
    rarest: Vec<(usize, u32, u32)>,
    /// What those ids stand for, and the ids of the first rows.
    names: HashMap<u32, String>,
    /// How many training rows have the same ids as an explained row, with label 0 and with label 1; by the hash of the
    /// ids.
    twins: HashMap<u64, [u32; 2]>,
}

impl<'a> Explanations<'a> {
    pub fn new(
        dataset: &'a Dataset,
        labels: &'a [u8],
        kept: &'a [bool],
        selected: &'a Selected,
        votes: Option<&'a [u32]>,
        reasons: &'a Reasons<'a>,
    ) -> Result<Self, DatasetError> {
        let train = dataset.split(Split::Train);
        let fields = dataset.fields();
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        // Dropped rows come first: where scores only rank the rows of a batch, a kept row of another may have a lower
        // score. Rows of the same score are those of the findings in turn, so that the first rows show each of them.
        let score = |row: u32| selected.scores.as_ref().map_or(0.0, |scores| scores.values[row as usize]);
        let turns = take_turns(labels.len(), |row| reasons.finding(row));
        let by_worth = |a: &u32, b: &u32| {
            let [one, other] = [*a, *b].map(|row| (kept[row as usize], turns[row as usize]));
            let kept = one.0.cmp(&other.0);
            kept.then(score(*a).total_cmp(&score(*b))).then(one.1.cmp(&other.1)).then(a.cmp(b))
        };
        // Of 80 million rows it would take minutes to sort all.
        if order.len() > MOST {
            order.select_nth_unstable_by(MOST, by_worth);
            order.truncate(MOST);
        }
        order.par_sort_unstable_by(by_worth);
        let mut counts = vec![0; dataset.feature_map.total_cardinality as usize];
        train.ids.iter().for_each(|id| counts[*id as usize] += 1);
        let mut twins: HashMap<u64, [u32; 2]> =
            order.iter().map(|row| (hash(&train.ids[*row as usize * fields..][..fields]), [0; 2])).collect();
        for (ids, label) in train.ids.chunks_exact(fields).zip(labels) {
            if let Some(counts) = twins.get_mut(&hash(ids)) {
                counts[usize::from(*label)] += 1;
            }
        }
        let rarest: Vec<_> = order
            .iter()
            .map(|row| {
                let of = |field: usize| train.ids[*row as usize * fields + field] as u32;
                // Of equally rare values, that of the first field.
                let rarest = (0..fields).min_by_key(|field| counts[of(*field) as usize]).expect("a dataset has fields");
                (rarest, of(rarest), counts[of(rarest) as usize])
            })
            .collect();
        let mut named: HashSet<u32> = rarest.iter().map(|(_, id, _)| *id).collect();
        let valued = choose_valued(&order, |row| reasons.finding(row));
        let first = order.iter().zip(&valued).filter(|(_, valued)| **valued).map(|(row, _)| row);
        named.extend(first.flat_map(|row| &train.ids[*row as usize * fields..][..fields]).map(|id| *id as u32));
        let names = dataset.values(&named)?;
        Ok(Self { dataset, labels, kept, selected, votes, reasons, order, valued, rarest, names, twins })
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The rows at these places of the order.
    pub fn batch(&self, range: Range<usize>) -> io::Result<RecordBatch> {
        let train = self.dataset.split(Split::Train);
        let fields = self.dataset.fields();
        let (rows, rare) = (&self.order[range.clone()], &self.rarest[range.clone()]);
        let ids = |row: u32| &train.ids[row as usize * fields..][..fields];
        let opposite = |row: &u32| self.twins[&hash(ids(*row))][1 - usize::from(self.labels[*row as usize])];
        let scores = self.selected.scores.as_ref();
        let field_name = |field: &usize| self.dataset.feature_map.fields[*field].name.clone();
        let losses = ListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(|row| {
            let history = &self.selected.losses;
            (!history.is_empty()).then(|| history.iter().map(|losses| Some(losses[*row as usize])).collect::<Vec<_>>())
        }));
        let reason = |row: &u32| self.reasons.reason(*row as usize, opposite(row));
        let changes: Vec<_> = rows.iter().map(|row| self.reasons.change(*row as usize)).collect();
        let finding = |row: &u32| self.reasons.finding(*row as usize).map(|number| number as u32);
        let (field_names, values) = self.values(range);
        let columns: [(&str, ArrayRef); 16] = [
            ("row", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| train.rows[*row as usize].into())))),
            ("kept", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(self.kept[*row as usize]))))),
            ("label", Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| self.labels[*row as usize])))),
            ("reason", Arc::new(rows.iter().map(reason).collect::<StringArray>())),
            ("finding", Arc::new(rows.iter().map(finding).collect::<UInt32Array>())),
            ("target", Arc::new(changes.iter().map(|change| change.0).collect::<Float32Array>())),
            ("weight", Arc::new(changes.iter().map(|change| change.1).collect::<Float32Array>())),
            ("fields", field_names),
            ("values", values),
            (
                "score",
                Arc::new(Float32Array::from_iter(
                    rows.iter().map(|row| scores.map(|scores| scores.values[*row as usize])),
                )),
            ),
            ("losses", Arc::new(losses)),
            (
                "kept_by",
                Arc::new(UInt32Array::from_iter(rows.iter().map(|row| self.votes.map(|votes| votes[*row as usize])))),
            ),
            ("opposite_duplicates", Arc::new(UInt32Array::from_iter_values(rows.iter().map(opposite)))),
            ("rarest_field", Arc::new(StringArray::from_iter_values(rare.iter().map(|(field, ..)| field_name(field))))),
            ("rarest_value", Arc::new(rare.iter().map(|(_, id, _)| self.names.get(id)).collect::<StringArray>())),
            ("rarest_rows", Arc::new(UInt32Array::from_iter_values(rare.iter().map(|(.., rows)| *rows)))),
        ];
        // All columns may lack values, so that every group has the schema of the file, whether it lacks some or not.
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true)))
            .map_err(io::Error::other)
    }

    /// The names of the fields and what the rows at these places of the order have in them; nothing for rows that come
    /// without them.
    fn values(&self, range: Range<usize>) -> (ArrayRef, ArrayRef) {
        let fields = &self.dataset.feature_map.fields;
        let ids = self.dataset.split(Split::Train).ids;
        let mut lists = [ListBuilder::new(StringBuilder::new()), ListBuilder::new(StringBuilder::new())];
        for place in range {
            let is_valued = self.valued[place];
            if is_valued {
                let own = &ids[self.order[place] as usize * fields.len()..][..fields.len()];
                for (field, id) in fields.iter().zip(own) {
                    let id = *id as u32;
                    lists[0].values().append_value(&field.name);
                    match self.names.get(&id) {
                        Some(name) => lists[1].values().append_value(name),
                        None => lists[1].values().append_value(name_valueless(field, id)),
                    }
                }
            }
            lists.iter_mut().for_each(|list| list.append(is_valued));
        }
        let [names, values] = lists.map(|mut list| Arc::new(list.finish()) as ArrayRef);
        (names, values)
    }
}

/// Of each row how many rows before it belong to the same finding; 0 for a row that belongs to none.
fn take_turns(rows: usize, finding: impl Fn(usize) -> Option<usize>) -> Vec<u32> {
    let mut seen: Vec<u32> = Vec::new();
    let turn = |row| {
        let Some(number) = finding(row) else { return 0 };
        if seen.len() <= number {
            seen.resize(number + 1, 0);
        }
        seen[number] += 1;
        seen[number] - 1
    };
    (0..rows).map(turn).collect()
}

/// Of each row of an order, whether its values stand beside the reason: a finding may have none of the first.
fn choose_valued(order: &[u32], finding: impl Fn(usize) -> Option<usize>) -> Vec<bool> {
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let is_valued = |(place, row): (usize, &u32)| {
        let before = finding(*row as usize).map(|number| {
            let seen = seen.entry(number).or_default();
            *seen += 1;
            *seen - 1
        });
        place < WITH_VALUES || before.is_some_and(|before| before < WITH_VALUES_EACH)
    };
    order.iter().enumerate().map(is_valued).collect()
}

/// The hash of a row's ids. The chance that two of n different rows have the same is n^2 / 2^65.
fn hash(ids: &[i32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    ids.hash(&mut hasher);
    hasher.finish()
}
