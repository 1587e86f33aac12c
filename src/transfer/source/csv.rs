//! CSV files: the header names the fields, and the contract says of which types they are.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use serde_json::value::RawValue;

use super::error::FilesError;
use crate::config::location::Location;
use crate::contract::{Contract, SchemaKind};
use crate::record::{Event, NoHeaders, Position, Reason, Rejection};
use crate::transfer::intake::{HandOn, Intake};

/// Why a file cannot be read.
pub enum CsvError {
    Read(csv::Error),
    Header(String),
}

impl CsvError {
    pub fn in_file(self, at: &Location) -> FilesError {
        let at = at.to_string();
        match self {
            Self::Header(problem) => FilesError::Header { at, problem },
            Self::Read(error) => match error.into_kind() {
                csv::ErrorKind::Io(source) => FilesError::Read { at, source },
                other => FilesError::Header { at, problem: format!("{other:?}") },
            },
        }
    }
}

/// How a text becomes a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As it stands, where it is one: numbers, `true`, objects and arrays.
    Json,
    Text,
}

/// Reads all records. An empty field is a missing one. A record of more than `largest` bytes ends the
/// reading: what comes after it is not known to be a record.
pub fn read(
    input: impl BufRead,
    (partition, largest): (i32, usize),
    delimiter: u8,
    kinds: &Kinds,
    intake: &mut Intake,
    hand_on: HandOn<'_>,
) -> Result<(), CsvError> {
    let place = Rc::new(Cell::new(Place::Begin));
    let bytes = Rc::new(Cell::new(0));
    let input = Quotes { input, delimiter, place: place.clone(), bytes: bytes.clone(), largest };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(input);
    let header = reader.byte_headers().map_err(CsvError::Read)?.clone();
    let mut names = Vec::with_capacity(header.len());
    for name in &header {
        let Ok(name) = std::str::from_utf8(name) else {
            return Err(CsvError::Header("the header is not UTF-8".to_owned()));
        };
        let name = name.trim_start_matches('\u{feff}').trim();
        if name.is_empty() || names.iter().any(|other: &String| other == name) {
            return Err(CsvError::Header(format!(
                "the header has the name {name:?} {}",
                if name.is_empty() { "somewhere" } else { "twice" }
            )));
        }
        names.push(name.to_owned());
    }
    if names.is_empty() {
        return Err(CsvError::Header("there is no header".to_owned()));
    }
    if !names.iter().any(|name| kinds.0.contains_key(name)) {
        let problem = "its first line has no name of a field of the contract: there is no header";
        return Err(CsvError::Header(problem.to_owned()));
    }
    let columns: Vec<(String, Kind)> = names
        .into_iter()
        .map(|name| {
            let kind = kinds.0.get(&name).copied().unwrap_or(Kind::Text);
            // Not refused: a text can always be written as JSON.
            (serde_json::Value::from(name).to_string(), kind)
        })
        .collect();
    let mut record = csv::ByteRecord::new();
    let mut value = Vec::new();
    let mut number = 0;
    while reader.read_byte_record(&mut record).map_err(CsvError::Read)? {
        bytes.set(0);
        let at = Position::new(partition, number);
        number += 1;
        value.clear();
        let fits = record.len() == columns.len();
        let is_text = fits && object(&columns, &record, &mut value);
        if !is_text {
            value.clear();
            value.extend_from_slice(&record.iter().collect::<Vec<_>>().join(&delimiter));
        }
        let event =
            Event { at, timestamp_ms: None, key: None, value: Some(&value), headers: &NoHeaders };
        if is_text {
            intake.take_row(&event);
        } else {
            let rejection = match fits {
                true => Rejection::new(Reason::NotUtf8, "a field is not UTF-8".to_owned(), None),
                false => {
                    let (has, wants) = (record.len(), columns.len());
                    let detail = format!("the record has {has} fields, and the header {wants}");
                    Rejection::new(Reason::BadFormat, detail, None)
                }
            };
            intake.take_unreadable(&event, rejection);
        }
        if intake.is_full() && hand_on(intake.chunk()).is_break() {
            return Ok(());
        }
    }
    match place.get() {
        Place::Begin | Place::Plain | Place::Closing => Ok(()),
        // The rest of the file would be one field.
        Place::Quoted => Err(CsvError::Header("a quote is not closed".to_owned())),
        Place::Wrong => {
            let problem = "a quote is not closed, or stands in a field without quotes: a field with a \
                           quote is in quotes itself, and the quote is doubled";
            Err(CsvError::Header(problem.to_owned()))
        }
    }
}

/// Where a file stands, as far as its quotes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of a field.
    Begin,
    Plain,
    Quoted,
    /// After a quote in a field in quotes: it closes the field, or it is the first of two.
    Closing,
    /// A quote stands where none may.
    Wrong,
}

impl Place {
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Wrong, _) | (Self::Plain, b'"') => Self::Wrong,
            (Self::Begin | Self::Closing, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) => Self::Quoted,
            (_, b'\n' | b'\r') => Self::Begin,
            (_, byte) if byte == delimiter => Self::Begin,
            // A byte order mark may stand before the first field.
            (Self::Begin, 0xEF | 0xBB | 0xBF) => Self::Begin,
            (Self::Closing, _) => Self::Wrong,
            (Self::Begin | Self::Plain, _) => Self::Plain,
        }
    }
}

/// Follows the quotes of a file. The reader of records takes a quote in the middle of a field for a
/// letter, and the end of the file for the end of a field in quotes.
struct Quotes<R> {
    input: R,
    delimiter: u8,
    place: Rc<Cell<Place>>,
    /// Bytes since the last record was complete.
    bytes: Rc<Cell<usize>>,
    /// The most there may be.
    largest: usize,
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        // The reader of records keeps what it has read of one, and asks for more.
        if self.bytes.get() > self.largest {
            let problem = format!(
                "a record has more than {} bytes: perhaps a quote is not closed",
                self.largest
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        self.bytes.set(self.bytes.get() + read);
        let bytes = buffer[..read].iter();
        let place = bytes.fold(self.place.get(), |at, byte| at.after(*byte, self.delimiter));
        self.place.set(place);
        Ok(read)
    }
}

/// Writes the record as a JSON object. Returns false if a field is not UTF-8.
fn object(columns: &[(String, Kind)], record: &csv::ByteRecord, into: &mut Vec<u8>) -> bool {
    into.push(b'{');
    for ((name, kind), field) in columns.iter().zip(record) {
        let Ok(text) = std::str::from_utf8(field) else { return false };
        if text.is_empty() {
            continue;
        }
        if into.len() > 1 {
            into.push(b',');
        }
        into.extend_from_slice(name.as_bytes());
        into.push(b':');
        let is_json = *kind == Kind::Json && serde_json::from_str::<&RawValue>(text.trim()).is_ok();
        if is_json {
            into.extend_from_slice(text.trim().as_bytes());
        } else {
            into.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
        }
    }
    into.push(b'}');
    true
}

/// How the fields of CSV files are read, by name.
#[derive(Debug, Clone, Default)]
pub struct Kinds(HashMap<String, Kind>);

impl Kinds {
    /// Those of the fields of all events of the contract. A field that is a string in one of them is
    /// taken for one.
    pub fn of(contract: &Contract) -> Self {
        let mut kinds = HashMap::new();
        for event in &contract.events {
            let SchemaKind::Object(fields) = &event.schema.kind else { continue };
            for field in fields {
                let kind = match field.schema.kind {
                    SchemaKind::String => Kind::Text,
                    SchemaKind::Any
                    | SchemaKind::Boolean
                    | SchemaKind::Integer
                    | SchemaKind::Number
                    | SchemaKind::Object(_)
                    | SchemaKind::Array(_) => Kind::Json,
                };
                let known = kinds.entry(field.name.clone()).or_insert(kind);
                if kind == Kind::Text {
                    *known = Kind::Text;
                }
            }
        }
        Self(kinds)
    }
}
