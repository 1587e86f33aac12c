//! The column `_extra`: all members that the contract does not declare, as one JSON object in the
//! shape of the payload.
//!
//! An undeclared member at the payload's top level stands in `_extra` under its own key. One of a
//! nested object stands under the keys that lead to it: `address.geo`, undeclared in a declared
//! `address`, is found at `$.address.geo`. In an array of objects, items without undeclared members
//! become `null`, and those after the last item that has some are left out.

/// Builds the text of `_extra` while the payload is read. The objects and arrays around an
/// undeclared member are written only when one is found, because most events have none.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// The members of `_extra` so far, each followed by a comma.
    text: Vec<u8>,
    /// The declared objects and arrays around the current place, outermost first.
    levels: Vec<Level>,
    /// How many of `levels` are already opened in `text`.
    written: usize,
}

#[derive(Debug)]
struct Level {
    reached_by: ReachedBy,
    is_array: bool,
    /// If this is an array: how many of its items are in `text`.
    items: usize,
}

/// How a level is reached from the level around it.
#[derive(Debug, Clone, Copy)]
pub(super) enum ReachedBy {
    /// The key that starts at this byte of the payload, without quotes.
    Key {
        start: usize,
        length: usize,
    },
    Index(usize),
}

impl Extra {
    /// Prepares for the next event.
    pub(super) fn reset(&mut self) {
        self.text.clear();
        self.levels.clear();
        self.written = 0;
    }

    /// A declared object or array, or an array's item, begins.
    #[inline]
    pub(super) fn enter(&mut self, reached_by: ReachedBy, is_array: bool) {
        self.levels.push(Level { reached_by, is_array, items: 0 });
    }

    /// The object, array or item that was entered last ends.
    #[inline]
    pub(super) fn leave(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        if self.written > self.levels.len() {
            self.written = self.levels.len();
            // Replaces the comma after the last member.
            self.text.pop();
            self.text.push(if level.is_array { b']' } else { b'}' });
            self.text.push(b',');
        }
    }

    /// Adds an undeclared member of the current object. `key` and `value` are as written in
    /// `payload`.
    pub(super) fn member(&mut self, key: &[u8], value: &[u8], payload: &[u8]) {
        for at in self.written..self.levels.len() {
            match self.levels[at].reached_by {
                ReachedBy::Key { start, length } => self.key(&payload[start..start + length]),
                ReachedBy::Index(index) => {
                    let array = at.checked_sub(1).map(|at| &mut self.levels[at].items);
                    let written = array.map_or(index, |items| std::mem::replace(items, index + 1));
                    for _ in written..index {
                        self.text.extend_from_slice(b"null,");
                    }
                }
            }
            self.text.push(if self.levels[at].is_array { b'[' } else { b'{' });
        }
        self.written = self.levels.len();
        self.key(key);
        self.text.extend_from_slice(value);
        self.text.push(b',');
    }

    fn key(&mut self, key: &[u8]) {
        self.text.push(b'"');
        self.text.extend_from_slice(key);
        self.text.extend_from_slice(b"\":");
    }

    /// Returns the members of the object, without a comma after the last; `None` if there are none.
    pub(super) fn members(&self) -> Option<&[u8]> {
        self.text.strip_suffix(b",")
    }
}
