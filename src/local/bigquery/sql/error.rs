//! Why a statement is refused, in BigQuery's words.

use std::fmt;

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span};

use crate::local::bigquery::store::StoreError;

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The statement or a value that it computes is wrong: `invalidQuery`.
    #[error("{message}{place}")]
    Invalid { message: String, place: Place },
    /// A table or a dataset does not exist: `notFound`.
    #[error("{0}")]
    NotFound(String),
    /// The table exists already: `duplicate`.
    #[error("{0}")]
    AlreadyExists(String),
    /// BigQuery can do this, the embedded BigQuery cannot: `notImplemented`.
    #[error("The embedded BigQuery does not support {what}{place}")]
    Unimplemented { what: String, place: Place },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A place in the statement, shown as ` at [line:column]`; unknown ones are not shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place(Option<(u64, u64)>);

impl SqlError {
    pub fn invalid(message: impl Into<String>, place: impl Into<Place>) -> Self {
        Self::Invalid { message: message.into(), place: place.into() }
    }

    pub fn unimplemented(what: impl Into<String>, place: impl Into<Place>) -> Self {
        Self::Unimplemented { what: what.into(), place: place.into() }
    }

    /// The reason in BigQuery's error responses.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalidQuery",
            Self::NotFound(_) => "notFound",
            Self::AlreadyExists(_) => "duplicate",
            Self::Unimplemented { .. } => "notImplemented",
            Self::Store(_) => "internalError",
        }
    }
}

/// What a function of [`super::native`] puts before its message, to tell it from SQLite's own.
pub const QUERY_ERROR: &str = "query: ";

/// How the message of a function begins that does not support a value.
pub const UNSUPPORTED: &str = "The embedded BigQuery does not support ";

impl From<rusqlite::Error> for SqlError {
    /// The errors of our own functions are mistakes in the statement; all others are ours.
    fn from(error: rusqlite::Error) -> Self {
        if let rusqlite::Error::SqliteFailure(_, Some(message)) = &error {
            if let Some(message) = message.strip_prefix(QUERY_ERROR) {
                if let Some(what) = message.strip_prefix(UNSUPPORTED) {
                    return Self::unimplemented(what, Place::default());
                }
                return Self::invalid(message, Place::default());
            }
            if message == "integer overflow" {
                return Self::invalid("int64 overflow in SUM", Place::default());
            }
        }
        Self::Store(error.into())
    }
}

impl From<ParserError> for SqlError {
    fn from(error: ParserError) -> Self {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
        };
        match message.rsplit_once(" at Line: ") {
            Some((message, place)) => {
                let mut numbers = place.split(", Column: ").map(|number| number.parse().ok());
                let place = numbers.next().flatten().zip(numbers.next().flatten());
                Self::invalid(format!("Syntax error: {message}"), Place(place))
            }
            None => Self::invalid(format!("Syntax error: {message}"), Place::default()),
        }
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self((location.line > 0).then_some((location.line, location.column)))
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        span.start.into()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, " at [{line}:{column}]"),
            None => Ok(()),
        }
    }
}
