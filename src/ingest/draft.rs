//! The spec of a dataset checked against the table's columns: every mistake in it is reported at once.

use super::{
    error::{IngestError, list_names},
    limits::IngestLimits,
    split::SplitPlan,
    table::Table,
    typed_header::NamedType,
};
use crate::types::{
    FieldError, FieldSpec, LongCell, MAX_PLACES, MultiMode, MultiSpec, NumericSpec, SplitSpec, nearest, shorten,
};
use std::collections::HashSet;

/// What the spec says, in positions of columns.
pub(super) struct Draft {
    pub label: usize,
    pub split: SplitPlan,
    /// The column that says when a row happened.
    pub time: Option<usize>,
    /// The columns that are fields, in order.
    pub fields: Vec<(usize, Treatment)>,
}

/// How a column that is a field is treated.
pub(super) enum Treatment {
    /// As all its values decide.
    ByContent,
    Category,
    Numeric(NumericSpec),
    Split(MultiSpec),
}

impl Draft {
    /// Checks the spec of the table.
    pub fn new(table: &Table, limits: &IngestLimits) -> Result<Self, IngestError> {
        let mut checker = Checker {
            table,
            errors: Vec::new(),
            unlisted: 0,
            guesses: GUESSES,
            suspicion: table.header_suspicion(),
            names_are_none: false,
            doubled: HashSet::new(),
        };
        checker.check_header();
        let label = checker.find_column("/label", &table.spec.label.column);
        let split = checker.find_split();
        let time = checker.find_time(label, split);
        let mut fields = checker.find_fields(label, split, time);
        checker.treat_columns(&mut fields);
        checker.treat_by_name(&mut fields);
        checker.check_places(&fields, limits);
        if !checker.errors.is_empty() {
            return Err(IngestError::fields_and_more(checker.errors, checker.unlisted));
        }
        let (Some(label), Some(split)) = (label, split) else {
            return Err(IngestError::field("/label", "name a column of the table"));
        };
        Ok(Self { label, split, time, fields })
    }
}

/// A name as a part of a JSON pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Unknown names that are compared with every column's. Comparing takes long where both are many.
const GUESSES: u32 = 10;

struct Checker<'a> {
    table: &'a Table,
    /// The first errors; the others are counted.
    errors: Vec<FieldError>,
    unlisted: u64,
    /// So many more unknown names are compared with the columns'.
    guesses: u32,
    /// What the first line looks like, if not like names; said once.
    suspicion: Option<String>,
    /// Whether the first line was found to be no line of names.
    names_are_none: bool,
    /// The first columns of those with names that others have too.
    doubled: HashSet<usize>,
}

impl Checker<'_> {
    fn report(&mut self, pointer: impl Into<String>, rule: impl Into<String>) {
        if self.errors.len() < FieldError::MOST {
            self.errors.push(FieldError::new(pointer, rule));
        } else {
            self.unlisted += 1;
        }
    }

    /// Refuses a first line that is no line of names.
    fn check_header(&mut self) {
        if self.table.label_is_a_value() {
            let what = self.suspicion.take().unwrap_or_else(|| {
                "the first line looks like a row, not like names: name the columns in `columns` (--columns)".to_owned()
            });
            self.names_are_none = true;
            self.report("", what);
        }
    }

    /// A column that is used must have a name of its own, because the spec refers to columns by name. False, and reported once,
    /// where it has not.
    fn check_name(&mut self, column: usize) -> bool {
        let columns = &self.table.columns;
        let alike: Vec<_> = (0..columns.len()).filter(|other| columns[*other] == columns[column]).collect();
        let [first, second, ..] = alike[..] else { return true };
        if !self.doubled.insert(first) {
            return false;
        }
        if let Some(suspicion) = self.suspicion.take() {
            // The names are none, so which of them are alike is of no interest.
            self.names_are_none = true;
            self.report("", suspicion);
        }
        if !self.names_are_none {
            let pointer = if self.table.spec.columns.is_some() { "/columns" } else { "" };
            let name = shorten(&columns[column]);
            let rule = format!(
                "columns {} and {} are both named `{name}`; give each column that is used a name of its own",
                first + 1,
                second + 1
            );
            self.report(pointer, rule);
        }
        false
    }

    /// The position of the column named at `pointer`.
    fn find_column(&mut self, pointer: &str, name: &str) -> Option<usize> {
        let columns = &self.table.columns;
        let Some(position) = columns.iter().position(|column| column == name) else {
            // As RecBole names its columns.
            let typed = columns.iter().find(|column| column.split_once(':').is_some_and(|(own, _)| own == name));
            let compares = self.guesses > 0;
            self.guesses -= u32::from(compares);
            let near = typed.map(String::as_str);
            let near = near.or_else(|| compares.then(|| nearest(name, columns.iter().map(String::as_str))).flatten());
            let guess = near.map_or_else(String::new, |column| format!("did you mean `{}`? ", shorten(column)));
            let name = shorten(name);
            let rule = match self.suspicion.take() {
                Some(suspicion) => {
                    self.names_are_none = true;
                    format!("no column `{name}`: {suspicion}")
                }
                None => format!("no column `{name}`; {guess}the columns are {}", list_names(columns)),
            };
            self.report(pointer, rule);
            return None;
        };
        if let Some(rule) = &self.table.unusable[position] {
            self.report(pointer, format!("column `{}`: {rule}", shorten(name)));
            return None;
        }
        self.check_name(position).then_some(position)
    }

    fn find_split(&mut self) -> Option<SplitPlan> {
        if self.table.has_splits() {
            if self.table.spec.split != SplitSpec::default() {
                self.report("/split", "the files say which rows are train, valid and test; leave the split out");
            }
            return Some(SplitPlan::Parts);
        }
        match &self.table.spec.split {
            SplitSpec::Column(column) => self.find_column("/split/column", column).map(SplitPlan::Column),
            SplitSpec::Ratio { ratios, seed } => {
                self.check_ratios("/split/ratio/ratios", ratios);
                Some(SplitPlan::Ratio { ratios: *ratios, seed: *seed })
            }
            SplitSpec::Time { column, ratios } => {
                self.check_ratios("/split/time/ratios", ratios);
                let column = self.find_column("/split/time/column", column)?;
                Some(SplitPlan::Time { column, ratios: *ratios })
            }
            SplitSpec::Stratified { ratios, seed } => {
                self.check_ratios("/split/stratified/ratios", ratios);
                Some(SplitPlan::Stratified { ratios: *ratios, seed: *seed })
            }
            SplitSpec::Group { column, ratios, seed } => {
                self.check_ratios("/split/group/ratios", ratios);
                let column = self.find_column("/split/group/column", column)?;
                Some(SplitPlan::Group { column, ratios: *ratios, seed: *seed })
            }
        }
    }

    /// The column that says when a row happened: the one that the spec names, else that of a split by time.
    fn find_time(&mut self, label: Option<usize>, split: Option<SplitPlan>) -> Option<usize> {
        let Some(name) = &self.table.spec.time else { return split?.time_column() };
        let column = self.find_column("/time", name)?;
        if Some(column) == label {
            self.report(
                "/time",
                format!("`{}` is the label; name the column that says when a row happened", shorten(name)),
            );
        } else if matches!(split, Some(SplitPlan::Column(split)) if split == column) {
            self.report(
                "/time",
                format!("`{}` says the split; name the column that says when a row happened", shorten(name)),
            );
        }
        Some(column)
    }

    fn check_ratios(&mut self, pointer: &str, ratios: &[f64; 3]) {
        // NaN is not above 0 either.
        let positive = ratios.iter().all(|ratio| *ratio > 0.0);
        if !positive || (ratios.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            self.report(pointer, "three shares above 0 that add up to 1, for example [0.8, 0.1, 0.1]");
        }
    }

    /// The columns that are fields, in order, with their treatment. Without `fields` in the spec: all that are left.
    fn find_fields(
        &mut self,
        label: Option<usize>,
        split: Option<SplitPlan>,
        time: Option<usize>,
    ) -> Vec<(usize, Treatment)> {
        let spec = &self.table.spec;
        let split_column = match split {
            Some(SplitPlan::Column(column) | SplitPlan::Time { column, .. } | SplitPlan::Group { column, .. }) => {
                Some(column)
            }
            _ => None,
        };
        let Some(named) = &spec.fields else {
            let mut left_out: HashSet<usize> = label.into_iter().chain(split_column).chain(time).collect();
            for (place, name) in spec.exclude.iter().enumerate() {
                // A column that cannot be read may be excluded, so that the rest of the table can be used.
                let columns = self.table.columns.iter().enumerate();
                let named: Vec<_> = columns.filter(|(_, column)| *column == name).map(|(at, _)| at).collect();
                if named.is_empty() {
                    self.find_column(&format!("/exclude/{place}"), name);
                }
                left_out.extend(named);
            }
            left_out.extend(self.table.empty_end());
            let columns = 0..self.table.columns.len();
            left_out.extend(columns.filter(|column| self.named_type(*column) == Some(NamedType::NumberSequence)));
            let fields: Vec<_> = (0..self.table.columns.len()).filter(|column| !left_out.contains(column)).collect();
            for &column in &fields {
                self.check_name(column);
                if let Some(rule) = &self.table.unusable[column] {
                    let name = shorten(&self.table.columns[column]);
                    self.report("/exclude", format!("column `{name}`: {rule}; exclude it"));
                }
            }
            if fields.is_empty() {
                self.report("", "no column is left to be a field; a model needs at least one besides label and split");
            }
            return fields.into_iter().map(|column| (column, Treatment::ByContent)).collect();
        };
        if !spec.exclude.is_empty() {
            self.report("/exclude", "only where `fields` is absent; a column that `fields` does not name is no field");
        }
        if named.is_empty() {
            self.report("/fields", "name at least one column, or leave `fields` out to take all");
        }
        let mut fields = Vec::with_capacity(named.len());
        let mut seen = HashSet::new();
        for (place, field) in named.iter().enumerate() {
            let pointer = format!("/fields/{place}");
            let Some(column) = self.find_column(&pointer, field.column()) else { continue };
            if Some(column) == label {
                self.report(
                    &pointer,
                    format!("`{}` is the label; a field would give it away", shorten(field.column())),
                );
            } else if matches!(split, Some(SplitPlan::Column(split)) if split == column) {
                self.report(&pointer, format!("`{}` says the split and cannot be a field", shorten(field.column())));
            } else if !seen.insert(column) {
                self.report(&pointer, format!("column `{}` is a field already", shorten(field.column())));
            }
            if let Some(treatment) = self.check_field(&pointer, field) {
                fields.push((column, treatment));
            }
        }
        fields
    }

    /// The treatment that a field of the spec asks for.
    fn check_field(&mut self, pointer: &str, field: &FieldSpec) -> Option<Treatment> {
        let FieldSpec::Full { numeric, multi, .. } = field else { return Some(Treatment::ByContent) };
        match (numeric, multi) {
            (Some(_), Some(_)) => {
                self.report(pointer, "`numeric` or `multi`, not both");
                None
            }
            (None, None) => Some(Treatment::Category),
            (Some(numeric), None) => self.check_numeric(&format!("{pointer}/numeric"), numeric),
            (None, Some(multi)) => self.check_multi(&format!("{pointer}/multi"), multi),
        }
    }

    fn check_numeric(&mut self, pointer: &str, numeric: &NumericSpec) -> Option<Treatment> {
        if let NumericSpec::Quantile { buckets } = numeric
            && !(2..=1000).contains(buckets)
        {
            self.report(format!("{pointer}/quantile/buckets"), "2 to 1000");
            return None;
        }
        Some(Treatment::Numeric(numeric.clone()))
    }

    fn check_multi(&mut self, pointer: &str, multi: &MultiSpec) -> Option<Treatment> {
        if multi.separator.is_empty() {
            self.report(format!("{pointer}/separator"), "at least one character, for example `|`");
            return None;
        }
        if multi.mode == MultiMode::Category {
            return Some(Treatment::Category);
        }
        if !(1..=MAX_PLACES).contains(&multi.max_values) {
            self.report(format!("{pointer}/max_values"), format!("1 to {MAX_PLACES}"));
            return None;
        }
        Some(Treatment::Split(multi.clone()))
    }

    /// Treats single columns as `category`, `numeric` and `multi` of the spec say.
    fn treat_columns(&mut self, fields: &mut [(usize, Treatment)]) {
        let spec = &self.table.spec;
        for (place, name) in spec.category.iter().enumerate() {
            self.treat_column(&format!("/category/{place}"), name, Some(Treatment::Category), fields);
        }
        for (name, numeric) in &spec.numeric {
            let pointer = format!("/numeric/{}", escape(name));
            let treatment = self.check_numeric(&pointer, numeric);
            self.treat_column(&pointer, name, treatment, fields);
        }
        for (name, multi) in &spec.multi {
            let pointer = format!("/multi/{}", escape(name));
            let treatment = self.check_multi(&pointer, multi);
            self.treat_column(&pointer, name, treatment, fields);
        }
    }

    /// What the column's name says of its cells.
    fn named_type(&self, column: usize) -> Option<NamedType> {
        self.table.types.as_ref()?.get(column).copied()
    }

    /// Treats columns of which the spec says nothing as their names say.
    fn treat_by_name(&self, fields: &mut [(usize, Treatment)]) {
        for (column, treatment) in fields.iter_mut().filter(|(_, own)| matches!(own, Treatment::ByContent)) {
            *treatment = match self.named_type(*column) {
                None | Some(NamedType::NumberSequence) => continue,
                Some(NamedType::Token) => Treatment::Category,
                Some(NamedType::Number) => Treatment::Numeric(NumericSpec::default()),
                Some(NamedType::TokenSequence) => Treatment::Split(MultiSpec {
                    separator: " ".to_owned(),
                    mode: MultiMode::Split,
                    max_values: MultiSpec::DEFAULT_MAX_VALUES,
                    longer: LongCell::KeepLast,
                }),
            };
        }
    }

    fn treat_column(
        &mut self,
        pointer: &str,
        name: &str,
        treatment: Option<Treatment>,
        fields: &mut [(usize, Treatment)],
    ) {
        let Some(column) = self.find_column(pointer, name) else { return };
        let name = shorten(name);
        match fields.iter_mut().find(|(field, _)| *field == column) {
            None => self.report(pointer, format!("column `{name}` is no field, so nothing can be made of its values")),
            Some((_, own @ Treatment::ByContent)) => *own = treatment.unwrap_or(Treatment::Category),
            Some(_) => self.report(pointer, format!("how column `{name}` is treated is said twice; say it once")),
        }
    }

    fn check_places(&mut self, fields: &[(usize, Treatment)], limits: &IngestLimits) {
        let places = |treatment: &Treatment| match treatment {
            Treatment::Split(multi) => multi.max_values as usize,
            _ => 1,
        };
        let total: usize = fields.iter().map(|(_, treatment)| places(treatment)).sum();
        if total > limits.max_fields {
            self.report("/fields", format!("{total} fields; this service trains on at most {}", limits.max_fields));
        }
    }
}
