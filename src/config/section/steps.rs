//! The keys of the steps before an event becomes a row: fetch and rules.

use crate::config::allow::AllowList;
use crate::config::keys::{
    FETCH, FETCH_ALLOW, Key, OBJECT_BYTES, OBJECT_CONCURRENCY, OBJECT_FILE_BYTES, OBJECT_FILES,
    OBJECT_IDLE_MS, OBJECT_SHA256, OBJECT_SIZE, OBJECT_TIMEOUT_MS, OBJECT_UNPACKED_BYTES,
    REPORT_OBJECT, REPORT_PATH, RULE_SETS_DIR, RULES, TRACKER_ACCOUNT, TRACKER_ORG,
    TRACKER_REQUEST, TRACKER_SERVICE, TRACKER_TOPIC,
};
use crate::config::layer::RawSetting;
use crate::config::resolver::Resolver;
use crate::config::settings::{FetchSettings, ReportSettings, StepSettings, TrackerSettings};
use crate::config::values::{self, Wrong, bytes, milliseconds, number};

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
/// An hour.
const LONGEST_MS: u64 = 3_600_000;

/// The keys that mean nothing without FETCH.
const OF_FETCH: &[&Key] = &[&FETCH_ALLOW, &OBJECT_SIZE, &OBJECT_SHA256];
/// The keys that mean nothing without RULES.
const OF_RULES: &[&Key] = &[&FETCH, &REPORT_PATH, &REPORT_OBJECT, &TRACKER_TOPIC];
/// The keys that mean nothing without TRACKER_TOPIC.
const OF_TRACKER: &[&Key] = &[&TRACKER_SERVICE, &TRACKER_REQUEST, &TRACKER_ORG, &TRACKER_ACCOUNT];

/// `Some(None)`: events become rows as they are.
pub fn read(resolver: &mut Resolver<'_>) -> Option<Option<StepSettings>> {
    let rules = resolver.optional(&RULES, super::contract::document);
    if let Some(None) = rules {
        let valid = [OF_RULES, OF_FETCH, OF_TRACKER].map(|keys| needless(resolver, keys, "RULES"));
        return (!valid.contains(&false)).then_some(None);
    }
    let dir = resolver.required(&RULE_SETS_DIR, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(text.into()),
    });
    let report = report(resolver);
    let fetch = fetch(resolver);
    let tracker = tracker(resolver);
    Some(Some(StepSettings {
        rules: rules??,
        rules_dir: dir?,
        report: report?,
        fetch: fetch?,
        tracker: tracker?,
    }))
}

/// Records the domain's own keys among these as mistakes; a default of all domains is none. False if
/// there was one.
fn needless(resolver: &mut Resolver<'_>, keys: &[&'static Key], without: &str) -> bool {
    let mut valid = true;
    for key in keys {
        let is_own = |it: &&RawSetting| it.written != key.base && !it.text.is_empty();
        let Some(setting) = resolver.find(key).filter(is_own) else {
            continue;
        };
        let found = format!("a key that means nothing without {without}");
        resolver.mistake(setting, found, format!("this key with {without}, or neither"));
        valid = false;
    }
    valid
}

fn report(resolver: &mut Resolver<'_>) -> Option<ReportSettings> {
    let import_path = resolver.required(&REPORT_PATH, super::contract::document);
    let import_object = resolver.required(&REPORT_OBJECT, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(text.to_owned()),
    });
    Some(ReportSettings { import_path: import_path?, import_object: import_object? })
}

fn fetch(resolver: &mut Resolver<'_>) -> Option<Option<FetchSettings>> {
    let url = resolver.optional(&FETCH, values::pointer);
    if let Some(None) = url {
        return needless(resolver, OF_FETCH, "FETCH").then_some(None);
    }
    let allow = resolver.required(&FETCH_ALLOW, AllowList::parse);
    let size = resolver.optional(&OBJECT_SIZE, values::pointer);
    let sha256 = resolver.optional(&OBJECT_SHA256, values::pointer);
    let object_bytes = resolver.required(&OBJECT_BYTES, |text| bytes(text, KIB, 64 * GIB));
    let unpacked = resolver.required(&OBJECT_UNPACKED_BYTES, |text| bytes(text, KIB, 1024 * GIB));
    let entry = resolver.required(&OBJECT_FILE_BYTES, |text| bytes(text, KIB, GIB));
    let entries = resolver.required(&OBJECT_FILES, |text| number(text, 1, 100_000_000));
    let timeout = resolver.required(&OBJECT_TIMEOUT_MS, |text| at_least_a_tenth(text, LONGEST_MS));
    let idle = resolver.required(&OBJECT_IDLE_MS, |text| at_least_a_tenth(text, LONGEST_MS));
    let concurrency = resolver.required(&OBJECT_CONCURRENCY, |text| number(text, 1, 256));
    Some(Some(FetchSettings {
        url: url??,
        allow: allow?,
        size: size?,
        sha256: sha256?,
        bytes: object_bytes? as u64,
        unpacked_bytes: unpacked? as u64,
        entry_bytes: entry?,
        entries: usize::try_from(entries?).ok()?,
        timeout: timeout?,
        idle: idle?,
        concurrency: usize::try_from(concurrency?).ok()?,
    }))
}

fn tracker(resolver: &mut Resolver<'_>) -> Option<Option<TrackerSettings>> {
    let topic = resolver.optional(&TRACKER_TOPIC, values::topic);
    if let Some(None) = topic {
        // Set and empty: it is turned off, and the keys beside it may stay.
        let is_off = resolver.find(&TRACKER_TOPIC).is_some();
        return (is_off || needless(resolver, OF_TRACKER, "TRACKER_TOPIC")).then_some(None);
    }
    let service = resolver.required(&TRACKER_SERVICE, service);
    let request = resolver.required(&TRACKER_REQUEST, values::pointer);
    let org = resolver.optional(&TRACKER_ORG, values::pointer);
    let account = resolver.optional(&TRACKER_ACCOUNT, values::pointer);
    Some(Some(TrackerSettings {
        topic: topic??,
        service: service?,
        request: request?,
        org: org?,
        account: account?,
    }))
}

fn service(text: &str) -> Result<String, Wrong> {
    const LONGEST: usize = 100;
    let printable = text.chars().all(|c| !c.is_control()) && text.len() <= LONGEST;
    if text.is_empty() || !printable { Err(Wrong::plain()) } else { Ok(text.to_owned()) }
}

/// A time in which a server can answer.
fn at_least_a_tenth(text: &str, most: u64) -> Result<std::time::Duration, Wrong> {
    let time = milliseconds(text, most)?;
    if time.as_millis() < 100 { Err(Wrong::plain()) } else { Ok(time) }
}
