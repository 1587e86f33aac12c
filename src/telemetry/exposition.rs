//! Reads the text that `/metrics` exposes: the library that keeps the metrics gives their values and
//! labels out in no other form that needs no `protoc`. So whoever reads it sees what a scraper sees.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// The metrics of a registry at one moment.
pub struct Exposition(String);

/// All samples of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Family<'a> {
    /// Without the `_total` of a counter's samples.
    pub name: &'a str,
    pub help: &'a str,
    pub unit: &'a str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'a str,
    pub samples: Vec<Sample<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// The family's name, and what follows it: `_total`, `_bucket`.
    pub name: &'a str,
    pub labels: Vec<(&'a str, String)>,
    pub value: &'a str,
}

impl Exposition {
    pub fn of(registry: &Registry) -> Self {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, registry);
        Self(text)
    }

    /// The families, in the order of the registry.
    pub fn families(&self) -> Vec<Family<'_>> {
        let mut families: Vec<Family<'_>> = Vec::new();
        for line in self.0.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
                families.push(Family { name, help, unit: "", kind: "", samples: Vec::new() });
                continue;
            }
            let Some(family) = families.last_mut() else { continue };
            if let Some(kind) = of_family(line, "# TYPE ", family.name) {
                family.kind = kind;
            } else if let Some(unit) = of_family(line, "# UNIT ", family.name) {
                family.unit = unit;
            } else {
                family.samples.extend(sample(line));
            }
        }
        families
    }
}

fn of_family<'a>(line: &'a str, start: &str, name: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_prefix(name)?.strip_prefix(' ')
}

/// `a_total{event_type="x"} 3`
fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    if name.starts_with('#') {
        return None;
    }
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while let Some((label, quoted)) = rest.split_once("=\"") {
            // A value may look like the end of the labels.
            if label.contains('}') {
                break;
            }
            let (value, after) = unescaped(quoted);
            labels.push((label.trim_start_matches(','), value));
            rest = after;
            if rest.starts_with('}') {
                break;
            }
        }
        rest = rest.strip_prefix('}')?;
    }
    // What follows the value is its exemplar.
    let value = rest.trim_start().split(' ').next()?;
    Some(Sample { name, labels, value })
}

/// A label's value before backslashes, quotes and line breaks were escaped, and what follows the quote
/// that ends it.
fn unescaped(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, &quoted[at + 1..]),
            '\\' => match characters.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, other)) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_read_with_labels_as_they_were_set() {
        let text = "# HELP a Help of a.\n# TYPE a counter\n# UNIT a bytes\na_total{t=\"x\"} 3\n\
                    a_total{t=\"\\\"} 4\\\\\\n,u=\\\"\",u=\"}\"} 5\n\
                    # HELP ab B.\n# TYPE ab gauge\nab 1.5\nab{} 2\n# EOF\n";
        let read = Exposition(text.to_owned());
        let families = read.families();
        let [a, ab] = &families[..] else { panic!("{families:?}") };
        assert_eq!((a.name, a.help, a.unit, a.kind), ("a", "Help of a.", "bytes", "counter"));
        assert_eq!(a.samples[0].labels, [("t", "x".to_owned())]);
        let odd = [("t", "\"} 4\\\n,u=\"".to_owned()), ("u", "}".to_owned())];
        assert_eq!((&a.samples[1].labels[..], a.samples[1].value), (&odd[..], "5"));
        let values: Vec<&str> = ab.samples.iter().map(|sample| sample.value).collect();
        assert_eq!((ab.unit, ab.kind, values), ("", "gauge", vec!["1.5", "2"]));
    }
}
