//! `_extra`: what the contract does not declare, in the shape of the payload.
//!
//! An undeclared member of the payload stands in it under its own name; one of a nested object
//! under the names that lead to it, so that `$.address.geo` finds there what the contract should
//! have declared at `address.geo`. In arrays, items without undeclared members are `null`, and
//! those behind the last one with some are left out.

/// The text of the `_extra` object while it grows. Containers that lead to an undeclared member are
/// begun only when one comes: nearly always there is none.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Members, each with a comma behind it.
    text: Vec<u8>,
    /// The nested objects and arrays the walk is in.
    trail: Vec<Level>,
    /// How many of them are begun in `text`.
    begun: usize,
}

#[derive(Debug)]
struct Level {
    step: Step,
    is_array: bool,
    /// Items written, of an array.
    items: usize,
}

/// How a level is reached from the one before it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A key, by its place in the payload.
    Key {
        start: usize,
        length: usize,
    },
    Item(usize),
}

impl Extra {
    pub(super) fn reset(&mut self) {
        self.text.clear();
        self.trail.clear();
        self.begun = 0;
    }

    #[inline]
    pub(super) fn enter(&mut self, step: Step, is_array: bool) {
        self.trail.push(Level { step, is_array, items: 0 });
    }

    #[inline]
    pub(super) fn leave(&mut self) {
        let Some(level) = self.trail.pop() else { return };
        if self.begun > self.trail.len() {
            self.begun = self.trail.len();
            // The comma behind the last member.
            self.text.pop();
            self.text.push(if level.is_array { b']' } else { b'}' });
            self.text.push(b',');
        }
    }

    /// Takes a member of the object the walk is in; `key` and `value` as they stand in `payload`.
    pub(super) fn member(&mut self, key: &[u8], value: &[u8], payload: &[u8]) {
        for at in self.begun..self.trail.len() {
            match self.trail[at].step {
                Step::Key { start, length } => self.key(&payload[start..start + length]),
                Step::Item(index) => {
                    let before = at.checked_sub(1).map(|at| &mut self.trail[at].items);
                    let written = before.map_or(index, |items| std::mem::replace(items, index + 1));
                    for _ in written..index {
                        self.text.extend_from_slice(b"null,");
                    }
                }
            }
            self.text.push(if self.trail[at].is_array { b'[' } else { b'{' });
        }
        self.begun = self.trail.len();
        self.key(key);
        self.text.extend_from_slice(value);
        self.text.push(b',');
    }

    fn key(&mut self, key: &[u8]) {
        self.text.push(b'"');
        self.text.extend_from_slice(key);
        self.text.extend_from_slice(b"\":");
    }

    /// The members of the object, without a comma behind the last; `None` where there are none.
    pub(super) fn members(&self) -> Option<&[u8]> {
        self.text.strip_suffix(b",")
    }
}
