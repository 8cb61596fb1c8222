//! A Parquet file that is written: batches of rows become row groups, and dictionary columns keep their categories.

use super::categories::Categories;
use ::parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves},
    },
    errors::Result,
    file::writer::SerializedFileWriter,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use std::{fs::File, sync::Arc};

/// A row group is closed at this size even if it may have more rows: bounds memory.
const MAX_BYTES: usize = 64 << 20;

/// Writes row groups to a file.
pub(super) struct RowGroups<'a> {
    file: SerializedFileWriter<&'a mut File>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// Of each column, where it keeps them.
    categories: Vec<Option<Arc<Categories>>>,
    max_rows: usize,
    /// The one that is being written.
    group: Option<RowGroup>,
}

struct RowGroup {
    columns: Vec<Column>,
    rows: usize,
}

enum Column {
    /// The writers of its leaves.
    Encoded(Vec<ArrowColumnWriter>),
    /// Dictionary arrays, which are encoded once all are there.
    Held(Arc<Categories>, Vec<ArrayRef>),
}

impl<'a> RowGroups<'a> {
    /// Begins a file. `categories` has an entry for each column of the schema.
    pub fn new(
        out: &'a mut File,
        schema: SchemaRef,
        options: ArrowWriterOptions,
        categories: Vec<Option<Arc<Categories>>>,
    ) -> Result<Self> {
        let (file, factory) =
            ArrowWriter::try_new_with_options(out, schema.clone(), options)?.into_serialized_writer()?;
        let max_rows = file.properties().max_row_group_row_count().unwrap_or(usize::MAX);
        Ok(Self { file, factory, schema, categories, max_rows, group: None })
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            let mut group = match self.group.take() {
                Some(group) => group,
                None => self.begin()?,
            };
            let rows = (batch.num_rows() - from).min(self.max_rows - group.rows);
            group.write(&batch.slice(from, rows), &self.schema)?;
            from += rows;
            match group.rows >= self.max_rows || group.bytes() > MAX_BYTES {
                true => self.end(group)?,
                false => self.group = Some(group),
            }
        }
        Ok(())
    }

    pub fn close(mut self) -> Result<()> {
        if let Some(group) = self.group.take() {
            self.end(group)?;
        }
        self.file.close().map(drop)
    }

    fn begin(&self) -> Result<RowGroup> {
        let column = |categories: &Option<Arc<Categories>>| match categories {
            Some(categories) => Column::Held(categories.clone(), Vec::new()),
            None => Column::Encoded(Vec::new()),
        };
        let mut columns: Vec<_> = self.categories.iter().map(column).collect();
        let leaves = self.factory.create_column_writers(self.file.flushed_row_groups().len())?;
        for (leaf, writer) in leaves.into_iter().enumerate() {
            if let Column::Encoded(writers) = &mut columns[self.file.schema_descr().get_column_root_idx(leaf)] {
                writers.push(writer);
            }
        }
        Ok(RowGroup { columns, rows: 0 })
    }

    fn end(&mut self, group: RowGroup) -> Result<()> {
        let properties = self.file.properties().clone();
        let leaves = self.file.schema_descr().columns().to_vec();
        let mut next = 0;
        let mut out = self.file.next_row_group()?;
        for column in group.columns {
            match column {
                Column::Encoded(writers) => {
                    next += writers.len();
                    for writer in writers {
                        writer.close()?.append_to_row_group(&mut out)?;
                    }
                }
                Column::Held(categories, arrays) => {
                    let leaf = &leaves[next];
                    next += 1;
                    let compression = properties.compression(leaf.path());
                    let (bytes, chunk) = categories.write_chunk(leaf, compression, &arrays)?;
                    out.append_column(&bytes, chunk)?;
                }
            }
        }
        out.close().map(drop)
    }
}

impl RowGroup {
    fn write(&mut self, batch: &RecordBatch, schema: &SchemaRef) -> Result<()> {
        for ((field, array), column) in schema.fields().iter().zip(batch.columns()).zip(&mut self.columns) {
            match column {
                Column::Encoded(writers) => {
                    for (leaf, writer) in compute_leaves(field, array)?.iter().zip(writers) {
                        writer.write(leaf)?;
                    }
                }
                Column::Held(_, arrays) => arrays.push(array.clone()),
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    /// About as many as it would be if it ended now.
    fn bytes(&self) -> usize {
        let bytes = |column: &Column| match column {
            Column::Encoded(writers) => writers.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum(),
            Column::Held(_, arrays) => arrays.iter().map(|array| array.len()).sum::<usize>(),
        };
        self.columns.iter().map(bytes).sum()
    }
}
