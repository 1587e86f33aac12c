//! Counts by label, read from the text that `/metrics` exposes: a family of metrics does not list its
//! labels otherwise.

use std::collections::BTreeMap;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The text of a registry.
pub(super) struct Exposition(String);

impl Exposition {
    pub fn of(registry: &Registry) -> Self {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, registry);
        Self(text)
    }

    /// The values of a counter with one label, by the label's value.
    pub fn counts(&self, name: &str) -> BTreeMap<String, u64> {
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        lines.filter_map(sample).collect()
    }
}

/// `event_type="a"} 3` as `("a", 3)`.
fn sample(rest: &str) -> Option<(String, u64)> {
    let (_, rest) = rest.split_once("=\"")?;
    let (label, count) = rest.rsplit_once("\"} ")?;
    Some((unescaped(label), count.parse().ok()?))
}

/// The text before backslashes, quotes and line breaks were escaped.
fn unescaped(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    let mut characters = label.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_as_they_were_set() {
        let text = "# TYPE a counter\na_total{t=\"x\"} 3\na_total{t=\"\\\"} 4\\\\\\n\"} 5\nab_total{t=\"y\"} 1\n";
        let counts = Exposition(text.to_owned()).counts("a_total");
        let expected = [("x".to_owned(), 3), ("\"} 4\\\n".to_owned(), 5)];
        assert_eq!(counts, BTreeMap::from(expected));
    }
}
