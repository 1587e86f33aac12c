//! Which values each type accepts, and how the store keeps them.

use proptest::prelude::*;

use super::super::field_schema::{FieldMode, FieldSchema};
use super::*;

/// What the store keeps, parsed.
fn converted(scalar: Scalar<'_>, kind: FieldType) -> Result<Value, String> {
    convert(scalar, kind).map(|cell| serde_json::to_value(cell).expect("JSON"))
}

fn stored(scalar: Scalar<'_>, kind: FieldType) -> Value {
    converted(scalar, kind).expect("accepted")
}

fn refused(scalar: Scalar<'_>, kind: FieldType) -> String {
    convert(scalar, kind).expect_err("refused")
}

/// A column's value in the form of `tabledata.list`.
fn list(cell: &Cell, kind: FieldType, int64_timestamps: bool) -> Value {
    let column =
        FieldSchema { name: "t".to_owned(), kind, mode: FieldMode::Nullable, fields: vec![] };
    listed(Some(cell), &column, int64_timestamps).expect("listed")
}

#[test]
fn timestamps_are_microseconds_from_year_1_to_9999() {
    let stored = |micros| stored(Scalar::Int(micros), FieldType::Timestamp);
    assert_eq!(stored(0), "1970-01-01T00:00:00.000000Z");
    assert_eq!(stored(-1), "1969-12-31T23:59:59.999999Z");
    assert_eq!(stored(1_795_257_000_123_456), "2026-11-21T10:30:00.123456Z");
    assert_eq!(stored(-62_135_596_800_000_000), "0001-01-01T00:00:00.000000Z");
    assert_eq!(stored(253_402_300_799_999_999), "9999-12-31T23:59:59.999999Z");
    for beyond in [-62_135_596_800_000_001, 253_402_300_800_000_000, i64::MIN, i64::MAX] {
        assert!(refused(Scalar::Int(beyond), FieldType::Timestamp).contains("out of range"));
    }
}

#[test]
fn timestamp_literals_without_a_time_zone_are_in_utc() {
    for text in [
        "2026-11-21T10:30:00Z",
        "2026-11-21 10:30:00",
        "2026-11-21 10:30:00 UTC",
        "2026-11-21T12:30:00+02:00",
    ] {
        let stored = stored(Scalar::Text(text), FieldType::Timestamp);
        assert_eq!(stored, "2026-11-21T10:30:00.000000Z", "{text}");
    }
    assert!(refused(Scalar::Text("soon"), FieldType::Timestamp).contains("soon"));
}

#[test]
fn dates_are_days_from_year_1_to_9999() {
    assert_eq!(stored(Scalar::Int(0), FieldType::Date), "1970-01-01");
    assert_eq!(stored(Scalar::Int(-719_162), FieldType::Date), "0001-01-01");
    assert_eq!(stored(Scalar::Int(2_932_896), FieldType::Date), "9999-12-31");
    assert_eq!(stored(Scalar::Text("2026-2-3"), FieldType::Date), "2026-02-03");
    for beyond in [-719_163, 2_932_897, i64::MIN, i64::MAX] {
        assert!(refused(Scalar::Int(beyond), FieldType::Date).contains("out of range"));
    }
    for wrong in ["2026-02-30", "26-02-03", "2026-02", "2026-02-03T00:00:00", "0000-01-01"] {
        assert!(refused(Scalar::Text(wrong), FieldType::Date).contains(wrong));
    }
}

#[test]
fn datetimes_and_times_are_read_from_literals_and_packed_integers() {
    let datetime = |text| converted(Scalar::Text(text), FieldType::Datetime);
    assert_eq!(datetime("2026-11-21 10:00:00.5"), Ok(json!("2026-11-21T10:00:00.500000")));
    assert_eq!(datetime("2026-11-21T9:5:1"), Ok(json!("2026-11-21T09:05:01.000000")));
    assert_eq!(datetime("2026-11-21"), Ok(json!("2026-11-21T00:00:00.000000")));
    for wrong in ["2026-11-21T10:00:00Z", "2026-11-21 24:00:00", "2026-11-21 10:00:00.1234567", ""]
    {
        assert!(datetime(wrong).is_err(), "{wrong}");
    }
    let time = |text| converted(Scalar::Text(text), FieldType::Time);
    assert_eq!(time("23:59:59.999999"), Ok(json!("23:59:59.999999")));
    for wrong in ["23:59", "23:59:60", "+1:00:00", "23:59:59."] {
        assert!(time(wrong).is_err(), "{wrong}");
    }
    // 12:34:56.000789 on 2026-11-21.
    let packed_time = 12 << 32 | 34 << 26 | 56 << 20 | 789;
    let packed = 2026 << 46 | 11 << 42 | 21 << 37 | packed_time;
    assert_eq!(stored(Scalar::Int(packed_time), FieldType::Time), "12:34:56.000789");
    assert_eq!(stored(Scalar::Int(packed), FieldType::Datetime), "2026-11-21T12:34:56.000789");
    assert!(converted(Scalar::Int(-1), FieldType::Datetime).is_err());
    assert!(converted(Scalar::Int(61 << 20), FieldType::Time).is_err());
}

#[test]
fn decimals_are_exact_and_within_their_range() {
    let numeric = |text| converted(Scalar::Text(text), FieldType::Numeric);
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
    let big = |text| converted(Scalar::Text(text), FieldType::BigNumeric);
    let most = "578960446186580977117854925043439539266.34992332820282019728792003956564819967";
    assert_eq!(big(most), Ok(json!(most)));
    assert!(
        big("578960446186580977117854925043439539266.34992332820282019728792003956564819968")
            .is_err()
    );
    let least = "-578960446186580977117854925043439539266.34992332820282019728792003956564819968";
    assert_eq!(big(least), Ok(json!(least)));
    assert_eq!(stored(Scalar::Double(0.1), FieldType::Numeric), "0.1");
    assert_eq!(stored(Scalar::Unsigned(u64::MAX), FieldType::Numeric), "18446744073709551615");
    assert!(converted(Scalar::Double(f64::NAN), FieldType::Numeric).is_err());
}

proptest! {
    #[test]
    fn decimal_bytes_and_decimal_text_agree(scaled in any::<i128>()) {
        let bytes = scaled.to_le_bytes();
        let (sign, size) = (if scaled < 0 { "-" } else { "" }, scaled.unsigned_abs());
        let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
        let (from_bytes, from_text) = (
            converted(Scalar::Bytes(&bytes), FieldType::Numeric),
            converted(Scalar::Text(&text), FieldType::Numeric),
        );
        prop_assert_eq!(from_bytes.is_ok(), size < 10_u128.pow(38));
        prop_assert_eq!(from_bytes.ok(), from_text.ok());
    }

    #[test]
    fn converting_a_stored_decimal_again_does_not_change_it(whole in 0_u64.., fraction in 0_u32..1_000_000_000) {
        let text = format!("{whole}.{fraction:09}");
        let once = stored(Scalar::Text(&text), FieldType::Numeric);
        let again = stored(Scalar::Text(once.as_str().expect("text")), FieldType::Numeric);
        prop_assert_eq!(once, again);
    }

    #[test]
    fn a_listed_timestamp_equals_the_written_one(micros in -62_135_596_800_000_000..=253_402_300_799_999_999_i64) {
        let stored = convert(Scalar::Int(micros), FieldType::Timestamp).expect("accepted");
        prop_assert_eq!(list(&stored, FieldType::Timestamp, true), json!(micros.to_string()));
        let seconds = list(&stored, FieldType::Timestamp, false);
        let seconds: f64 = seconds.as_str().expect("text").parse().expect("a float");
        prop_assert!((seconds - micros as f64 / 1e6).abs() < 1e-4);
    }
}

#[test]
fn other_types_accept_only_documented_values() {
    assert_eq!(
        stored(Scalar::Text("{\"a\": [1, null]}"), FieldType::Json),
        json!({ "a": [1, null] })
    );
    assert!(refused(Scalar::Text("{a: 1}"), FieldType::Json).contains("Invalid JSON"));
    assert!(refused(Scalar::Text(""), FieldType::Json).contains("Invalid JSON"));
    assert_eq!(stored(Scalar::Bytes(&[0, 255]), FieldType::Bytes), "AP8=");
    assert_eq!(stored(Scalar::Int(2), FieldType::Boolean), true);
    assert_eq!(stored(Scalar::Double(f64::NEG_INFINITY), FieldType::Float), "-Infinity");
    assert!(refused(Scalar::Unsigned(1 << 63), FieldType::Integer).contains("out of range"));
    assert!(
        refused(Scalar::Text("1"), FieldType::Integer)
            .contains("Cannot convert a string to INTEGER")
    );
    assert!(
        refused(Scalar::Int(1), FieldType::String).contains("Cannot convert an integer to STRING")
    );
}

#[test]
fn json_text_is_checked_and_kept_as_it_came() {
    let text = r#"{"n": 12345678901234567890123, "price": 1.10, "s": "\u00e9"}"#;
    let kept = convert(Scalar::Text(text), FieldType::Json).expect("JSON");
    assert_eq!(serde_json::to_string(&kept).expect("JSON"), text);
    assert_eq!(list(&kept, FieldType::Json, false), text);
    for wrong in ["1e999", r#""\ud800""#, "{} {}"] {
        assert!(refused(Scalar::Text(wrong), FieldType::Json).contains("Invalid JSON"), "{wrong}");
    }
}
