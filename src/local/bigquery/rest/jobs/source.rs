//! Reads the rows of a load job's files.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use super::csv::{CsvForm, CsvRecord};
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::rest::json_rows::{JsonDecoder, scalar};
use crate::row::Cell;

/// The largest number of errors that a job's status has.
const MOST_ERRORS: usize = 50;

/// How messages about a file's content begin.
const READING: &str = "Error while reading data, error message: ";

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The rows of all files, and those that cannot be loaded.
#[derive(Default)]
pub struct Rows {
    pub good: Vec<Cells>,
    pub bad: Vec<BadRow>,
}

/// A row that cannot be loaded.
pub struct BadRow {
    /// What messages call its file.
    file: String,
    message: String,
}

impl Rows {
    fn add(&mut self, file: &str, row: Result<Cells, String>) {
        match row {
            Ok(row) => self.good.push(row),
            Err(message) => self.bad.push(BadRow { file: file.to_owned(), message }),
        }
    }
}

/// The content of a file, which may be compressed with gzip.
pub fn unzipped(file: &[u8]) -> std::io::Result<Cow<'_, [u8]>> {
    if !file.starts_with(&GZIP) {
        return Ok(Cow::Borrowed(file));
    }
    let mut text = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut text)?;
    Ok(Cow::Owned(text))
}

/// Reads JSON objects, one a line.
pub fn read_json(
    file: &str,
    text: &[u8],
    columns: &[FieldSchema],
    ignore_unknown: bool,
    rows: &mut Rows,
) {
    let decoder =
        JsonDecoder { columns, ignore_unknown, refuse_unknown_nulls: true, partition: None };
    let mut position = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let start = position;
        position += line.len();
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let decoded = match serde_json::from_slice::<Value>(line) {
            Ok(value) => decoder.row(&value).map_err(|error| {
                let field = match error.location.as_str() {
                    "" => String::new(),
                    location => format!(" Field: {location}"),
                };
                format!("{}{field}", with_capital(&error.message))
            }),
            Err(error) => Err(format!("Parser terminated before end of string ({error})")),
        };
        let row = decoded.map_err(|wrong| {
            format!("JSON parsing error in row starting at position {start}: {wrong}")
        });
        rows.add(file, row);
    }
}

/// Reads CSV.
pub fn read_csv(
    file: &str,
    text: &[u8],
    form: &CsvForm,
    columns: &[FieldSchema],
    ignore_unknown: bool,
    rows: &mut Rows,
) {
    for record in form.records(text) {
        let row = record.and_then(|record| csv_row(&record, form, columns, ignore_unknown));
        rows.add(file, row);
    }
}

fn csv_row(
    record: &CsvRecord,
    form: &CsvForm,
    columns: &[FieldSchema],
    ignore_unknown: bool,
) -> Result<Cells, String> {
    let (at, found) = (record.position, record.fields.len());
    if found > columns.len() && !ignore_unknown {
        return Err(format!("Too many values in row starting at position: {at}."));
    }
    if found < columns.len() && !form.allows_jagged_rows {
        return Err(format!(
            "CSV table references column position {found}, but line starting at position:{at} \
             contains only {found} columns."
        ));
    }
    let mut row: Cells = vec![None; columns.len()];
    for (index, column) in columns.iter().enumerate() {
        let field = record.fields.get(index).filter(|field| !form.is_null(field, column));
        let Some(field) = field else {
            if column.mode == FieldMode::Required {
                return Err(format!(
                    "Missing required field: {} (position {index}) starting at location {at}",
                    column.name
                ));
            }
            continue;
        };
        let cell = csv_cell(&field.text, column.kind).map_err(|message| {
            format!(
                "Could not parse '{}' as {} for field {} (position {index}) starting at location \
                 {at} with message '{message}'",
                field.text,
                column.kind.name(),
                column.name
            )
        })?;
        row[index] = Some(cell);
    }
    Ok(row)
}

fn csv_cell(text: &str, kind: FieldType) -> Result<Cell, String> {
    let flag = match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    };
    match (kind, flag) {
        (FieldType::Boolean, Some(flag)) => Ok(Cell::from(flag)),
        (kind, _) => scalar(&Value::String(text.to_owned()), kind),
    }
}

/// The message of a job that found too many bad rows in files of this format.
pub fn too_many_errors(format: &str, bad: usize, good: usize) -> String {
    let rows = bad + good;
    format!(
        "{READING}{format} table encountered too many errors, giving up. Rows: {rows}; errors: {bad}. \
         Please look into the errors[] collection for more details."
    )
}

/// The errors of bad rows, as a job's status has them.
pub fn row_errors(bad: &[BadRow]) -> Vec<Value> {
    let errors = bad.iter().take(MOST_ERRORS).map(|BadRow { file, message }| {
        json!({ "reason": "invalid", "location": file, "message": format!("{READING}{message}") })
    });
    errors.collect()
}

fn with_capital(message: &str) -> String {
    let mut letters = message.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
