//! The functions that take each argument by its type and have one result type.

use crate::local::bigquery::field_schema::FieldType;
use FieldType::{
    Boolean as B, Date, Datetime, Float as F, Integer as I, Json, String as S, Timestamp,
};

/// One way to call a function.
pub struct Signature {
    name: &'static str,
    pub arguments: &'static [FieldType],
    /// How many of the last arguments may be left out.
    pub optional: usize,
    pub result: FieldType,
    /// The function in SQLite: its own, or one of [`super::native`].
    pub sqlite: &'static str,
}

const fn of(
    name: &'static str,
    arguments: &'static [FieldType],
    optional: usize,
    result: FieldType,
    sqlite: &'static str,
) -> Signature {
    Signature { name, arguments, optional, result, sqlite }
}

/// The signatures of a name stand together, the preferred signature of a name first.
const SIGNATURES: &[Signature] = &[
    of("CHAR_LENGTH", &[S], 0, I, "bq_length"),
    of("ENDS_WITH", &[S, S], 0, B, "bq_ends_with"),
    of("JSON_VALUE", &[Json, S], 1, S, "bq_json_value"),
    of("JSON_VALUE", &[S, S], 1, S, "bq_json_value"),
    of("LENGTH", &[S], 0, I, "bq_length"),
    of("LOWER", &[S], 0, S, "bq_lower"),
    of("LTRIM", &[S, S], 1, S, "bq_ltrim"),
    of("REGEXP_CONTAINS", &[S, S], 0, B, "bq_regexp_contains"),
    of("REPLACE", &[S, S, S], 0, S, "replace"),
    of("RTRIM", &[S, S], 1, S, "bq_rtrim"),
    of("SQRT", &[F], 0, F, "bq_sqrt"),
    of("STARTS_WITH", &[S, S], 0, B, "bq_starts_with"),
    of("STRPOS", &[S, S], 0, I, "instr"),
    of("SUBSTR", &[S, I, I], 1, S, "bq_substr"),
    of("SUBSTRING", &[S, I, I], 1, S, "bq_substr"),
    of("TIMESTAMP_MICROS", &[I], 0, Timestamp, "bq_timestamp_micros"),
    of("TIMESTAMP_MILLIS", &[I], 0, Timestamp, "bq_timestamp_millis"),
    of("TIMESTAMP_SECONDS", &[I], 0, Timestamp, "bq_timestamp_seconds"),
    of("TRIM", &[S, S], 1, S, "bq_trim"),
    of("UNIX_DATE", &[Date], 0, I, "bq_unix_date"),
    of("UNIX_MICROS", &[Timestamp], 0, I, "bq_unix_micros"),
    of("UNIX_MILLIS", &[Timestamp], 0, I, "bq_unix_millis"),
    of("UNIX_SECONDS", &[Timestamp], 0, I, "bq_unix_seconds"),
    of("UPPER", &[S], 0, S, "bq_upper"),
    of("FORMAT_DATE", &[S, Date], 0, S, "bq_format"),
    of("FORMAT_DATETIME", &[S, Datetime], 0, S, "bq_format"),
    of("FORMAT_TIMESTAMP", &[S, Timestamp], 0, S, "bq_format"),
];

/// The ways to call the function `name`, which is in upper case.
pub fn find(name: &str) -> &'static [Signature] {
    let Some(first) = SIGNATURES.iter().position(|one| one.name == name) else { return &[] };
    let count = SIGNATURES[first..].iter().take_while(|one| one.name == name).count();
    &SIGNATURES[first..first + count]
}
