//! What every call and every request has to carry.

use super::fake::{DEFAULT, LETTERS, TABLE, stream};
use super::*;

/// `x-goog-request-params` of the calls of a method. The service routes by it.
fn routing(rig: &Rig, method: &str) -> Vec<String> {
    let calls = rig.fake.state().calls.clone();
    calls.into_iter().filter(|call| call.0 == method).map(|call| call.1).collect()
}

fn encoded(name: &str) -> String {
    name.replace('/', "%2F")
}

#[tokio::test]
async fn every_call_names_its_resource_in_the_routing_header() {
    let mut rig = Rig::buffered().await;
    rig.append(1, 0, &["a", "bad"]);
    let settled = rig.settled().await;
    let place = settled.place.expect("a place");
    rig.writer.send(Command::Flush(place.into()));
    assert!(matches!(rig.report().await, Report::Flushed(_)));
    let first = super::place(1, 1).expect("a place");
    rig.writer.send(Command::Retire(first.into()));
    while routing(&rig, "FinalizeWriteStream").is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let table = format!("parent={}", encoded(TABLE));
    assert_eq!(routing(&rig, "CreateWriteStream"), [table.clone(), table]);
    let mut appends = routing(&rig, "AppendRows");
    appends.sort();
    let second = encoded(&stream(2));
    let on = |name: &str| format!("write_stream={}", encoded(name));
    assert_eq!(appends, [on(&stream(1)), on(&stream(2)), on(LETTERS)]);
    assert_eq!(routing(&rig, "FlushRows"), [format!("write_stream={second}")]);
    assert_eq!(routing(&rig, "FinalizeWriteStream"), [format!("name={}", encoded(&stream(1)))]);
}

/// Connection, stream, whether a schema came, and offset of each append.
fn introductions(rig: &Rig) -> Vec<(usize, String, bool, Option<i64>)> {
    let seen = rig.fake.state().seen.clone();
    let facts = |seen: fake::Seen| (seen.connection, seen.stream, seen.has_schema, seen.offset);
    seen.into_iter().map(facts).collect()
}

#[tokio::test]
async fn the_first_request_of_a_connection_names_stream_and_schema_and_no_other() {
    for (mode, name, offsets) in [
        (Mode::Buffered, stream(1), [Some(0), Some(2), Some(3)]),
        (Mode::Default, DEFAULT.to_owned(), [None; 3]),
    ] {
        let mut rig = Rig::new(mode).await;
        rig.fake.script("AppendRows", [Fault::Fine, Fault::ThenClosed]);
        let batches: [(i64, &[&str]); 3] = [(0, &["a", "b"]), (2, &["c"]), (3, &["d"])];
        for (id, (first, rows)) in (1..).zip(batches) {
            rig.append(id, first, rows);
            assert_eq!(rig.settled().await.batch, BatchId(id));
            // Time for the service's closing to arrive.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(
            introductions(&rig),
            [
                (0, name.clone(), true, offsets[0]),
                (0, String::new(), false, offsets[1]),
                (1, name, true, offsets[2]),
            ]
        );
        assert_eq!(rig.retries(), 0, "a connection closed while idle is no failure");
    }
}
