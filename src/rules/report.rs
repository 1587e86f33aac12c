//! What a set of rules says of an archive.

use serde_json::{Map, Value, json};

use super::severity::Severity;

/// The version of the report's form.
const REPORT_VERSION: u64 = 1;

/// What the rules say of an archive. The same archive, event and rules give the same report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The members that the set adds, in its order; `null` for one that has no value.
    pub members: Vec<(String, Value)>,
    /// By rule.
    pub findings: Vec<Finding>,
    /// Rules by id, and then members.
    pub skips: Vec<Skip>,
    /// The set's name and digest: `ccx_v1@0a1b2c3d4e5f`.
    pub rules: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub rule: String,
    pub key: String,
    pub severity: Severity,
    pub details: Map<String, Value>,
}

/// A rule or a member of the report that has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    pub name: String,
    /// A member of the report, not a rule.
    pub is_member: bool,
    pub why: Skipped,
}

/// Why something has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub reason: SkipReason,
    /// For people. It never has a value of the archive in it.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    MissingFile,
    UnreadableFile,
    Error,
    Budget,
}

impl SkipReason {
    pub const ALL: [Self; 4] = [Self::MissingFile, Self::UnreadableFile, Self::Error, Self::Budget];

    /// Its name in reports and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::MissingFile => "missing_file",
            Self::UnreadableFile => "unreadable_file",
            Self::Error => "error",
            Self::Budget => "budget",
        }
    }
}

impl Report {
    pub fn json(&self) -> Value {
        let mut report = Map::new();
        report.insert("report_version".to_owned(), REPORT_VERSION.into());
        report.extend(self.members.iter().cloned());
        let findings = self.findings.iter().map(|finding| {
            json!({
                "rule": finding.rule,
                "key": finding.key,
                "severity": finding.severity.name(),
                "details": finding.details,
            })
        });
        report.insert("findings".to_owned(), findings.collect());
        let skips = self.skips.iter().map(|skip| {
            let of = if skip.is_member { "member" } else { "rule" };
            let Skipped { reason, detail } = &skip.why;
            json!({ of: skip.name, "reason": reason.code(), "detail": detail })
        });
        report.insert("skips".to_owned(), skips.collect());
        let versions = json!({ "rules": self.rules, "program": env!("CARGO_PKG_VERSION") });
        report.insert("versions".to_owned(), versions);
        Value::Object(report)
    }
}
