//! Files that pyarrow wrote (`tests/fast/parquet/make.py`), and damaged files.

mod shapes;

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::errors::Result;
use proptest::prelude::*;
use serde_json::Value;

use super::kind::Kind;
use super::value::AsJson;
use super::{Blob, ParquetFile};
use crate::contract::{Property, Schema, SchemaKind};

macro_rules! fixture {
    ($name:literal) => {
        &include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fast/parquet/",
            $name,
            ".parquet"
        ))[..]
    };
}

fn open(bytes: &[u8]) -> Result<ParquetFile> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    ParquetFile::open(Blob::Local(Arc::new(file)), bytes.len() as u64)
}

/// The rows as JSON texts.
fn texts(bytes: &[u8], contract: &[Schema]) -> Result<Vec<String>> {
    let (mut rows, counted) = (Vec::new(), std::cell::Cell::new(0));
    let file = open(bytes)?;
    let expected = file.rows();
    file.read(contract.into(), &|more| counted.set(counted.get() + more), &mut |number, row| {
        assert_eq!(number, rows.len() as i64);
        rows.push(String::from_utf8(row.to_vec()).expect("UTF-8"));
        ControlFlow::Continue(())
    })?;
    assert_eq!(expected, rows.len() as u64);
    assert_eq!(counted.get(), bytes.len() as u64, "each byte is counted once");
    Ok(rows)
}

fn values(bytes: &[u8]) -> Vec<Value> {
    let rows = texts(bytes, &[]).expect("rows").into_iter();
    rows.map(|row| serde_json::from_str(&row).expect("JSON")).collect()
}

fn problem(bytes: &[u8]) -> String {
    texts(bytes, &[]).expect_err("an error").to_string()
}

#[test]
fn all_types_keep_their_values() {
    let rows = texts(fixture!("types"), &[]).expect("rows");
    let expected = [
        r#"{"flag":true,"int8":-128,"int64":-9223372036854775808,"uint8":0,"uint32":0,"#,
        r#""uint64":9223372036854775808,"half":0.5,"float":0.10000000149011612,"double":0.1,"#,
        r#""text":"a \"quoted\"\nline","bytes":"","fixed":"YWJj","date":"0001-01-01","#,
        r#""time_millis":"00:00:00.000","time_micros":"00:00:00.000001","#,
        r#""time_nanos":"00:00:00.000000001","at_millis":"1969-12-31T23:59:59.999Z","#,
        r#""at_micros":"1969-12-31T23:59:59.999999Z","at_nanos":"1969-12-31T23:59:59.999999999Z","#,
        r#""local_micros":"1969-12-31T23:59:59.999999","decimal_9":-1234567.89,"#,
        r#""decimal_18":999999999999999999,"#,
        r#""decimal_38":-99999999999999999999999999999.999999999,"decimal_76":"#,
        r#"-99999999999999999999999999999999999999.99999999999999999999999999999999999999,"#,
        r#""list":[],"lists":[[],["a"],null],"record":{"b":{}},"#,
        r#""records":[{"x":1,"y":[true,false]},{}],"map":{"a":1.5,"b":null},"#,
        r#""map_of_int":{"1":[1,2],"-2":[]},"uuid":"00000000-0000-0000-0000-000000000000","#,
        r#""json":{"a": [1, 2.50]}}"#,
    ];
    assert_eq!(rows[0], expected.concat());
    let expected = [
        r#"{"flag":false,"int8":127,"int64":9007199254740993,"uint8":255,"uint32":4294967295,"#,
        r#""uint64":18446744073709551615,"half":65504.0,"float":"NaN","double":"-Infinity","#,
        r#""text":"Straße","bytes":"AP8=","fixed":"AAEC","date":"2026-11-21","#,
        r#""time_millis":"23:59:59.999","time_micros":"23:59:59.999999","#,
        r#""time_nanos":"23:59:59.999999999","at_millis":"2026-11-21T00:00:00.123Z","#,
        r#""at_micros":"2026-11-21T00:00:00.123456Z","at_nanos":"2026-11-21T00:00:00.123456789Z","#,
        r#""local_micros":"2026-11-21T00:00:00.123456","decimal_9":0.05,"decimal_18":0,"#,
        r#""decimal_38":0.000000001,"decimal_76":1.00000000000000000000000000000000000000,"#,
        r#""list":[1,null,3],"lists":[["b","c"]],"record":{"a":1},"records":[],"map":{},"#,
        r#""map_of_int":{},"uuid":"0190c2a5-7f3e-7b4c-8d2e-0123456789ab","json":"not JSON"}"#,
    ];
    assert_eq!(rows[1], expected.concat());
    assert_eq!(rows[2..], ["{}"], "fields without a value are left out");
}

#[test]
fn types_of_older_writers_mean_the_same() {
    let rows = texts(fixture!("old"), &[]).expect("rows");
    let expected = [
        r#"{"text":"a \"quoted\"\nline","date":"0001-01-01","uint32":0,"decimal_9":-1234567.89,"#,
        r#""at_micros":"1969-12-31T23:59:59.999999000Z","int96":"1969-12-31T23:59:59.999999999Z"}"#,
    ];
    assert_eq!(rows[0], expected.concat());
}

#[test]
fn decimals_and_json_are_texts_where_the_contract_says_so() {
    let schema = |kind| Schema { nullable: false, open: false, kind, bounds: None };
    let text = |name: &str| Property {
        name: name.to_owned(),
        required: true,
        schema: schema(SchemaKind::String),
    };
    let fields = ["decimal_9", "decimal_76", "json", "int64"].map(text).to_vec();
    let contract = [schema(SchemaKind::Object(fields))];
    let row = texts(fixture!("types"), &contract).expect("rows").swap_remove(0);
    for part in [
        r#""decimal_9":"-1234567.89""#,
        r#""decimal_18":999999999999999999"#,
        r#""json":"{\"a\": [1, 2.50]}""#,
        r#""int64":-9223372036854775808"#,
    ] {
        assert!(row.contains(part), "{part}: {row}");
    }
}

#[test]
fn pages_and_groups_of_all_codecs_are_read() {
    let whole = values(fixture!("none"));
    assert_eq!(whole.len(), 300);
    for (number, row) in whole.iter().enumerate() {
        assert_eq!(row["order_id"], format!("o{number}"));
        assert_eq!(row.get("note").is_some(), number % 2 == 0);
        assert_eq!(row["amount"].as_f64(), Some(number as f64 / 4.0));
    }
    for packed in [fixture!("snappy"), fixture!("gzip"), fixture!("lz4"), fixture!("zstd")] {
        assert_eq!(values(packed), whole);
    }
    assert!(problem(fixture!("brotli")).contains("compressed with Brotli"));
}

#[test]
fn what_cannot_be_read_is_called_what_it_is() {
    assert!(problem(fixture!("encrypted")).contains("it is encrypted"));
    let columns = problem(fixture!("encrypted-columns"));
    assert!(columns.contains("column amount is damaged, or encrypted"), "{columns}");
    assert!(problem(b"order_id,placed_at\na,b\n").contains("it is no Parquet file"));
    assert!(problem(b"").contains("it is no Parquet file"));
    let whole = fixture!("snappy");
    for length in 4..whole.len() {
        let said = problem(&whole[..length]);
        assert!(said.contains("it is cut off"), "{length}: {said}");
    }
}

proptest! {
    /// It is an error, or some other value; nothing panics and nothing waits for ever.
    #[test]
    fn a_damaged_file_is_no_panic(
        fixture in 0..5_usize,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let fixtures =
            [fixture!("types"), fixture!("old"), fixture!("gzip"), fixture!("lz4"), fixture!("zstd")];
        let mut bytes = fixtures[fixture].to_vec();
        for (at, byte) in damages {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(file) = open(&bytes) {
            let mut rows = 0;
            let _ = file.read([].into(), &|_| {}, &mut |_, _| {
                rows += 1;
                if rows < 1_000 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        }
    }

    #[test]
    fn a_decimal_has_all_its_digits(unscaled: i128, scale in 0..60_usize) {
        let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if unscaled < 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        let expected = format!("{sign}{whole}{point}{fraction}");
        let kind = Kind::Decimal { scale, is_text: false };
        let mut text = Vec::new();
        let bytes = ByteArray::from(unscaled.to_be_bytes().to_vec());
        AsJson::write(&bytes, kind, &mut text).expect("a decimal");
        prop_assert_eq!(String::from_utf8_lossy(&text), expected.as_str());
        text.clear();
        let fixed = FixedLenByteArray::from(bytes);
        AsJson::write(&fixed, kind, &mut text).expect("a decimal");
        prop_assert_eq!(String::from_utf8_lossy(&text), expected.as_str());
    }

    #[test]
    fn a_day_has_the_date_of_the_calendar(days in -4_371_222..2_932_896_i32) {
        let date = jiff::civil::Date::constant(1970, 1, 1) + jiff::Span::new().days(days);
        prop_assume!(date.year() > 0);
        let mut text = Vec::new();
        AsJson::write(&days, Kind::Date, &mut text).expect("a date");
        prop_assert_eq!(String::from_utf8_lossy(&text), format!("\"{date}\""));
    }
}
