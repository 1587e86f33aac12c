//! A configuration file of Insights Core Messaging becomes a `.env` and a configuration file, with
//! what became of each of its entries.
//!
//! ```text
//! YAML ─► leaves ─► mapping gives each an outcome ─► draft ─► checked as the program reads it
//! ```
//! Its variables stay variables. Secrets are not written: a variable is, or a person is told.

mod draft;
mod kafka;
mod leaves;
mod mapping;
mod outcome;
mod template;
#[cfg(test)]
mod tests;

pub use outcome::{Line, Outcome};

use mapping::Mapping;

/// What a file becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Every entry of the file, in its order.
    pub entries: Vec<Line>,
    /// Keys that are needed and have no entry.
    pub added: Vec<Line>,
    pub env_file: String,
    pub toml: String,
}

/// Reads a configuration file. `domain` is valid and in upper case, `name` is the file's. The error
/// lists every mistake, and then there is nothing to write.
pub fn import(text: &str, domain: &str, name: &str) -> Result<Import, Vec<String>> {
    let leaves = leaves::read(text)?;
    let mut mapping = Mapping::new(&leaves, domain);
    mapping.entries();
    mapping.added();
    mapping.check();
    let Mapping { draft, outcomes, added, .. } = mapping;
    let entries = leaves.iter().zip(outcomes);
    let entries: Vec<Line> =
        entries.map(|(leaf, outcome)| Line { name: leaf.name(), outcome }).collect();
    let notes: Vec<(String, String)> = to_dos(&added).collect();
    let head = format!(
        "# From {} by `generic-consumer import-icm`.\n# All keys: docs/reference/configuration.md",
        crate::config::on_one_line(name)
    );
    let env_file = draft.env_file(&head, &notes) + &left_to_do(&entries);
    let toml = draft.toml(&head);
    Ok(Import { entries, added, env_file, toml })
}

/// What a person has to do something about, and what that is.
fn to_dos(lines: &[Line]) -> impl Iterator<Item = (String, String)> + '_ {
    lines.iter().filter_map(|line| match &line.outcome {
        Outcome::ToDo(what) => Some((line.name.clone(), what.clone())),
        Outcome::Key(_) | Outcome::LeftOut(_) => None,
    })
}

/// Comments with the entries that a person has to do something about: the terminal is soon forgotten.
fn left_to_do(entries: &[Line]) -> String {
    let comment = |(name, what): (String, String)| {
        format!("# {}\n", crate::config::on_one_line(&format!("{name}: {what}")))
    };
    let comments: String = to_dos(entries).map(comment).collect();
    if comments.is_empty() {
        comments
    } else {
        format!("\n# To do, by the file's entries:\n{comments}")
    }
}
