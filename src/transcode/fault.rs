//! Why a value cannot become a row, and how that is reported in its dead letter.

use std::fmt::Write;

use crate::contract::pointer;
use crate::record::{Reason, shortened};

/// The result of reading a value or a part of it. The fault is boxed because it is rare: it keeps
/// the result small, which makes the usual case faster.
pub(super) type Result<T> = std::result::Result<T, Box<Fault>>;

/// Characters of a JSON pointer that a dead letter's detail has; the rest is room for what is wrong.
pub(super) const LONGEST_POINTER: usize = 500;

/// Why reading a value stopped, and at which place.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) cause: Cause,
    /// The place as a JSON pointer's segments, innermost first: each enclosing object or array
    /// adds its own while the fault is returned through it.
    pointer: Vec<Segment>,
}

#[derive(Debug)]
pub(super) enum Cause {
    /// A key probably occurs twice in one object. The value has to be read again without
    /// duplicate keys (`duplicates`), because only the last occurrence counts.
    DuplicateKey,
    /// The value is rejected. `detail` says what was found and what was expected; it never contains
    /// a value of the payload.
    Rejected { reason: Reason, detail: String },
}

#[derive(Debug)]
enum Segment {
    Key(Box<str>),
    Index(usize),
}

impl Fault {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            cause: Cause::Rejected { reason, detail: detail.into() },
            pointer: Vec::new(),
        })
    }

    pub(super) fn duplicate_key() -> Box<Self> {
        Box::new(Self { cause: Cause::DuplicateKey, pointer: Vec::new() })
    }

    /// The text is not JSON, seen at byte `at`.
    pub(super) fn syntax(at: usize, expected: &str) -> Box<Self> {
        Self::new(Reason::InvalidJson, format!("byte {at}: expected {expected}"))
    }

    /// The value that begins with the byte `found` has another JSON type than `expected`.
    pub(super) fn wrong_type(found: u8, expected: &str) -> Box<Self> {
        let found = json_type(found);
        Self::new(Reason::WrongType, format!("found {found}, expected {expected}"))
    }

    /// Adds the key of the member that the fault is in.
    pub(super) fn under_key(mut self: Box<Self>, key: &str) -> Box<Self> {
        self.pointer.push(Segment::Key(key.into()));
        self
    }

    /// Adds the index of the array item that the fault is in.
    pub(super) fn under_index(mut self: Box<Self>, index: usize) -> Box<Self> {
        self.pointer.push(Segment::Index(index));
        self
    }

    /// Returns the reason and the detail for the dead letter: the place as a JSON pointer, then
    /// what is wrong there.
    pub(super) fn report(self) -> (Reason, String) {
        match self.cause {
            // Reading without duplicates does not detect any, so this is never reported.
            Cause::DuplicateKey => (Reason::InvalidJson, "a key is repeated".to_owned()),
            Cause::Rejected { reason, detail } => {
                let mut text = String::new();
                for segment in self.pointer.iter().rev() {
                    // Writing to a string cannot fail.
                    let _ = match segment {
                        Segment::Key(key) => {
                            write!(text, "/{}", pointer::escaped(key))
                        }
                        Segment::Index(index) => write!(text, "/{index}"),
                    };
                }
                text = shortened(text, LONGEST_POINTER);
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&detail);
                (reason, text)
            }
        }
    }
}

/// Returns the name of the JSON type of a value that begins with the byte `first`.
pub(super) fn json_type(first: u8) -> &'static str {
    match first {
        b'{' => "object",
        b'[' => "array",
        b'"' => "string",
        b't' | b'f' => "boolean",
        b'n' => "null",
        _ => "number",
    }
}
