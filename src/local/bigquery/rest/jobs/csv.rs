//! Splits CSV into records and fields, as a load job's configuration says.

use serde_json::Value;

use super::configuration::{count, flag};
use crate::local::bigquery::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::rest::api::ApiError;

/// The form of a CSV file.
#[derive(Debug)]
pub struct CsvForm {
    delimiter: u8,
    /// `None` if fields are never quoted.
    quote: Option<u8>,
    skipped_rows: u64,
    allows_quoted_newlines: bool,
    /// Whether columns may be missing at the end of a record; they are NULL.
    pub allows_jagged_rows: bool,
    null_marker: String,
}

/// A record of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct CsvRecord {
    /// The offset of its first byte.
    pub position: usize,
    pub fields: Vec<CsvField>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct CsvField {
    pub text: String,
    is_quoted: bool,
}

impl CsvForm {
    /// Reads the form from the configuration of a load job.
    pub fn of(configuration: &Value) -> Result<Self, ApiError> {
        let text = |name: &str| configuration[name].as_str();
        let byte = |name: &str, text: &str| match text.as_bytes() {
            [byte] if byte.is_ascii() => Ok(*byte),
            _ => Err(ApiError::unimplemented(format!(
                "The embedded BigQuery supports only one ASCII character as {name} of load jobs, \
                 not {text:?}."
            ))),
        };
        let delimiter = match text("fieldDelimiter") {
            None | Some("") => b',',
            Some("\\t" | "tab") => b'\t',
            Some(delimiter) => byte("fieldDelimiter", delimiter)?,
        };
        let quote = match text("quote") {
            None => Some(b'"'),
            Some("") => None,
            Some(quote) => Some(byte("quote", quote)?),
        };
        Ok(Self {
            delimiter,
            quote,
            skipped_rows: count(configuration, "skipLeadingRows")?,
            allows_quoted_newlines: flag(configuration, "allowQuotedNewlines")?,
            allows_jagged_rows: flag(configuration, "allowJaggedRows")?,
            null_marker: text("nullMarker").unwrap_or_default().to_owned(),
        })
    }

    /// Refuses columns that CSV cannot have.
    pub fn check_columns(&self, columns: &[FieldSchema]) -> Result<(), String> {
        for FieldSchema { name, kind, mode, .. } in columns {
            if *kind == FieldType::Record {
                return Err(format!("Cannot load CSV data with a nested schema. Field: {name}"));
            }
            if *mode == FieldMode::Repeated {
                return Err(format!("Cannot load CSV data with a repeated field. Field: {name}"));
            }
        }
        Ok(())
    }

    /// Whether a field stands for NULL. Quoted text never does, except that only STRING and BYTES have
    /// an empty value.
    pub fn is_null(&self, field: &CsvField, column: &FieldSchema) -> bool {
        let has_empty = matches!(column.kind, FieldType::String | FieldType::Bytes);
        if field.is_quoted {
            return field.text.is_empty() && self.null_marker.is_empty() && !has_empty;
        }
        field.text == self.null_marker
    }

    /// The records after the skipped ones. Empty lines are left out. An error says why a record cannot
    /// be read, and reading goes on after its line.
    pub fn records<'a>(
        &'a self,
        text: &'a [u8],
    ) -> impl Iterator<Item = Result<CsvRecord, String>> + 'a {
        let text_start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut at = text_start;
        let records = std::iter::from_fn(move || {
            while at < text.len() {
                let start = at;
                let (record, next) = self.record(text, start);
                at = next;
                let is_blank = text[start..next].iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                if !is_blank {
                    return Some(record);
                }
            }
            None
        });
        records.skip(usize::try_from(self.skipped_rows).unwrap_or(usize::MAX))
    }

    /// The record that begins at an offset, and the offset after its end.
    fn record(&self, text: &[u8], start: usize) -> (Result<CsvRecord, String>, usize) {
        let mut fields = Vec::new();
        let mut at = start;
        let line_end = |from: usize| {
            let newline = text[from..].iter().position(|byte| *byte == b'\n');
            newline.map_or(text.len(), |newline| from + newline + 1)
        };
        loop {
            let (field, end) = match self.field(text, at) {
                Ok(field) => field,
                Err(wrong) => {
                    let wrong = format!("{wrong} in row starting at position: {start}");
                    return (Err(wrong), line_end(at));
                }
            };
            fields.push(field);
            match text.get(end) {
                Some(byte) if *byte == self.delimiter => at = end + 1,
                Some(b'\r') if text.get(end + 1) == Some(&b'\n') => {
                    return (Ok(CsvRecord { position: start, fields }), end + 2);
                }
                Some(_) => return (Ok(CsvRecord { position: start, fields }), end + 1),
                None => return (Ok(CsvRecord { position: start, fields }), end),
            }
        }
    }

    /// The field that begins at an offset, and the offset of what ends it: a delimiter, a line's end, or
    /// the end of the file.
    fn field(&self, text: &[u8], start: usize) -> Result<(CsvField, usize), String> {
        let ends = |at: usize| match text.get(at) {
            None | Some(b'\n') => true,
            Some(b'\r') => text.get(at + 1).is_none_or(|next| *next == b'\n'),
            Some(byte) => *byte == self.delimiter,
        };
        let utf8 = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|_| "Invalid UTF-8 character encountered".to_owned())
        };
        let quote = match self.quote {
            Some(quote) if text.get(start) == Some(&quote) => quote,
            _ => {
                let mut at = start;
                while !ends(at) {
                    at += 1;
                }
                let text = utf8(text[start..at].to_vec())?;
                return Ok((CsvField { text, is_quoted: false }, at));
            }
        };
        let (mut content, mut at) = (Vec::new(), start + 1);
        loop {
            match text.get(at) {
                None => return Err("Missing close quote character".to_owned()),
                Some(byte) if *byte == quote && text.get(at + 1) == Some(&quote) => {
                    content.push(quote);
                    at += 2;
                }
                Some(byte) if *byte == quote => {
                    at += 1;
                    break;
                }
                Some(b'\n') if !self.allows_quoted_newlines => {
                    return Err("Missing close quote character".to_owned());
                }
                Some(byte) => {
                    content.push(*byte);
                    at += 1;
                }
            }
        }
        if !ends(at) {
            return Err("Data between close quote character and field separator".to_owned());
        }
        Ok((CsvField { text: utf8(content)?, is_quoted: true }, at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn records(configuration: Value, text: &str) -> Vec<Result<Vec<String>, String>> {
        let form = CsvForm::of(&configuration).unwrap();
        let texts = |record: CsvRecord| record.fields.into_iter().map(|field| field.text).collect();
        form.records(text.as_bytes()).map(|record| record.map(texts)).collect()
    }

    fn texts(fields: &[&str]) -> Result<Vec<String>, String> {
        Ok(fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn fields_are_split_at_delimiters_outside_quotes() {
        let text = "head\r\n\n\"a,\"\"b\"\"\",,c\r\nd,\"\",\n\"e";
        let read = records(json!({ "skipLeadingRows": 1 }), text);
        let missing = "Missing close quote character in row starting at position: 27";
        assert_eq!(
            read,
            [texts(&["a,\"b\"", "", "c"]), texts(&["d", "", ""]), Err(missing.to_owned())]
        );
        let read = records(json!({ "fieldDelimiter": "\\t", "quote": "" }), "\"a\tb,c");
        assert_eq!(read, [texts(&["\"a", "b,c"])]);
    }

    #[test]
    fn a_line_may_end_in_quotes_only_if_that_is_allowed() {
        let text = "\"a\nb\",c\nd,e\n";
        let read = records(json!({ "allowQuotedNewlines": true }), text);
        assert_eq!(read, [texts(&["a\nb", "c"]), texts(&["d", "e"])]);
        let read = records(json!({}), text);
        assert!(read[0].is_err() && read.last() == Some(&texts(&["d", "e"])), "{read:?}");
        let read = records(json!({}), "\"a\"b,c\nd,e");
        assert!(read[0].is_err() && read[1] == texts(&["d", "e"]), "{read:?}");
    }
}
