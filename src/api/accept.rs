//! What a client prefers among several forms of an answer: `Accept` and `Accept-Encoding` (RFC 9110, 12.5).

/// Words with their weights, as they stand in a header.
pub struct Preferences<'h>(Vec<(&'h str, f32)>);

impl<'h> Preferences<'h> {
    /// Reads a header. What is no weight, which are from 0 to 1, counts as 1.
    pub fn read(text: &'h str) -> Self {
        let words = text.split(',').filter_map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let word = pieces.next().filter(|word| !word.is_empty())?;
            let weight = pieces.find_map(|piece| {
                let (name, value) = piece.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())?
            });
            Some((word, weight.filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(1.0)))
        });
        Self(words.collect())
    }

    /// The weight of a media type or an encoding: that of the closest word. 0 where it is not wanted.
    pub fn weight(&self, name: &str) -> f32 {
        let range = name.split_once('/').map(|(kind, _)| format!("{kind}/*"));
        let of =
            |wanted: &str| self.0.iter().find(|(word, _)| word.eq_ignore_ascii_case(wanted)).map(|(_, weight)| *weight);
        let any = if range.is_some() { "*/*" } else { "*" };
        of(name).or_else(|| range.as_deref().and_then(of)).or_else(|| of(any)).unwrap_or(0.0)
    }

    /// Whether the header has this very word.
    pub fn names(&self, name: &str) -> bool {
        self.0.iter().any(|(word, _)| word.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_says_how_welcome_a_form_is() {
        let types = Preferences::read("Text/Event-Stream; q=0.5, application/*;q=0.8, */*;q=0.1, text/csv;q=0");
        for (name, weight) in
            [("text/event-stream", 0.5), ("application/json", 0.8), ("image/png", 0.1), ("text/csv", 0.0)]
        {
            assert_eq!(types.weight(name), weight, "{name}");
        }
        for (header, weight) in [
            ("identity", 0.0),
            ("br, *", 1.0),
            ("gzip;q=0, *", 0.0),
            ("gzip;q=nan", 1.0),
            ("gzip;q=-1", 1.0),
            ("*;q=inf", 1.0),
        ] {
            assert_eq!(Preferences::read(header).weight("gzip"), weight, "{header}");
        }
    }
}
