//! What becomes of a record: a closed set, each with its name in the documentation.

use sha2::{Digest, Sha256};

use crate::source::{Event, Position};

/// The transcoder's answer for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transcoded {
    /// A row was written to the buffer.
    Row,
    /// Left out on purpose: its type is on the ignore list, or it is a tombstone.
    /// The index is the metric label's (`Plan::ignored_labels`).
    Ignored(usize),
    /// Goes to the dead letters.
    Rejected(Box<Rejection>),
}

/// Why a record is no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: Reason,
    /// For people: which field, what was found, what was expected. Never the whole value.
    pub detail: String,
    /// Event type, where it was found.
    pub event_type: Option<String>,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Reason code of a dead letter: stable, a metric label and a column value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            pub fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }
        }
    };
}

reasons! {
    /// The value has no bytes (a tombstone has no value at all, and is ignored).
    Empty = "empty",
    /// The value is not UTF-8.
    NotUtf8 = "not_utf8",
    /// The value is not one JSON object (RFC 8259; `NaN` is not JSON).
    InvalidJson = "invalid_json",
    /// The value begins with the schema registry's magic byte.
    RegistryFramed = "registry_framed",
    /// Arrays and objects nested more than 127 deep, as far as the parser goes.
    TooDeep = "too_deep",
    /// No event type where the contract says it stands.
    NoEventType = "no_event_type",
    /// An event type that the contract does not know and the ignore list does not name.
    UnknownEventType = "unknown_event_type",
    /// A field is missing that the contract requires.
    MissingField = "missing_field",
    /// A value of another JSON type than the contract's.
    WrongType = "wrong_type",
    /// A number, date or timestamp beyond what its column holds.
    OutOfRange = "out_of_range",
    /// A string that is not of the format the column is converted by.
    BadFormat = "bad_format",
    /// `null` among the items of an array that has no nulls.
    NullInArray = "null_in_array",
    /// Any other rule of the contract's JSON Schema (enum, pattern, minimum, ...).
    ContractViolation = "contract_violation",
    /// Too large for one append, with its row (20 MB with what frames it).
    TooLarge = "too_large",
    /// BigQuery refused the row (`row_errors`).
    RowError = "row_error",
}

/// A rejected record on its way to the dead letters, with all a person needs to send it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub at: Position,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The first MiB of the value.
    pub value: Option<Vec<u8>>,
    /// Bytes of the whole value.
    pub value_bytes: u64,
    /// SHA-256 of the whole value, lower-case hex.
    pub value_sha256: String,
    pub rejection: Rejection,
}

/// How much of a value a dead letter keeps: enough to read it, and far below an append's limit.
const KEPT_BYTES: usize = 1 << 20;

impl DeadLetter {
    /// Keeps the first MiB of the value, its length and its SHA-256.
    pub fn new(
        at: Position,
        timestamp_ms: Option<i64>,
        key: Option<&[u8]>,
        headers: Vec<(String, Option<Vec<u8>>)>,
        value: Option<&[u8]>,
        rejection: Rejection,
    ) -> Self {
        let whole = value.unwrap_or_default();
        Self {
            at,
            timestamp_ms,
            key: key.map(<[u8]>::to_vec),
            headers,
            value: value.map(|value| value[..value.len().min(KEPT_BYTES)].to_vec()),
            value_bytes: whole.len() as u64,
            value_sha256: Sha256::digest(whole).iter().map(|byte| format!("{byte:02x}")).collect(),
            rejection,
        }
    }

    pub fn of(event: &Event<'_>, rejection: Rejection) -> Self {
        let headers = (0..event.headers.len())
            .map(|index| event.headers.get(index))
            .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
            .collect();
        Self::new(event.at, event.timestamp_ms, event.key, headers, event.value, rejection)
    }

    /// Bytes it holds in memory, for the bound on what is in flight.
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| {
            name.len() + value.as_ref().map_or(0, Vec::len) + size_of::<(String, Option<Vec<u8>>)>()
        });
        size_of::<Self>()
            + self.key.as_ref().map_or(0, Vec::len)
            + self.value.as_ref().map_or(0, Vec::len)
            + headers.sum::<usize>()
    }
}
