//! Numbers, dates and names are tested against simple reference implementations.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::transcode::names::Names;
use crate::transcode::number::{Decimal, Integer, Number, float, integer};
use crate::transcode::scan::Scanner;
use crate::transcode::time::{self, TimeFault};
use crate::transcode::wire;

/// [`plain_decimal`] of a text that may not be a decimal.
pub(super) fn plain_decimal_of(token: &str) -> Option<(bool, String, String)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = |text: &str| text.strip_prefix(['-', '+']).unwrap_or(text).to_owned();
    let (mantissa, exponent) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let mantissa = unsigned(mantissa);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, "0"));
    (digits(whole) && digits(fraction) && digits(&unsigned(exponent))).then(|| plain_decimal(token))
}

/// Parses a decimal by shifting its text, slowly and obviously. Returns
/// `(negative, whole, fraction)` without unneeded zeros.
fn plain_decimal(token: &str) -> (bool, String, String) {
    let (token, exponent) = match token.split_once(['e', 'E']) {
        // With an exponent of 999 every limit is exceeded anyway.
        Some((token, exponent)) => {
            let beyond = if exponent.starts_with('-') { -999 } else { 999 };
            (token, exponent.parse().unwrap_or(beyond).clamp(-999, 999))
        }
        None => (token, 0),
    };
    let negative = token.starts_with('-');
    let token = token.trim_start_matches(['-', '+']);
    let (whole, fraction) = token.split_once('.').unwrap_or((token, ""));
    let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
    for _ in 0..exponent {
        whole.push(if fraction.is_empty() { '0' } else { fraction.remove(0) });
    }
    for _ in exponent..0 {
        fraction.insert(0, whole.pop().unwrap_or('0'));
    }
    let whole = whole.trim_start_matches('0').to_owned();
    let fraction = fraction.trim_end_matches('0').to_owned();
    let zero = whole.is_empty() && fraction.is_empty();
    (negative && !zero, whole, fraction)
}

fn scanned(token: &str) -> Number<'_> {
    let number = Scanner::new(token.as_bytes()).number().unwrap();
    assert_eq!(number.text, token.as_bytes());
    number
}

proptest! {
    #[test]
    fn integers_are_exact(token in "-?(0|[1-9][0-9]{0,21})(\\.[0-9]{1,4}|\\.0{1,4})?([eE][+-]?[0-9]{1,2})?") {
        let (negative, whole, fraction) = plain_decimal(&token);
        let expected = if !fraction.is_empty() {
            Integer::Fraction
        } else {
            let text = format!("{}{whole}", if negative { "-" } else { "" });
            match text.parse::<i64>() {
                Ok(value) => Integer::Fits(value),
                Err(_) if whole.is_empty() => Integer::Fits(0),
                Err(_) => Integer::TooLarge,
            }
        };
        prop_assert_eq!(integer(token.as_bytes()), expected);
        prop_assert_eq!(scanned(&token).integer(), expected);
    }

    #[test]
    fn decimals_are_exact(token in "[+-]?[0-9]{1,30}(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?") {
        let decimal = Decimal::parse(token.as_bytes()).unwrap();
        let (negative, whole, fraction) = plain_decimal(&token);
        prop_assert_eq!(decimal.fits(29, 9), whole.len() <= 29 && fraction.len() <= 9);
        prop_assert_eq!(decimal.fits(38, 38), whole.len() <= 38 && fraction.len() <= 38);
        let mut text = Vec::new();
        decimal.write(&mut text);
        let sign = if negative { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { &whole };
        let point = if fraction.is_empty() { "" } else { "." };
        prop_assert_eq!(String::from_utf8(text).unwrap(), format!("{sign}{whole}{point}{fraction}"));
    }

    #[test]
    fn floats_agree_with_rust(token in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?") {
        let plain = token.parse::<f64>().unwrap();
        let expected = plain.is_finite().then_some(plain.to_bits());
        prop_assert_eq!(float(token.as_bytes()).map(f64::to_bits), expected);
        prop_assert_eq!(scanned(&token).float().map(f64::to_bits), expected);
        prop_assert_eq!(scanned(&token).is_float(), expected.is_some());
    }

    #[test]
    fn only_numbers_parse_as_decimals(token in "[-+0-9.eE]{0,8}") {
        // Rust also accepts `1.`, `.5` and `infinity`; the letters of the last are not generated.
        let plain: Option<f64> = token.parse().ok();
        let bare_point = token.contains('.')
            && (token.trim_start_matches(['-', '+']).starts_with('.')
                || token.ends_with('.') || token.contains(".e") || token.contains(".E"));
        prop_assert_eq!(
            Decimal::parse(token.as_bytes()).is_some(),
            plain.is_some() && !bare_point,
        );
    }

    #[test]
    fn date_times_agree_with_jiff(
        micros in time_range(), finer in 0..1000u32, minutes in -1439..=1439i64, lower: bool,
    ) {
        let offset = jiff::tz::Offset::from_seconds((minutes * 60) as i32).unwrap();
        let moment = jiff::Timestamp::from_microsecond(micros).unwrap();
        let civil = offset.to_datetime(moment);
        prop_assume!((0..=9999).contains(&civil.year()));
        let sign = if minutes < 0 { '-' } else { '+' };
        let text = format!(
            "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:06}{finer:03}{sign}{:02}:{:02}",
            civil.year(), civil.month(), civil.day(), if lower { 't' } else { 'T' },
            civil.hour(), civil.minute(), civil.second(), civil.subsec_nanosecond() / 1000,
            minutes.abs() / 60, minutes.abs() % 60,
        );
        prop_assert_eq!(time::date_time(text.as_bytes()), Ok(micros));
    }

    #[test]
    fn dates_agree_with_jiff(year in 1..=9999i16, month in 0..14i8, day in 0..33i8) {
        let text = format!("{year:04}-{month:02}-{day:02}");
        let epoch = jiff::civil::date(1970, 1, 1);
        let expected = match jiff::civil::Date::new(year, month, day) {
            Ok(date) => Ok(epoch.until(date).unwrap().get_days()),
            Err(_) => Err(TimeFault::Format),
        };
        prop_assert_eq!(time::date(text.as_bytes()), expected);
    }

    #[test]
    fn parsing_times_never_panics(text in "[-0-9T:.Z+ ]{0,30}|\\PC{0,12}") {
        let _ = time::date_time(text.as_bytes());
        let _ = time::date(text.as_bytes());
        let _ = time::datetime_text(text.as_bytes(), &mut Vec::new());
        let _ = time::time_text(text.as_bytes(), &mut Vec::new());
    }

    #[test]
    fn names_are_found(
        names in prop::collection::btree_set("[a-z]{0,20}", 0..40), others in prop::collection::vec("[a-z]{0,3}", 20),
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let table = Names::new(names.iter().map(String::as_str));
        let plain: HashMap<&str, usize> =
            names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        for name in names.iter().chain(&others) {
            prop_assert_eq!(table.find(name.as_bytes()), plain.get(name.as_str()).copied());
        }
    }

    #[test]
    fn fields_are_encoded_as_by_prost(column in 0..20_000usize, body in 0..40_000usize) {
        let mut row = Vec::new();
        let tag = wire::Tag::new(column, wire::WireType::Bytes);
        tag.delimited(&mut row, |row| { row.resize(row.len() + body, 7); Ok::<(), ()>(()) }).unwrap();
        let mut expected = Vec::new();
        prost::encoding::bytes::encode(column as u32 + 1, &vec![7u8; body], &mut expected);
        prop_assert_eq!(row, expected);
    }
}

/// The years 1 to 9999 without their first and last day, so that jiff accepts every offset.
fn time_range() -> std::ops::Range<i64> {
    -62_135_510_400_000_000..253_402_128_000_000_000
}

#[test]
fn the_edges_of_time() {
    let at = |text: &str| time::date_time(text.as_bytes());
    assert_eq!(at("1970-01-01T00:00:00Z"), Ok(0));
    assert_eq!(at("0001-01-01T00:00:00Z"), Ok(-62_135_596_800_000_000));
    assert_eq!(at("9999-12-31T23:59:59.9999999z"), Ok(253_402_300_799_999_999));
    assert_eq!(at("0000-12-31T23:59:59Z"), Err(TimeFault::Range));
    assert_eq!(at("0001-01-01T00:00:00+00:01"), Err(TimeFault::Range));
    assert_eq!(at("9999-12-31T23:59:59-00:01"), Err(TimeFault::Range));
    assert_eq!(at("0000-12-31T23:59:59-01:00"), Ok(-62_135_596_800_000_000 + 3_599_000_000));
    // A leap second counts as the first second of the next minute; it exists only at the end of a
    // UTC day.
    assert_eq!(at("2016-12-31T23:59:60.5Z"), at("2017-01-01T00:00:00.5Z"));
    assert_eq!(at("2017-01-01T05:29:60+05:30"), at("2017-01-01T00:00:00Z"));
    assert_eq!(at("2016-12-31T22:59:60Z"), Err(TimeFault::Format));
    assert_eq!(at("9999-12-31T23:59:60Z"), Err(TimeFault::Range));
    for bad in [
        "",
        "2026-11-21",
        "2026-11-21T10:00:00",
        "2026-11-21 10:00:00Z",
        "2026-11-21T10:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:60:00Z",
        "2026-11-21T10:00:61Z",
        "2026-11-21T10:00:00.Z",
        "2026-11-21T10:00:00+0100",
        "2026-11-21T10:00:00+01:60",
        "2026-11-21T10:00:00+24:00",
        "2026-02-29T10:00:00Z",
        "2026-11-21T10:00:00Z ",
        "+2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00,5Z",
    ] {
        assert_eq!(at(bad), Err(TimeFault::Format), "{bad}");
    }
    assert_eq!(time::date(b"0000-01-01"), Err(TimeFault::Range));
    assert_eq!(time::date(b"2026-11-21Z"), Err(TimeFault::Format));
}

#[test]
fn dates_and_times_without_offset() {
    let civil = |text: &str| {
        let mut into = Vec::new();
        time::datetime_text(text.as_bytes(), &mut into).map(|()| String::from_utf8(into).unwrap())
    };
    assert_eq!(civil("2026-11-21T10:00:00").unwrap(), "2026-11-21 10:00:00.000000");
    assert_eq!(civil("2026-11-21 10:00:00.1234567").unwrap(), "2026-11-21 10:00:00.123456");
    for bad in ["2026-11-21T10:00:00Z", "2026-11-21", "2026-11-21T23:59:60", "2026-11-31T10:00:00"]
    {
        assert_eq!(civil(bad), Err(TimeFault::Format), "{bad}");
    }
    assert_eq!(civil("0000-11-21T10:00:00"), Err(TimeFault::Range));
    let mut into = Vec::new();
    time::time_text(b"01:02:03.5", &mut into).unwrap();
    assert_eq!(into, b"01:02:03.500000");
    assert_eq!(time::time_text(b"01:02:03Z", &mut into), Err(TimeFault::Format));
}
