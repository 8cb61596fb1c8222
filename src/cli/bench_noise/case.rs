//! What is put into the table: the cases of the bench, how they are spelt, and which of them a table allows.

use crate::plant::{
    Corruption, Kind, Natural, OutageLabels, PlantError, Rivals, SPELLINGS, Table, draw_users, list_cells, plant,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Ratings up to this are of those who did not like what they saw, where the spelling does not say.
const THRESHOLD: f64 = 3.0;

/// A case as it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Case {
    /// The table as it is.
    Clean,
    /// So many small tables as they are, each of so many values of a field.
    Small {
        user: String,
        users: u32,
        tables: u32,
    },
    Planted(Corruption),
    /// Clicks made of ratings, tested against what was rated low and against what was not rated.
    Natural {
        user: String,
        item: String,
        threshold: f64,
    },
}

/// A part of a case that has a table of results of its own: jobs that differ in the seed alone.
pub struct Section {
    /// The case as it is spelt, and which part of it this is.
    pub name: String,
    case: Case,
    rivals: Rivals,
}

impl Case {
    pub fn sections(&self) -> Vec<Section> {
        let section = |rivals, part: &str| Section { name: format!("{self}{part}"), case: self.clone(), rivals };
        match self {
            Self::Natural { .. } => {
                vec![section(Rivals::Rated, ", against rated"), section(Rivals::Unrated, ", against unrated")]
            }
            _ => vec![section(Rivals::Rated, "")],
        }
    }

    /// The columns it names.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Clean => Vec::new(),
            Self::Small { user, .. } => vec![user],
            Self::Planted(corruption) => corruption.kind.columns(),
            Self::Natural { user, item, .. } => vec![user, item],
        }
    }

    pub fn needs_ratings(&self) -> bool {
        matches!(self, Self::Natural { .. })
    }
}

impl Section {
    /// Jobs, where the others have `seeds`.
    pub fn jobs(&self, seeds: u32) -> u32 {
        match self.case {
            Case::Small { tables, .. } => tables,
            _ => seeds,
        }
    }

    /// Whether its tables count, of which each shows by itself whether rows were dropped that should not be.
    pub fn counts_tables(&self) -> bool {
        matches!(self.case, Case::Small { .. })
    }

    /// Whether it is known which rows of its tables are corrupted.
    pub fn has_truth(&self) -> bool {
        matches!(self.case, Case::Planted(_) | Case::Natural { .. })
    }

    /// The table of a job. `ratings`: `[N]`, where the case needs them.
    pub fn make_table(&self, clean: &Table, ratings: &[f64], seed: u64) -> Result<Table, PlantError> {
        match &self.case {
            Case::Clean => Ok(clean.clone()),
            Case::Small { user, users, .. } => draw_users(clean, user, *users as usize, seed),
            Case::Planted(corruption) => {
                let mut table = clean.clone();
                plant(&mut table, corruption, seed)?;
                Ok(table)
            }
            Case::Natural { user, item, threshold } => {
                let (user, item) = (user.clone(), item.clone());
                Natural { user, item, threshold: *threshold, rivals: self.rivals }.make(clean, ratings, seed)
            }
        }
    }
}

/// What the columns of a table are to the cases that are run without being named.
pub struct Roles<'a> {
    pub user: Option<&'a str>,
    pub item: Option<&'a str>,
    pub time: Option<&'a str>,
    /// Columns that models see.
    pub fields: &'a [String],
    /// Whether the label is a rule over ratings.
    pub rated: bool,
}

/// Every case that the table allows.
pub fn list_cases(table: &Table, roles: &Roles) -> Vec<Case> {
    let mut cases = vec![Case::Clean];
    let mut add = |kind| cases.push(Case::Planted(Corruption { kind, in_test: false }));
    for rate in [0.1, 0.2, 0.3] {
        add(Kind::Flips { rate });
    }
    add(Kind::Repeats { rate: 0.05 });
    let own = |column: Option<&str>| column.map(str::to_owned);
    let (user, item, time) = (own(roles.user), own(roles.item), own(roles.time));
    if let Some(field) = user.clone() {
        add(Kind::Random { field, share: 0.2 });
    }
    if let Some(field) = item.clone() {
        add(Kind::Inverted { field, share: 0.1 });
    }
    if let (Some(user), Some(item)) = (user.clone(), item.clone()) {
        add(Kind::Bots { user: user.clone(), item: item.clone(), share: 0.03, rows: 1000 });
        add(Kind::Likes { item, user, share: 0.02, count: 400 });
    }
    if let Some((first, second)) = find_cell(table, roles.fields) {
        add(Kind::Clicks { first, second, rate: 0.3 });
    }
    if let Some(time) = time {
        if let Some(field) = find_source(table, roles.fields) {
            add(Kind::Outage { time: time.clone(), field, share: 0.2, labels: OutageLabels::Zero });
        }
        add(Kind::Delayed { time, tau: 0.1 });
    }
    if let (Some(user), Some(item), true) = (user.clone(), item, roles.rated) {
        cases.push(Case::Natural { user, item, threshold: THRESHOLD });
    }
    if let Some(user) = user {
        cases.push(Case::Small { user, users: 300, tables: 30 });
    }
    cases
}

/// The first two fields with a cell that accidental clicks can be in.
fn find_cell(table: &Table, fields: &[String]) -> Option<(String, String)> {
    let pairs =
        fields.iter().enumerate().flat_map(|(at, first)| fields[at + 1..].iter().map(move |second| (first, second)));
    let mut pairs =
        pairs.filter(|(first, second)| list_cells(table, first, second).is_ok_and(|cells| !cells.is_empty()));
    pairs.next().map(|(first, second)| (first.clone(), second.clone()))
}

/// The first field with a value of a tenth of the rows or more, and below half of them.
fn find_source(table: &Table, fields: &[String]) -> Option<String> {
    let share = |rows: u32| f64::from(rows) / table.len() as f64;
    let has = |name: &&String| {
        let column = table.find(name).map(|at| &table.columns[at]);
        column.is_ok_and(|column| column.counts().into_iter().any(|rows| (0.1..0.5).contains(&share(rows))))
    };
    fields.iter().find(has).cloned()
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |text: &str| {
            text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is not a number above 0"))
        };
        Ok(match text.split(':').collect::<Vec<_>>()[..] {
            ["clean"] => Self::Clean,
            ["clean", user, users, tables] => {
                Self::Small { user: user.to_owned(), users: count(users)?, tables: count(tables)? }
            }
            ["natural", user, item, ref threshold @ ..] if threshold.len() <= 1 => {
                let number = |text: &&str| text.parse().map_err(|_| format!("`{text}` is not a rating"));
                let threshold = threshold.first().map_or(Ok(THRESHOLD), number)?;
                Self::Natural { user: user.to_owned(), item: item.to_owned(), threshold }
            }
            ["clean" | "natural", ..] => {
                return Err(
                    "write clean, clean:FIELD:USERS:COUNT or natural:USER_FIELD:ITEM_FIELD[:THRESHOLD]".to_owned()
                );
            }
            _ => Self::Planted(text.parse().map_err(|error: String| {
                error.replace(
                    SPELLINGS,
                    &format!("clean, clean:FIELD:USERS:COUNT, natural:USER_FIELD:ITEM_FIELD[:THRESHOLD], {SPELLINGS}"),
                )
            })?),
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("clean"),
            Self::Small { user, users, tables } => write!(f, "clean:{user}:{users}:{tables}"),
            Self::Planted(corruption) => corruption.fmt(f),
            Self::Natural { user, item, threshold } => write!(f, "natural:{user}:{item}:{threshold}"),
        }
    }
}

impl TryFrom<String> for Case {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Case> for String {
    fn from(case: Case) -> Self {
        case.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_and_wrong_ones_named() {
        for text in ["clean", "clean:user:300:30", "natural:user:item:3", "flips:0.2", "bots:user:item:0.03:1000+test"]
        {
            assert_eq!(text.parse::<Case>().unwrap().to_string(), text);
        }
        for wrong in ["flips", "flips:2", "random:0.1", "noise:0.1", "clean:user", "clean:user:0:3", "natural:user"] {
            assert!(wrong.parse::<Case>().is_err(), "{wrong}");
        }
        let named = "noise:0.1".parse::<Case>().unwrap_err();
        assert!(named.contains("clean:FIELD:USERS:COUNT") && named.contains("repeats:RATE"), "{named}");
    }

    #[test]
    fn a_table_is_put_to_every_case_it_allows() {
        let mut table = Table::new(["user", "item", "device", "slot", "time"].map(str::to_owned));
        for row in 0..1000 {
            let cells = [row % 50, row % 20, row % 4, row % 3, row].map(|cell: usize| cell.to_string());
            table.push(cells.iter().map(String::as_str), (row % 2) as u8, crate::types::Split::Train);
        }
        let fields = ["user", "item", "device", "slot"].map(str::to_owned);
        let roles = Roles { user: Some("user"), item: Some("item"), time: Some("time"), fields: &fields, rated: true };
        let names: Vec<String> = list_cases(&table, &roles).iter().map(Case::to_string).collect();
        assert_eq!(names.len(), 14, "{names:?}");
        assert!(names.contains(&"outage:time:device:0.2:zero".to_owned()), "{names:?}");
        let bare = Roles { user: None, item: None, time: None, fields: &[], rated: false };
        assert_eq!(list_cases(&table, &bare).len(), 5);
    }
}
