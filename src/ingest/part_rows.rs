//! The rows of a table, file after file.

use super::{
    batch::Batch,
    error::{IngestError, ReadError},
    limits::IngestLimits,
    part::Part,
    reader::{Remarks, Rows},
};
use std::path::Path;

/// Rows of all parts of a table, in order, in the table's columns.
pub(super) struct TableRows<'a> {
    parts: &'a [Part],
    /// The columns that files have, and whether the first line of each file holds their names.
    own: &'a [String],
    header: bool,
    needed: Vec<bool>,
    joins: Vec<String>,
    limits: &'a IngestLimits,
    /// The part that is being read: its number and its rows.
    at: usize,
    rows: Option<Rows>,
    /// Bytes of the parts before.
    bytes_before: u64,
    /// What is known of the parts that were read.
    remarks: Remarks,
}

impl<'a> TableRows<'a> {
    /// `own` are the columns that files have, `header` is whether the first line of each holds their names; `needed` and `joins` are by
    /// column of the table.
    pub fn open(
        parts: &'a [Part],
        own: &'a [String],
        header: bool,
        needed: &[bool],
        joins: Vec<String>,
        limits: &'a IngestLimits,
    ) -> Result<Self, IngestError> {
        let needed = needed.to_vec();
        let remarks = Remarks::default();
        let mut rows = Self { parts, own, header, needed, joins, limits, at: 0, rows: None, bytes_before: 0, remarks };
        rows.rows = rows.open_part()?;
        Ok(rows)
    }

    /// Reads the next rows into `batch`, at most `most`, in place of those it held; false, and no rows, at the end of the table. They are
    /// all of one part. Rows before an error are in the batch.
    pub fn fill(&mut self, batch: &mut Batch, most: usize) -> Result<bool, ReadError> {
        loop {
            let part = &self.parts[self.at];
            batch.part = self.at;
            if let Some(rows) = &mut self.rows {
                let filled = rows.fill(batch, most);
                batch.bytes_read += self.bytes_before;
                if part.order.is_some() || !part.partitions.is_empty() {
                    let as_it_is: Vec<usize>;
                    let order = match &part.order {
                        Some(order) => &order[..],
                        None => {
                            as_it_is = (0..self.own.len()).collect();
                            &as_it_is
                        }
                    };
                    batch.arrange(order, &part.partitions);
                }
                if filled? || !batch.rows.is_empty() {
                    return Ok(true);
                }
                self.remarks.add_part(rows.remarks(), self.at);
            } else {
                batch.clear();
            }
            self.bytes_before += part.bytes;
            self.rows = None;
            if self.at + 1 == self.parts.len() {
                return Ok(false);
            }
            self.at += 1;
            self.rows = self.open_part()?;
        }
    }

    /// What is known of the files, as far as they were read.
    pub fn remarks(&self) -> Remarks {
        let mut remarks = self.remarks;
        if let Some(rows) = &self.rows {
            remarks.add_part(rows.remarks(), self.at);
        }
        remarks
    }

    /// Line of its file on which the current row starts, from 1; none for Parquet.
    pub fn line(&self) -> Option<u64> {
        self.rows.as_ref()?.line()
    }

    /// The file that is being read.
    pub fn path(&self) -> &'a Path {
        &self.part().path
    }

    /// The error to report where no row is at fault.
    pub fn explain(&self, error: ReadError) -> IngestError {
        error.at_start(self.path()).in_part(self.part().name.as_deref())
    }

    fn part(&self) -> &'a Part {
        &self.parts[self.at]
    }

    /// The rows of the current part, behind its header; none where it has no rows.
    fn open_part(&self) -> Result<Option<Rows>, IngestError> {
        let part = self.part();
        if !part.has_rows() {
            return Ok(None);
        }
        let mut rows = part.rows(self.own, &self.needed, &self.joins, self.limits)?;
        if self.header {
            rows.fill(&mut Batch::default(), 1).map_err(|error| self.explain(error))?;
        }
        Ok(Some(rows))
    }
}
