//! Operators, literals and functions: `SELECT expression`, its type and its value.

use super::super::types::{Type, kind_name};
use super::fixture::{Fixture, shown};
use crate::local::bigquery::field_schema::FieldType;

#[test]
fn expressions_have_bigquerys_types_and_values() {
    let fixture = Fixture::new();
    let mut wrong = Vec::new();
    for (sql, expected) in EXPRESSIONS {
        let found = match fixture.run(&format!("SELECT {sql}")) {
            Ok(answer) => {
                let ty = Type::of_column(&answer.columns[0]).name();
                format!("{ty} {}", shown(&answer.rows))
            }
            Err(error) => format!("{error:?}"),
        };
        if found != *expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(kind_name(FieldType::Integer), "INT64");
}

const EXPRESSIONS: &[(&str, &str)] = &[
    ("1 + 2 * 3", "INT64 7"),
    ("-5", "INT64 -5"),
    ("-9223372036854775808", "INT64 -9223372036854775808"),
    ("7 / 2", "FLOAT64 3.5"),
    ("1 + 0.5", "FLOAT64 1.5"),
    ("NUMERIC '0.1' + NUMERIC '0.2'", "NUMERIC \"0.3\""),
    ("NUMERIC '10' / 3", "NUMERIC \"3.333333333\""),
    ("NUMERIC '-2.5' * 2", "NUMERIC \"-5\""),
    (
        "NUMERIC '12345678901234567890.5' * NUMERIC '1000000000'",
        "NUMERIC \"12345678901234567890500000000\"",
    ),
    ("NUMERIC '9' < NUMERIC '10'", "BOOL true"),
    ("NUMERIC '-9' < NUMERIC '-10'", "BOOL false"),
    ("NUMERIC '1.5' = 1.5", "BOOL true"),
    ("GREATEST(NUMERIC '9', NUMERIC '10')", "NUMERIC \"10\""),
    ("LEAST(3, 1, 2)", "INT64 1"),
    ("GREATEST(1, NULL)", "INT64 NULL"),
    ("TRUE AND NULL", "BOOL NULL"),
    ("FALSE AND NULL", "BOOL false"),
    ("NOT TRUE OR TRUE", "BOOL true"),
    ("1 = NULL", "BOOL NULL"),
    ("NULL IS NULL", "BOOL true"),
    ("1 IS DISTINCT FROM NULL", "BOOL true"),
    ("NULL IS NOT DISTINCT FROM NULL", "BOOL true"),
    ("(1 = 1) IS TRUE", "BOOL true"),
    ("2 BETWEEN 1 AND 3", "BOOL true"),
    ("NUMERIC '10' NOT BETWEEN 9 AND 11", "BOOL false"),
    ("1 IN (2, 3)", "BOOL false"),
    ("1 NOT IN (2, NULL)", "BOOL NULL"),
    ("'a' || 'b' || 'c'", "STRING \"abc\""),
    ("CONCAT('a', NULL)", "STRING NULL"),
    ("'Abc' LIKE 'A%'", "BOOL true"),
    ("'Abc' LIKE 'a%'", "BOOL false"),
    ("'a%c' LIKE 'a\\\\%c'", "BOOL true"),
    ("'abc' NOT LIKE '_b_'", "BOOL false"),
    ("CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END", "STRING \"b\""),
    ("CASE 2 WHEN 1 THEN 1 WHEN 2 THEN 2.5 END", "FLOAT64 2.5"),
    ("IF(NULL, 1, 2)", "INT64 2"),
    ("COALESCE(NULL, 3)", "INT64 3"),
    ("IFNULL(NULL, 'x')", "STRING \"x\""),
    ("NULLIF(1, 1)", "INT64 NULL"),
    ("CAST('12' AS INT64)", "INT64 12"),
    ("SAFE_CAST('x' AS INT64)", "INT64 NULL"),
    ("CAST(2.5 AS INT64)", "INT64 3"),
    ("CAST(-2.5 AS INT64)", "INT64 -3"),
    ("CAST(1 AS STRING)", "STRING \"1\""),
    ("CAST(1.0 AS STRING)", "STRING \"1\""),
    ("CAST(1e20 AS STRING)", "STRING \"1e+20\""),
    ("CAST(TRUE AS STRING)", "STRING \"true\""),
    ("CAST('false' AS BOOL)", "BOOL false"),
    ("CAST(NUMERIC '2.5' AS INT64)", "INT64 3"),
    ("CAST(NUMERIC '2.5' AS FLOAT64)", "FLOAT64 2.5"),
    ("CAST(1 AS NUMERIC)", "NUMERIC \"1\""),
    (
        "CAST(TIMESTAMP '2026-11-21 10:00:00.5+00' AS STRING)",
        "STRING \"2026-11-21 10:00:00.500+00\"",
    ),
    ("CAST(DATETIME '2026-11-21 10:00:00' AS STRING)", "STRING \"2026-11-21 10:00:00\""),
    ("CAST(DATE '2026-11-21' AS TIMESTAMP)", "TIMESTAMP \"2026-11-21T00:00:00.000000Z\""),
    ("CAST(TIMESTAMP '2026-11-21 10:00:00+02' AS DATE)", "DATE \"2026-11-21\""),
    ("DATE '2026-1-2'", "DATE \"2026-01-02\""),
    ("DATE(2026, 1, 2)", "DATE \"2026-01-02\""),
    ("DATE(TIMESTAMP '2026-11-21 23:00:00+00')", "DATE \"2026-11-21\""),
    ("TIMESTAMP('2026-11-21')", "TIMESTAMP \"2026-11-21T00:00:00.000000Z\""),
    ("DATETIME(TIMESTAMP '2026-11-21 10:00:00+00')", "DATETIME \"2026-11-21T10:00:00.000000\""),
    ("DATE '2026-11-21' < '2026-11-22'", "BOOL true"),
    ("TIMESTAMP '2026-11-21 10:00:00+00' = '2026-11-21T10:00:00Z'", "BOOL true"),
    ("CURRENT_TIMESTAMP() > TIMESTAMP '2020-01-01'", "BOOL true"),
    ("CURRENT_DATE() = DATE(CURRENT_TIMESTAMP())", "BOOL true"),
    ("DATE(CURRENT_DATETIME()) = CURRENT_DATE", "BOOL true"),
    ("DATE_ADD(DATE '2026-01-31', INTERVAL 1 MONTH)", "DATE \"2026-02-28\""),
    ("DATE_SUB(DATE '2026-03-01', INTERVAL 1 DAY)", "DATE \"2026-02-28\""),
    ("DATE_DIFF(DATE '2026-03-01', DATE '2026-02-28', DAY)", "INT64 1"),
    ("DATE_DIFF(DATE '2026-01-01', DATE '2025-12-31', YEAR)", "INT64 1"),
    ("DATE_DIFF(DATE '2026-11-22', DATE '2026-11-21', WEEK)", "INT64 1"),
    ("DATE_TRUNC(DATE '2026-11-21', MONTH)", "DATE \"2026-11-01\""),
    ("DATE_TRUNC(DATE '2026-11-21', WEEK)", "DATE \"2026-11-15\""),
    (
        "TIMESTAMP_ADD(TIMESTAMP '2026-11-21 10:00:00+00', INTERVAL 90 MINUTE)",
        "TIMESTAMP \"2026-11-21T11:30:00.000000Z\"",
    ),
    (
        "TIMESTAMP_SUB(TIMESTAMP '2026-11-21 10:00:00+00', INTERVAL 1 DAY)",
        "TIMESTAMP \"2026-11-20T10:00:00.000000Z\"",
    ),
    (
        "TIMESTAMP_DIFF(TIMESTAMP '2026-11-21 10:00:00+00', TIMESTAMP '2026-11-21 08:30:00+00', HOUR)",
        "INT64 1",
    ),
    (
        "TIMESTAMP_TRUNC(TIMESTAMP '2026-11-21 10:30:00+00', HOUR)",
        "TIMESTAMP \"2026-11-21T10:00:00.000000Z\"",
    ),
    (
        "DATETIME_ADD(DATETIME '2026-11-21 10:00:00', INTERVAL 1 WEEK)",
        "DATETIME \"2026-11-28T10:00:00.000000\"",
    ),
    (
        "DATETIME_DIFF(DATETIME '2026-11-21 10:00:00', DATETIME '2026-11-21 08:59:00', HOUR)",
        "INT64 2",
    ),
    ("EXTRACT(YEAR FROM DATE '2026-11-21')", "INT64 2026"),
    ("EXTRACT(DAYOFWEEK FROM DATE '2026-11-21')", "INT64 7"),
    ("EXTRACT(HOUR FROM TIMESTAMP '2026-11-21 10:30:00+00')", "INT64 10"),
    ("EXTRACT(DATE FROM TIMESTAMP '2026-11-21 10:30:00+00')", "DATE \"2026-11-21\""),
    ("FORMAT_DATE('%d.%m.%Y', DATE '2026-11-21')", "STRING \"21.11.2026\""),
    (
        "FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2026-11-21 10:30:00+00')",
        "STRING \"2026-11-21 10:30:00\"",
    ),
    ("FORMAT_DATETIME('%H', DATETIME '2026-11-21 10:30:00')", "STRING \"10\""),
    ("UNIX_SECONDS(TIMESTAMP '1970-01-02 00:00:00+00')", "INT64 86400"),
    ("UNIX_MILLIS(TIMESTAMP_MILLIS(1500))", "INT64 1500"),
    ("UNIX_MICROS(TIMESTAMP_MICROS(-1))", "INT64 -1"),
    ("TIMESTAMP_SECONDS(0)", "TIMESTAMP \"1970-01-01T00:00:00.000000Z\""),
    ("UNIX_DATE(DATE '1970-01-03')", "INT64 2"),
    ("LENGTH('äb')", "INT64 2"),
    ("CHAR_LENGTH('')", "INT64 0"),
    ("LOWER('ÄB')", "STRING \"äb\""),
    ("UPPER('äb')", "STRING \"ÄB\""),
    ("TRIM('  a ')", "STRING \"a\""),
    ("LTRIM('xxa', 'x')", "STRING \"a\""),
    ("RTRIM('axx', 'x')", "STRING \"a\""),
    ("SUBSTR('hello', 2, 3)", "STRING \"ell\""),
    ("SUBSTR('hello', -3)", "STRING \"llo\""),
    ("SUBSTRING('hello', 0, 2)", "STRING \"he\""),
    ("REPLACE('aba', 'a', 'c')", "STRING \"cbc\""),
    ("STARTS_WITH('abc', 'ab')", "BOOL true"),
    ("ENDS_WITH('abc', 'bd')", "BOOL false"),
    ("STRPOS('abc', 'c')", "INT64 3"),
    ("REGEXP_CONTAINS('abc', r'^a.c$')", "BOOL true"),
    ("ABS(-3)", "INT64 3"),
    ("ABS(NUMERIC '-3.5')", "NUMERIC \"3.5\""),
    ("SIGN(-2.5)", "FLOAT64 -1.0"),
    ("ROUND(2.5)", "FLOAT64 3.0"),
    ("ROUND(NUMERIC '2.345', 2)", "NUMERIC \"2.35\""),
    ("FLOOR(2.7)", "FLOAT64 2.0"),
    ("CEIL(2.1)", "FLOAT64 3.0"),
    ("SQRT(9.0)", "FLOAT64 3.0"),
    ("MOD(7, 3)", "INT64 1"),
    ("DIV(-7, 2)", "INT64 -3"),
    ("SAFE_DIVIDE(1, 0)", "FLOAT64 NULL"),
    ("SAFE_DIVIDE(1, 4)", "FLOAT64 0.25"),
    ("TO_JSON_STRING('a\"b')", "STRING \"\\\"a\\\\\\\"b\\\"\""),
    ("TO_JSON_STRING(NULL)", "STRING \"null\""),
    ("TO_JSON_STRING(9007199254740993)", "STRING \"\\\"9007199254740993\\\"\""),
    ("JSON_VALUE('{\"a\": {\"b\": [1, \"x\"]}}', '$.a.b[1]')", "STRING \"x\""),
    ("JSON_VALUE(JSON '{\"a\": true}', '$.a')", "STRING \"true\""),
    ("JSON_VALUE('{\"a\": {}}', '$.a')", "STRING NULL"),
    ("JSON '{\"a\": 1}'", "JSON {\"a\":1}"),
    ("(SELECT 1)", "INT64 1"),
    ("EXISTS (SELECT 1 FROM (SELECT 1) WHERE FALSE)", "BOOL false"),
    ("2 IN (SELECT 2)", "BOOL true"),
    ("\"it's\"", "STRING \"it's\""),
];
