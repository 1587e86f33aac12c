//! Evaluating an expression for one record.

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::types::{CelBool, CelBytes, CelMap, CelMapKey, CelNull, CelString, CelTimestamp};
use cel::{Context, Value};
use chrono::DateTime;

use super::budget::{BUDGET, Budget};
use super::compiled::{Expression, STANDARD};
use super::error::{UNMETERED_WORK, Variable};
use super::failure::{self, NotEvaluated};
use super::patterns;
use super::shared::Shared;
use super::value::{self, Boxed};
use crate::record::{Event, HeaderList};

/// What an expression is evaluated for.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub event: &'a Event<'a>,
    /// The record's value: JSON text.
    pub payload: &'a [u8],
    pub event_type: &'a str,
}

/// The answer for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluation {
    True,
    False,
    /// The payload is no JSON text, so nothing can be said of it.
    Unreadable,
    Failed(NotEvaluated),
}

impl Expression {
    /// Whether the expression is true for a record.
    pub fn is_true(&self, subject: &Subject<'_>) -> Evaluation {
        self.evaluate(subject, self.is_metered_for(subject))
    }

    pub(super) fn evaluate(&self, subject: &Subject<'_>, is_metered: bool) -> Evaluation {
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        let budget = is_metered.then(Budget::new);
        if self.names.uses(Variable::Payload) {
            let Some(payload) = value::read(subject.payload, &self.wanted, budget.as_ref()) else {
                return match budget.and_then(|budget| budget.used_up()) {
                    Some(used_up) => Evaluation::Failed(used_up.into()),
                    None => Evaluation::Unreadable,
                };
            };
            context.add_variable_as_val(Variable::Payload.name(), payload);
        }
        if self.names.uses(Variable::EventType) {
            context.add_variable_as_val(Variable::EventType.name(), text(subject.event_type));
        }
        if self.names.uses(Variable::Key) {
            context.add_variable_as_val(Variable::Key.name(), bytes(subject.event.key));
        }
        if self.names.uses(Variable::Headers) {
            context.add_variable_as_val(
                Variable::Headers.name(),
                headers(subject.event.headers, budget.is_some()),
            );
        }
        if self.names.uses(Variable::Timestamp) {
            context.add_variable_as_val(
                Variable::Timestamp.name(),
                timestamp(subject.event.timestamp_ms),
            );
        }
        let tree = if budget.is_some() { &self.metered } else { &self.tree };
        for (index, pattern) in self.patterns.iter().enumerate() {
            context.add_variable_as_val(patterns::variable(index), Box::new(pattern.clone()));
        }
        if let Some(budget) = budget.or_else(|| (!self.patterns.is_empty()).then(Budget::new)) {
            context.add_variable_as_val(BUDGET, Box::new(budget));
        }
        match Value::resolve_val(tree, &context) {
            Ok(answer) => match answer.downcast_ref::<CelBool>() {
                Some(answer) if *answer.inner() => Evaluation::True,
                Some(_) => Evaluation::False,
                None => {
                    let found = failure::type_name(answer.get_type().name()).to_owned();
                    Evaluation::Failed(NotEvaluated::NotABool(found))
                }
            },
            Err(error) => Evaluation::Failed(NotEvaluated::of(&error, &self.names)),
        }
    }
}

impl Expression {
    /// Whether the evaluation has to pay for what it does. Without loops, and over little, it cannot
    /// do much: each of its operators is evaluated once, and none of their values has more bytes than
    /// what all of them read.
    fn is_metered_for(&self, subject: &Subject<'_>) -> bool {
        let mut bytes = subject.payload.len();
        if self.names.uses(Variable::Key) {
            bytes += subject.event.key.map_or(0, <[u8]>::len);
        }
        if self.names.uses(Variable::Headers) {
            let headers = (0..subject.event.headers.len()).map(|at| subject.event.headers.get(at));
            bytes += headers
                .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len))
                .sum::<usize>();
        }
        self.has_loops || bytes.saturating_mul(self.operators * self.operators) > UNMETERED_WORK
    }
}

fn text(text: &str) -> Boxed<'_> {
    Box::new(CelString::from(text))
}

/// A string where the bytes are UTF-8, else bytes; `null` where there are none.
fn bytes(bytes: Option<&[u8]>) -> Boxed<'_> {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Box::new(CelNull),
        Some((_, Ok(utf8))) => text(utf8),
        Some((bytes, Err(_))) => Box::new(CelBytes::from(bytes)),
    }
}

/// By name; the last of several with one name counts.
fn headers(headers: &dyn HeaderList, is_shared: bool) -> Boxed<'_> {
    let mut map: HashMap<CelMapKey<'_>, Boxed<'_>> = HashMap::with_capacity(headers.len());
    for index in 0..headers.len() {
        let (name, value) = headers.get(index);
        map.insert(CelMapKey::String(CelString::from(name)), bytes(value));
    }
    let map = Box::new(CelMap::from(map));
    if is_shared { Shared::of(map) } else { map }
}

/// `null` where the record has none.
fn timestamp<'v>(at_ms: Option<i64>) -> Boxed<'v> {
    match at_ms.and_then(DateTime::from_timestamp_millis) {
        Some(at) => Box::new(CelTimestamp::from(at.fixed_offset())),
        None => Box::new(CelNull),
    }
}
