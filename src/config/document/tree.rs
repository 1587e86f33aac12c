//! The content of a configuration file, whatever its format.

/// A value of a file. Numbers and booleans keep the spelling of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileValue {
    Text(String),
    List(Vec<String>),
    Table(Vec<KeyValue>),
    /// A value that no key accepts, described for the message.
    Unsupported(&'static str),
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    pub key: String,
    /// The line of the key, counted from 1; `None` if it is not known.
    pub line: Option<usize>,
    pub value: FileValue,
}

/// Why a file, or a part of it, cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub line: Option<usize>,
    pub message: String,
}

/// A list with elements other than plain values.
pub const UNSUPPORTED_LIST: FileValue =
    FileValue::Unsupported("a list with elements other than strings, numbers and booleans");
