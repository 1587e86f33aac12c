//! Arithmetic, which fails where SQLite would turn to floats or NULL.

use rusqlite::types::{Value, ValueRef};

use super::decimal::{self, ONE, multiply_divide};
use super::values::{Computed, Function, float_of, float_value, int_of, text_of};
use crate::local::bigquery::sql::error::UNSUPPORTED;

pub const ALL: &[Function] = &[
    ("bq_arithmetic", 4, arithmetic),
    ("bq_negative", 2, negative),
    ("bq_round", 4, round),
    ("bq_sqrt", 1, sqrt),
    ("bq_finite", 1, finite),
];

/// `bq_arithmetic(sign, left, right, type)`; `safe/` gives NULL where `/` fails.
fn arithmetic(arguments: &[ValueRef<'_>]) -> Computed {
    let sign = text_of(&arguments[0])?;
    let (left, right) = (&arguments[1], &arguments[2]);
    match text_of(&arguments[3])? {
        "INT64" => int(sign, int_of(left)?, int_of(right)?).map(Value::Integer),
        "NUMERIC" => {
            let (left, right) = (text_of(left)?, text_of(right)?);
            match numeric(sign, left, right) {
                Err(_) if sign == "safe/" => Ok(Value::Null),
                other => other.map(Value::Text),
            }
        }
        _ => match float(sign, float_of(left)?, float_of(right)?) {
            Err(_) if sign == "safe/" => Ok(Value::Null),
            other => other.map(float_value),
        },
    }
}

fn int(sign: &str, left: i64, right: i64) -> Result<i64, String> {
    let done = match sign {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        _ if right == 0 => return Err(format!("division by zero: {sign}({left}, {right})")),
        "MOD" => Some(left.checked_rem(right).unwrap_or(0)),
        _ => left.checked_div(right),
    };
    done.ok_or_else(|| format!("int64 overflow: {left} {sign} {right}"))
}

fn float(sign: &str, left: f64, right: f64) -> Result<f64, String> {
    let done = match sign {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        _ if right == 0.0 => return Err(format!("division by zero: {left} / {right}")),
        _ => left / right,
    };
    let was_finite = left.is_finite() && right.is_finite();
    if was_finite && !done.is_finite() {
        return Err(format!("double overflow: {left} {sign} {right}"));
    }
    Ok(done)
}

fn numeric(sign: &str, left: &str, right: &str) -> Result<String, String> {
    let (one, other) = (decimal::parse(left)?, decimal::parse(right)?);
    let done = match sign {
        "+" => one.checked_add(other),
        "-" => one.checked_sub(other),
        "*" => multiply_divide(one, other, ONE),
        _ if other == 0 => return Err(format!("division by zero: {left} / {right}")),
        "MOD" => Some(one % other),
        "DIV" => (one / other).checked_mul(ONE),
        _ => multiply_divide(one, ONE, other),
    };
    let shown = done.and_then(decimal::show);
    shown.ok_or_else(|| format!("numeric overflow: {left} {sign} {right}"))
}

/// `bq_negative(value, type)`
fn negative(arguments: &[ValueRef<'_>]) -> Computed {
    let value = &arguments[0];
    match text_of(&arguments[1])? {
        "INT64" => int("-", 0, int_of(value)?).map(Value::Integer),
        "NUMERIC" => numeric("-", "0", text_of(value)?).map(Value::Text),
        _ => Ok(float_value(-float_of(value)?)),
    }
}

/// `bq_round(function, value, digits, type)` for ABS, SIGN, ROUND, FLOOR and CEIL.
fn round(arguments: &[ValueRef<'_>]) -> Computed {
    let function = text_of(&arguments[0])?;
    let (value, digits) = (&arguments[1], int_of(&arguments[2])?);
    match text_of(&arguments[3])? {
        "INT64" => {
            let number = int_of(value)?;
            let done = match function {
                "SIGN" => Some(number.signum()),
                _ => number.checked_abs(),
            };
            done.map(Value::Integer).ok_or_else(|| format!("int64 overflow: ABS({number})"))
        }
        "NUMERIC" => {
            let number = decimal::parse(text_of(value)?)?;
            let done = round_numeric(function, number, digits);
            let shown = done.and_then(decimal::show).map(Value::Text);
            shown.ok_or_else(|| format!("numeric overflow: {function}({number})"))
        }
        _ => Ok(float_value(round_float(function, float_of(value)?, digits))),
    }
}

fn round_numeric(function: &str, number: i128, digits: i64) -> Option<i128> {
    Some(match function {
        "ABS" => number.abs(),
        "SIGN" => number.signum() * ONE,
        "FLOOR" => number.div_euclid(ONE) * ONE,
        "CEIL" | "CEILING" => -((-number).div_euclid(ONE)) * ONE,
        _ if digits >= 9 => number,
        _ if digits < -28 => 0,
        _ => {
            let unit = 10_i128.checked_pow((9 - digits) as u32)?;
            let half = if number < 0 { -unit / 2 } else { unit / 2 };
            number.checked_add(half)? / unit * unit
        }
    })
}

fn round_float(function: &str, number: f64, digits: i64) -> f64 {
    match function {
        "ABS" => number.abs(),
        "SIGN" if number == 0.0 || number.is_nan() => number,
        "SIGN" => number.signum(),
        "FLOOR" => number.floor(),
        "CEIL" | "CEILING" => number.ceil(),
        _ if digits == 0 => number.round(),
        _ => {
            let unit = 10_f64.powi(digits.clamp(-308, 308) as i32);
            let scaled = number * unit;
            if scaled.is_finite() { scaled.round() / unit } else { number }
        }
    }
}

/// A FLOAT64 that SQLite can compare and add up: the store keeps NaN and infinities as text.
fn finite(arguments: &[ValueRef<'_>]) -> Computed {
    match &arguments[0] {
        ValueRef::Text(_) => {
            Err(format!("{UNSUPPORTED}NaN and infinities in comparisons and sums"))
        }
        value => Ok(Value::Real(float_of(value)?)),
    }
}

fn sqrt(arguments: &[ValueRef<'_>]) -> Computed {
    let number = float_of(&arguments[0])?;
    if number < 0.0 {
        return Err(format!("Floating point error in function: SQRT({number})"));
    }
    Ok(float_value(number.sqrt()))
}
