//! The kinds of corruption, and how they are spelt.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A kind of corruption, and whether it goes on in the test rows. Spelt as its kind, with `+test` behind where it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Corruption {
    pub kind: Kind,
    /// The test rows are corrupted like the others; else they stay as they are.
    pub in_test: bool,
}

/// What is done to a table. Fields are named by their columns; shares and rates are above 0 and below 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Labels flipped one by one.
    Flips { rate: f64 },
    /// A share of a field's values, users for example, whose labels are all drawn by a coin.
    Random { field: String, share: f64 },
    /// A share of a field's values, items for example, whose labels are all inverted.
    Inverted { field: String, share: f64 },
    /// More users, `share` of those there are, with so many rows each: popular items, label 1 nine times in ten.
    Bots { user: String, item: String, share: f64, rows: u32 },
    /// A share of the items gets so many more rows of label 1 each, by different users.
    Likes { item: String, user: String, share: f64, count: u32 },
    /// In a window of time the labels of one value of a field, of at least a tenth of the rows, are lost.
    Outage { time: String, field: String, share: f64, labels: OutageLabels },
    /// In one cell of two fields, of 2 to 30 % of the rows, labels 0 become 1.
    Clicks { first: String, second: String, rate: f64 },
    /// Labels 1 that have not arrived: one of age `a`, as a share of all time, is a 0 with probability exp(-a / tau).
    Delayed { time: String, tau: f64 },
    /// A share of the rows stands there 2 to 20 times, rows of one value of a field ten times as often as others.
    Repeats { rate: f64 },
}

/// What stands in place of lost labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageLabels {
    Zero,
    Inverted,
}

/// Rows of a bot, and likes of an item, where the spelling does not say.
const BOT_ROWS: u32 = 1000;
const LIKES: u32 = 400;

/// Every kind as it is written.
pub const SPELLINGS: &str = "flips:RATE, random:FIELD:SHARE, inverted:FIELD:SHARE, bots:USER_FIELD:ITEM_FIELD:SHARE[:ROWS], \
     likes:ITEM_FIELD:USER_FIELD:SHARE[:COUNT], outage:TIME_COLUMN:FIELD:SHARE[:zero|inverted], \
     clicks:FIELD:FIELD:RATE, delayed:TIME_COLUMN:TAU, repeats:RATE";

impl Kind {
    /// The columns it names.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Self::Flips { .. } | Self::Repeats { .. } => Vec::new(),
            Self::Random { field, .. } | Self::Inverted { field, .. } => vec![field],
            Self::Bots { user, item, .. } | Self::Likes { item, user, .. } => vec![user, item],
            Self::Outage { time, field, .. } => vec![time, field],
            Self::Clicks { first, second, .. } => vec![first, second],
            Self::Delayed { time, .. } => vec![time],
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |text: &str| match text {
            "" => Err(format!("`{text}` names no column")),
            text => Ok(text.to_owned()),
        };
        Ok(match text.split(':').collect::<Vec<_>>()[..] {
            ["flips", rate] => Self::Flips { rate: share(rate)? },
            ["random", field, of] => Self::Random { field: name(field)?, share: share(of)? },
            ["inverted", field, of] => Self::Inverted { field: name(field)?, share: share(of)? },
            ["bots", user, item, of, ref rows @ ..] if rows.len() <= 1 => {
                let rows = rows.first().map_or(Ok(BOT_ROWS), |rows| count(rows))?;
                Self::Bots { user: name(user)?, item: name(item)?, share: share(of)?, rows }
            }
            ["likes", item, user, of, ref likes @ ..] if likes.len() <= 1 => {
                let count = likes.first().map_or(Ok(LIKES), |likes| count(likes))?;
                Self::Likes { item: name(item)?, user: name(user)?, share: share(of)?, count }
            }
            ["outage", time, field, of, ref labels @ ..] if labels.len() <= 1 => {
                let labels = labels.first().map_or(Ok(OutageLabels::Zero), |labels| labels.parse())?;
                Self::Outage { time: name(time)?, field: name(field)?, share: share(of)?, labels }
            }
            ["clicks", first, second, rate] => {
                Self::Clicks { first: name(first)?, second: name(second)?, rate: share(rate)? }
            }
            ["delayed", time, tau] => Self::Delayed { time: name(time)?, tau: share(tau)? },
            ["repeats", rate] => Self::Repeats { rate: share(rate)? },
            _ => return Err(format!("`{text}` is no kind of corruption; write {SPELLINGS}")),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flips { rate } => write!(f, "flips:{rate}"),
            Self::Random { field, share } => write!(f, "random:{field}:{share}"),
            Self::Inverted { field, share } => write!(f, "inverted:{field}:{share}"),
            Self::Bots { user, item, share, rows } => write!(f, "bots:{user}:{item}:{share}:{rows}"),
            Self::Likes { item, user, share, count } => write!(f, "likes:{item}:{user}:{share}:{count}"),
            Self::Outage { time, field, share, labels } => write!(f, "outage:{time}:{field}:{share}:{labels}"),
            Self::Clicks { first, second, rate } => write!(f, "clicks:{first}:{second}:{rate}"),
            Self::Delayed { time, tau } => write!(f, "delayed:{time}:{tau}"),
            Self::Repeats { rate } => write!(f, "repeats:{rate}"),
        }
    }
}

impl FromStr for OutageLabels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "zero" => Ok(Self::Zero),
            "inverted" => Ok(Self::Inverted),
            _ => Err(format!("the labels of an outage are zero or inverted, not `{text}`")),
        }
    }
}

impl fmt::Display for OutageLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "zero",
            Self::Inverted => "inverted",
        })
    }
}

impl FromStr for Corruption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, in_test) = text.strip_suffix("+test").map_or((text, false), |kind| (kind, true));
        Ok(Self { kind: kind.parse()?, in_test })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind, if self.in_test { "+test" } else { "" })
    }
}

impl TryFrom<String> for Corruption {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Corruption> for String {
    fn from(corruption: Corruption) -> Self {
        corruption.to_string()
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share < 1.0);
    share.ok_or_else(|| format!("`{text}` is not a share above 0 and below 1"))
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is not a number of rows above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_is_written() {
        for text in [
            "flips:0.2",
            "random:user:0.1+test",
            "inverted:item:0.1",
            "bots:user:item:0.03:1000",
            "likes:item:user:0.02:400+test",
            "outage:time:device:0.2:inverted",
            "clicks:device:slot:0.3",
            "delayed:time:0.1",
            "repeats:0.05",
        ] {
            assert_eq!(text.parse::<Corruption>().unwrap().to_string(), text);
        }
        assert_eq!("bots:user:item:0.03".parse::<Kind>().unwrap().to_string(), "bots:user:item:0.03:1000");
        assert_eq!("outage:time:device:0.2".parse::<Kind>().unwrap().to_string(), "outage:time:device:0.2:zero");
    }

    #[test]
    fn wrong_spellings_are_refused() {
        for wrong in [
            "flips",
            "flips:2",
            "random:0.1",
            "noise:0.1",
            "bots:user:item:0.1:0",
            "outage:time:device:0.1:one",
            "clicks:a:b:c",
            "random::0.1",
            "flips:0.1+train",
        ] {
            assert!(wrong.parse::<Corruption>().is_err(), "{wrong}");
        }
        assert!("noise:0.1".parse::<Kind>().unwrap_err().contains("delayed:TIME_COLUMN:TAU"));
    }
}
