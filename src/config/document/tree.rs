//! The content of a configuration file, whatever its format.

/// A value of a file. Numbers and booleans keep the spelling of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileValue {
    Text(String),
    List(Vec<String>),
    Table(Vec<KeyValue>),
    /// A list of tables alone, with at least one.
    Tables(Vec<Vec<KeyValue>>),
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

/// What a list with elements other than plain values is called, where only these are accepted.
pub const NO_PLAIN_LIST: &str = "a list with elements other than strings, numbers and booleans";

impl FileValue {
    /// A list of these elements.
    pub fn list(elements: Vec<Self>) -> Self {
        let is_table = |element: &Self| matches!(element, Self::Table(_));
        if !elements.is_empty() && elements.iter().all(is_table) {
            let tables = elements.into_iter().filter_map(|element| match element {
                Self::Table(pairs) => Some(pairs),
                _ => None,
            });
            return Self::Tables(tables.collect());
        }
        let texts = elements.into_iter().map(|element| match element {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Table(_) | Self::Tables(_) | Self::Unsupported(_) => None,
        });
        texts.collect::<Option<_>>().map_or(Self::Unsupported(NO_PLAIN_LIST), Self::List)
    }
}
