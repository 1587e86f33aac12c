//! Any body: the answer names exactly the bad events, and what is published is what was sent.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::app::Judge;
use crate::app::Verdict;
use crate::record::UnsentRecord;

/// The text of a JSON value that may be an event.
fn value() -> impl Strategy<Value = String> {
    let space = "[ \t]{0,2}";
    let amount = prop_oneof![
        "-?[1-9][0-9]{0,3}(\\.[0-9]{1,3})?",
        Just("1e2".to_owned()),
        Just("\"7\"".to_owned()),
        Just("null".to_owned()),
    ];
    let kind = prop_oneof![
        6 => Just("Paid".to_owned()),
        2 => Just("Sent".to_owned()),
        1 => Just("Viewed".to_owned()),
        1 => "[a-zé]{0,4}",
    ];
    let event =
        (space, kind, space, amount, any::<bool>()).prop_map(|(a, kind, b, amount, twice)| {
            let again = if twice { r#","amount":5"# } else { "" };
            format!("{{{a}\"event_type\":{a}\"{kind}\"{b},\"amount\":{b}{amount}{again}}}")
        });
    prop_oneof![
        8 => event,
        1 => Just("{}".to_owned()),
        1 => Just("[1,2]".to_owned()),
        1 => Just("null".to_owned()),
        1 => "\"[a-z]{0,3}\"",
    ]
}

#[test]
fn exactly_the_bad_events_are_named_and_bytes_stay_as_they_are() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let rig = runtime.block_on(Rig::start(Setup::default()));
    let domain = domain(IN_PAYLOAD, &["Viewed".to_owned()]);
    let mut judge = Judge::new(&domain, Clock::System.now_micros()).expect("a plan");
    let mut is_good = |text: &str| {
        let value = Some(text.as_bytes().to_vec());
        let record = UnsentRecord { value, ..UnsentRecord::default() };
        !matches!(judge.verdict(&record, 0), Verdict::Rejected(_))
    };
    let mut published: Vec<String> = Vec::new();
    let cases = (proptest::collection::vec(value(), 1..8), any::<bool>(), any::<bool>());
    let mut runner =
        TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let values = std::cell::RefCell::new(Vec::new());
    runner
        .run(&cases, |(events, lines, partial)| {
            values.borrow_mut().push((events, lines, partial));
            Ok(())
        })
        .expect("generated");
    for (events, lines, partial) in values.into_inner() {
        let (kind, body) = match lines {
            true => ("application/x-ndjson", events.join("\n")),
            false => (JSON, format!("[{}]", events.join(" , "))),
        };
        let url = format!("{}/v1/events?partial={partial}", rig.url);
        let request = rig.client.post(url).header("content-type", kind).body(body.clone());
        let (status, answered) = runtime.block_on(answer(request));
        let good: Vec<bool> = events.iter().map(|text| is_good(text)).collect();
        let bad: Vec<usize> = (0..events.len()).filter(|index| !good[*index]).collect();
        let some = bad.len() < events.len();
        let expected = match (bad.is_empty(), partial && some) {
            (true, _) => 202,
            (false, true) => 207,
            (false, false) => 422,
        };
        assert_eq!(status, expected, "{body}\n{answered}");
        let named = answered["events"].as_array().expect("events").iter();
        let refused = named.filter(|event| event["status"] == 422);
        let indices: Vec<usize> =
            refused.map(|event| event["index"].as_u64().expect("a number") as usize).collect();
        assert_eq!(indices, bad, "{body}\n{answered}");
        if status != 422 {
            let sent = events.into_iter().zip(good).filter(|(_, good)| *good);
            published.extend(sent.map(|(text, _)| text));
        }
    }
    let stored = rig.stored().into_iter();
    let mut stored: Vec<String> =
        stored.map(|record| String::from_utf8(record.value).expect("UTF-8")).collect();
    stored.sort();
    published.sort();
    assert!(stored.len() > 100);
    assert_eq!(stored, published);
    drop(rig);
}
