//! The keys of the steps before a row: which belong together, and what an instance's file may allow.

use std::time::Duration;

use super::*;

/// How the names of these keys begin.
pub(super) const KEYS: [&str; 6] = ["FETCH", "OBJECT_", "RULE", "REPORT_", "RULES", "TRACKER_"];

/// As defaults of all domains, which are no mistakes where they mean nothing.
const VALID: &str = "\
RULES=rules.ccx_v1
REPORT_PATH=contracts.ccx.report_v1
REPORT_OBJECT=Reports
FETCH=/url
FETCH_ALLOW=https://a.example
TRACKER_TOPIC=status
TRACKER_SERVICE=ccx
";

/// A valid configuration with rules, without one key.
pub(super) fn valid_without(base: &str) -> Sources {
    let given = format!("{base}=");
    let kept = VALID.lines().filter(|line| !line.starts_with(&given));
    Sources::valid().env(&kept.collect::<Vec<_>>().join("\n"))
}

fn steps(sources: &Sources) -> Option<StepSettings> {
    sources.settings().steps
}

#[test]
fn the_least_that_is_needed_and_the_defaults() {
    assert!(steps(&Sources::valid()).is_none());
    let all = steps(&valid_without("none")).expect("steps");
    assert_eq!(
        (all.rules.as_str(), all.report.import_object.as_str()),
        ("rules.ccx_v1", "Reports")
    );
    let fetch = all.fetch.expect("an object");
    assert_eq!((fetch.url, fetch.concurrency), (vec!["url".to_owned()], 4));
    assert_eq!((fetch.bytes, fetch.timeout), (128 << 20, Duration::from_secs(60)));
    assert!(steps(&valid_without("FETCH")).expect("steps").fetch.is_none());
    assert!(steps(&valid_without("TRACKER_TOPIC")).expect("steps").tracker.is_none());
    let tracker = all.tracker.expect("a payload tracker");
    assert_eq!((tracker.topic.as_str(), tracker.service.as_str()), ("status", "ccx"));
    assert_eq!((tracker.request, tracker.org), (vec!["request_id".to_owned()], None));
}

#[test]
fn what_is_missing_is_named() {
    for base in ["REPORT_PATH", "REPORT_OBJECT", "FETCH_ALLOW"] {
        assert_eq!(valid_without(base).mistake().key, format!("{base}_DELIVERY"), "{base}");
    }
}

/// Whoever sets them expects something to be fetched, or rules to be applied.
#[test]
fn a_domains_own_keys_that_mean_nothing_are_mistakes() {
    for (line, without) in [
        ("FETCH_DELIVERY=/url", "RULES"),
        ("FETCH_ALLOW_DELIVERY=https://a.example", "RULES"),
        ("REPORT_PATH_DELIVERY=a", "RULES"),
        ("OBJECT_SIZE_DELIVERY=/size", "RULES"),
        ("TRACKER_TOPIC_DELIVERY=status", "RULES"),
        ("TRACKER_ORG_DELIVERY=/org", "RULES"),
    ] {
        let mistake = Sources::valid().env(line).mistake();
        assert!(mistake.found.contains(without), "{line}: {mistake}");
    }
    let mistake = valid_without("FETCH").env("OBJECT_SHA256_DELIVERY=/sha256").mistake();
    assert!(mistake.found.contains("without FETCH"), "{mistake}");
    let mistake = valid_without("TRACKER_TOPIC").env("TRACKER_ACCOUNT_DELIVERY=/account").mistake();
    assert!(mistake.found.contains("without TRACKER_TOPIC"), "{mistake}");
    let off = "TRACKER_TOPIC_DELIVERY=\nTRACKER_ACCOUNT_DELIVERY=/account";
    assert!(steps(&valid_without("none").env(off)).expect("steps").tracker.is_none());
    assert!(Sources::valid().env("FETCH_DELIVERY=\nOBJECT_SIZE_DELIVERY=").load().is_ok());
}

/// Addresses of a cluster's own network are not for whoever owns a domain.
#[test]
fn an_instances_file_lists_no_addresses() {
    for (allow, is_refused) in [
        ("https://a.example, s3://archives", false),
        ("10.0.0.0/8", true),
        ("https://a.example, 169.254.169.254", true),
        ("http://127.0.0.1:9000", true),
    ] {
        let lines = VALID.replace("FETCH_ALLOW=https://a.example", "");
        let line = format!("{lines}FETCH_ALLOW_DELIVERY='{allow}'");
        let mistakes = super::instance_file::instance().env(&line).load().err();
        let found = mistakes.into_iter().flat_map(|mistakes| mistakes.list);
        let refused: Vec<_> =
            found.filter(|mistake| mistake.key.starts_with("FETCH_ALLOW")).collect();
        assert_eq!(!refused.is_empty(), is_refused, "{allow}: {refused:?}");
    }
}
