//! What stops a walk over a value, and the words for it.

use std::fmt::Write;

use crate::record::Reason;

/// The answer of every step of a walk. The fault is boxed: it is rare, and a small answer is quick.
pub(super) type Walked<T> = Result<T, Box<Fault>>;

/// Why a walk stopped, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) cause: Cause,
    /// Steps from the place of the fault outwards.
    path: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Cause {
    /// A key may have come twice in one object. Which value counts is known only at its end: the
    /// walk is done again on a text without the earlier ones.
    Repeated,
    /// Says what was found and what was expected; never a value of the payload.
    Rejected { reason: Reason, detail: String },
}

#[derive(Debug)]
enum Step {
    Key(Box<str>),
    Index(usize),
}

impl Fault {
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            cause: Cause::Rejected { reason, detail: detail.into() },
            path: Vec::new(),
        })
    }

    pub(super) fn repeated() -> Box<Self> {
        Box::new(Self { cause: Cause::Repeated, path: Vec::new() })
    }

    /// The text is not JSON at this byte.
    pub(super) fn syntax(at: usize, expected: &str) -> Box<Self> {
        Self::new(Reason::InvalidJson, format!("byte {at}: expected {expected}"))
    }

    pub(super) fn wrong_type(found: u8, expected: &str) -> Box<Self> {
        let found = json_type(found);
        Self::new(Reason::WrongType, format!("found {found}, expected {expected}"))
    }

    /// Adds the step outwards: the key of the object the fault lies in.
    pub(super) fn under_key(mut self: Box<Self>, key: &str) -> Box<Self> {
        self.path.push(Step::Key(key.into()));
        self
    }

    /// Adds the step outwards: the index in the array the fault lies in.
    pub(super) fn under_index(mut self: Box<Self>, index: usize) -> Box<Self> {
        self.path.push(Step::Index(index));
        self
    }

    /// Reason and detail for the dead letter: the place as a JSON pointer, then what is wrong.
    pub(super) fn report(self) -> (Reason, String) {
        match self.cause {
            // The second walk trusts keys to be distinct, so this is never seen outside.
            Cause::Repeated => (Reason::InvalidJson, "a key is repeated".to_owned()),
            Cause::Rejected { reason, detail } => {
                let mut text = String::new();
                for step in self.path.iter().rev() {
                    // Writing to a string cannot fail.
                    let _ = match step {
                        Step::Key(key) => {
                            write!(text, "/{}", key.replace('~', "~0").replace('/', "~1"))
                        }
                        Step::Index(index) => write!(text, "/{index}"),
                    };
                }
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&detail);
                (reason, text)
            }
        }
    }
}

/// JSON's name of the type of the value that begins with `first`.
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
