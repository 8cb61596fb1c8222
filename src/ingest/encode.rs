//! First reading: checks every cell, codes every value, and spills the coded rows to disk (see `spill`).

use super::{
    batch::{Batch, Fault, Span},
    cell::{self, Time},
    content::{Content, MANY_NUMBERS, Said, read},
    error::{IngestError, shown},
    faults::Faults,
    groups::group_key,
    limits::IngestLimits,
    missing::Missing,
    part::Part,
    plan::{Plan, Slot, SlotKind},
    spill::{GROUP_AT, SPLIT_AT, Spill, SpillWriter},
    split::{SplitPlan, SplitsSeen},
    times::TimesSeen,
    vocabulary::Vocabulary,
};
use crate::types::{FieldError, LabelTest, MAX_PLACES, OnBadRow, RowError, SkippedRows, Split, shorten};
use std::{io::Write, ops::Range, path::Path};

/// Values are coded so many rows at a time (see `vocabulary`).
const CODED_ROWS: usize = 1024;
/// Of rows that are left out so many are allowed where the spec does not say how many: one of a hundred, or ten.
const ROWS_A_BAD_ROW: u64 = 100;
const BAD_ROWS: u64 = 10;
/// More positions of rows that are left out would take too much memory.
const MOST_BAD_ROWS: u64 = 1 << 25;
/// Values of a label's column that a message names.
const NAMED_WORDS: usize = 5;

/// Codes the rows of a table, batch by batch.
pub(super) struct Encoder<'a> {
    plan: &'a Plan,
    parts: &'a [Part],
    /// Number of the part that rows are of, and how many rows each part has so far.
    part: usize,
    part_rows: Vec<u64>,
    limits: &'a IngestLimits,
    /// The slots whose values can be wrong. A category's value never is, so categories are coded a column at a time once
    /// the rows around are known to be good, which is faster.
    checked: Vec<&'a Slot>,
    vocabularies: Vec<Vocabulary>,
    /// By vocabulary: whether the column has so many numbers that further cells are spilled as numbers; and at how many
    /// values that is looked at next.
    direct: Vec<bool>,
    look_at: Vec<usize>,
    /// By vocabulary: the most values of a cell that has too many.
    longest: Vec<usize>,
    /// By vocabulary: cells of which only the last values were kept.
    cut: Vec<u64>,
    spill: SpillWriter,
    faults: Faults,
    /// Whether other rows may be within a bad one, or behind where the file breaks off: no row can be left out then.
    hides_rows: bool,
    /// Positions of the rows that are left out, ascending.
    skipped: Vec<u32>,
    rows: u64,
    splits: SplitsSeen,
    /// The times of the row that is encoded.
    row_times: Vec<Time>,
    /// Some values of the label's column that its rule does not name.
    other_words: Vec<String>,
}

/// What the first reading left.
pub(super) struct Encoded {
    pub spill: Spill,
    pub vocabularies: Vec<Vocabulary>,
    /// By vocabulary: whether cells of the column were spilled as numbers.
    pub direct: Vec<bool>,
    /// By vocabulary: cells of which only the last values were kept.
    pub cut: Vec<u64>,
    pub splits: SplitsSeen,
    /// Rows of each part of the table.
    pub part_rows: Vec<u64>,
    /// Positions of the rows that were left out, ascending; and what was wrong with them.
    pub skipped: Vec<u32>,
    pub skipped_rows: SkippedRows,
    /// Some values of the label's column that its rule does not name.
    pub other_words: Vec<String>,
}

impl<'a> Encoder<'a> {
    /// For a table of these parts. Spills to an unnamed file in `folder`.
    pub fn new(
        plan: &'a Plan,
        parts: &'a [Part],
        limits: &'a IngestLimits,
        folder: &Path,
    ) -> Result<Self, IngestError> {
        Ok(Self {
            plan,
            parts,
            part: 0,
            part_rows: vec![0; parts.len()],
            limits,
            checked: plan.slots.iter().filter(|slot| !is_coded(&slot.kind)).collect(),
            vocabularies: (0..plan.vocabularies).map(|_| Vocabulary::default()).collect(),
            direct: vec![false; plan.vocabularies],
            look_at: vec![MANY_NUMBERS + 1; plan.vocabularies],
            longest: vec![0; plan.vocabularies],
            cut: vec![0; plan.vocabularies],
            spill: SpillWriter::create(folder, plan.width)?,
            faults: Faults::new(limits.max_errors),
            hides_rows: false,
            skipped: Vec::new(),
            rows: 0,
            splits: SplitsSeen {
                times: plan.times.iter().map(|_| TimesSeen::default()).collect(),
                ..SplitsSeen::default()
            },
            row_times: Vec::with_capacity(plan.times.len()),
            other_words: Vec::new(),
        })
    }

    /// Rows so far, the bad ones included.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Checks and codes the next rows, and refuses a table beyond the limits. May add to the batch's text.
    pub fn encode_batch(&mut self, batch: &mut Batch) -> Result<(), IngestError> {
        self.part = batch.part;
        self.part_rows[self.part] += batch.rows.len() as u64;
        for first in (0..batch.rows.len()).step_by(CODED_ROWS) {
            let end = batch.rows.len().min(first + CODED_ROWS);
            // Good rows that follow each other.
            let (mut run, mut record) = (first, self.spill.next_record());
            for row in first..end {
                let good = match batch.rows[row].fault.take() {
                    None => self.encode_row(batch, row),
                    Some(fault) => self.reject_row(*fault, batch.rows[row].line),
                };
                if !good && self.skips() {
                    self.fill_in_codes(batch, run..row, record)?;
                    (run, record) = (row + 1, self.spill.next_record());
                }
            }
            if self.codes_rows() {
                self.fill_in_codes(batch, run..end, record)?;
            }
        }
        self.check_rows()?;
        if let Some((message, line)) = batch.broken_off.take() {
            self.report_break(&message, line);
        }
        self.check_vocabulary()
    }

    /// Whether bad rows are left out.
    fn skips(&self) -> bool {
        self.plan.on_bad_row == OnBadRow::Skip
    }

    /// Whether rows are coded. Once a row is bad that is not left out, the rest is only checked.
    fn codes_rows(&self) -> bool {
        self.skips() || self.faults.total() == 0
    }

    /// Whether the rows that are left out are as few as they may be, and nothing else is wrong.
    fn may_skip(&self) -> bool {
        let few = self.faults.rejected_rows() <= self.max_bad_rows();
        self.skips() && !self.hides_rows && few && self.faults.rejected_rows() < self.rows
    }

    fn max_bad_rows(&self) -> u64 {
        self.plan.max_bad_rows.unwrap_or((self.rows / ROWS_A_BAD_ROW).max(BAD_ROWS))
    }

    /// The spilled rows, or everything found wrong with them.
    pub fn finish(self) -> Result<Encoded, IngestError> {
        if self.faults.total() > 0 && !self.may_skip() {
            let fields = self.longest_cells().into_iter().chain(self.too_many_bad_rows()).collect();
            return Err(self.faults.into_error(self.rows, fields));
        }
        let spill = self.spill.finish((self.rows - self.skipped.len() as u64) as u32)?;
        if spill.rows == 0 {
            let rule = "the file has columns but no rows; upload a table of at least three rows";
            return Err(IngestError::field("", rule));
        }
        for (slot, seen) in self.plan.times.iter().zip(&self.splits.times) {
            if let Some(rule) = seen.mixed_units() {
                let pointer =
                    if self.plan.split.time_column() == Some(slot.column) { "/split/time/column" } else { "/time" };
                return Err(IngestError::field(pointer, rule));
            }
        }
        Ok(Encoded {
            spill,
            vocabularies: self.vocabularies,
            direct: self.direct,
            cut: self.cut,
            splits: self.splits,
            part_rows: self.part_rows,
            skipped: self.skipped,
            skipped_rows: self.faults.into_skipped(),
            other_words: self.other_words,
        })
    }

    /// Checks a row and puts its record together, but for codes; false where it is bad.
    fn encode_row(&mut self, batch: &mut Batch, row: usize) -> bool {
        let (plan, line, before) = (self.plan, batch.rows[row].line, self.faults.total());
        let cells = batch.cells(row);
        let record = self.spill.push_record();
        let mut split = None;
        if cells.len() == plan.columns.len() {
            self.encode_label(&batch.text, cells, record, line);
            split = self.encode_split(&batch.text, cells, record, line);
            self.read_times(&batch.text, cells, line);
            if let Some(column) = plan.empty_end {
                self.check_end(column, &batch.text, cells, line);
            }
            for place in 0..self.checked.len() {
                let slot = self.checked[place];
                let value = batch.cells(row)[slot.column];
                if let Err(rule) = self.encode_value(&slot.kind, &mut batch.text, value, record + slot.at) {
                    self.report_cell(line, slot.column, value.slice(&batch.text), rule);
                }
            }
        } else {
            let way_out = if self.skips() { "" } else { WAY_OUT };
            let rule = format!("{} values where there are {} columns{way_out}", cells.len(), plan.columns.len());
            let (row, part) = (self.rows, self.part_name());
            self.faults.add(|| RowError { row, part, line, column: None, value: None, rule });
        }
        let good = self.faults.total() == before;
        if good {
            self.take_in(batch, row, record, split);
        } else {
            self.leave_out(record);
        }
        if !self.codes_rows() {
            self.spill.discard();
        }
        self.rows += 1;
        good
    }

    /// Counts what a good row has.
    fn take_in(&mut self, batch: &Batch, row: usize, record: usize, split: Option<Split>) {
        if let Some(split) = split {
            *self.splits.rows.of_mut(split) += 1;
        }
        for (place, time) in self.row_times.drain(..).enumerate() {
            let key = self.splits.times[place].add(time, self.rows);
            self.spill.put(record + self.plan.times[place].at, key.to_le_bytes());
        }
        if let Some(group) = self.plan.group {
            let key = group_key(batch.cells(row)[group].slice(&batch.text));
            self.splits.groups.add(key);
            self.spill.put(record + GROUP_AT, key.to_le_bytes());
        }
    }

    /// Forgets a bad row, which is the last; its record starts at `record`.
    fn leave_out(&mut self, record: usize) {
        self.faults.reject_row();
        self.row_times.clear();
        if self.skips() {
            self.vocabularies.iter_mut().for_each(|vocabulary| vocabulary.forget(record));
            self.spill.take_back(record);
            self.skipped.push(self.rows as u32);
        }
    }

    fn encode_label(&mut self, text: &[u8], cells: &[Span], record: usize, line: Option<u64>) {
        let plan = self.plan;
        let value = cells[plan.label].slice(text);
        let label = match &plan.rule {
            _ if value == plan.columns[plan.label].as_bytes() && is_header(plan, text, cells) => None,
            None => cell::parse_label(value),
            Some(LabelTest::Number(comparison, threshold)) => {
                cell::parse_number(value).map(|number| u8::from(comparison.holds(number, *threshold)))
            }
            Some(LabelTest::Words { negated, words }) => {
                let word = std::str::from_utf8(value).unwrap_or_default().trim();
                // A cell without a value says nothing.
                (!plan.missing.is_blank(value)).then(|| {
                    let named = LabelTest::is_among(words, word);
                    if !named && self.other_words.len() < NAMED_WORDS {
                        self.note_word(word);
                    }
                    u8::from(named != *negated)
                })
            }
        };
        match label {
            Some(label) => self.spill.put(record, [label]),
            None => {
                let header = is_header(plan, text, cells);
                let is_lone = self.rows > self.faults.rejected_rows();
                let way_out = if self.skips() { "" } else { WAY_OUT };
                self.report_cell_with(line, plan.label, value, || label_fault(plan, value, header, is_lone, way_out));
            }
        }
    }

    fn note_word(&mut self, word: &str) {
        let word = shown(word.as_bytes());
        if !self.other_words.contains(&word) {
            self.other_words.push(word);
        }
    }

    /// The split that the row's part or its column names.
    fn encode_split(&mut self, text: &[u8], cells: &[Span], record: usize, line: Option<u64>) -> Option<Split> {
        if let Some(split) = self.parts[self.part].split {
            self.spill.put(record + SPLIT_AT, [split as u8]);
            return Some(split);
        }
        let SplitPlan::Column(column) = self.plan.split else { return None };
        let value = cells[column].slice(text);
        let split = cell::parse_split(value);
        match split {
            Some(split) => self.spill.put(record + SPLIT_AT, [split as u8]),
            None => self.report_cell(
                line,
                column,
                value,
                "the split must be train, valid (also val, validation or dev) or test",
            ),
        }
        split
    }

    /// Of rows that end with a separator: nothing may stand behind it.
    fn check_end(&mut self, column: usize, text: &[u8], cells: &[Span], line: Option<u64>) {
        let value = cells[column].slice(text);
        if !value.is_empty() {
            self.report_cell(
                line,
                column,
                value,
                "a value behind the last column; the rows before end with a separator",
            );
        }
    }

    fn read_times(&mut self, text: &[u8], cells: &[Span], line: Option<u64>) {
        let plan = self.plan;
        for (place, slot) in plan.times.iter().enumerate() {
            let value = cells[slot.column].slice(text);
            match self.splits.times[place].read(value) {
                Ok(time) => self.row_times.push(time),
                Err(rule) if plan.split.time_column() == Some(slot.column) => {
                    self.report_cell(line, slot.column, value, rule);
                }
                Err(rule) => {
                    let rule = format!("{rule}; correct the cell, or leave `time` out");
                    self.report_cell(line, slot.column, value, rule);
                }
            }
        }
    }

    /// Writes what the value becomes to `at` of the spill's buffer, or puts it in line for `fill_in_codes`.
    fn encode_value(&mut self, kind: &SlotKind, text: &mut Vec<u8>, value: Span, at: usize) -> Result<(), String> {
        match kind {
            SlotKind::Category { .. } => {}
            SlotKind::ByContent { vocabulary, .. } => {
                if self.direct[*vocabulary] {
                    let number = match read(value.slice(text), &self.plan.missing) {
                        Said::Number(number) => number,
                        Said::Gap => f64::NAN,
                        Said::Word => return Err(WORD_AMONG_NUMBERS.to_owned()),
                    };
                    self.spill.put(at, number.to_le_bytes());
                }
            }
            SlotKind::Quantile { .. } => {
                let number = number(value.slice(text), &self.plan.missing)?.unwrap_or(f64::NAN);
                self.spill.put(at, number.to_le_bytes());
            }
            SlotKind::Log { vocabulary } => {
                let start = text.len();
                if let Some(number) = number(value.slice(text), &self.plan.missing)? {
                    write!(text, "{:.0}", cell::log_bucket(number)).map_err(|error| error.to_string())?;
                }
                self.gather(*vocabulary, text, Span::new(start, text.len()), at);
            }
            SlotKind::Multi { vocabulary, separator, places, keep_last } => {
                // The reader has checked that cells are UTF-8.
                let cell = std::str::from_utf8(value.slice(text)).map_err(|error| error.to_string())?;
                let list = cell.strip_prefix('[').and_then(|cell| cell.strip_suffix(']'));
                let (mut used, mut start) = (0, value.start() + usize::from(list.is_some()));
                let cell = list.map_or(cell, |list| if list.trim().is_empty() { "" } else { list });
                let mut passed = 0;
                if *keep_last {
                    passed = cell.split(separator.as_str()).count().saturating_sub(*places as usize);
                    self.cut[*vocabulary] += u64::from(passed > 0);
                }
                for (place, part) in cell.split(separator.as_str()).filter(|_| !cell.is_empty()).enumerate() {
                    if place < passed {
                        start += part.len() + separator.len();
                        continue;
                    }
                    used += 1;
                    if used > *places {
                        let all = cell.split(separator.as_str()).count();
                        self.longest[*vocabulary] = self.longest[*vocabulary].max(all);
                        return Err(format!(
                            "{all} values in one cell; raise `max_values` (now {places}), or keep the last (`longer`: `keep_last`)"
                        ));
                    }
                    let own = if list.is_some() { within_list(part) } else { 0..part.len() };
                    let span = Span::new(start + own.start, start + own.end);
                    self.gather(*vocabulary, text, span, at + 4 * (used as usize - 1));
                    start += part.len() + separator.len();
                }
            }
        }
        Ok(())
    }

    /// Puts a value in line, so that `fill_in_codes` writes its code to `at` of the spill's buffer.
    fn gather(&mut self, vocabulary: usize, text: &[u8], value: Span, at: usize) {
        if self.codes_rows() {
            self.vocabularies[vocabulary].gather(text, value, at);
        }
    }

    /// Writes the codes of the rows' values into their records, the first of which starts at `record` of the spill's
    /// buffer. The rows are good.
    fn fill_in_codes(&mut self, batch: &Batch, rows: Range<usize>, record: usize) -> Result<(), IngestError> {
        if rows.is_empty() {
            return Ok(());
        }
        let cells = batch.cells_of(rows);
        for slot in &self.plan.slots {
            if let SlotKind::Category { vocabulary } | SlotKind::ByContent { vocabulary, .. } = slot.kind
                && !self.direct[vocabulary]
            {
                let places = (record + slot.at..).step_by(self.plan.width);
                for (cells, at) in cells.chunks_exact(self.plan.columns.len()).zip(places) {
                    self.vocabularies[vocabulary].gather(&batch.text, cells[slot.column], at);
                }
            }
        }
        for vocabulary in &mut self.vocabularies {
            vocabulary.code_gathered(&batch.text, self.spill.waiting());
        }
        self.look_for_measures();
        self.spill.write_if_full()
    }

    /// What `max_values` would have to be, of columns with cells of more values.
    fn longest_cells(&self) -> Vec<FieldError> {
        let fault = |slot: &Slot| match &slot.kind {
            SlotKind::Multi { vocabulary, separator, places, .. } if self.longest[*vocabulary] > 0 => {
                let (column, most) = (shorten(&self.plan.columns[slot.column]), self.longest[*vocabulary]);
                let raise = match most <= MAX_PLACES as usize {
                    true => format!("raise `max_values` (--multi '{column}={separator}:{most}'), or "),
                    false => String::new(),
                };
                let rule = format!(
                    "column `{column}` has cells of up to {most} values; {raise}keep the last {places} (--multi \
                     '{column}={separator}:last:{places}')"
                );
                Some(FieldError::new("/fields", rule))
            }
            _ => None,
        };
        self.plan.slots.iter().filter_map(fault).collect()
    }

    /// Stops coding the values of columns that are plainly measures.
    fn look_for_measures(&mut self) {
        for slot in &self.plan.slots {
            if let SlotKind::ByContent { vocabulary, wide: true } = slot.kind
                && !self.direct[vocabulary]
                && self.vocabularies[vocabulary].len() >= self.look_at[vocabulary]
            {
                let values = &self.vocabularies[vocabulary];
                let content = Content::of(values, &self.plan.missing);
                self.direct[vocabulary] = content.is_numbers() && content.has_fractions();
                self.look_at[vocabulary] = 2 * values.len();
            }
        }
    }

    fn report_cell(&mut self, line: Option<u64>, column: usize, value: &[u8], rule: impl Into<String>) {
        self.report_cell_with(line, column, value, || rule.into());
    }

    /// Reports a cell; `rule` says what it should be where the error is listed.
    fn report_cell_with(&mut self, line: Option<u64>, column: usize, value: &[u8], rule: impl FnOnce() -> String) {
        let (row, columns, parts) = (self.rows, &self.plan.columns, self.parts);
        let part = &parts[self.part];
        self.faults.add(|| RowError {
            row,
            part: part.shown_name(),
            line,
            column: Some(shorten(&columns[column]).into_owned()),
            value: Some(shown(value)),
            rule: rule(),
        });
    }

    /// What is said where more rows are bad than may be left out.
    fn too_many_bad_rows(&self) -> Option<FieldError> {
        let (bad, most) = (self.faults.rejected_rows(), self.max_bad_rows());
        let rule = if !self.skips() {
            return None;
        } else if self.hides_rows {
            "rows are missing, or within others, so bad ones cannot be left out".to_owned()
        } else if bad <= most {
            "every row is bad".to_owned()
        } else {
            format!(
                "{bad} of {} rows are bad, more than {most}; correct them, or allow more (--max-bad-rows {bad})",
                self.rows
            )
        };
        Some(FieldError::new("/max_bad_rows", rule))
    }

    /// Counts and reports a row that could not be divided into cells. It is bad.
    fn reject_row(&mut self, fault: Fault, line: Option<u64>) -> bool {
        self.hides_rows |= fault.hides_rows;
        let (row, part, columns) = (self.rows, self.part_name(), &self.plan.columns);
        self.faults.add(|| {
            let column = fault.column.as_ref().or_else(|| columns.get(fault.position?));
            let column = column.map(|column| shorten(column).into_owned());
            RowError { row, part, line, column, value: fault.value, rule: fault.rule }
        });
        self.leave_out(self.spill.next_record());
        self.rows += 1;
        false
    }

    /// Reports that the file breaks off at this row. It is listed first, because it may be why rows before it look wrong.
    fn report_break(&mut self, message: &str, line: Option<u64>) {
        self.hides_rows = true;
        let rule = format!("{message} ({} rows were read before)", self.rows);
        let (row, part) = (self.rows, self.part_name());
        self.faults.add_first(RowError { row, part, line, column: None, value: None, rule });
        self.faults.reject_row();
        self.rows += 1;
    }

    /// What errors call the file that rows are of, where the table has several.
    fn part_name(&self) -> Option<String> {
        self.parts[self.part].shown_name()
    }

    fn check_rows(&self) -> Result<(), IngestError> {
        if self.skipped.len() as u64 > MOST_BAD_ROWS {
            let rule = format!("more than {MOST_BAD_ROWS} rows are bad; correct them");
            return Err(IngestError::field("/max_bad_rows", rule));
        }
        let max_rows = self.limits.max_rows.min(u64::from(u32::MAX));
        if self.rows <= max_rows {
            return Ok(());
        }
        Err(IngestError::field("", format!("more than {max_rows} rows, the most this service reads")))
    }

    fn check_vocabulary(&self) -> Result<(), IngestError> {
        // Ids are i32. The rows between two checks, buckets, unknown and padding ids come on top.
        let max = self.limits.max_vocabulary.min(i32::MAX as u64 - (1 << 24));
        let values = |slot: &Slot| match slot.kind {
            // Those of a measure are few, because beyond them its numbers are not kept.
            SlotKind::ByContent { vocabulary, wide: true } if self.vocabularies[vocabulary].len() <= MANY_NUMBERS => 0,
            _ => slot.kind.vocabulary().filter(|at| !self.direct[*at]).map_or(0, |at| self.vocabularies[at].len()),
        };
        if self.plan.slots.iter().map(|slot| values(slot) as u64).sum::<u64>() <= max {
            return Ok(());
        }
        let largest = self.plan.slots.iter().max_by_key(|slot| values(slot));
        let largest = shorten(largest.map_or("", |slot| &self.plan.columns[slot.column]));
        let rule = format!(
            "more than {max} distinct values, the most this service encodes; column `{largest}` has most: leave it out \
             (`exclude`, --exclude {largest}), or read it as a number (`numeric`, --numeric {largest})"
        );
        Err(IngestError::field("/fields", rule))
    }
}

/// Whether the cells are the names of the columns, those that are read.
fn is_header(plan: &Plan, text: &[u8], cells: &[Span]) -> bool {
    cells.iter().zip(&plan.columns).all(|(cell, name)| cell.slice(text) == name.as_bytes())
}

/// Why a cell is no label, and what to do. `is_lone`: there were good rows before; `way_out` is what else can be done about a bad
/// row.
fn label_fault(plan: &Plan, value: &[u8], header: bool, is_lone: bool, way_out: &str) -> String {
    let column = &plan.columns[plan.label];
    if header || value == column.as_bytes() {
        return "this is the column's name: a header stands here; take the line out of the table, or, where it is the \
                first, leave `columns` (--columns) out"
            .to_owned();
    }
    if value.trim_ascii().is_empty() {
        return format!("a row without a label{way_out}");
    }
    let (column, number) = (shorten(column), cell::parse_number(value));
    match (&plan.rule, number) {
        (Some(LabelTest::Words { .. }), _) => "the label's rule needs a value here".to_owned(),
        (_, None) if cell::has_decimal_comma(value) => {
            "the label needs a number with a decimal point; this one has a comma".to_owned()
        }
        (Some(LabelTest::Number(..)), _) => "the label's rule needs a number here".to_owned(),
        (None, Some(-1.0)) => format!("the label must be 0 or 1; where it is 1 and -1 give the rule `{column} > 0`"),
        (None, Some(_)) => {
            "the label must be 0 or 1; for other numbers give a rule, for example `rating > 3`".to_owned()
        }
        (None, None) if cell::lists_labels(value) => {
            "the label must be 0 or 1; this cell lists items, each with a label; write a row for each, with the label in \
             a column of its own"
                .to_owned()
        }
        // Where other rows hold 0 and 1, a word is a fault of its row, and no rule for the column.
        (None, None) if is_lone => format!(
            "the label must be 0 or 1, as in the rows before{way_out}; where such words mean a label, give a rule that \
             names all that mean 1, for example `{column} in (1, cart, buy)`"
        ),
        (None, None) => format!(
            "the label must be 0 or 1; for words give a rule that names those for 1, for example `{column} = {}` or \
             `{column} in (cart, buy)`",
            shown(value)
        ),
    }
}

/// Where the value stands in a part of a list in brackets: without blanks and quotes around it.
fn within_list(part: &str) -> Range<usize> {
    let value = part.trim();
    let quoted = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let bare = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    let start = part.find(value).unwrap_or(0) + (value.len() - bare.len()) / 2;
    start..start + bare.len()
}

/// Whether a column's cells are coded whatever they hold.
fn is_coded(kind: &SlotKind) -> bool {
    matches!(kind, SlotKind::Category { .. } | SlotKind::ByContent { wide: false, .. })
}

const WAY_OUT: &str = "; correct the row, or leave such rows out (`on_bad_row`: `skip`, --on-bad-row skip)";

const WORD_AMONG_NUMBERS: &str = "a word, where the rows before have thousands of different numbers with fractions; \
    name it in `missing` if it means no value, or say that the column is a `category`";

/// The number of a cell; none where it has no value.
fn number(value: &[u8], missing: &Missing) -> Result<Option<f64>, String> {
    match cell::parse_number(value) {
        None if missing.is_gap(value) => Ok(None),
        None => {
            Err("a finite number, or no value; name what means no value in `missing`, or do not treat this column as \
                     `numeric`"
                .to_owned())
        }
        number => Ok(number),
    }
}
