//! Which values each type takes, and how they are kept.

use proptest::prelude::*;

use super::super::columns::{Column, Mode};
use super::*;

fn kept(scalar: Scalar<'_>, kind: Kind) -> Value {
    convert(scalar, kind).expect("taken")
}

fn refused(scalar: Scalar<'_>, kind: Kind) -> String {
    convert(scalar, kind).expect_err("refused")
}

#[test]
fn timestamps_are_microseconds_from_year_1_to_9999() {
    let kept = |micros| kept(Scalar::Int(micros), Kind::Timestamp);
    assert_eq!(kept(0), "1970-01-01T00:00:00.000000Z");
    assert_eq!(kept(-1), "1969-12-31T23:59:59.999999Z");
    assert_eq!(kept(1_795_257_000_123_456), "2026-11-21T10:30:00.123456Z");
    assert_eq!(kept(-62_135_596_800_000_000), "0001-01-01T00:00:00.000000Z");
    assert_eq!(kept(253_402_300_799_999_999), "9999-12-31T23:59:59.999999Z");
    for beyond in [-62_135_596_800_000_001, 253_402_300_800_000_000, i64::MIN, i64::MAX] {
        assert!(refused(Scalar::Int(beyond), Kind::Timestamp).contains("out of range"));
    }
}

#[test]
fn timestamp_literals_are_utc_unless_they_say_otherwise() {
    for text in [
        "2026-11-21T10:30:00Z",
        "2026-11-21 10:30:00",
        "2026-11-21 10:30:00 UTC",
        "2026-11-21T12:30:00+02:00",
    ] {
        let kept = kept(Scalar::Text(text), Kind::Timestamp);
        assert_eq!(kept, "2026-11-21T10:30:00.000000Z", "{text}");
    }
    assert!(refused(Scalar::Text("soon"), Kind::Timestamp).contains("soon"));
}

#[test]
fn dates_are_days_from_year_1_to_9999() {
    assert_eq!(kept(Scalar::Int(0), Kind::Date), "1970-01-01");
    assert_eq!(kept(Scalar::Int(-719_162), Kind::Date), "0001-01-01");
    assert_eq!(kept(Scalar::Int(2_932_896), Kind::Date), "9999-12-31");
    assert_eq!(kept(Scalar::Text("2026-2-3"), Kind::Date), "2026-02-03");
    for beyond in [-719_163, 2_932_897, i64::MIN, i64::MAX] {
        assert!(refused(Scalar::Int(beyond), Kind::Date).contains("out of range"));
    }
    for wrong in ["2026-02-30", "26-02-03", "2026-02", "2026-02-03T00:00:00", "0000-01-01"] {
        assert!(refused(Scalar::Text(wrong), Kind::Date).contains(wrong));
    }
}

#[test]
fn datetimes_and_times_are_literals_or_packed() {
    let datetime = |text| convert(Scalar::Text(text), Kind::Datetime);
    assert_eq!(datetime("2026-11-21 10:00:00.5"), Ok(json!("2026-11-21T10:00:00.500000")));
    assert_eq!(datetime("2026-11-21T9:5:1"), Ok(json!("2026-11-21T09:05:01.000000")));
    assert_eq!(datetime("2026-11-21"), Ok(json!("2026-11-21T00:00:00.000000")));
    for wrong in ["2026-11-21T10:00:00Z", "2026-11-21 24:00:00", "2026-11-21 10:00:00.1234567", ""]
    {
        assert!(datetime(wrong).is_err(), "{wrong}");
    }
    let time = |text| convert(Scalar::Text(text), Kind::Time);
    assert_eq!(time("23:59:59.999999"), Ok(json!("23:59:59.999999")));
    for wrong in ["23:59", "23:59:60", "+1:00:00", "23:59:59."] {
        assert!(time(wrong).is_err(), "{wrong}");
    }
    // 12:34:56.000789 on 2026-11-21.
    let packed_time = 12 << 32 | 34 << 26 | 56 << 20 | 789;
    let packed = 2026 << 46 | 11 << 42 | 21 << 37 | packed_time;
    assert_eq!(kept(Scalar::Int(packed_time), Kind::Time), "12:34:56.000789");
    assert_eq!(kept(Scalar::Int(packed), Kind::Datetime), "2026-11-21T12:34:56.000789");
    assert!(convert(Scalar::Int(-1), Kind::Datetime).is_err());
    assert!(convert(Scalar::Int(61 << 20), Kind::Time).is_err());
}

#[test]
fn decimals_stay_exact_and_in_range() {
    let numeric = |text| convert(Scalar::Text(text), Kind::Numeric);
    for (text, expected) in [
        ("0", "0"),
        ("-0.00", "0"),
        ("+1.50", "1.5"),
        ("1e3", "1000"),
        ("12e-3", "0.012"),
        ("99999999999999999999999999999.999999999", "99999999999999999999999999999.999999999"),
        (".5", "0.5"),
    ] {
        assert_eq!(numeric(text), Ok(json!(expected)), "{text}");
    }
    for wrong in [
        "100000000000000000000000000000",
        "0.0000000001",
        "1e400",
        "1e2147483647",
        "NaN",
        "1,5",
        "",
        ".",
        "-",
        "1e",
        "0x10",
    ] {
        assert!(numeric(wrong).is_err(), "{wrong}");
    }
    let big = |text| convert(Scalar::Text(text), Kind::BigNumeric);
    let most = "578960446186580977117854925043439539266.34992332820282019728792003956564819967";
    assert_eq!(big(most), Ok(json!(most)));
    assert!(
        big("578960446186580977117854925043439539266.34992332820282019728792003956564819968")
            .is_err()
    );
    let least = "-578960446186580977117854925043439539266.34992332820282019728792003956564819968";
    assert_eq!(big(least), Ok(json!(least)));
    assert_eq!(kept(Scalar::Double(0.1), Kind::Numeric), "0.1");
    assert_eq!(kept(Scalar::Unsigned(u64::MAX), Kind::Numeric), "18446744073709551615");
    assert!(convert(Scalar::Double(f64::NAN), Kind::Numeric).is_err());
}

proptest! {
    #[test]
    fn decimal_bytes_and_decimal_text_agree(scaled in any::<i128>()) {
        let bytes = scaled.to_le_bytes();
        let (sign, size) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
        let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
        let (from_bytes, from_text) = (
            convert(Scalar::Bytes(&bytes), Kind::Numeric),
            convert(Scalar::Text(&text), Kind::Numeric),
        );
        prop_assert_eq!(from_bytes.is_ok(), size < 10_u128.pow(38));
        prop_assert_eq!(from_bytes.ok(), from_text.ok());
    }

    #[test]
    fn a_kept_decimal_is_kept_as_it_is(whole in 0_u64.., fraction in 0_u32..1_000_000_000) {
        let text = format!("{whole}.{fraction:09}");
        let once = kept(Scalar::Text(&text), Kind::Numeric);
        let again = kept(Scalar::Text(once.as_str().expect("text")), Kind::Numeric);
        prop_assert_eq!(once, again);
    }

    #[test]
    fn a_timestamp_comes_back_as_it_was(micros in -62_135_596_800_000_000..=253_402_300_799_999_999_i64) {
        let column = Column { name: "t".to_owned(), kind: Kind::Timestamp, mode: Mode::Nullable, fields: vec![] };
        let stored = kept(Scalar::Int(micros), Kind::Timestamp);
        prop_assert_eq!(shown(Some(&stored), &column, true), json!(micros.to_string()));
        let seconds = shown(Some(&stored), &column, false);
        let seconds: f64 = seconds.as_str().expect("text").parse().expect("a float");
        prop_assert!((seconds - micros as f64 / 1e6).abs() < 1e-4);
    }
}

#[test]
fn the_rest_is_taken_as_documented_or_not_at_all() {
    assert_eq!(kept(Scalar::Text("{\"a\": [1, null]}"), Kind::Json), json!({ "a": [1, null] }));
    assert!(refused(Scalar::Text("{a: 1}"), Kind::Json).contains("Invalid JSON"));
    assert!(refused(Scalar::Text(""), Kind::Json).contains("Invalid JSON"));
    assert_eq!(kept(Scalar::Bytes(&[0, 255]), Kind::Bytes), "AP8=");
    assert_eq!(kept(Scalar::Int(2), Kind::Boolean), true);
    assert_eq!(kept(Scalar::Double(f64::NEG_INFINITY), Kind::Float), "-Infinity");
    assert!(refused(Scalar::Unsigned(1 << 63), Kind::Integer).contains("out of range"));
    assert!(
        refused(Scalar::Text("1"), Kind::Integer).contains("Cannot convert a string to INTEGER")
    );
    assert!(refused(Scalar::Int(1), Kind::String).contains("Cannot convert an integer to STRING"));
}

#[test]
fn days_end_where_streaming_ends() {
    // 2026-11-21
    let days = Days::around(1_795_219_200_000_000).expect("a date");
    for (day, streams) in [
        ("2021-11-21", false),
        ("2021-11-22", true),
        ("2026-11-21T23:00:00.000000Z", true),
        ("2027-11-22T00:00:00.000000Z", true),
        ("2027-11-23", false),
    ] {
        assert_eq!(days.contain(day), streams, "{day}");
    }
}
