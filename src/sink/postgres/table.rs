//! The tables of an instance: created where they are missing, given the columns that they lack, and
//! looked at for what their columns take.

use tokio_postgres::types::Type;

use super::columns::{literal, quoted, quoted_name, sql_type};
use super::copy::CopyInto;
use super::errors::PgError;
use super::pool::Connection;
use crate::config::PostgresTable;
use crate::row::{Column, TableSchema};
use crate::sink::look::TableLook;
use crate::stop::Stop;

/// A column of the live table.
struct Live {
    name: String,
    /// `None` for a type that is not built in.
    kind: Option<Type>,
    /// As PostgreSQL writes it.
    type_name: String,
    /// Whether every row needs a value, because nothing else gives one.
    needed: bool,
    /// Whether the server makes its values.
    generated: bool,
}

/// What a table that is created is arranged by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arranged<'a> {
    Freely,
    /// The time column of a hypertable, which that makes NOT NULL.
    ByTime(&'a str),
    /// A column with an index.
    ByIndex(&'a str),
}

/// Makes the table ready, and returns how rows of `desired` go into it: columns that the table lacks,
/// and may not be given, are left out.
pub(super) async fn prepare(
    connection: &Connection,
    table: &PostgresTable,
    desired: &TableSchema,
    manage: bool,
    arranged: Arranged<'_>,
) -> Result<CopyInto, PrepareError> {
    let mut live = read(connection, table).await?;
    if let Some(change) =
        manage.then(|| change(table, desired, live.as_deref(), arranged)).flatten()
    {
        tracing::info!(%table, change.statement, "the table is created or gets new columns");
        one_at_a_time(connection, table, &change.statement).await?;
        live = read(connection, table).await?;
    }
    let live = live.ok_or_else(|| PrepareError::Refused(missing(table)))?;
    let fitted = fit(table, desired, &live, arranged).map_err(PrepareError::Refused)?;
    for column in &fitted.left_out {
        tracing::warn!(
            %table,
            column,
            "the table has no such column: its values are left out"
        );
    }
    Ok(fitted.into)
}

/// What [`prepare`] would do with these arguments.
pub(super) async fn look(
    connection: &Connection,
    table: &PostgresTable,
    desired: &TableSchema,
    manage: bool,
    arranged: Arranged<'_>,
) -> Result<TableLook, PgError> {
    let live = read(connection, table).await?;
    let mut look = TableLook::new(table.to_string(), desired.clone());
    look.is_there = live.is_some();
    let change = manage.then(|| change(table, desired, live.as_deref(), arranged)).flatten();
    let added = |column: &Column| {
        manage && live.as_deref().is_some_and(|live| find(live, column).is_none())
    };
    match &live {
        None if !manage => look.refusal = Some(missing(table)),
        None => {}
        Some(live) => {
            // Columns that are added have the types that their values need.
            let there = desired.columns.iter().filter(|column| !added(column)).cloned();
            match fit(table, &TableSchema { columns: there.collect() }, live, arranged) {
                Ok(fitted) => {
                    let mut columns = fitted.into.columns().columns.clone();
                    columns.extend(desired.columns.iter().filter(|column| added(column)).cloned());
                    look.columns = TableSchema { columns };
                    look.left_out = fitted.left_out;
                }
                Err(stop) => look.refusal = Some(stop),
            }
        }
    }
    look.changes = change.map_or_else(Vec::new, |change| change.phrases);
    Ok(look)
}

/// Why a table is not ready.
pub(super) enum PrepareError {
    Postgres(PgError),
    /// It never will be as it is.
    Refused(Stop),
}

impl From<PgError> for PrepareError {
    fn from(error: PgError) -> Self {
        Self::Postgres(error)
    }
}

fn missing(table: &PostgresTable) -> Stop {
    Stop {
        what: format!("write to the table {table}"),
        hint: "there is no such table; create it, or set MANAGE_TABLE=true".to_owned(),
        source: None,
    }
}

/// The live column of a column of ours: the one of its name, or else of its name in lower case, as
/// unquoted names are.
fn find<'l>(live: &'l [Live], column: &Column) -> Option<&'l Live> {
    let lower = column.name.to_lowercase();
    let named = |name: &str| live.iter().find(|one| one.name == name);
    named(&column.name).or_else(|| named(&lower))
}

/// The columns of the table; `None` where there is no table.
async fn read(
    connection: &Connection,
    table: &PostgresTable,
) -> Result<Option<Vec<Live>>, PgError> {
    let statement = "SELECT a.attname::text, a.atttypid, format_type(a.atttypid, a.atttypmod), \
         a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', \
         a.attgenerated <> '' OR a.attidentity = 'a' \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'f') \
         ORDER BY a.attnum";
    let failed = || PgError::of("read the columns of a table");
    let rows =
        connection.query(statement, &[&table.schema, &table.table]).await.map_err(failed())?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut live = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(name) = row.try_get::<_, Option<String>>(0).map_err(failed())? else { continue };
        live.push(Live {
            name,
            kind: Type::from_oid(row.try_get(1).map_err(failed())?),
            type_name: row.try_get(2).map_err(failed())?,
            needed: row.try_get(3).map_err(failed())?,
            generated: row.try_get(4).map_err(failed())?,
        });
    }
    Ok(Some(live))
}

/// A change of a table.
struct Change {
    statement: String,
    /// For people: `add note: text`.
    phrases: Vec<String>,
}

/// What creates the table, or adds columns to it; `None` where it has them all.
fn change(
    table: &PostgresTable,
    desired: &TableSchema,
    live: Option<&[Live]>,
    arranged: Arranged<'_>,
) -> Option<Change> {
    let name = quoted_name(table);
    let column = |column: &Column| format!("{} {}", quoted(&column.name), sql_type(column));
    let Some(live) = live else {
        let columns: Vec<String> = desired.columns.iter().map(column).collect();
        let index = match arranged {
            Arranged::ByIndex(column) => format!(
                "; CREATE INDEX IF NOT EXISTS {} ON {name} ({})",
                quoted(&index_name(table, column)),
                quoted(column)
            ),
            Arranged::Freely | Arranged::ByTime(_) => String::new(),
        };
        let statement =
            format!("CREATE TABLE IF NOT EXISTS {name} ({}){index}", columns.join(", "));
        return Some(Change {
            statement,
            phrases: vec![format!("create it with {} columns", columns.len())],
        });
    };
    let added: Vec<&Column> =
        desired.columns.iter().filter(|one| find(live, one).is_none()).collect();
    if added.is_empty() {
        return None;
    }
    let parts: Vec<String> =
        added.iter().map(|one| format!("ADD COLUMN IF NOT EXISTS {}", column(one))).collect();
    let phrase = |one: &&Column| format!("add {}: {}", one.name, sql_type(one));
    Some(Change {
        statement: format!("ALTER TABLE {name} {}", parts.join(", ")),
        phrases: added.iter().map(phrase).collect(),
    })
}

/// The name that PostgreSQL would choose too.
fn index_name(table: &PostgresTable, column: &str) -> String {
    const LONGEST: usize = 63 - "_idx".len();
    let mut name = format!("{}_{column}", table.table);
    while name.len() > LONGEST {
        name.pop();
    }
    name + "_idx"
}

/// Runs a change of a table while no other instance changes it. Instances that start together do so
/// one after the other.
pub(super) async fn one_at_a_time(
    connection: &Connection,
    table: &PostgresTable,
    change: &str,
) -> Result<(), PgError> {
    let key = literal(&format!("generic-consumer {table}"));
    connection
        .batch_execute(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended({key}, 0)); {change}; COMMIT"
        ))
        .await
        .map_err(PgError::of("create or alter a table"))
}

/// How rows of desired columns go into live ones.
struct Fitted {
    into: CopyInto,
    /// Columns that the table lacks.
    left_out: Vec<String>,
}

/// How rows of the desired columns go into the live ones. A hypertable's time column is NOT NULL: a
/// row without a time is refused by itself.
fn fit(
    table: &PostgresTable,
    desired: &TableSchema,
    live: &[Live],
    arranged: Arranged<'_>,
) -> Result<Fitted, Stop> {
    let refused = |found: String| Stop {
        what: format!("write to the table {table}: {found}"),
        hint: "alter the table, or write to another one".to_owned(),
        source: None,
    };
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for column in &desired.columns {
        match find(live, column) {
            Some(one) if !one.generated => {
                let unknown = || {
                    let wanted = sql_type(column);
                    let (name, found) = (&one.name, &one.type_name);
                    refused(format!(
                        "column {name} has the type {found}, and its values are {wanted}"
                    ))
                };
                let kind = one.kind.clone().ok_or_else(unknown)?;
                columns.push((Column { name: one.name.clone(), ..column.clone() }, kind));
            }
            Some(_) => {}
            None => left_out.push(column.name.clone()),
        }
    }
    let filled = |one: &Live| {
        let ours = columns.iter().find(|(column, _)| column.name == one.name);
        let is_time =
            |name: &str| matches!(arranged, Arranged::ByTime(time_column) if time_column == name);
        ours.is_some_and(|(column, _)| column.required || is_time(&column.name))
    };
    if let Some(one) = live.iter().find(|one| one.needed && !filled(one)) {
        return Err(refused(format!(
            "column {} is NOT NULL without a default, and not every event has a value for it",
            one.name
        )));
    }
    let into = CopyInto::new(table, columns).map_err(|mismatch| refused(mismatch.to_string()))?;
    Ok(Fitted { into, left_out })
}
