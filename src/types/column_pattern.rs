//! Several columns by one name with stars in it: `I*`, `*_id`.

/// Whether a name is the pattern, in which each star stands for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The columns that a name of a spec means: itself, or where there is no such column, those that fit it as a pattern, but for the
/// columns `taken`; itself again where none does, so that it is told as a column that there is not.
pub(super) fn columns_of(name: &str, columns: &[String], taken: &[&str]) -> Vec<String> {
    if !name.contains('*') || columns.iter().any(|column| column == name) {
        return vec![name.to_owned()];
    }
    let found: Vec<_> =
        columns.iter().filter(|column| fits(name, column) && !taken.contains(&column.as_str())).cloned().collect();
    if found.is_empty() { vec![name.to_owned()] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        let columns = ["label", "I1", "I2", "user_id", "item_id", "a*"].map(str::to_owned);
        let of = |name: &str| columns_of(name, &columns, &["label"]);
        assert_eq!(of("I*"), ["I1", "I2"]);
        assert_eq!(of("*_id"), ["user_id", "item_id"]);
        assert_eq!(of("*_*d"), ["user_id", "item_id"]);
        assert_eq!(of("*").len(), 5);
        assert_eq!(of("u*r*d"), ["user_id"]);
        assert_eq!(of("lab*"), ["lab*"], "what is taken is not meant");
        assert_eq!(of("a*"), ["a*"], "a column of that name is meant");
        assert_eq!(of("I1"), ["I1"]);
        assert_eq!(of("user_id*_id"), ["user_id*_id"], "parts do not overlap");
    }
}
