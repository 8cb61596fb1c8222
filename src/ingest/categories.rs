//! The categories of a Parquet file's dictionary columns: their order may have a meaning (`small`, `large`), programs number them by
//! it, and some may have no row.
//!
//! In Parquet they are nowhere but in the dictionary page of each column chunk. The library makes that page of the values that it is
//! given, in the order in which they come; of the kept rows alone that would be another order, without what none of them has. So
//! a chunk begins with a page of every category once, which puts the dictionary in order and is then left out.

use super::{error::IngestError, parquet, part::Part};
use ::parquet::{
    basic::{Compression, PageType, Type},
    column::{
        page::{CompressedPage, Page, PageReader, PageWriteSpec, PageWriter},
        writer::{ColumnCloseResult, ColumnWriterImpl},
    },
    data_type::{ByteArray, ByteArrayType},
    errors::{ParquetError, Result},
    file::{
        metadata::ColumnChunkMetaData,
        properties::{EnabledStatistics, WriterProperties},
        reader::ChunkReader,
        serialized_reader::SerializedPageReader,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};
use arrow_array::{Array, ArrayRef, cast::AsArray};
use arrow_cast::cast::{can_cast_types, cast};
use arrow_schema::{DataType, Field};
use bytes::Bytes;
use std::{collections::HashSet, sync::Arc};

/// A column with more bytes of categories is written without regard to their order; other writers keep no dictionary of this size.
const MAX_BYTES: usize = 1 << 20;
const PAGE_ROWS: usize = 20_000;

/// What a column's values may be, each once, in the file's order.
pub(super) struct Categories(Vec<ByteArray>);

impl Categories {
    /// Those that the column has in all parts; none where it has no dictionary of texts or bytes, or one that is too large.
    pub fn of_column(field: &Field, parts: &[&Part]) -> Result<Option<Arc<Self>>, IngestError> {
        match field.data_type() {
            DataType::Dictionary(_, value) if can_cast_types(value, &DataType::Binary) => {}
            _ => return Ok(None),
        }
        let (mut known, mut values, mut left) = (HashSet::new(), Vec::new(), MAX_BYTES);
        for part in parts {
            for value in dictionary_of(part, field.name())? {
                if known.insert(value.clone()) {
                    let Some(rest) = left.checked_sub(value.len()) else { return Ok(None) };
                    left = rest;
                    values.push(ByteArray::from(value));
                }
            }
        }
        Ok((!values.is_empty()).then(|| Arc::new(Self(values))))
    }

    /// A column chunk of these dictionary arrays, and what the file is to say of it.
    pub fn write_chunk(
        &self,
        column: &ColumnDescPtr,
        compression: Compression,
        arrays: &[ArrayRef],
    ) -> Result<(Bytes, ColumnCloseResult)> {
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = FurtherPages { pages: SerializedPageWriter::new(&mut sink), end: 0, left_out: Some(self.0.len()) };
        let properties = self.properties(compression);
        let mut writer = ColumnWriterImpl::<ByteArrayType>::new(column.clone(), properties, Box::new(pages));
        let mut rows = Rows::new(column.max_def_level());
        self.0.iter().for_each(|category| rows.push(Some(category)));
        rows.write_to(&mut writer)?;
        for array in arrays {
            rows.extend(array)?;
            if rows.levels.len() >= PAGE_ROWS {
                rows.write_to(&mut writer)?;
            }
        }
        rows.write_to(&mut writer)?;
        let closed = without_first_page(writer.close()?, self.0.len())?;
        Ok((sink.into_inner()?.into(), closed))
    }

    /// A page ends once it has as many rows as there are categories, so that they are the first. There are no statistics: they
    /// would speak of categories that no row has.
    fn properties(&self, compression: Compression) -> Arc<WriterProperties> {
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_write_batch_size(PAGE_ROWS.max(self.0.len()))
            .set_data_page_row_count_limit(self.0.len())
            .set_data_page_size_limit(usize::MAX)
            .set_dictionary_page_size_limit(usize::MAX);
        Arc::new(properties.build())
    }
}

/// The values in the dictionary pages of a part's column, in their order.
fn dictionary_of(part: &Part, column: &str) -> Result<Vec<Bytes>, IngestError> {
    let (builder, fault) = parquet::open_noted(&part.path)?;
    let file = Arc::new(parquet::open_file(&part.path, &fault)?);
    let mut values = Vec::new();
    for group in builder.metadata().row_groups() {
        let is_column = |chunk: &&ColumnChunkMetaData| {
            chunk.column_path().parts() == [column] && chunk.column_type() == Type::BYTE_ARRAY
        };
        let Some(chunk) = group.columns().iter().find(is_column) else { continue };
        if chunk.dictionary_page_offset().is_some() {
            let rows = usize::try_from(group.num_rows()).unwrap_or_default();
            let page = parquet::decoding(|| read_dictionary(file.clone(), chunk, rows));
            values.extend(page.map_err(|error| fault.or(parquet::damaged(error)).at_start(&part.path))?);
        }
    }
    Ok(values)
}

fn read_dictionary(
    file: Arc<impl ChunkReader + 'static>,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Result<Vec<Bytes>> {
    let page = SerializedPageReader::new(file, chunk, rows, None)?.get_next_page()?;
    let Some(Page::DictionaryPage { mut buf, num_values, .. }) = page else { return Ok(Vec::new()) };
    let cut = || ParquetError::EOF("a dictionary page ends before its last value".to_owned());
    let mut values = Vec::new();
    for _ in 0..num_values {
        let (length, _) = buf.split_first_chunk().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        if buf.len() - 4 < length {
            return Err(cut());
        }
        let _ = buf.split_to(4);
        values.push(buf.split_to(length));
    }
    Ok(values)
}

/// Rows that wait to be written: the values that there are, and a definition level a row.
struct Rows {
    values: Vec<ByteArray>,
    levels: Vec<i16>,
    /// The level of a row that has a value; 0 where all must have one.
    present: i16,
}

impl Rows {
    fn new(present: i16) -> Self {
        Self { values: Vec::new(), levels: Vec::new(), present }
    }

    fn push(&mut self, value: Option<&ByteArray>) {
        self.values.extend(value.cloned());
        self.levels.push(if value.is_some() { self.present } else { 0 });
    }

    fn extend(&mut self, array: &ArrayRef) -> Result<()> {
        let dictionary = array.as_any_dictionary();
        let texts = cast(dictionary.values(), &DataType::Binary)?;
        let texts: Vec<_> = texts.as_binary::<i32>().iter().map(|text| text.map(ByteArray::from)).collect();
        if texts.is_empty() {
            (0..array.len()).for_each(|_| self.push(None));
            return Ok(());
        }
        let nulls = dictionary.keys().nulls();
        for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
            let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
            self.push(texts[key].as_ref().filter(|_| !is_null));
        }
        Ok(())
    }

    fn write_to(&mut self, writer: &mut ColumnWriterImpl<ByteArrayType>) -> Result<()> {
        let levels = (self.present > 0).then_some(&self.levels[..]);
        if !self.levels.is_empty() {
            writer.write_batch(&self.values, levels, None)?;
        }
        self.values.clear();
        self.levels.clear();
        Ok(())
    }
}

/// Writes the pages of a chunk, except its first data page.
struct FurtherPages<'a> {
    pages: SerializedPageWriter<'a, Vec<u8>>,
    /// Where the next page will be.
    end: u64,
    /// The values of the page that is left out, until it has come.
    left_out: Option<usize>,
}

impl PageWriter for FurtherPages<'_> {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec> {
        if page.page_type() != PageType::DICTIONARY_PAGE
            && let Some(values) = self.left_out.take()
        {
            if page.num_values() as usize != values {
                return Err(ParquetError::General(format!("the first page has {} values", page.num_values())));
            }
            return Ok(PageWriteSpec { offset: self.end, ..PageWriteSpec::new() });
        }
        let spec = self.pages.write_page(page)?;
        self.end += spec.bytes_written;
        Ok(spec)
    }

    fn close(&mut self) -> Result<()> {
        self.pages.close()
    }
}

/// What is said of a chunk whose first data page, of so many rows, is not in the file.
fn without_first_page(mut chunk: ColumnCloseResult, rows: usize) -> Result<ColumnCloseResult> {
    chunk.rows_written -= rows as u64;
    if let Some(index) = &mut chunk.offset_index {
        index.page_locations.remove(0);
        index.page_locations.iter_mut().for_each(|page| page.first_row_index -= rows as i64);
        index.unencoded_byte_array_data_bytes = None;
    }
    chunk.metadata = chunk.metadata.into_builder().clear_page_encoding_stats().build()?;
    Ok(chunk)
}
