//! Aggregate functions that SQLite does not have, most of them also for windows.

use rusqlite::functions::{Aggregate, Context, WindowAggregate};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};

use super::decimal::{self, multiply_divide};
use super::values::{FLAGS, failed, int_of, text_of};

pub fn register(connection: &Connection) -> Result<()> {
    connection.create_window_function("bq_sum", 1, FLAGS, Sum { average: false })?;
    connection.create_window_function("bq_avg", 1, FLAGS, Sum { average: true })?;
    connection.create_window_function("bq_bit_xor", 1, FLAGS, Xor)?;
    connection.create_aggregate_function("bq_bit_and", 1, FLAGS, Bits { and: true })?;
    connection.create_aggregate_function("bq_bit_or", 1, FLAGS, Bits { and: false })
}

/// The argument, unless it is NULL, which all aggregates leave out.
fn argument<'a>(context: &'a Context<'_>) -> Option<ValueRef<'a>> {
    Some(context.get_raw(0)).filter(|value| !matches!(value, ValueRef::Null))
}

/// SUM and AVG of NUMERIC.
struct Sum {
    average: bool,
}

/// The sum in billionths, and the number of values.
type Total = (i128, i64);

impl Sum {
    fn changed(context: &Context<'_>, total: &mut Total, sign: i64) -> Result<()> {
        let Some(value) = argument(context) else { return Ok(()) };
        let number = text_of(&value).and_then(decimal::parse).map_err(failed)?;
        let sum = total.0.checked_add(number * i128::from(sign));
        total.0 = sum.ok_or_else(overflow)?;
        total.1 += sign;
        Ok(())
    }

    fn result(&self, total: Option<&Total>) -> Result<Value> {
        let Some((sum, count)) = total.filter(|(_, count)| *count > 0) else {
            return Ok(Value::Null);
        };
        let result = match self.average {
            true => multiply_divide(*sum, 1, i128::from(*count)),
            false => Some(*sum),
        };
        let shown = result.and_then(decimal::show);
        shown.map(Value::Text).ok_or_else(overflow)
    }
}

fn overflow() -> Error {
    failed("numeric overflow in SUM".to_owned())
}

impl Aggregate<Total, Value> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<Total> {
        Ok((0, 0))
    }

    fn step(&self, context: &mut Context<'_>, total: &mut Total) -> Result<()> {
        Self::changed(context, total, 1)
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<Total>) -> Result<Value> {
        self.result(total.as_ref())
    }
}

impl WindowAggregate<Total, Value> for Sum {
    fn value(&self, total: Option<&mut Total>) -> Result<Value> {
        self.result(total.as_deref())
    }

    fn inverse(&self, context: &mut Context<'_>, total: &mut Total) -> Result<()> {
        Self::changed(context, total, -1)
    }
}

/// BIT_XOR; taking a value out of a window is the same as adding it.
struct Xor;

impl Xor {
    fn changed(context: &Context<'_>, total: &mut (i64, i64), count: i64) -> Result<()> {
        if let Some(value) = argument(context) {
            total.0 ^= int_of(&value).map_err(failed)?;
            total.1 += count;
        }
        Ok(())
    }

    fn result(total: Option<&(i64, i64)>) -> Value {
        match total.filter(|(_, count)| *count > 0) {
            Some((bits, _)) => Value::Integer(*bits),
            None => Value::Null,
        }
    }
}

impl Aggregate<(i64, i64), Value> for Xor {
    fn init(&self, _: &mut Context<'_>) -> Result<(i64, i64)> {
        Ok((0, 0))
    }

    fn step(&self, context: &mut Context<'_>, total: &mut (i64, i64)) -> Result<()> {
        Self::changed(context, total, 1)
    }

    fn finalize(&self, _: &mut Context<'_>, total: Option<(i64, i64)>) -> Result<Value> {
        Ok(Self::result(total.as_ref()))
    }
}

impl WindowAggregate<(i64, i64), Value> for Xor {
    fn value(&self, total: Option<&mut (i64, i64)>) -> Result<Value> {
        Ok(Self::result(total.as_deref()))
    }

    fn inverse(&self, context: &mut Context<'_>, total: &mut (i64, i64)) -> Result<()> {
        Self::changed(context, total, -1)
    }
}

/// BIT_AND and BIT_OR, which cannot take a value back and so have no windows.
struct Bits {
    and: bool,
}

impl Aggregate<Option<i64>, Value> for Bits {
    fn init(&self, _: &mut Context<'_>) -> Result<Option<i64>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, bits: &mut Option<i64>) -> Result<()> {
        let Some(value) = argument(context) else { return Ok(()) };
        let value = int_of(&value).map_err(failed)?;
        *bits = Some(match *bits {
            None => value,
            Some(bits) if self.and => bits & value,
            Some(bits) => bits | value,
        });
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, bits: Option<Option<i64>>) -> Result<Value> {
        Ok(bits.flatten().map_or(Value::Null, Value::Integer))
    }
}
