//! The bodies of answers.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::paging::Cursor;
use crate::results::{AffectedCluster, ClusterReport, Held, Page};

/// Where the report's record is on the topic, and when it was written.
#[derive(Serialize)]
struct Source {
    partition: i32,
    offset: i64,
    /// RFC 3339, in UTC.
    timestamp: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ReportAnswer<'a> {
    organization: &'a str,
    cluster: &'a str,
    source: Source,
    /// The record's value, byte for byte.
    report: &'a RawValue,
}

#[derive(Serialize)]
pub(super) struct ClustersAnswer<'a> {
    organization: &'a str,
    clusters: Vec<ClusterEntry<'a>>,
    /// `after` of the next page.
    next: Option<String>,
}

#[derive(Serialize)]
struct ClusterEntry<'a> {
    cluster: &'a str,
    findings: u64,
    source: Source,
}

#[derive(Serialize)]
pub(super) struct AffectedAnswer<'a> {
    rule: &'a str,
    clusters: Vec<AffectedEntry<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct AffectedEntry<'a> {
    organization: &'a str,
    cluster: &'a str,
    /// Those of the rule.
    findings: u64,
    source: Source,
}

impl Source {
    fn of(held: &Held) -> Self {
        let time = held.timestamp_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Self {
            partition: held.at.partition.0,
            offset: held.at.offset.0,
            timestamp: time.map(|time| format!("{time:.3}")),
        }
    }
}

impl<'a> ReportAnswer<'a> {
    /// Fails where the text is no JSON, which the contract excludes.
    pub fn of(report: &'a ClusterReport) -> serde_json::Result<Self> {
        Ok(Self {
            organization: &report.held.organization,
            cluster: &report.held.cluster,
            source: Source::of(&report.held),
            report: serde_json::from_str(&report.text)?,
        })
    }
}

impl<'a> ClustersAnswer<'a> {
    pub fn of(organization: &'a str, page: &'a Page<Held>) -> Self {
        let entry = |held: &'a Held| ClusterEntry {
            cluster: &held.cluster,
            findings: held.findings,
            source: Source::of(held),
        };
        let next = page.has_more.then(|| page.items.last()).flatten();
        Self {
            organization,
            clusters: page.items.iter().map(entry).collect(),
            next: next.map(after),
        }
    }
}

impl<'a> AffectedAnswer<'a> {
    pub fn of(rule: &'a str, page: &'a Page<AffectedCluster>) -> Self {
        let entry = |one: &'a AffectedCluster| AffectedEntry {
            organization: &one.held.organization,
            cluster: &one.held.cluster,
            findings: one.of_rule,
            source: Source::of(&one.held),
        };
        let next = page.has_more.then(|| page.items.last()).flatten();
        Self {
            rule,
            clusters: page.items.iter().map(entry).collect(),
            next: next.map(|one| after(&one.held)),
        }
    }
}

fn after(held: &Held) -> String {
    Cursor { organization: held.organization.clone(), cluster: held.cluster.clone() }.text()
}
