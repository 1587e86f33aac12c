//! Fields of the payload, and how an expression reads them.

use std::fmt;

use crate::contract::pointer;

/// A step on the way to a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    /// Any item of a list, or any field of an object.
    Item,
}

/// A field of the payload: the steps that lead to it from the root. Without steps, the whole payload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field(pub Vec<Step>);

impl Field {
    /// The field to which these steps lead from here.
    pub(super) fn then(&self, steps: &[Step]) -> Self {
        Self(self.0.iter().chain(steps).cloned().collect())
    }
}

/// As a JSON pointer, with `*` for any item.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Key(key) => write!(f, "/{}", pointer::escaped(key)),
            Step::Item => f.write_str("/*"),
        })
    }
}

/// A field that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldRead {
    pub field: Field,
    /// The first step that may lead nowhere, by `has(…)` or `.?`. `None`: there is none.
    pub guarded_from: Option<usize>,
    /// How many steps are there whenever it is read: those to the item of a list in a loop over it.
    pub known: usize,
}

impl FieldRead {
    /// Notes that the expression asks whether `tested` is there.
    pub(super) fn guard_by(&mut self, tested: &Field) {
        let Some(last) = tested.0.len().checked_sub(1) else { return };
        if self.field.0.starts_with(&tested.0) {
            self.guarded_from = Some(self.guarded_from.map_or(last, |from| from.min(last)));
        }
    }
}
