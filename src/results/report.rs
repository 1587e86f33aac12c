//! What is kept of a report.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json_tree;
use crate::record::{Event, Position, Reason, Rejection};

/// What a record replaces: within a partition, a later record of the same identity takes the place
/// of an earlier one, as in a compacted topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(Vec<u8>);

impl Identity {
    pub fn of_key(key: &[u8]) -> Self {
        Self([b"k", key].concat())
    }

    /// Of a report without a key.
    fn without_key(organization: &str, cluster: &str) -> Self {
        // The length keeps `ab` + `c` apart from `a` + `bc`.
        let length = (organization.len() as u64).to_be_bytes();
        Self([b"o", &length[..], organization.as_bytes(), cluster.as_bytes()].concat())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A report as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub organization: String,
    pub cluster: String,
    /// The findings of each rule.
    pub findings: BTreeMap<String, u64>,
    /// The record's value, byte for byte.
    pub text: String,
}

/// What a record does to what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub at: Position,
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    pub identity: Identity,
    /// `None`: the report of this identity is removed.
    pub report: Option<Report>,
}

impl Change {
    /// Reads the record's value, which the contract has accepted.
    pub(super) fn of_report(event: &Event<'_>, value: &[u8]) -> Result<Self, Rejection> {
        let report = Report::read(value)?;
        let identity = event.key.map_or_else(
            || Identity::without_key(&report.organization, &report.cluster),
            Identity::of_key,
        );
        Ok(Self { at: event.at, timestamp_ms: event.timestamp_ms, identity, report: Some(report) })
    }

    pub(super) fn removal(event: &Event<'_>, key: &[u8]) -> Self {
        let identity = Identity::of_key(key);
        Self { at: event.at, timestamp_ms: event.timestamp_ms, identity, report: None }
    }

    /// Bytes that it holds, about.
    pub(super) fn bytes(&self) -> usize {
        let text = self.report.as_ref().map_or(0, |report| report.text.len());
        size_of::<Self>() + self.identity.0.len() + text
    }
}

impl Report {
    fn read(value: &[u8]) -> Result<Self, Rejection> {
        let wrong = |reason, detail: &str| Rejection::new(reason, detail.to_owned(), None);
        let text = std::str::from_utf8(value)
            .map_err(|_| wrong(Reason::NotUtf8, "the value is not UTF-8"))?;
        let read = json_tree::read(text.as_bytes())
            .map_err(|_| wrong(Reason::InvalidJson, "the value is not one JSON object"))?;
        let named = |name: &str| match read.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(Value::String(_)) => {
                Err(wrong(Reason::ContractViolation, &format!("/{name}: the text is empty")))
            }
            Some(_) => Err(wrong(Reason::WrongType, &format!("/{name}: expected a string"))),
            None => Err(wrong(Reason::MissingField, &format!("/{name}: the field is missing"))),
        };
        let mut findings = BTreeMap::new();
        match read.get("findings") {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    let Some(Value::String(rule)) = item.get("rule") else {
                        let detail = format!("/findings/{index}/rule: expected a string");
                        return Err(wrong(Reason::WrongType, &detail));
                    };
                    *findings.entry(rule.clone()).or_insert(0) += 1;
                }
            }
            Some(_) => return Err(wrong(Reason::WrongType, "/findings: expected an array")),
        }
        let (organization, cluster) = (named("organization")?, named("cluster")?);
        Ok(Self { organization, cluster, findings, text: text.to_owned() })
    }
}
