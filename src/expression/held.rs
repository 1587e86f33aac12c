//! Values that outlive an evaluation: what expressions are given, and what they return.

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use cel::{Context, Value};

use super::budget::{BUDGET, Budget};
use super::compiled::{Expression, STANDARD};
use super::failure::{self, NotEvaluated};
use super::json::{self, Room};
use super::patterns;
use super::shared::Shared;
use super::value::Boxed;

/// A value. Copies share it, so they cost the same however large it is.
#[derive(Debug)]
pub struct Held<'v>(pub(super) Boxed<'v>);

impl Clone for Held<'_> {
    fn clone(&self) -> Self {
        Self(self.0.clone_as_boxed())
    }
}

impl<'v> Held<'v> {
    pub(super) fn of(value: impl Val + 'v) -> Self {
        Self(Shared::of(Box::new(value)))
    }

    pub fn text(text: &'v str) -> Self {
        Self::of(CelString::from(text))
    }

    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let items: Vec<Boxed<'v>> = items.into_iter().map(|item| item.0).collect();
        Self::of(CelList::from(items))
    }

    pub fn map(members: impl IntoIterator<Item = (&'v str, Self)>) -> Self {
        let key = |key| CelMapKey::String(CelString::from(key));
        let members: HashMap<CelMapKey<'v>, Boxed<'v>> =
            members.into_iter().map(|(name, value)| (key(name), value.0)).collect();
        Self::of(CelMap::from(members))
    }

    /// The value as a condition.
    pub fn condition(&self) -> Result<bool, NotEvaluated> {
        let answer = self.0.downcast_ref::<CelBool>().map(|answer| *answer.inner());
        answer.ok_or_else(|| {
            NotEvaluated::NotABool(failure::type_name(self.0.get_type().name()).to_owned())
        })
    }

    /// The value as JSON of at most this many bytes: times as RFC 3339, durations as seconds with an
    /// `s`, bytes in base64, what is optional and missing as `null`. Keys are in the order of their
    /// bytes.
    pub fn json(&self, most_bytes: usize) -> Result<serde_json::Value, NotEvaluated> {
        json::of(&*self.0, &mut Room::new(most_bytes))
    }

    /// The value, unless it has more levels than JSON may have that is read. Values that are made of
    /// one another would end the stack otherwise.
    fn within_levels(self) -> Result<Self, NotEvaluated> {
        let budget = Budget::new();
        match json::levels(&*self.0, &budget) {
            Ok(()) => Ok(self),
            Err(why) => Err(budget.used_up().map_or(why, NotEvaluated::from)),
        }
    }
}

impl Expression {
    /// The value of the expression where its variables have these values. The evaluation pays for
    /// what it does.
    pub fn value<'v>(
        &self,
        variables: impl IntoIterator<Item = (&'static str, Held<'v>)>,
    ) -> Result<Held<'v>, NotEvaluated> {
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        for (name, value) in variables {
            context.add_variable_as_val(name, value.0);
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            context.add_variable_as_val(patterns::variable(index), Box::new(pattern.clone()));
        }
        context.add_variable_as_val(BUDGET, Box::new(Budget::new()));
        let value = Value::resolve_val(&self.metered, &context)
            .map_err(|error| NotEvaluated::of(&error, &self.names))?;
        Held(value.into_owned()).within_levels()
    }
}
