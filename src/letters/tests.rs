//! Letters that are written to a topic are read again, whatever their records are.

use proptest::prelude::*;

use super::groups::Gathered;
use super::letter::{Kept, Letter};
use super::message;
use super::selection::{Period, Selection};
use crate::record::{
    DeadLetter, Event, Offset, OwnedEvent, Position, Reason, Rejection, UnsentRecord,
};
use crate::sink::dead_letter::About;
use crate::sink::dead_letter::letter_message::Parts;

fn about() -> About {
    let [topic, group, contract] =
        ["orders", "a-group", "contracts.orders#Orders@1"].map(str::to_owned);
    About { topic, group, contract }
}

/// A letter of the record at this offset, itself at `message`.
pub(super) fn letter_at(offset: i64, message: Position) -> Letter {
    let record = UnsentRecord { key: None, headers: Vec::new(), value: Some(b"{}".to_vec()) };
    let [topic, reason, detail, value_sha256] = ["orders", "wrong_type", "", ""].map(str::to_owned);
    Letter {
        topic,
        event: OwnedEvent { at: Position::new(0, offset), timestamp_ms: Some(1), record },
        value_bytes: 2,
        value_sha256,
        previous: None,
        reason,
        detail,
        event_type: None,
        contract: None,
        group: None,
        written_micros: None,
        message: Some(message),
        left_out: None,
        tries: 0,
        standing: None,
    }
}

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
}

/// A letter's record, which may have been a dead letter before.
fn letters() -> impl Strategy<Value = DeadLetter> {
    let name = prop_oneof![
        "[a-z]{0,4}",
        Just("dead_letter.reason".to_owned()),
        Just("dead_letter.offset".to_owned()),
    ];
    let headers = proptest::collection::vec((name, bytes()), 0..4);
    let place = (0..5_i32, 0..1_000_i64, proptest::option::of(0..2_000_000_000_000_i64));
    let why = (
        proptest::sample::select(Reason::ALL),
        "[a-z/: ]{0,20}",
        proptest::option::of("[A-Z]{1,5}"),
    );
    (place, bytes(), headers, bytes(), why, proptest::option::of(0..100_i64)).prop_map(
        |(
            (partition, offset, timestamp_ms),
            key,
            headers,
            value,
            (reason, detail, event_type),
            previous,
        )| {
            let event = Event {
                at: Position::new(partition, offset),
                timestamp_ms,
                key: key.as_deref(),
                value: value.as_deref(),
                headers: &headers,
            };
            let letter = DeadLetter::of(&event, Rejection::new(reason, detail, event_type));
            DeadLetter { previous: previous.map(Offset), ..letter }
        },
    )
}

proptest! {
    #[test]
    fn a_letter_in_a_topic_is_read_as_it_was_written(letter in letters(), cut in 0..12_usize) {
        let whole = Parts::whole(&letter);
        let kept = std::iter::once(whole).chain(Parts::smaller(&letter)).nth(cut).unwrap_or(whole);
        let headers = about().letter_headers(&letter, kept);
        let value = letter.value.as_ref().map(|value| &value[..kept.value]);
        let message = Event {
            at: Position::new(0, 7),
            timestamp_ms: Some(1_000),
            key: letter.key.as_deref().filter(|_| kept.key),
            value,
            headers: &headers,
        };
        let read = message::read(&message).expect("a letter");
        prop_assert_eq!((read.at(), read.event.timestamp_ms), (letter.at, letter.timestamp_ms));
        prop_assert_eq!(&read.reason, letter.rejection.reason.code());
        prop_assert_eq!(&read.detail, &letter.rejection.detail);
        prop_assert_eq!(&read.event_type, &letter.rejection.event_type);
        prop_assert_eq!((read.previous, read.value_bytes), (letter.previous, letter.value_bytes));
        prop_assert_eq!(&read.value_sha256, &letter.value_sha256);
        prop_assert_eq!(read.topic.as_str(), "orders");
        prop_assert_eq!(read.contract.as_deref(), Some("contracts.orders#Orders@1"));
        prop_assert_eq!((read.message, read.written_micros), (Some(message.at), Some(1_000_000)));
        // What says that it is whole has the whole record.
        let record = read.record();
        let same = (&record.key, &record.headers, &record.value)
            == (&letter.key, &letter.headers, &letter.value);
        prop_assert_eq!(read.kept() == Kept::Whole, same);
        let group = Selection { reason: Some(read.reason.clone()), ..Selection::default() };
        prop_assert!(group.has(&read));
        let other = Selection { positions: vec![Position::new(9, 9)], ..group };
        prop_assert!(!other.has(&read));
    }

    /// The groups have all letters, each once, with the ends of their times.
    #[test]
    fn groups_have_every_letter(letters in proptest::collection::vec(letters(), 0..40)) {
        let mut gathered = Gathered::default();
        let mut read = Vec::new();
        for (offset, letter) in (0..).zip(&letters) {
            let headers = about().letter_headers(letter, Parts::whole(letter));
            let message = Event {
                at: Position::new(0, offset),
                timestamp_ms: Some(offset * 10),
                headers: &headers,
                ..Event::unknown(Position::new(0, offset))
            };
            let letter = message::read(&message).expect("a letter");
            gathered.add(&letter);
            read.push(letter);
        }
        let overview = gathered.overview();
        prop_assert_eq!(overview.letters, letters.len() as u64);
        prop_assert_eq!(overview.groups.iter().map(|one| one.letters).sum::<u64>(), overview.letters);
        prop_assert!(overview.groups.is_sorted_by(|one, next| one.letters >= next.letters));
        for group in &overview.groups {
            let of_group = read.iter().filter(|one| {
                (&one.reason, &one.event_type) == (&group.reason, &group.event_type)
            });
            let times: Vec<_> = of_group.map(|one| one.written_micros).collect();
            prop_assert_eq!(times.len() as u64, group.letters);
            prop_assert_eq!((group.first_micros, group.last_micros), (times[0], times[times.len() - 1]));
        }
    }
}

#[test]
fn a_message_that_is_no_letter_is_not_read_as_one() {
    let other = Event { value: Some(b"{}"), ..Event::unknown(Position::new(0, 1)) };
    assert_eq!(message::read(&other), None);
    let headers = vec![("dead_letter.reason".to_owned(), Some(b"empty".to_vec()))];
    assert_eq!(message::read(&Event { headers: &headers, ..other }), None, "without a position");
}

#[test]
fn a_period_ends_before_its_end() {
    let period = Period { from_micros: Some(10), to_micros: Some(20) };
    assert!(period.has(Some(10)) && period.has(Some(19)));
    assert!(!period.has(Some(9)) && !period.has(Some(20)) && !period.has(None));
    assert!(Period::default().has(None));
}
