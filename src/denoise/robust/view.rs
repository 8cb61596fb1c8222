//! The rows of a job with their fields in the order of their names, so that what is found and chosen does not depend on the
//! order of the columns.

use crate::backbone::{BackboneConfig, Rows, TrainingData};
use crate::ingest::SplitData;
use crate::selection::{Context, SelectError};
use crate::types::{FeatureMap, Field};

pub(super) struct View {
    map: FeatureMap,
    /// Ids `[N, F]` and `[V, F]`; absent where the fields are in that order as they are.
    ids: Option<[Vec<i32>; 2]>,
}

impl View {
    pub fn new(context: &Context) -> Self {
        let fields = &context.map.fields;
        let mut order: Vec<usize> = (0..fields.len()).collect();
        order.sort_by(|a, b| fields[*a].name.cmp(&fields[*b].name));
        if order.is_sorted() {
            return Self { map: context.map.clone(), ids: None };
        }
        // Places of one split column share a range of ids, and keep sharing it.
        let mut starts: Vec<(u32, u32)> = Vec::new();
        let mut next = 0;
        let mut moved = Vec::with_capacity(fields.len());
        for at in &order {
            let field = &fields[*at];
            let offset = match starts.iter().find(|(old, _)| *old == field.offset) {
                Some((_, new)) => *new,
                None => {
                    starts.push((field.offset, next));
                    next += field.cardinality;
                    next - field.cardinality
                }
            };
            let shift = |id: u32| id - field.offset + offset;
            let (unknown, padding) = (field.unknown.map(shift), field.padding.map(shift));
            moved.push(Field { offset, unknown, padding, ..field.clone() });
        }
        let of = |ids: &[i32]| -> Vec<i32> {
            let row = |row: &[i32]| -> Vec<i32> {
                let moved = order.iter().zip(&moved);
                moved.map(|(at, field)| row[*at] - fields[*at].offset as i32 + field.offset as i32).collect()
            };
            ids.chunks_exact(fields.len()).flat_map(row).collect()
        };
        let ids = [of(context.data.train.ids), of(context.data.valid.ids)];
        Self { map: FeatureMap { fields: moved, ..context.map.clone() }, ids: Some(ids) }
    }

    /// The rows, with the labels of the job.
    pub fn data<'v>(&'v self, context: &Context<'v>) -> TrainingData<'v> {
        let given = context.data;
        let rows = |given: &Rows<'v>, at: usize| {
            let ids = self.ids.as_ref().map_or(given.ids, |ids| &ids[at][..]);
            Rows::new(SplitData { ids, labels: given.labels, rows: &[] }, given.fields)
        };
        TrainingData { train: rows(&given.train, 0), valid: rows(&given.valid, 1), times: given.times }
    }

    /// The job's context over these rows.
    pub fn context<'v>(
        &'v self,
        data: &'v TrainingData<'v>,
        context: &Context<'v>,
    ) -> Result<Context<'v>, SelectError> {
        let config = BackboneConfig::new(context.config.kind, &self.map, context.options)?;
        Ok(Context { data, map: &self.map, config, ..*context })
    }
}
