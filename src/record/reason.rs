//! Why a record is rejected: a closed set of codes, each documented in docs/reference/outcomes.md.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Reason code of a dead letter: stable, a metric label and a column value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            pub const fn code(self) -> &'static str {
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
    /// The filter cannot be evaluated for the event.
    FilterError = "filter_error",
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
    /// Too large for one append, with its row (20 MB with what frames it), or for the topic of rows.
    TooLarge = "too_large",
    /// The row is of a day that this transfer does not write.
    OtherDay = "other_day",
    /// The sink refused the row.
    RowError = "row_error",
    /// The URL in the event is none, or leads to where nothing may be fetched from.
    ObjectRefused = "object_refused",
    /// The store has no such object.
    ObjectMissing = "object_missing",
    /// The store had the object once.
    ObjectGone = "object_gone",
    /// The signed URL has expired.
    ObjectExpired = "object_expired",
    /// The store refuses what the URL asks for.
    ObjectDenied = "object_denied",
    /// The object, or what is in it, is beyond a limit.
    ObjectTooLarge = "object_too_large",
    /// The object has another size or digest than the event says.
    ObjectMismatch = "object_mismatch",
    /// The object is no archive, or a broken one.
    ObjectUnreadable = "object_unreadable",
}
