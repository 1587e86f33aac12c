//! Dead letters as points.

use super::reader::Field;
use super::rig::{NOW, Rig, Settled, letter};
use crate::record::{DeadLetter, Event, Position, Reason, Rejection};
use crate::sink::DeadLimit;

fn rejected(offset: i64) -> DeadLetter {
    let why = Rejection::new(Reason::WrongType, "amount is text".to_owned(), None);
    letter(Position::new(3, offset), why)
}

#[tokio::test]
async fn a_letter_is_a_point_with_its_reason_as_a_tag() {
    let mut rig = Rig::start().await;
    rig.send(&[(1, "ok")], vec![rejected(2)]);
    let letters = vec![Reason::WrongType];
    assert_eq!(rig.settled().await, Settled { batch: 1, rows: 1, letters });
    // Written again, it overwrites itself.
    rig.send(&[], vec![rejected(2)]);
    rig.settled().await;
    let points = rig.fake.points("low_dead_letters");
    let [(point, 2)] = points.as_slice() else { panic!("{points:?}") };
    let tags: Vec<_> = point.tags.values().map(String::as_str).collect();
    assert_eq!(tags, ["3", "amounts", "wrong_type"]);
    assert_eq!(point.time, NOW * 1_000 + 2);
    let text = |name: &str| match &point.fields[name] {
        Field::Text(text) => text.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(text("detail"), "amount is text");
    assert_eq!(text("value"), "cmVjb3JkIDI=");
    assert_eq!(point.fields["value_bytes"], Field::Integer(8));
    assert_eq!(text("value_sha256").len(), 64);
    assert_eq!((text("_contract"), text("consumer_group")), ("contract".into(), "group".into()));
}

#[tokio::test]
async fn a_long_value_is_cut() {
    let mut rig = Rig::start().await;
    let value = Some(vec![b'x'; 200_000]);
    let headers = vec![("h".to_owned(), Some(vec![b'h'; 100_000]))];
    rig.send(&[], vec![DeadLetter { value, headers, value_bytes: 200_000, ..rejected(2) }]);
    rig.settled().await;
    let point = &rig.fake.points("low_dead_letters")[0].0;
    assert!(matches!(&point.fields["value"], Field::Text(text) if text.len() == 65_536));
    assert_eq!(point.fields["value_bytes"], Field::Integer(200_000));
    assert!(!point.fields.contains_key("_kafka_headers"));
}

#[tokio::test]
async fn a_letter_that_is_refused_loses_its_record_and_its_time() {
    let mut rig = Rig::start().await;
    rig.fake.refuse(
        "cmVjb3JkIDI=",
        400,
        "partial write: points beyond retention policy dropped={dropped}",
    );
    rig.send(&[], vec![rejected(1), rejected(2), rejected(3)]);
    assert_eq!(rig.settled().await.letters.len(), 3);
    let points = rig.fake.points("low_dead_letters");
    let valued: Vec<bool> =
        points.iter().map(|(point, _)| point.fields.contains_key("value")).collect();
    assert_eq!(valued, [true, false, true]);
}

#[tokio::test]
async fn a_letter_whose_time_is_refused_keeps_its_record() {
    let mut rig = Rig::start().await;
    let of_the_record = format!(" {}", NOW * 1_000 + 2);
    rig.fake.refuse(
        &of_the_record,
        400,
        "partial write: points beyond retention policy dropped={dropped}",
    );
    let old = DeadLetter { timestamp_ms: Some(NOW / 1_000), ..rejected(2) };
    rig.send(&[], vec![old]);
    assert_eq!(rig.settled().await.letters.len(), 1);
    let points = rig.fake.points("low_dead_letters");
    let [(point, _)] = points.as_slice() else { panic!("{points:?}") };
    assert!(point.fields.contains_key("value"));
}

#[tokio::test]
async fn a_record_without_a_time_or_beyond_all_times_has_a_letter_all_the_same() {
    let mut rig = Rig::start().await;
    let unknown = |offset, timestamp_ms| {
        let why = Rejection::new(Reason::OutOfRange, String::new(), None);
        let letter = DeadLetter::of(&Event::unknown(Position::new(3, offset)), why);
        DeadLetter { timestamp_ms, ..letter }
    };
    rig.send(&[], vec![unknown(1, None), unknown(2, Some(i64::MAX / 2))]);
    rig.settled().await;
    let times: Vec<i64> =
        rig.fake.points("low_dead_letters").iter().map(|(point, _)| point.time).collect();
    assert_eq!(times, [NOW * 1_000 + 1, NOW * 1_000 + 2]);
}

/// A letter that no server takes stops the instance; its record is not lost.
#[tokio::test]
async fn a_letter_that_is_refused_twice_stops_the_writer() {
    let mut rig = Rig::start().await;
    rig.fake.refuse("wrong_type", 400, "partial write: field type conflict dropped={dropped}");
    rig.send(&[], vec![rejected(1)]);
    let stop = rig.failed().await;
    assert_eq!(stop.what, "write to events/low_dead_letters");
}

/// The broker no longer has the record of a row that the server refuses.
#[tokio::test]
async fn a_refused_row_without_its_record_has_a_letter_of_its_position() {
    let mut rig = Rig::start().await;
    rig.fake.refuse("bad", 400, "partial write: field type conflict dropped={dropped}");
    rig.send(&[(403, "ok"), (404, "bad")], Vec::new());
    let settled = rig.settled().await;
    assert_eq!((settled.rows, settled.letters), (1, vec![Reason::RowError]));
    assert_eq!(rig.written("low_dead_letters"), [(404, 1)]);
    let point = &rig.fake.points("low_dead_letters")[0].0;
    assert_eq!(point.fields["_kafka_previous"], Field::Integer(403));
    assert!(
        matches!(&point.fields["detail"], Field::Text(text) if text.starts_with("InfluxDB refuses"))
    );
}

#[tokio::test]
async fn more_refused_points_than_are_allowed_stop_it_before_their_letters() {
    let mut rig = Rig::start().await;
    rig.limit = DeadLimit::new("50%".parse().expect("a share"), 4, 1);
    rig.fake.refuse("bad", 400, "partial write: points beyond retention policy dropped={dropped}");
    rig.send(&[(1, "ok"), (2, "bad"), (3, "bad"), (4, "ok")], Vec::new());
    let stop = rig.failed().await;
    assert!(stop.what.starts_with("3 of 4 records"), "{}", stop.what);
    let why = stop.source.expect("a reason").to_string();
    assert!(why.starts_with("the sink refuses 2 rows; the first is 3@2: "), "{why}");
    assert!(rig.fake.points("low_dead_letters").is_empty());
}
