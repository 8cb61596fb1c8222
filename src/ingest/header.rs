//! Whether the first line of a CSV holds names.

use super::cell::{parse_number, parse_time};
use crate::types::shorten;

/// Cells of the first line that a message shows.
const SHOWN: usize = 4;

/// What the first line looks like, if it does not look like names with the label's among them, and what to do.
pub(super) fn suspicion(columns: &[String], label: &str) -> Option<String> {
    let first = columns.first()?.trim();
    let line = || {
        let cells: Vec<_> = columns.iter().take(SHOWN).map(|cell| format!("`{}`", shorten(cell))).collect();
        format!("the first line ({}{})", cells.join(", "), if columns.len() > SHOWN { ", …" } else { "" })
    };
    let format_of = |what: &str| Some(format!("{} looks like {what}", line()));
    if first.starts_with('{') {
        return format_of("JSON: say `format`: `jsonl` (--format jsonl) where each line is one object");
    }
    if first.starts_with('[') {
        return format_of("a JSON list: write one object a line, for example with `jq -c '.[]'`");
    }
    if first.to_ascii_lowercase().starts_with("sep=") {
        return format_of(
            "a note for Excel: skip it (`skip_lines`: 1, --skip-lines 1), and name the separator in `separator` (--separator)",
        );
    }
    if first.starts_with('#') || first.starts_with("//") {
        return format_of("a comment: say what comments start with (`comment`, --comment), or take it off");
    }
    if is_sparse(columns) {
        return format_of("libsvm or libffm: write it as a table, a column a field");
    }
    if columns.iter().any(|column| column.contains(char::REPLACEMENT_CHARACTER)) {
        return format_of(
            "no UTF-8: say how the text is encoded, in `encoding` (--encoding), for example windows-1252",
        );
    }
    if let [only] = columns {
        let between = ["::", "\u{1}", "^", "~", " "].into_iter().find(|separator| only.trim().contains(separator));
        let guess = between.map_or(String::new(), |separator| format!(", perhaps `{}`", separator.escape_default()));
        let cells = |separator| only.split(separator).map(str::to_owned).collect::<Vec<_>>();
        let row = between.is_some_and(|separator| looks_like_a_row(&cells(separator)));
        let columns = if row { "; it looks like a row, so name the columns too, in `columns` (--columns)" } else { "" };
        return Some(format!(
            "{} has no `,`, tab, `;` or `|`: say in `separator` (--separator) what stands between values{guess}{columns}; or skip \
             the line, if it is a title (`skip_lines`: 1, --skip-lines 1)",
            line()
        ));
    }
    let glued = |cell: &&String| cell.strip_prefix(label).is_some_and(|rest| !rest.is_empty());
    if let Some(cell) = columns.iter().find(glued).filter(|_| looks_like_a_row(columns)) {
        return Some(format!(
            "{} goes on behind the label's name (`{}`): the line ends are gone, as `curl -d` takes them out; send the file with \
             --data-binary",
            line(),
            shorten(cell)
        ));
    }
    looks_like_a_row(columns)
        .then(|| format!("{} looks like a row, not like names: name the columns in `columns` (--columns)", line()))
}

/// Whether as many cells as not are numbers, times or empty, and they do not just count the columns.
pub(super) fn looks_like_a_row(columns: &[String]) -> bool {
    let is_value = |cell: &String| cell.trim().is_empty() || parse_time(cell.as_bytes()).is_some();
    2 * columns.iter().filter(|cell| is_value(cell)).count() >= columns.len() && !are_counted(columns)
}

/// Whether the label's name is a number, as it is where a row was taken for names.
pub(super) fn names_a_value(columns: &[String], label: &str) -> bool {
    parse_number(label.as_bytes()).is_some() && !are_counted(columns)
}

/// Whether the names are 0, 1, 2 … or 1, 2, 3 …, as of a table without names.
fn are_counted(columns: &[String]) -> bool {
    [0, 1].iter().any(|first| (*first..).zip(columns).all(|(number, name)| *name == number.to_string()))
}

/// Whether the line is `label index:value index:value …`.
fn is_sparse(columns: &[String]) -> bool {
    let [line] = columns else { return false };
    let mut words = line.split_ascii_whitespace();
    let is_number = |text: &str| parse_number(text.as_bytes()).is_some();
    let is_pair = |word: &str| word.split(':').count() > 1 && word.split(':').all(is_number);
    words.next().is_some_and(is_number) && words.clone().next().is_some() && words.all(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspected(line: &str) -> Option<String> {
        suspicion(&line.split(',').map(str::to_owned).collect::<Vec<_>>(), "click")
    }

    #[test]
    fn first_lines_that_are_no_names_are_told() {
        for (line, part) in [
            ("A7,0001,3.0,1370000000", "--columns"),
            ("0,615,,a1b2,,", "--columns"),
            ("2020-01-01,u1,5,i3", "--columns"),
            ("{\"user\": 9,\"click\": 1}", "--format jsonl"),
            ("[{\"user\": 9}]", "jq"),
            ("9::19::3::978300760", "perhaps `::`; it looks like a row, so name the columns too"),
            ("user item click", "perhaps ` `"),
            ("0 0:9:1 1:19:1", "libffm"),
            ("sep=;", "Excel"),
            ("# exported 2020", "--comment"),
            ("caf\u{fffd},click", "--encoding"),
            ("Clicks of March", "--skip-lines 1"),
            ("user,item,click9,19,05,16,120,15,0", "--data-binary"),
        ] {
            assert!(suspected(line).unwrap().contains(part), "{line}: {:?}", suspected(line));
        }
        for names in [
            "user,item,click",
            "0,1,2",
            "1,2,3",
            ",user,item,click",
            "2019,2020,user,item,click",
            "click,clicks,clicked",
        ] {
            assert_eq!(suspected(names), None, "{names}");
        }
    }

    #[test]
    fn a_label_named_by_a_number_is_a_value() {
        let columns = ["u1", "i5", "1"].map(str::to_owned);
        assert!(names_a_value(&columns, "1") && !names_a_value(&columns, "u1"));
        assert!(!names_a_value(&["0", "1", "2"].map(str::to_owned), "2"));
    }
}
