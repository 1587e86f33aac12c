//! A mistake in the configuration, and the report of all of them.

use std::fmt;

use super::layer::{LayerKind, Place};

/// One thing that is wrong. Every text in it is safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub key: String,
    /// Layer and place; `None` where no layer sets the key.
    pub at: Option<(LayerKind, Place)>,
    pub found: String,
    pub accepted: String,
}

/// Every mistake of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    pub domain: String,
    pub list: Vec<Mistake>,
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "the configuration of {} has {count} {noun}", self.domain)?;
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
            None => writeln!(f, "    where     in no layer")?,
        }
        writeln!(f, "    found     {}", self.found)?;
        write!(f, "    accepted  {}", self.accepted)
    }
}

/// Whether a value under this name must not be printed. `sasl.oauthbearer.config` may hold what a
/// token is made from.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', ".");
    ["password", "passwd", "secret", "key", "token", "sasl.oauthbearer.config", "sasl.jaas"]
        .iter()
        .any(|word| name.contains(word))
}

/// A value as it may be shown: on one line, cut, and not at all where it is secret.
pub fn printable(secret: bool, text: &str) -> String {
    // Long enough for any table, server list or topic; a pasted document is cut.
    const LONGEST: usize = 160;
    if secret || looks_secret(text) {
        return "[redacted]".to_owned();
    }
    let mut shown: String = text.chars().take(LONGEST).flat_map(on_one_line).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// Control characters escaped: a value cannot forge lines of a report.
fn on_one_line(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// A pasted key, or an URL with a password in it.
fn looks_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("-----begin")
        || lower.contains("private_key")
        || (text.contains("://") && text.contains('@'))
}
