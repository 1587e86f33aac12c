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

/// Whether a value under this key must not be printed. `credentials` is the path of a file, and
/// shown; what lies in `sasl.oauthbearer.config` may hold a token's text.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('_', ".");
    ["password", "passwd", "secret", "key", "token", "sasl.oauthbearer.config", "sasl.jaas"]
        .iter()
        .any(|word| key.contains(word))
}

/// A value as a message may show it: quoted, cut, and not at all where the key is secret.
pub fn shown(key: &str, text: &str) -> String {
    // Long enough for any table, server list or topic; a pasted document is cut.
    const LONGEST: usize = 120;
    if is_secret(key) || looks_secret(text) {
        return "[redacted]".to_owned();
    }
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?} and more", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A pasted key or an URL with a password in it.
pub fn looks_secret(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("-----begin")
        || lower.contains("private_key")
        || (text.contains("://") && text.contains('@'))
}
