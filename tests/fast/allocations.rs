//! An accepted event allocates nothing: neither in the plan nor in the buffer, once both have
//! grown to their size.

#![expect(unsafe_code, reason = "a global allocator that counts and passes on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use generic_consumer::app::{Domain, RowOptions};
use generic_consumer::config::TableRules;
use generic_consumer::contract;
use generic_consumer::record::{Event, Position, Transcoded};
use generic_consumer::row::RowBuffer;
use generic_consumer::transcode::{Ingestion, Plan};
use serde_json::json;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Of this thread alone: other tests run beside this one.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends has no counter any more, and is none of ours.
    let _ = ALLOCATIONS.try_with(|counted| counted.set(counted.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Every kind of column, nested and repeated, with drift, escapes, headers and key order changing.
fn values() -> Vec<String> {
    let event = |number: usize| {
        let members = [
            r#""id":"sch\u00f6n \"x\"","count":12.0,"weight":0.1"#.to_owned(),
            r#""at":"2026-11-21T10:00:00+01:00","day":"2026-11-21","price":"1.50""#.to_owned(),
            r#""raw":"AAEC","ok":true,"tags":["a","b"],"free":{"a":[1,{"b":null}]}"#.to_owned(),
            format!(r#""address":{{"city":"x","new":{number}}},"new":[{number}],"none":null"#),
        ];
        let (first, last) = members.split_at(number % 4);
        format!(r#"{{"event_type":"A",{}}}"#, [last, first].concat().join(", "))
    };
    let ignored = (0..4).map(|_| r#"{"x":[1,{"y":"\n"}],"event_type":"Ignored"}"#.to_owned());
    (0..100).map(event).chain(ignored).collect()
}

fn plan() -> Plan {
    let payload = json!({"type": "object", "required": ["id"], "properties": {
        "event_type": {"type": "string"},
        "id": {"type": "string"},
        "count": {"type": "integer"},
        "weight": {"type": "number"},
        "at": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "price": {"type": "string", "format": "decimal"},
        "raw": {"type": "string", "contentEncoding": "base64"},
        "ok": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object"},
        "none": {"type": "string"},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
    }});
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {"title": "test", "version": "1"},
        "channels": {"Topic": {"address": "topic", "messages": {"A": {"payload": payload}}}},
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("test.json"), document.to_string()).unwrap();
    let contract = contract::load(folder.path(), "test", "Topic", &[]).unwrap();
    let (partition_by, ignore) = ("at".to_owned(), vec!["Ignored".to_owned()]);
    let options = RowOptions {
        table: TableRules::BigQuery { partition_by },
        ignore,
        ..RowOptions::default()
    };
    let domain = Domain::new(contract, options).unwrap();
    domain.plan(&domain.columns).unwrap()
}

#[test]
fn an_accepted_event_allocates_nothing() {
    let mut plan = plan();
    let values = values();
    let headers = vec![
        ("trace".to_owned(), Some(b"abc".to_vec())),
        ("raw".to_owned(), Some(b"\xff\xfe".to_vec())),
        ("trace".to_owned(), None),
    ];
    let mut allocations = Vec::new();
    for _ in 0..2 {
        // Positions and ends grow with the rows; a buffer of the right size shows the rest.
        let mut rows = RowBuffer::with_capacity(1 << 20);
        for value in values.iter().chain(&values) {
            let event = Event {
                at: Position::new(0, 1),
                timestamp_ms: Some(1),
                key: Some(b"key"),
                value: Some(value.as_bytes()),
                headers: &headers,
            };
            let before = ALLOCATIONS.get();
            match plan.transcode(&event, Ingestion::at(1_795_255_200_000_000), &mut rows) {
                Transcoded::Row | Transcoded::Ignored(_) => {}
                Transcoded::Rejected(why) => panic!("{why:?} of {value}"),
            }
            allocations.push(ALLOCATIONS.get() - before);
        }
        assert_eq!(rows.len(), 200);
    }
    let warm = &allocations[values.len() * 2..];
    // One in 64 events with undeclared members is looked at for their paths: four of these events at most.
    let mut warm = warm.to_vec();
    warm.sort_unstable();
    warm.truncate(warm.len() - 4);
    // The buffer's two lists double from 4 to 256 entries: seven times each.
    let total: usize = warm.iter().sum();
    assert!(total <= 14, "{total} allocations of {} events", warm.len());
    assert!(allocations[0] > 0, "the allocator is not counted");
}
