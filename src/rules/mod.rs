//! Rules over the files of an archive: what they find becomes a report.
//!
//! ```text
//! documents ─► declared (every mistake of form) ─► compile (names, CEL, circles) ─► RuleSet
//!
//! Files, event ─► contents, each read once ─► facts, each computed once ─► rules ─► Report
//! ```
//!
//! A rule that cannot be evaluated is skipped, with the reason, and takes no other along. What a rule
//! may use is limited: an expression's steps and bytes, and those of reading its files.
//! docs/reference/rules.md has the format.

mod attributes;
mod compile;
mod contents;
mod declared;
mod difference;
mod digest;
mod evaluate;
mod event_text;
mod fact_order;
mod file_source;
mod folder;
mod problem;
mod report;
pub mod samples;
mod set;
mod severity;

#[cfg(test)]
mod tests;

pub use folder::read_folder;
pub use problem::{RuleProblem, RulesError};
pub use report::{Finding, Report, Skip, SkipReason, Skipped};
pub use set::RuleSet;
pub use severity::Severity;
