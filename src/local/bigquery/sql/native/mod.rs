//! The functions that SQLite gets from us, because its own differ from BigQuery's: their names begin
//! with `bq_`, and they take and give values in the form in which the store keeps them.

mod aggregates;
mod casts;
mod decimal;
mod json;
mod numbers;
mod text;
mod time;
mod values;

use rusqlite::functions::Context;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error};

use values::{FLAGS, failed};

/// Adds the functions to a connection.
pub fn register(connection: &Connection) -> Result<(), Error> {
    connection.create_collation("bq_numeric", decimal::compare)?;
    for (name, count, function) in [numbers::ALL, casts::ALL, text::ALL, time::ALL].concat() {
        connection.create_scalar_function(name, count, FLAGS, move |context| {
            let arguments: Vec<ValueRef<'_>> =
                (0..context.len()).map(|index| context.get_raw(index)).collect();
            // Except for the functions below, a NULL argument gives NULL.
            match arguments.iter().any(|argument| matches!(argument, ValueRef::Null)) {
                true => Ok(Value::Null),
                false => function(&arguments).map_err(failed),
            }
        })?;
    }
    for (name, count, function) in json::ALL {
        connection.create_scalar_function(*name, *count, FLAGS, move |context| {
            let arguments: Vec<ValueRef<'_>> =
                (0..context.len()).map(|index| context.get_raw(index)).collect();
            function(&arguments).map_err(failed)
        })?;
    }
    connection.create_scalar_function("bq_single", 2, FLAGS, single)?;
    aggregates::register(connection)
}

/// The value of a scalar subquery, given a value and the number of its rows.
fn single(context: &Context<'_>) -> Result<Value, Error> {
    if context.get::<i64>(1)? > 1 {
        return Err(failed("Scalar subquery produced more than one element".to_owned()));
    }
    context.get(0)
}
