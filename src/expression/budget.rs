//! What one evaluation may use, and the functions by which it pays.
//!
//! The library counts nothing, so [`super::meter`] puts calls of these functions into the tree. Their
//! names begin with `@`, which no text of a user can.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cel::common::ast::operators;
use cel::common::types::{
    CelBool, CelBytes, CelInt, CelList, CelMap, CelOptional, CelString, DYN_TYPE, Kind, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use super::error::{MOST_BYTES, MOST_STEPS};
use super::shared::Shared;

/// The variable that holds the budget.
pub(super) const BUDGET: &str = "@budget";
/// `@step(budget, steps, bytes, x)` is `x`, after it has paid that much.
pub(super) const STEP: &str = "@step";
/// `@walk(budget, x)` is `x`, after it has paid for reading all of it.
pub(super) const WALK: &str = "@walk";
/// `@copy(budget, x)` is `x`, after it has paid for a copy of all of it.
pub(super) const COPY: &str = "@copy";
/// `@text(budget, x)` is `x`; only a string or bytes are paid for.
pub(super) const TEXT: &str = "@text";
/// `@parse(budget, x)` is `x`, after it has paid for reading it as a duration, which is slow.
pub(super) const PARSE: &str = "@parse";
/// `@find(budget, x, list)` is `x in list`, after it has paid for comparing `x` with each item.
pub(super) const FIND: &str = "@find";
/// `@range(budget, x)` is `x`, or the list of its keys if it is a map, after it has paid for those.
pub(super) const RANGE: &str = "@range";
/// `@collect(budget, x)` is the same, after it has paid for another list as long as it.
pub(super) const COLLECT: &str = "@collect";
/// `@share(x)` is `x` with shared ownership.
pub(super) const SHARE: &str = "@share";

/// Bytes of an item of a list: its place, and the value.
pub(super) const ITEM_BYTES: u64 = 48;
/// Bytes that reading, comparing or copying does in one step.
pub(super) const BYTES_A_STEP: u64 = 16;

/// Steps of one value that is read, compared or copied.
const STEPS_A_VALUE: u64 = 5;
/// Steps of a search for a pattern, and of each of its positions for each byte of the text. Most
/// searches take a hundredth of that; those for `[01]*1[01]{20}[ab]` in random digits take it.
const STEPS_A_SEARCH: u64 = 40;
const STEPS_A_POSITION: u64 = 3;
/// Steps of one byte of a duration.
const STEPS_A_BYTE_PARSED: u64 = 8;

/// The `function` of the error when the budget is used up; its message is one of the next two.
const USED_UP: &str = "@budget";
const STEPS: &str = "steps";
const BYTES: &str = "bytes";

static BUDGET_TYPE: Type = Type::new_unspecified_type("budget");

/// The steps and the bytes that are left. What one loop uses up is missing in all that follows.
#[derive(Debug)]
pub(super) struct Budget {
    steps: AtomicU64,
    bytes: AtomicU64,
}

/// What was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UsedUp {
    Steps,
    Bytes,
}

impl UsedUp {
    /// What was used up, if an error says that.
    pub fn of(error: &ExecutionError) -> Option<Self> {
        match error {
            ExecutionError::FunctionError { function, message } if function == USED_UP => {
                Some(if message == STEPS { Self::Steps } else { Self::Bytes })
            }
            _ => None,
        }
    }
}

impl Budget {
    pub fn new() -> Self {
        Self::of(MOST_STEPS, MOST_BYTES)
    }

    pub fn of(steps: u64, bytes: u64) -> Self {
        Self { steps: AtomicU64::new(steps), bytes: AtomicU64::new(bytes) }
    }

    /// The steps and the bytes that are left.
    pub fn left(&self) -> (u64, u64) {
        (self.steps.load(Relaxed), self.bytes.load(Relaxed))
    }

    /// Once it has failed it fails for all that costs anything.
    pub fn pay(&self, steps: u64, bytes: u64) -> Result<(), ExecutionError> {
        let take = |left: &AtomicU64, wanted: u64| {
            let rest = left.load(Relaxed).checked_sub(wanted);
            left.store(rest.unwrap_or(0), Relaxed);
            rest.is_some()
        };
        if take(&self.steps, steps) & take(&self.bytes, bytes) {
            return Ok(());
        }
        let message = if self.used_up() == Some(UsedUp::Bytes) { BYTES } else { STEPS };
        Err(ExecutionError::function_error(USED_UP, message))
    }

    /// What was used up, if anything was.
    pub fn used_up(&self) -> Option<UsedUp> {
        match (self.steps.load(Relaxed), self.bytes.load(Relaxed)) {
            (_, 0) => Some(UsedUp::Bytes),
            (0, _) => Some(UsedUp::Steps),
            _ => None,
        }
    }

    pub fn pay_for_text(&self, length: usize, copied: bool) -> Result<(), ExecutionError> {
        let length = length as u64;
        self.pay(STEPS_A_VALUE + length / BYTES_A_STEP, if copied { length } else { 0 })
    }

    /// Pays for a search for a pattern that has so many positions.
    pub fn pay_for_search(&self, length: usize, positions: u64) -> Result<(), ExecutionError> {
        let length = length as u64 + 1;
        self.pay(STEPS_A_SEARCH + length.saturating_mul(positions * STEPS_A_POSITION), 0)
    }

    /// Pays for reading or copying all of a value, piece by piece, so that this costs no more than
    /// is left.
    fn pay_for_all(&self, value: &dyn Val, copied: bool) -> Result<(), ExecutionError> {
        match value.get_type().kind() {
            Kind::String | Kind::Bytes => self.pay_for_text(length(value), copied),
            Kind::List | Kind::Map | Kind::Opaque => {
                self.pay(STEPS_A_VALUE, if copied { ITEM_BYTES } else { 0 })?;
                if let Some(list) = value.downcast_ref::<CelList>() {
                    return list.inner().iter().try_for_each(|it| self.pay_for_all(&**it, copied));
                }
                if let Some(map) = value.downcast_ref::<CelMap>() {
                    return map.inner().iter().try_for_each(|(key, value)| {
                        self.pay_for_all(key.inner(), copied)?;
                        self.pay_for_all(&**value, copied)
                    });
                }
                let within = value.downcast_ref::<CelOptional>().and_then(CelOptional::option);
                within.map_or(Ok(()), |value| self.pay_for_all(value, copied))
            }
            _ => self.pay(STEPS_A_VALUE, if copied { ITEM_BYTES } else { 0 }),
        }
    }
}

/// Bytes of a string or of bytes.
fn length(value: &dyn Val) -> usize {
    let text = value.downcast_ref::<CelString>().map(|text| text.inner().len());
    let bytes = || value.downcast_ref::<CelBytes>().map(|bytes| bytes.inner().len());
    text.or_else(bytes).unwrap_or(0)
}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        &BUDGET_TYPE
    }

    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        let left = |it: &AtomicU64| AtomicU64::new(it.load(Relaxed));
        Box::new(Self { steps: left(&self.steps), bytes: left(&self.bytes) })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The last argument, after `pay` has paid for it out of the first.
fn paid<'b, 'v>(
    mut arguments: Arguments<'b, 'v>,
    pay: impl FnOnce(&Budget, &dyn Val) -> Result<(), ExecutionError>,
) -> Answer<'b, 'v> {
    let value = arguments.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    pay(budget_of(&arguments)?, &*value)?;
    Ok(value)
}

/// The first argument.
fn budget_of<'a>(arguments: &'a Arguments<'_, '_>) -> Result<&'a Budget, ExecutionError> {
    let budget = arguments.first().and_then(|it| it.downcast_ref::<Budget>());
    budget.ok_or_else(ExecutionError::missing_argument_or_target)
}

fn step<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let number = |index: usize| {
        let number = arguments.get(index).and_then(|it| it.downcast_ref::<CelInt>());
        number.and_then(|it| u64::try_from(*it.inner()).ok()).unwrap_or(u64::MAX)
    };
    let (steps, bytes) = (number(1), number(2));
    paid(arguments, |budget, _| budget.pay(steps, bytes))
}

fn walk<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    paid(arguments, |budget, value| budget.pay_for_all(value, false))
}

fn copy<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    paid(arguments, |budget, value| budget.pay_for_all(value, true))
}

fn text<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    paid(arguments, |budget, value| budget.pay_for_text(length(value), false))
}

fn parse<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    paid(arguments, |budget, value| {
        let length = length(value) as u64;
        budget.pay(STEPS_A_VALUE + length * STEPS_A_BYTE_PARSED, length)
    })
}

fn find<'b, 'v>(arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let [_, value, within] = arguments.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let budget = budget_of(&arguments)?;
    let before = budget.steps.load(Relaxed);
    budget.pay_for_all(&**value, true)?;
    if within.get_type().kind() != Kind::Map {
        // Each item that is a number copies the value into an error, if it is no number.
        let of_value = before - budget.steps.load(Relaxed);
        let items = within.as_sizer().map_or(0, |sizer| *sizer.size().inner());
        budget.pay(of_value.saturating_mul(u64::try_from(items).unwrap_or(u64::MAX)), 0)?;
        budget.pay_for_all(&**within, false)?;
    }
    let wrong = || {
        let types = [value, within].map(|it| it.get_type().name().to_owned());
        ExecutionError::no_such_overload(operators::IN, types.to_vec())
    };
    let container = within.as_container().ok_or_else(wrong)?;
    let is_there = container.contains(&**value).map_err(|_| wrong())?;
    Ok(CowVal::owned(CelBool::from(is_there)))
}

/// What a loop is over: of a map its keys, shared, so that the loop's variable is a cheap copy.
fn ranged<'b, 'v>(budget: &Budget, value: CowVal<'b, 'v>) -> Answer<'b, 'v> {
    let Some(map) = value.downcast_ref::<CelMap>() else { return Ok(value) };
    let mut keys = Vec::with_capacity(map.inner().len());
    for key in map.inner().keys() {
        budget.pay_for_all(key.inner(), true)?;
        keys.push(Shared::of(key.inner().clone_as_boxed()));
    }
    Ok(CowVal::owned(CelList::from(keys)))
}

fn range<'b, 'v>(mut arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let value = arguments.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    ranged(budget_of(&arguments)?, value)
}

fn collect<'b, 'v>(mut arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let value = arguments.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let budget = budget_of(&arguments)?;
    let items = value.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    budget.pay(1, u64::try_from(items).unwrap_or(u64::MAX).saturating_mul(ITEM_BYTES))?;
    ranged(budget, value)
}

fn share<'b, 'v>(mut arguments: Arguments<'b, 'v>) -> Answer<'b, 'v> {
    let value = arguments.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    Ok(match value {
        CowVal::Owned(value) => CowVal::Owned(Shared::of(value)),
        borrowed @ CowVal::Borrowed(_) => borrowed,
    })
}

/// Adds the functions to the library's.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let functions: [(&str, usize, cel::common::functions::Function); 9] = [
        (STEP, 4, step),
        (WALK, 2, walk),
        (COPY, 2, copy),
        (TEXT, 2, text),
        (PARSE, 2, parse),
        (FIND, 3, find),
        (RANGE, 2, range),
        (COLLECT, 2, collect),
        (SHARE, 1, share),
    ];
    functions.into_iter().try_for_each(|(name, arguments, function)| {
        let types = (0..arguments).map(|_| DYN_TYPE).collect();
        env.add_overload(name, name, types, function)
    })
}
