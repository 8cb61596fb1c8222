//! Parquet files without the rows that are dropped: schema for schema. Several files may become one, in the schema of the first.

use super::{
    categories::Categories,
    copy::{CopyError, CopyPlan, Edit, ExportCounts},
    error::ReadError,
    parquet,
    part::Part,
    row_groups::RowGroups,
    table::Table,
};
use ::parquet::{
    arrow::arrow_writer::ArrowWriterOptions,
    errors::ParquetError,
    file::{metadata::ParquetMetaData, properties::WriterProperties},
};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_cast::cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use std::{fs::File, io, sync::Arc};

/// Where Arrow keeps its own schema in a Parquet file's metadata.
const ARROW_SCHEMA: &str = "ARROW:schema";
const MAX_ROW_GROUP_ROWS: usize = 1 << 20;

/// Writes these parts of the table to one file: in the table's columns, of the types that the first part has.
pub(super) fn write_parquet(
    table: &Table,
    parts: &[Part],
    plan: &CopyPlan,
    counts: &mut ExportCounts,
    out: &mut File,
) -> Result<(), CopyError> {
    let parts: Vec<&Part> = parts.iter().filter(|part| part.has_rows()).collect();
    let Some(first) = parts.first() else { return Ok(()) };
    let named = &table.columns[table.own_columns().len()..];
    let schema = with_named(&schema_of(first)?, named);
    let mut copy = ParquetCopy::new(&parts, first, &schema, plan, out)?;
    for part in &parts {
        copy.add(part, counts, |batch| shape(part, &batch, &schema))?;
    }
    copy.close()
}

/// Writes one part to a file like it.
pub(super) fn write_parquet_part(
    part: &Part,
    plan: &CopyPlan,
    counts: &mut ExportCounts,
    out: &mut File,
) -> Result<(), CopyError> {
    let mut copy = ParquetCopy::new(&[part], part, &schema_of(part)?, plan, out)?;
    copy.add(part, counts, Ok)?;
    copy.close()
}

fn schema_of(part: &Part) -> Result<SchemaRef, CopyError> {
    parquet::open(&part.path).map(|builder| builder.schema().clone()).map_err(CopyError::Source)
}

/// The schema with the columns that folders name.
fn with_named(schema: &SchemaRef, named: &[String]) -> SchemaRef {
    let named = named.iter().map(|name| Arc::new(Field::new(name, DataType::Utf8, true)));
    let fields: Vec<_> = schema.fields().iter().cloned().chain(named).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// Rows of a part in the table's columns, whose schema is given.
fn shape(part: &Part, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let own = batch.num_columns();
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = |(column, field): (usize, &Arc<Field>)| {
        let place = part.order.as_ref().map_or(column, |order| order[column]);
        let array = batch.column(place);
        match array.data_type() == field.data_type() {
            true => Ok(array.clone()),
            false => cast_with_options(array, field.data_type(), &options),
        }
    };
    let mut columns = schema.fields().iter().take(own).enumerate().map(cast).collect::<Result<Vec<ArrayRef>, _>>()?;
    for value in &part.partitions {
        let value = Some(value.as_str()).filter(|value| !value.is_empty());
        columns.push(Arc::new(StringArray::from_iter(std::iter::repeat_n(value, batch.num_rows()))));
    }
    RecordBatch::try_new(schema.clone(), columns)
}

/// A Parquet file that is written.
struct ParquetCopy<'a> {
    plan: &'a CopyPlan<'a>,
    /// Of the file: with the columns that the plan adds, or without the one that it withholds.
    schema: SchemaRef,
    groups: RowGroups<'a>,
}

impl<'a> ParquetCopy<'a> {
    /// Begins a file of these parts' rows, in this schema and written as the part `like` is.
    fn new(
        parts: &[&Part],
        like: &Part,
        schema: &SchemaRef,
        plan: &'a CopyPlan<'a>,
        out: &'a mut File,
    ) -> Result<Self, CopyError> {
        let builder = parquet::open(&like.path).map_err(CopyError::Source)?;
        let (properties, has_arrow_schema) = properties(builder.metadata());
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(!has_arrow_schema);
        let schema = match &plan.edit {
            Edit::Nothing => schema.clone(),
            Edit::Mark(marks) => marks.extend_schema(schema),
            Edit::Withhold(withheld) => withheld.cut_schema(schema).map_err(|error| unreadable(like, &error))?,
        };
        let categories = |field: &Arc<Field>| Categories::of_column(field, parts).map_err(CopyError::Source);
        let categories = schema.fields().iter().map(categories).collect::<Result<_, _>>()?;
        let groups = RowGroups::new(out, schema.clone(), options, categories).map_err(unwritable)?;
        Ok(Self { plan, schema, groups })
    }

    /// Adds the rows of a part that are kept; `shape` makes them rows of the file's own schema.
    fn add(
        &mut self,
        part: &Part,
        counts: &mut ExportCounts,
        shape: impl Fn(RecordBatch) -> Result<RecordBatch, ArrowError>,
    ) -> Result<(), CopyError> {
        let (builder, fault) = parquet::open_noted(&part.path).map_err(CopyError::Source)?;
        let failed = |error: ArrowError| CopyError::of_part(part)(fault.or(cannot_read(&error)));
        for batch in builder.build().map_err(|error| failed(error.into()))? {
            let batch = batch.map_err(failed)?;
            let batch = shape(batch).map_err(|error| unreadable(part, &error))?;
            let kept = self.edit(&batch, counts).map_err(|error| unreadable(part, &error))?;
            self.groups.write(&kept).map_err(unwritable)?;
        }
        Ok(())
    }

    /// The rows that are kept, with what the plan says of their columns.
    fn edit(&self, batch: &RecordBatch, counts: &mut ExportCounts) -> Result<RecordBatch, ArrowError> {
        let rows: Vec<Option<u32>> = (0..batch.num_rows()).map(|_| counts.count_row(self.plan.dropped)).collect();
        let keep: BooleanArray = rows.iter().map(|row| Some(row.is_some())).collect();
        let kept = arrow_select::filter::filter_record_batch(batch, &keep)?;
        match &self.plan.edit {
            Edit::Nothing => Ok(kept),
            Edit::Mark(marks) => {
                let rows: Vec<u32> = rows.into_iter().flatten().collect();
                marks.extend_batch(&kept, self.schema.clone(), &rows)
            }
            Edit::Withhold(withheld) => withheld.cut_batch(&kept),
        }
    }

    fn close(self) -> Result<(), CopyError> {
        self.groups.close().map_err(unwritable)
    }
}

/// The upload's codec, row group size and metadata; and whether it holds an Arrow schema.
fn properties(metadata: &ParquetMetaData) -> (WriterProperties, bool) {
    let mut pairs = metadata.file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let all = pairs.len();
    // The writer adds its own.
    pairs.retain(|pair| pair.key != ARROW_SCHEMA);
    let has_arrow_schema = pairs.len() < all;
    let mut properties = WriterProperties::builder().set_key_value_metadata((!pairs.is_empty()).then_some(pairs));
    if let Some(group) = metadata.row_groups().first() {
        if let Some(column) = group.columns().first() {
            properties = properties.set_compression(column.compression());
        }
        let rows = usize::try_from(group.num_rows()).unwrap_or_default().clamp(1, MAX_ROW_GROUP_ROWS);
        properties = properties.set_max_row_group_row_count(Some(rows));
    }
    (properties.build(), has_arrow_schema)
}

fn unreadable(part: &Part, error: &dyn std::error::Error) -> CopyError {
    CopyError::of_part(part)(cannot_read(error))
}

fn cannot_read(error: &dyn std::error::Error) -> ReadError {
    ReadError::Content(format!("the Parquet file cannot be read: {error}"))
}

fn unwritable(error: ParquetError) -> CopyError {
    CopyError::Out(io::Error::other(error))
}
