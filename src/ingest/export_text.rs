//! A text file without the rows that are dropped, byte for byte.

use super::{
    copy::{CopyError, CopyPlan, Edit, ExportCounts},
    delimited::Delimited,
    dialect::Dialect,
    limits::IngestLimits,
    lines::Lines,
    marks::{Line, TextStyle},
    part::Part,
    preamble::NoRows,
    reshape::Reshape,
    source::BOM,
    table::Table,
};
use crate::types::FileFormat;
use std::io::Write;

/// A part of text on its way to a file.
pub(super) struct TextCopy<'a> {
    pub table: &'a Table,
    pub part: &'a Part,
    pub plan: &'a CopyPlan<'a>,
    /// How its lines become those of the file, where they are not.
    pub reshape: Option<Reshape<'a>>,
    /// Whether it is the first of the file, which is headed as it is. Of the others what stands before their first line is left out.
    pub first: bool,
}

/// Whether the next line of a file is its header.
#[derive(Clone, Copy, PartialEq)]
enum Header {
    Copied,
    LeftOut,
    None,
}

impl TextCopy<'_> {
    /// Copies the part, and counts its rows.
    pub fn write(
        &self,
        counts: &mut ExportCounts,
        out: &mut dyn Write,
        limits: &IngestLimits,
    ) -> Result<(), CopyError> {
        let Self { table, part, first, .. } = self;
        let text = part.text().open(limits.max_decompressed_bytes).map_err(CopyError::Source)?;
        let no_rows = NoRows::new(&part.spec);
        if text.bom && *first {
            out.write_all(BOM).map_err(CopyError::Out)?;
        }
        let header = match (table.has_header(), first) {
            (true, true) => Header::Copied,
            (true, false) => Header::LeftOut,
            (false, _) => Header::None,
        };
        let csv = table.spec.format != Some(FileFormat::Jsonl);
        match part.spec.separator.as_deref().filter(|_| csv) {
            Some(separator) if separator.len() == 1 => {
                let dialect = Dialect::new(separator.as_bytes()[0], &part.spec);
                let style = match dialect.quote {
                    Some(_) => TextStyle::Quoted(separator),
                    None => TextStyle::Separated(separator),
                };
                let rows = Delimited::new(text.reader, dialect, no_rows, 0, limits.max_line_bytes).with_lead();
                self.copy_records(rows, header, style, counts, out)
            }
            separator => {
                let style = separator.map_or(TextStyle::Json, TextStyle::Separated);
                let lines = Lines::new(text.reader, no_rows, limits.max_line_bytes);
                self.copy_lines(lines, header, style, counts, out)
            }
        }
    }

    fn copy_records(
        &self,
        mut rows: Delimited,
        mut header: Header,
        style: TextStyle,
        counts: &mut ExportCounts,
        out: &mut dyn Write,
    ) -> Result<(), CopyError> {
        let unreadable = CopyError::of_part(self.part);
        let mut cells = Vec::new();
        // The record before: whether it was kept, and whether it ended in CR.
        let (mut kept, mut after_cr) = (true, false);
        let mut headed = self.first;
        loop {
            cells.clear();
            let more = loop {
                match rows.read(&mut cells) {
                    true => break true,
                    false if rows.refill().map_err(&unreadable)? => {}
                    false => break false,
                }
            };
            let mut lead = rows.take_lead();
            let (last, body) = rows.raw();
            lead.extend_from_slice(last);
            // The LF of a CRLF stands before the next record but belongs to the one it ends.
            let (line_end, blank) = lead.split_at(usize::from(after_cr && lead.starts_with(b"\n")));
            if kept {
                out.write_all(line_end).map_err(CopyError::Out)?;
            }
            if std::mem::replace(&mut headed, true) {
                out.write_all(blank).map_err(CopyError::Out)?;
            }
            if !more {
                return Ok(());
            }
            let line = next_line(&mut header, counts, self.plan);
            kept = line.is_some();
            if let Some(line) = line {
                self.write_line(body, line, style, out)?;
            }
            after_cr = body.ends_with(b"\r");
        }
    }

    fn copy_lines(
        &self,
        mut lines: Lines,
        mut header: Header,
        style: TextStyle,
        counts: &mut ExportCounts,
        out: &mut dyn Write,
    ) -> Result<(), CopyError> {
        let mut headed = self.first;
        while lines.read().map_err(CopyError::of_part(self.part))? {
            if lines.is_no_row() {
                if headed {
                    out.write_all(lines.raw()).map_err(CopyError::Out)?;
                }
                continue;
            }
            headed = true;
            if let Some(line) = next_line(&mut header, counts, self.plan) {
                self.write_line(lines.raw(), line, style, out)?;
            }
        }
        Ok(())
    }

    /// Writes a line of text with its line end.
    fn write_line(&self, raw: &[u8], line: Line, style: TextStyle, out: &mut dyn Write) -> Result<(), CopyError> {
        let unreadable = CopyError::of_part(self.part);
        // The names of a table whose rows end with a separator have one cell less than the rows.
        let more_columns = self.reshape.is_some() || matches!(self.plan.edit, Edit::Mark(_));
        let ends = matches!(line, Line::Header) && self.plan.rows_end_empty && more_columns;
        let ended = ends.then(|| style.with_separator(raw));
        let raw = ended.as_deref().unwrap_or(raw);
        let shaped = self.reshape.as_ref().map(|reshape| reshape.line(raw, line, style)).transpose();
        let shaped = shaped.map_err(&unreadable)?;
        let raw = shaped.as_deref().unwrap_or(raw);
        match &self.plan.edit {
            Edit::Nothing => out.write_all(raw).map_err(CopyError::Out),
            Edit::Mark(marks) => marks.write_line(raw, line, style, out).map_err(CopyError::Out),
            Edit::Withhold(withheld) => {
                let left = withheld.cut_line(raw, style).map_err(&unreadable)?;
                out.write_all(&left).map_err(CopyError::Out)
            }
        }
    }
}

/// What the next line is that is not blank, if it is kept. `header`: what becomes of the header, if that is still to come.
fn next_line(header: &mut Header, counts: &mut ExportCounts, plan: &CopyPlan) -> Option<Line> {
    match std::mem::replace(header, Header::None) {
        Header::Copied => Some(Line::Header),
        Header::LeftOut => None,
        Header::None => counts.count_row(plan.dropped).map(Line::Row),
    }
}
