//! Guesses which field comes next, so that its key is compared instead of looked up.
//!
//! A producer writes the fields of an event in the same order every time. So the transcoder
//! remembers, for each object of the plan, which field came first in the latest event and which
//! field came after each field. At each member it compares the text with the remembered field's key
//! (one comparison of sixteen bytes). If that fails, it tries the field that is remembered after
//! that one, because an optional field may be missing. Only if both fail is the key read and looked
//! up by its hash, and the field found there is remembered for the next event.

use super::expected::ObjectPlan;

/// The guesses for all objects of a plan.
///
/// An object with `n` fields has `n + 1` places, starting at its `first_guess`: one for the field
/// that comes first, then one for the field after each field.
#[derive(Debug, Default)]
pub(super) struct Guesses(Vec<Guess>);

/// A guessed field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guess {
    /// Index in the object's fields. If it equals their number, no field is expected.
    field: u32,
    /// Length of the field's key. A copy: reading on does not have to wait until the field itself
    /// is loaded from memory.
    key_length: u32,
}

impl Guesses {
    /// Begins with the contract's order.
    pub(super) fn new(objects: &[ObjectPlan]) -> Self {
        let all = objects.iter().flat_map(|object| {
            (0..=object.fields.len()).map(move |field| Guess::new(object, field))
        });
        Self(all.collect())
    }

    /// The guess at a place.
    #[inline]
    pub(super) fn at(&self, place: usize) -> Guess {
        self.0[place]
    }

    /// Remembers for the next event that this field came at this place.
    #[inline]
    pub(super) fn remember(&mut self, place: usize, object: &ObjectPlan, field: usize) {
        self.0[place] = Guess::new(object, field);
    }
}

impl Guess {
    fn new(object: &ObjectPlan, field: usize) -> Self {
        let key_length = object.fields.get(field).map_or(0, |field| field.key.len()) as u32;
        Self { field: field as u32, key_length }
    }

    #[inline]
    pub(super) fn field(self) -> usize {
        self.field as usize
    }

    #[inline]
    pub(super) fn key_length(self) -> usize {
        self.key_length as usize
    }
}
