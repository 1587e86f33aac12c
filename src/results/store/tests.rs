//! The store against a plain model, across restarts.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::record::{Offset, Partition, Position};
use crate::results::report::{Change, Identity, Report};
use crate::topic_id::TopicId;

const PARTITIONS: usize = 3;
const NOW: i64 = 1_795_255_200_000;

/// What the property test does next.
#[derive(Debug, Clone)]
enum Step {
    /// A record at the end of a partition.
    Write(usize, Identity, Option<i64>, Option<Report>),
    /// Up to so many records of a partition are read.
    Read(usize, usize),
    /// What was read is stored, and perhaps the process dies after that.
    Store { dies: bool },
    /// The process dies, and what was read is lost.
    Die,
}

fn report() -> impl Strategy<Value = Report> {
    let names = ("[ab]", "[xyz]", vec("[rs]", 0..3));
    names.prop_map(|(organization, cluster, rules)| {
        let mut findings = BTreeMap::new();
        for rule in rules {
            *findings.entry(rule).or_insert(0) += 1;
        }
        let text = format!("{{\"of\":\"{organization}{cluster}\"}}");
        Report { organization, cluster, findings, text }
    })
}

fn step() -> impl Strategy<Value = Step> {
    let key = "[kl]".prop_map(|key| Identity::of_key(key.as_bytes()));
    let time = proptest::option::of(0..4_i64);
    let partition = 0..PARTITIONS;
    prop_oneof![
        6 => (partition.clone(), key, time, proptest::option::weighted(0.8, report()))
            .prop_map(|(partition, key, time, report)| Step::Write(partition, key, time, report)),
        4 => (partition, 1..4_usize).prop_map(|(partition, most)| Step::Read(partition, most)),
        2 => any::<bool>().prop_map(|dies| Step::Store { dies }),
        1 => Just(Step::Die),
    ]
}

/// What the partitions have before these offsets, as one would write it down.
fn model(log: &[Vec<Change>], next: &BTreeMap<Partition, Offset>) -> Vec<ClusterReport> {
    let mut kept: BTreeMap<(usize, &Identity), &Change> = BTreeMap::new();
    for (partition, records) in log.iter().enumerate() {
        let read = next.get(&Partition(partition as i32)).map_or(0, |next| next.0 as usize);
        for change in &records[..read] {
            kept.insert((partition, &change.identity), change);
        }
    }
    let mut latest: BTreeMap<(&str, &str), (&Change, &Report)> = BTreeMap::new();
    for change in kept.values() {
        let Some(report) = &change.report else { continue };
        let place = |change: &Change| (change.timestamp_ms, change.at);
        let held = latest.entry((&report.organization, &report.cluster));
        let held = held.or_insert((change, report));
        if place(change) > place(held.0) {
            *held = (change, report);
        }
    }
    let shown = latest.into_values().map(|(change, report)| ClusterReport {
        held: Held {
            organization: report.organization.clone(),
            cluster: report.cluster.clone(),
            at: change.at,
            timestamp_ms: change.timestamp_ms,
            findings: report.findings.values().sum(),
        },
        text: report.text.clone(),
    });
    shown.collect()
}

/// All pages of a list.
fn all<T, C>(mut page: impl FnMut(Option<C>) -> Page<T>, place: impl Fn(&T) -> C) -> Vec<T> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Page { items, has_more } = page(after.take());
        after = items.last().map(&place);
        found.extend(items);
        if !has_more {
            return found;
        }
    }
}

fn compare(reports: &Reports, expected: &[ClusterReport], rules: &[Report], limit: usize) {
    assert_eq!(reports.count().expect("counted"), expected.len() as i64);
    let complete = |page: Option<_>| page.expect("complete");
    for organization in ["a", "b"] {
        let of_it = |one: &&ClusterReport| one.held.organization == organization;
        let wanted: Vec<Held> = expected.iter().filter(of_it).map(|it| it.held.clone()).collect();
        let found = all(
            |after: Option<String>| {
                let page = reports.of_organization(organization, after.as_deref(), limit);
                complete(page.expect("read"))
            },
            |held| held.cluster.clone(),
        );
        assert_eq!(found, wanted, "{organization}");
    }
    for cluster in ["x", "y", "z"] {
        let of_it = |one: &&ClusterReport| one.held.cluster == cluster;
        let wanted: Vec<ClusterReport> = expected.iter().filter(of_it).cloned().collect();
        assert_eq!(reports.of_cluster(cluster, None, 9).expect("read"), Some(wanted));
    }
    for rule in ["r", "s"] {
        for organization in [None, Some("a"), Some("b")] {
            let wanted: Vec<(&Held, u64)> = expected
                .iter()
                .zip(rules)
                .filter(|(one, _)| organization.is_none_or(|it| it == one.held.organization))
                .filter_map(|(one, report)| Some((&one.held, *report.findings.get(rule)?)))
                .collect();
            let found = all(
                |after: Option<(String, String)>| {
                    let after = after.as_ref().map(|(a, b)| (a.as_str(), b.as_str()));
                    let page = reports.affected(rule, organization, after, limit);
                    page.expect("read").expect("complete")
                },
                |one| (one.held.organization.clone(), one.held.cluster.clone()),
            );
            let found: Vec<(&Held, u64)> =
                found.iter().map(|one| (&one.held, one.of_rule)).collect();
            assert_eq!(found, wanted, "{rule} in {organization:?}");
        }
    }
}

fn reopened(path: &Path) -> (StoreWriter, Reports, BTreeMap<Partition, Offset>) {
    let (mut writer, reports) = open(path, "reports", "c@1").expect("opens");
    let kept = writer.begin(TopicId::new(7), NOW).expect("begins");
    (writer, reports, kept.next)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_is_read_and_whenever_the_process_dies_the_latest_reports_are_shown(
        steps in vec(step(), 0..40),
        limit in 1..4_usize,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reports.sqlite");
        let mut log: Vec<Vec<Change>> = vec![Vec::new(); PARTITIONS];
        let (mut writer, mut reports, mut stored) = reopened(&path);
        let complete = Batch { current_ms: Some(NOW), ..Batch::default() };
        writer.store(&complete).expect("stored");
        let mut batch = Batch::default();
        for step in steps {
            let dies = match step {
                Step::Write(partition, identity, timestamp_ms, report) => {
                    let at = Position::new(partition as i32, log[partition].len() as i64);
                    log[partition].push(Change { at, timestamp_ms, identity, report });
                    false
                }
                Step::Read(partition, most) => {
                    let name = Partition(partition as i32);
                    let next = batch.next.get(&name).or(stored.get(&name));
                    let next = next.map_or(0, |next| next.0 as usize);
                    for change in log[partition].iter().skip(next).take(most) {
                        batch.changes.push(change.clone());
                        batch.next.insert(name, change.at.offset.next());
                    }
                    false
                }
                Step::Store { dies } => {
                    writer.store(&batch).expect("stored");
                    stored.extend(std::mem::take(&mut batch).next);
                    dies
                }
                Step::Die => true,
            };
            if dies {
                batch = Batch::default();
                // The lock has to be free before it is taken again.
                drop(writer);
                let (again, read, next) = reopened(&path);
                prop_assert_eq!(&next, &stored);
                (writer, reports) = (again, read);
            }
            let expected = model(&log, &stored);
            let found = |one: &ClusterReport| {
                let records = &log[one.held.at.partition.0 as usize];
                records[one.held.at.offset.0 as usize].report.clone().expect("a report")
            };
            let rules: Vec<Report> = expected.iter().map(found).collect();
            compare(&reports, &expected, &rules, limit);
        }
    }
}

/// A store with one report, which was current at `NOW`.
fn filled(path: &Path) {
    let (mut writer, _) = open(path, "reports", "c@1").expect("opens");
    let kept = writer.begin(TopicId::new(7), NOW).expect("begins");
    assert_eq!(kept.emptied, Some("the store is new"));
    let report = Report {
        organization: "a".to_owned(),
        cluster: "x".to_owned(),
        findings: BTreeMap::from([("r".to_owned(), 2)]),
        text: "{}".to_owned(),
    };
    let change = Change {
        at: Position::new(0, 4),
        timestamp_ms: None,
        identity: Identity::of_key(b"x"),
        report: Some(report),
    };
    let next = BTreeMap::from([(Partition(0), Offset(5))]);
    let batch = Batch { changes: vec![change], next, current_ms: Some(NOW) };
    writer.store(&batch).expect("stored");
}

#[test]
fn a_store_that_cannot_go_on_is_emptied_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("made/on/the/way/reports.sqlite");
    let hours = |hours: i64| NOW + hours * 3_600_000;
    let cases = [
        ("reports", "c@1", TopicId::new(7), hours(11), None),
        ("reports", "c@1", None, hours(1), None),
        ("reports", "c@1", TopicId::new(8), NOW, Some("created again")),
        ("others", "c@1", TopicId::new(7), NOW, Some("another topic")),
        ("reports", "c@2", TopicId::new(7), NOW, Some("contract")),
        ("reports", "c@1", TopicId::new(7), hours(13), Some("12 hours")),
    ];
    for (topic, contract, id, now, expected) in cases {
        let _ = std::fs::remove_file(&path);
        filled(&path);
        let (mut writer, reports) = open(&path, topic, contract).expect("opens");
        assert_eq!(writer.is_too_old(now).expect("read"), now > hours(12));
        let kept = writer.begin(id, now).expect("begins");
        match (kept.emptied, expected) {
            (None, None) => {
                assert_eq!(kept.next, BTreeMap::from([(Partition(0), Offset(5))]));
                assert_eq!(reports.count().expect("counted"), 1);
                assert!(reports.is_complete().expect("read"));
            }
            (Some(found), Some(expected)) => {
                assert!(found.contains(expected), "{found}");
                assert_eq!((kept.next.len(), reports.count().expect("counted")), (0, 0));
                assert_eq!(reports.of_cluster("x", None, 1).expect("read"), None);
                // It is remembered: another start goes on.
                assert_eq!(writer.begin(id, now).expect("begins").emptied, None);
            }
            (found, expected) => panic!("{topic} {contract} {id:?}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn a_file_of_another_program_or_process_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rows.sqlite");
    let rows = Connection::open(&path).expect("opens");
    rows.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").expect("written");
    drop(rows);
    let refused = open(&path, "reports", "c@1").map(|_| ()).expect_err("refused");
    assert!(matches!(refused, StoreError::Foreign(_)), "{refused}");
    let rows = Connection::open(&path).expect("opens");
    assert_eq!(rows.query_row("SELECT a FROM t", [], |row| row.get(0)), Ok(1));

    std::fs::write(folder.path().join("text"), "no database, and longer than its header".repeat(9))
        .expect("written");
    let refused = open(&folder.path().join("text"), "reports", "c@1").map(|_| ());
    assert!(matches!(refused, Err(StoreError::Foreign(_))), "{refused:?}");
    let text = std::fs::read_to_string(folder.path().join("text")).expect("still there");
    assert!(text.starts_with("no database, and"), "{text}");

    let own = folder.path().join("own.sqlite");
    let first = open(&own, "reports", "c@1").expect("opens");
    let second = open(&own, "reports", "c@1").map(|_| ()).expect_err("refused");
    assert!(matches!(second, StoreError::InUse(_)), "{second}");
    drop(first);
    open(&own, "reports", "c@1").expect("the lock is free");
}

#[test]
fn a_store_of_another_version_begins_anew_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reports.sqlite");
    filled(&path);
    let older = Connection::open(&path).expect("opens");
    older.pragma_update(None, "user_version", 0).expect("changed");
    drop(older);
    let (mut writer, _reports) = open(&path, "reports", "c@1").expect("opens");
    assert_eq!(writer.begin(None, NOW).expect("begins").emptied, Some("the store is new"));
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
    }
}
