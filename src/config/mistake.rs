//! Mistakes in the configuration, the report of all of them, and what may be printed of a value.

use std::fmt;

use super::layer::{LayerKind, Place};
use super::location::without_query;

/// One mistake. All its texts are safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub key: String,
    /// Where the key is set; `None` if no layer sets it.
    pub at: Option<(LayerKind, Place)>,
    pub found: String,
    pub accepted: String,
}

/// All mistakes of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    pub domain: String,
    /// Why keys may be missing: there is no `.env`, or it belongs to other domains.
    pub note: Option<String>,
    pub list: Vec<Mistake>,
}

impl Mistakes {
    /// The documentation that has the keys, as the beginning of a hint.
    pub fn reference(&self) -> &'static str {
        let is_otel = |mistake: &Mistake| mistake.key.starts_with("OTEL_");
        match (self.list.iter().any(is_otel), self.list.iter().all(is_otel)) {
            (false, _) => "docs/reference/configuration.md has every key",
            (true, true) => "docs/reference/telemetry.md has the variables of OpenTelemetry",
            (true, false) => {
                "docs/reference/configuration.md has every key, and telemetry.md the variables of \
                 OpenTelemetry"
            }
        }
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "the configuration of {} has {count} {noun}", self.domain)?;
        if let Some(note) = &self.note {
            write!(f, "\n{note}")?;
        }
        for mistake in &self.list {
            write!(f, "\n\n{mistake}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.key)?;
        match &self.at {
            Some((layer, place)) => writeln!(f, "    where     {place} ({layer})")?,
            None => writeln!(f, "    where     not set in any layer")?,
        }
        writeln!(f, "    found     {}", self.found)?;
        write!(f, "    accepted  {}", self.accepted)
    }
}

/// Whether the value of a key with this name must not be printed. `sasl.oauthbearer.config` is
/// among them because it may hold credentials.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', ".");
    ["password", "passwd", "secret", "key", "token", "sasl.oauthbearer.config", "sasl.jaas"]
        .iter()
        .any(|word| name.contains(word))
}

/// A value as it may be shown: on one line, without the query of a URL, which may be its signature,
/// or `[redacted]` if it is secret.
pub fn printable(secret: bool, text: &str) -> String {
    if secret || looks_secret(text) {
        return "[redacted]".to_owned();
    }
    on_one_line(&without_query(text))
}

/// A value as it may be shown, shortened: a mistake may be a pasted document.
pub fn printable_beginning(secret: bool, text: &str) -> String {
    // In characters: enough for any table, server list or topic.
    const LONGEST: usize = 160;
    let shown = printable(secret, text);
    match shown.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &shown[..cut]),
        None => shown,
    }
}

/// The text on one line: characters that are not seen are escaped, so that a value can neither forge lines
/// of a report, nor command the terminal, nor turn the text after it round.
pub fn on_one_line(text: &str) -> String {
    text.chars()
        .map(|c| if is_seen(c) { c.to_string() } else { c.escape_default().to_string() })
        .collect()
}

/// Control characters, line and paragraph separators, and what changes direction or has no width are not.
fn is_seen(c: char) -> bool {
    let is_format = matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !c.is_control() && !is_format
}

/// Whether a text looks like a pasted private key or a URL with a password.
pub fn looks_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("-----begin")
        || lower.contains("private_key")
        || (text.contains("://") && text.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_escaped() {
        let text = "a\u{1b}[2J\u{202e}b\u{2028}c\u{200b}\u{9b}\u{7f}äß\u{1f600}";
        let shown = r"a\u{1b}[2J\u{202e}b\u{2028}c\u{200b}\u{9b}\u{7f}äß😀";
        assert_eq!(on_one_line(text), shown);
    }

    #[test]
    fn the_reference_is_that_of_the_keys() {
        let reference = |keys: &[&str]| {
            let mistake = |key: &&str| Mistake {
                key: (*key).to_owned(),
                at: None,
                found: String::new(),
                accepted: String::new(),
            };
            let list = keys.iter().map(mistake).collect();
            Mistakes { domain: "ORDERS".to_owned(), note: None, list }.reference()
        };
        let both = reference(&["OTEL_TRACES_SAMPLER", "SINK"]);
        assert!(both.contains("configuration.md") && both.contains("telemetry.md"), "{both}");
        assert!(!reference(&["SINK"]).contains("telemetry.md"));
        assert!(!reference(&["OTEL_TRACES_SAMPLER"]).contains("configuration.md"));
    }
}
