//! Values of expressions as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelOptional,
    CelString, CelTimestamp, CelUInt, Kind,
};
use cel::common::value::Val;
use chrono::SecondsFormat;
use serde_json::{Map, Number, Value};

use super::budget::Budget;
use super::failure::NotEvaluated;

/// The most levels of lists and maps in a value.
const DEEPEST: usize = 128;

/// Bytes of a number, a bool, or what is around an item.
const SMALL: usize = 8;

/// How much more JSON may be made. Values share what they are made of, and JSON does not.
pub(super) struct Room {
    most: usize,
    left: usize,
    levels: usize,
}

impl Room {
    pub fn new(most: usize) -> Self {
        Self { most, left: most, levels: DEEPEST }
    }

    fn take(&mut self, bytes: usize) -> Result<(), NotEvaluated> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or(NotEvaluated::ValueTooLarge(self.most))?;
        Ok(())
    }

    fn enter(&mut self) -> Result<(), NotEvaluated> {
        let levels = self.levels.checked_sub(1);
        self.levels = levels.ok_or(NotEvaluated::ValueTooDeep(DEEPEST))?;
        Ok(())
    }
}

/// The value as JSON.
pub(super) fn of(value: &dyn Val, room: &mut Room) -> Result<Value, NotEvaluated> {
    room.take(SMALL)?;
    let other = || NotEvaluated::Other("its value cannot be written as JSON");
    Ok(match value.get_type().kind() {
        Kind::NullType => Value::Null,
        Kind::Boolean => Value::Bool(*value.downcast_ref::<CelBool>().ok_or_else(other)?.inner()),
        Kind::Int => (*value.downcast_ref::<CelInt>().ok_or_else(other)?.inner()).into(),
        Kind::UInt => (*value.downcast_ref::<CelUInt>().ok_or_else(other)?.inner()).into(),
        Kind::Double => {
            let number = *value.downcast_ref::<CelDouble>().ok_or_else(other)?.inner();
            Number::from_f64(number).map(Value::Number).ok_or_else(other)?
        }
        Kind::String => {
            let text = value.downcast_ref::<CelString>().ok_or_else(other)?.inner();
            room.take(text.len())?;
            Value::String(text.to_owned())
        }
        Kind::Bytes => {
            let bytes = value.downcast_ref::<CelBytes>().ok_or_else(other)?.inner();
            room.take(bytes.len().saturating_mul(2))?;
            Value::String(STANDARD.encode(bytes))
        }
        Kind::Timestamp => {
            let at = value.downcast_ref::<CelTimestamp>().ok_or_else(other)?.inner();
            Value::String(at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
        }
        Kind::Duration => {
            let length = value.downcast_ref::<CelDuration>().ok_or_else(other)?.inner();
            let (seconds, nanos) = (length.num_seconds(), length.subsec_nanos().unsigned_abs());
            let sign = if seconds == 0 && length.subsec_nanos() < 0 { "-" } else { "" };
            let fraction = format!(".{nanos:09}");
            let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
            Value::String(format!("{sign}{seconds}{fraction}s"))
        }
        Kind::List => {
            room.enter()?;
            let list = value.downcast_ref::<CelList>().ok_or_else(other)?;
            let items = list.inner().iter().map(|item| of(&**item, room));
            let items = items.collect::<Result<Vec<Value>, NotEvaluated>>()?;
            room.levels += 1;
            Value::Array(items)
        }
        Kind::Map => {
            room.enter()?;
            let map = value.downcast_ref::<CelMap>().ok_or_else(other)?;
            let mut members = Vec::with_capacity(map.inner().len().min(room.left / SMALL + 1));
            for (key, value) in map.inner() {
                let key = key_text(key);
                room.take(key.len())?;
                members.push((key, of(&**value, room)?));
            }
            room.levels += 1;
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Kind::Opaque => match value.downcast_ref::<CelOptional>().ok_or_else(other)?.option() {
            Some(value) => of(value, room)?,
            None => Value::Null,
        },
        _ => return Err(other()),
    })
}

fn key_text(key: &CelMapKey<'_>) -> String {
    match key {
        CelMapKey::String(text) => text.inner().to_owned(),
        CelMapKey::Int(number) => number.inner().to_string(),
        CelMapKey::UInt(number) => number.inner().to_string(),
        CelMapKey::Bool(value) => value.inner().to_string(),
    }
}

/// Fails where a value has more levels than [`DEEPEST`], or too much in it to find out.
pub(super) fn levels(value: &dyn Val, budget: &Budget) -> Result<(), NotEvaluated> {
    walk(value, DEEPEST, budget)
}

fn walk(value: &dyn Val, levels: usize, budget: &Budget) -> Result<(), NotEvaluated> {
    let used_up = |_| NotEvaluated::TooManySteps;
    match value.get_type().kind() {
        Kind::List | Kind::Map | Kind::Opaque => {
            budget.pay(1, 0).map_err(used_up)?;
            let within = levels.checked_sub(1).ok_or(NotEvaluated::ValueTooDeep(DEEPEST))?;
            if let Some(list) = value.downcast_ref::<CelList>() {
                return list.inner().iter().try_for_each(|item| walk(&**item, within, budget));
            }
            if let Some(map) = value.downcast_ref::<CelMap>() {
                return map.inner().values().try_for_each(|it| walk(&**it, within, budget));
            }
            let within_it = value.downcast_ref::<CelOptional>().and_then(CelOptional::option);
            within_it.map_or(Ok(()), |value| walk(value, within, budget))
        }
        _ => budget.pay(1, 0).map_err(used_up),
    }
}
