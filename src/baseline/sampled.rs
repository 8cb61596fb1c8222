//! The official training protocol of T-CE and R-CE (spec `baselines.md`, section 6, `ce_data = sampled`): rows labelled 1,
//! and in each pass new rows labelled 0, of the same users with items that they have no such row with.
//!
//! A drawn row is its positive with another item: the item's own id, and with it the fields that tell of the item. Which
//! those are is read off the data (see [`Side`]).

use crate::random::{Purpose, Stream};
use rayon::prelude::*;

/// The share of rows that must have their group's commonest value for a field to tell of the group.
const NEARLY_ALL: f64 = 0.99;
/// Positives whose negatives one task draws.
const POSITIVES: usize = 1 << 14;

/// What a field tells of.
/// A field goes with the items where nearly all rows of an item have the same value, and likewise with the users. The
/// first row of each item (or user) is not counted, because a single row always agrees with itself. A field that goes
/// with both belongs to those with more agreeing rows, and to the users where the numbers are equal, as they are for a
/// constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Drawn rows have the positive's value.
    User,
    /// Drawn rows have the item's commonest value, of equally common ones the lowest id.
    Item,
    /// Neither: an hour, a place on a page. Drawn rows have the positive's value.
    Context,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SampledError {
    #[error("the fields of users and items must be two of the {fields} there are; {user} and {item} were named")]
    Fields { user: usize, item: usize, fields: usize },
    #[error("no training row has label 1, and negatives are drawn for those")]
    NoPositive,
    #[error("every user with a row labelled 1 has one with every item: there is no item to draw")]
    NoNegative,
}

/// Training rows, and what negatives are drawn from.
pub struct Sampled<'a> {
    /// `[n, F]`.
    ids: &'a [i32],
    user_field: usize,
    /// F of them.
    sides: Vec<Side>,
    /// Rows labelled 1, ascending.
    positives: Vec<u32>,
    users: Groups,
    /// By user: for each item that the user has a row labelled 1 with, in order, how many others lie below it.
    others_below: Vec<Vec<u32>>,
    /// `[items, F]`: the commonest value of each field in the item's rows.
    items: Vec<i32>,
    without_negative: usize,
}

impl<'a> Sampled<'a> {
    /// Of training rows: ids `[n, F]` row-major, labels `[n]`. Items are those of all rows, whatever their label.
    pub fn new(
        ids: &'a [i32],
        labels: &[u8],
        fields: usize,
        user_field: usize,
        item_field: usize,
    ) -> Result<Self, SampledError> {
        if user_field >= fields || item_field >= fields || user_field == item_field {
            return Err(SampledError::Fields { user: user_field, item: item_field, fields });
        }
        assert_eq!(ids.len(), labels.len() * fields, "ids of each row");
        let positives: Vec<u32> = (0..).zip(labels).filter(|(_, label)| **label == 1).map(|(row, _)| row).collect();
        if positives.is_empty() {
            return Err(SampledError::NoPositive);
        }
        let users = Groups::of(ids, fields, user_field);
        let by_item = Groups::of(ids, fields, item_field);
        let (with_user, _) = users.agreement(ids, fields);
        let (with_item, items) = by_item.agreement(ids, fields);
        let side = |field| match (with_user[field], with_item[field]) {
            _ if field == user_field => Side::User,
            _ if field == item_field => Side::Item,
            (user, item) if item >= NEARLY_ALL && item > user => Side::Item,
            (user, _) if user >= NEARLY_ALL => Side::User,
            _ => Side::Context,
        };
        let sides = (0..fields).map(side).collect();

        let mut liked = vec![Vec::new(); users.len()];
        for row in &positives {
            let own = &ids[*row as usize * fields..][..fields];
            liked[users.number(own[user_field])].push(by_item.number(own[item_field]) as u32);
        }
        let mut without_negative = 0;
        for liked in &mut liked {
            let rows = liked.len();
            liked.sort_unstable();
            liked.dedup();
            if liked.len() == by_item.len() {
                without_negative += rows;
            }
            (0..).zip(liked).for_each(|(before, item)| *item -= before);
        }
        if without_negative == positives.len() {
            return Err(SampledError::NoNegative);
        }
        Ok(Self { ids, user_field, sides, positives, users, others_below: liked, items, without_negative })
    }

    /// What each field tells of.
    pub fn sides(&self) -> &[Side] {
        &self.sides
    }

    /// Rows labelled 1.
    pub fn positives(&self) -> usize {
        self.positives.len()
    }

    /// Rows labelled 1 that no negative is drawn for, because their users have every item.
    pub fn without_negative(&self) -> usize {
        self.without_negative
    }

    /// The rows of a pass, ids `[m, F]` and labels `[m]`: each positive, in file order, and behind it its `num_neg`
    /// negatives. Every pass has as many rows; whoever trains on them shuffles them.
    pub fn pass(&self, seed: u64, pass: u32, num_neg: u32) -> (Vec<i32>, Vec<u8>) {
        let stream = Stream::new(seed, Purpose::Negatives, &[pass]);
        let parts = self.positives.par_chunks(POSITIVES).enumerate().map(|(part, rows)| {
            let (mut ids, mut labels) = (Vec::new(), Vec::new());
            for (place, row) in (part * POSITIVES..).zip(rows) {
                let positive = &self.ids[*row as usize * self.sides.len()..][..self.sides.len()];
                ids.extend_from_slice(positive);
                labels.push(1);
                for number in 0..u64::from(num_neg) {
                    let word = stream.u32_at(place as u64 * u64::from(num_neg) + number);
                    if let Some(item) = self.draw(positive[self.user_field], word) {
                        ids.extend(self.with(positive, item));
                        labels.push(0);
                    }
                }
            }
            (ids, labels)
        });
        let (ids, labels): (Vec<_>, Vec<_>) = parts.unzip();
        (ids.concat(), labels.concat())
    }

    /// An item that the user has no row labelled 1 with, each with the same chance; absent where the user has every
    /// item.
    fn draw(&self, user: i32, word: u32) -> Option<&[i32]> {
        let others_below = &self.others_below[self.users.number(user)];
        let others = self.items.len() / self.sides.len() - others_below.len();
        // The high half of a product is uniform over 0..others to within 2^-32 of each share.
        let nth = ((u64::from(word) * others as u64) >> 32) as usize;
        let skipped = others_below.partition_point(|below| *below as usize <= nth);
        (others > 0).then(|| &self.items[(nth + skipped) * self.sides.len()..][..self.sides.len()])
    }

    /// The positive with another item.
    fn with<'b>(&'b self, positive: &'b [i32], item: &'b [i32]) -> impl Iterator<Item = i32> + 'b {
        let of = |((side, own), items): ((&Side, &i32), &i32)| if *side == Side::Item { *items } else { *own };
        self.sides.iter().zip(positive).zip(item).map(of)
    }
}

/// Rows by their id in one field: groups are numbered by ascending id.
struct Groups {
    lowest: i32,
    /// By id, from the lowest: the group's number. Without meaning for an id that has no rows.
    numbers: Vec<u32>,
    /// Where each group's rows begin, and the end of all.
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Groups {
    fn of(ids: &[i32], fields: usize, field: usize) -> Self {
        let column = || ids.iter().skip(field).step_by(fields).copied();
        let (lowest, highest) = (column().min().unwrap_or(0), column().max().unwrap_or(-1));
        let mut counts = vec![0_u32; (highest - lowest + 1) as usize];
        column().for_each(|id| counts[(id - lowest) as usize] += 1);
        let (mut starts, mut numbers) = (vec![0], Vec::with_capacity(counts.len()));
        for count in counts {
            numbers.push(starts.len() as u32 - 1);
            if count > 0 {
                starts.push(starts[starts.len() - 1] + count as usize);
            }
        }
        let mut groups = Self { lowest, numbers, rows: vec![0; starts[starts.len() - 1]], starts };
        let mut next = groups.starts.clone();
        for (row, id) in (0..).zip(column()) {
            let next = &mut next[groups.number(id)];
            groups.rows[*next] = row;
            *next += 1;
        }
        groups
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn number(&self, id: i32) -> usize {
        self.numbers[(id - self.lowest) as usize] as usize
    }

    /// For each field, the share of rows beyond the first of each group that have their group's commonest value (0 where
    /// there are no such rows); and the commonest values, `[groups, F]`.
    fn agreement(&self, ids: &[i32], fields: usize) -> (Vec<f64>, Vec<i32>) {
        let mut commonest = Vec::with_capacity(self.len() * fields);
        let mut agreeing = vec![0; fields];
        let mut values = Vec::new();
        for bounds in self.starts.windows(2) {
            for (field, agreeing) in agreeing.iter_mut().enumerate() {
                values.clear();
                values.extend(self.rows[bounds[0]..bounds[1]].iter().map(|row| ids[*row as usize * fields + field]));
                values.sort_unstable();
                let runs = values.chunk_by(|a, b| a == b);
                // Of runs of the same length the first is taken.
                let longest = runs.reduce(|best, run| if run.len() > best.len() { run } else { best });
                let longest = longest.expect("a group has rows");
                *agreeing += longest.len() - 1;
                commonest.push(longest[0]);
            }
        }
        let beyond = (self.rows.len() - self.len()).max(1);
        (agreeing.into_iter().map(|rows| rows as f64 / beyond as f64).collect(), commonest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    /// Fields: age of the user, user, hour, item, genre of the item. Ids of a field start where those before end.
    const FIELDS: usize = 5;
    const USER: usize = 1;
    const ITEM: usize = 3;

    fn row(user: i32, item: i32, hour: i32) -> [i32; FIELDS] {
        [user % 3, 10 + user, 100 + hour, 200 + item, 300 + item % 4]
    }

    /// 300 rows of 20 users and 15 items, hours at random.
    fn table() -> (Vec<i32>, Vec<u8>) {
        let stream = Stream::new(1, Purpose::Select, &[]);
        let draw = |at: u64, below: f32| (stream.uniform_at(at) * below) as i32;
        let ids = (0..300).flat_map(|i| row(draw(4 * i, 20.0), draw(4 * i + 1, 15.0), draw(4 * i + 2, 24.0))).collect();
        (ids, (0..300).map(|i| u8::from(stream.uniform_at(4 * i + 3) < 0.4)).collect())
    }

    #[test]
    fn sides_are_read_off_the_data() {
        let (mut ids, labels) = table();
        let sides = |ids: &[i32]| Sampled::new(ids, &labels, FIELDS, USER, ITEM).unwrap().sides().to_vec();
        let expected = [Side::User, Side::User, Side::Context, Side::Item, Side::Item];
        assert_eq!(sides(&ids), expected);
        // One genre of 300 is wrong: nearly all are right. Every tenth is not.
        ids[FIELDS - 1] = 304;
        assert_eq!(sides(&ids), expected);
        ids.iter_mut().skip(FIELDS - 1).step_by(10 * FIELDS).for_each(|genre| *genre = 304);
        assert_eq!(sides(&ids)[4], Side::Context);
        // A constant stays as it is, and so does what no second row of an item speaks for.
        ids.iter_mut().skip(2).step_by(FIELDS).for_each(|hour| *hour = 100);
        assert_eq!(sides(&ids)[2], Side::User);
        let single: Vec<i32> = (0..30).flat_map(|i| row(i % 3, i, i % 7)).collect();
        let sides = Sampled::new(&single, &[1; 30], FIELDS, USER, ITEM).unwrap().sides().to_vec();
        assert_eq!(sides, [Side::User, Side::User, Side::Context, Side::Item, Side::Context]);
    }

    #[test]
    fn what_cannot_be_drawn_from_is_an_error() {
        let two = [row(0, 0, 0), row(0, 1, 0)].concat();
        let new = |labels, user, item| Sampled::new(&two, labels, FIELDS, user, item).map(|_| ());
        assert_eq!(new(&[0, 0], USER, ITEM), Err(SampledError::NoPositive));
        assert_eq!(new(&[1, 1], USER, ITEM), Err(SampledError::NoNegative));
        for (user, item) in [(USER, USER), (USER, FIELDS), (FIELDS, ITEM)] {
            assert_eq!(new(&[1, 0], user, item), Err(SampledError::Fields { user, item, fields: FIELDS }));
        }
    }

    #[test]
    fn a_user_with_every_item_gets_no_negatives() {
        let ids = [row(0, 0, 0), row(1, 0, 0), row(1, 1, 0), row(1, 0, 5)].concat();
        let sampled = Sampled::new(&ids, &[1; 4], FIELDS, USER, ITEM).unwrap();
        assert_eq!((sampled.positives(), sampled.without_negative()), (4, 3));
        let (drawn, labels) = sampled.pass(1, 0, 2);
        assert_eq!(labels, [1, 0, 0, 1, 1, 1]);
        assert_eq!(drawn[FIELDS..2 * FIELDS], row(0, 1, 0), "the only other item");
    }

    #[test]
    fn other_items_are_as_likely_one_as_another() {
        // A user likes items 1, 2 and 4 of 0..6, the others are known from another's rows.
        let ids: Vec<i32> = (0..6).flat_map(|item| row(i32::from([1, 2, 4].contains(&item)), item, 0)).collect();
        let labels = [0, 1, 1, 0, 1, 0];
        let (drawn, _) = Sampled::new(&ids, &labels, FIELDS, USER, ITEM).unwrap().pass(1, 0, 2000);
        let mut counts = [0_i32; 6];
        drawn.iter().skip(ITEM).step_by(FIELDS).for_each(|item| counts[(item - 200) as usize] += 1);
        assert_eq!([counts[1], counts[2], counts[4]], [1; 3], "the positives themselves");
        // 2,000 each, to 5 standard deviations.
        for item in [0, 3, 5] {
            assert!((counts[item] - 2000).abs() < 5 * 37, "{counts:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn drawn_rows_are_their_positives_with_items_their_users_have_not(
            rows in proptest::collection::vec((0..6_i32, 0..5_i32, 0..24_i32, 0..2_u8), 1..60),
            num_neg in 0..4_u32,
            pass in 0..3_u32,
        ) {
            let ids: Vec<i32> = rows.iter().flat_map(|(user, item, hour, _)| row(*user, *item, *hour)).collect();
            let labels: Vec<u8> = rows.iter().map(|row| row.3).collect();
            let Ok(sampled) = Sampled::new(&ids, &labels, FIELDS, USER, ITEM) else { return Ok(()) };
            let mut liked: HashMap<i32, HashSet<i32>> = HashMap::new();
            for of in ids.chunks(FIELDS).zip(&labels).filter(|(_, label)| **label == 1).map(|(of, _)| of) {
                liked.entry(of[USER]).or_default().insert(of[ITEM]);
            }
            let items: HashSet<i32> = ids.chunks(FIELDS).map(|of| of[ITEM]).collect();

            let (drawn, drawn_labels) = sampled.pass(3, pass, num_neg);
            let mut drawn = drawn.chunks(FIELDS).zip(drawn_labels).peekable();
            let mut without = 0;
            for positive in ids.chunks(FIELDS).zip(&labels).filter(|(_, label)| **label == 1).map(|(of, _)| of) {
                prop_assert_eq!(drawn.next(), Some((positive, 1)));
                let mut count = 0;
                while let Some((negative, _)) = drawn.next_if(|(_, label)| *label == 0) {
                    count += 1;
                    prop_assert!(items.contains(&negative[ITEM]) && !liked[&positive[USER]].contains(&negative[ITEM]));
                    for (field, side) in sampled.sides().iter().enumerate() {
                        if *side != Side::Item {
                            prop_assert_eq!(negative[field], positive[field]);
                        } else if field == 4 {
                            prop_assert_eq!(negative[4], 300 + (negative[ITEM] - 200) % 4);
                        }
                    }
                }
                let has_all = liked[&positive[USER]].len() == items.len();
                without += usize::from(has_all);
                prop_assert_eq!(count, if has_all { 0 } else { num_neg });
            }
            prop_assert_eq!(drawn.next(), None);
            prop_assert_eq!(without, sampled.without_negative());
        }
    }

    #[test]
    fn a_pass_is_the_same_every_time_and_another_is_another() {
        let (ids, labels) = table();
        let sampled = Sampled::new(&ids, &labels, FIELDS, USER, ITEM).unwrap();
        let pass = sampled.pass(3, 1, 1);
        assert_eq!(pass, sampled.pass(3, 1, 1));
        assert!(pass.0 != sampled.pass(3, 2, 1).0 && pass.0 != sampled.pass(4, 1, 1).0);
        assert_eq!(pass.1, sampled.pass(3, 2, 1).1, "every pass has as many rows");
    }
}
