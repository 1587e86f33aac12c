//! Looks at a database, and changes nothing: the same plans as those of a run, which are not carried
//! out. The session is read-only, so that even a mistake here would be refused.

use super::columns::literal;
use super::errors::{PgError, Verdict};
use super::hypertable::{self, Planned};
use super::offsets::{self, Offsets, stored_on};
use super::pool::{Connection, Connections};
use super::table::{self, Arranged};
use crate::config::{PostgresSettings, PostgresTable};
use crate::record::Partition;
use crate::row::TableSchema;
use crate::sink::StoredOffset;
use crate::sink::dead_letter::letter_row;
use crate::sink::look::TableLook;
use crate::stop::Stop;

/// What is looked at.
#[derive(Clone, Copy)]
pub struct LookParts<'a> {
    pub settings: &'a PostgresSettings,
    /// Whether a run creates tables and adds columns.
    pub manage: bool,
    pub columns: &'a TableSchema,
    /// Whether dead letters stand in a table beside the rows.
    pub letters: bool,
    pub group: &'a str,
    pub topic: &'a str,
}

/// A database as a run would find it.
#[derive(Debug)]
pub struct PostgresLook {
    /// The role, and the version of the server.
    pub role: String,
    pub version: String,
    /// It takes no writes: a standby, or a database that is read-only.
    pub is_read_only: bool,
    pub rows: TableLook,
    /// `None`: dead letters are elsewhere.
    pub letters: Option<TableLook>,
    pub offsets: TableLook,
    /// How a person sets an offset.
    pub setting: String,
    /// Where the group stands.
    pub stored: Vec<(Partition, StoredOffset)>,
}

/// Looks at the tables. The error says why nothing was seen.
pub async fn look(parts: LookParts<'_>) -> Result<PostgresLook, Stop> {
    let connections = Connections::new(&parts.settings.server, None)?;
    looked(&connections, &parts).await.map_err(|error| {
        let hint = match error.verdict() {
            Verdict::Stop(hint) => hint,
            Verdict::Retry | Verdict::Refused => {
                "check the URL of the write environment's `postgres` section, and the server"
            }
        };
        error.stop(format!("look at the table {}", parts.settings.table), hint)
    })
}

async fn looked(connections: &Connections, parts: &LookParts<'_>) -> Result<PostgresLook, PgError> {
    let connection = connections.get().await?;
    let settings = parts.settings;
    let rows = &settings.table;
    let server = "SELECT current_user::text, current_setting('server_version'), \
                  (pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on')::text";
    let server = texts(&connection, "ask who this is", server).await?;
    let read_only = "SET default_transaction_read_only = on; SET statement_timeout = '8s'";
    connection.batch_execute(read_only).await.map_err(PgError::of("begin to look"))?;
    let arranged = settings.time_column.as_deref().map_or(Arranged::Freely, Arranged::ByTime);
    let manage = parts.manage;
    let mut look = table::look(&connection, rows, parts.columns, manage, arranged).await?;
    if manage {
        match hypertable::plan(&connection, settings).await? {
            Planned::Nothing => {}
            Planned::NoTimescale => look.notes.push(
                "the database has no TimescaleDB: PG_TIME_COLUMN makes no hypertable".to_owned(),
            ),
            Planned::Changes(changes) => {
                look.changes.extend(changes.into_iter().map(|change| change.phrase));
            }
        }
    }
    look.lacking = Some(lacking(&connection, rows, &look, &["INSERT"]).await?);
    let letters = match parts.letters {
        false => None,
        true => {
            let (table, columns) = (rows.dead_letters(), letter_row::columns());
            let mut look =
                table::look(&connection, &table, &columns, manage, Arranged::Freely).await?;
            look.lacking = Some(lacking(&connection, &table, &look, &["INSERT"]).await?);
            Some(look)
        }
    };
    let table = rows.beside(offsets::NAME);
    let mut of_offsets = TableLook::new(table.to_string(), TableSchema { columns: Vec::new() });
    let found = format!("SELECT count(*)::text FROM pg_class WHERE oid = {}", oid(&table));
    let found = texts(&connection, "look for the table of offsets", &found).await?;
    of_offsets.is_there = found.first().is_some_and(|found| found == "1");
    match (of_offsets.is_there, manage) {
        (true, _) => {}
        (false, true) => of_offsets.changes.push("create it".to_owned()),
        (false, false) => of_offsets.refusal = Some(offsets::missing(&table)),
    }
    let rights = ["SELECT", "INSERT", "UPDATE"];
    let lacks = lacking(&connection, &table, &of_offsets, &rights).await?;
    let readable = of_offsets.is_there && !lacks.iter().any(|lacks| lacks.starts_with("SELECT"));
    let stored = match readable {
        true => stored_on(&connection, rows, parts.group, parts.topic).await?,
        false => Vec::new(),
    };
    of_offsets.lacking = Some(lacks);
    // It is closed with what was set on it.
    drop(connection);
    let [role, version, is_read_only] = server.try_into().unwrap_or_default();
    let is_read_only = is_read_only == "true";
    let setting = Offsets::new(rows, parts.group, parts.topic).setting();
    let (rows, offsets) = (look, of_offsets);
    Ok(PostgresLook { role, version, is_read_only, rows, letters, offsets, setting, stored })
}

/// The rights that a run needs for the table as it is, and that this role lacks.
async fn lacking(
    connection: &Connection,
    table: &PostgresTable,
    look: &TableLook,
    needed: &[&str],
) -> Result<Vec<String>, PgError> {
    let operation = "ask for rights";
    if !look.is_there && look.refusal.is_some() {
        return Ok(Vec::new());
    }
    // A schema that is not there has no rights either.
    let of_schema = if look.is_there { "('USAGE')" } else { "('USAGE'), ('CREATE')" };
    let statement = format!(
        "SELECT right_name FROM (VALUES {of_schema}) AS needed (right_name) \
         WHERE NOT coalesce((SELECT has_schema_privilege(oid, right_name) FROM pg_namespace \
         WHERE nspname = {}), false)",
        literal(&table.schema)
    );
    let mut lacks = texts(connection, operation, &statement).await?;
    for right in &mut lacks {
        *right = format!("{right} on the schema {}", table.schema);
    }
    if !look.is_there {
        return Ok(lacks);
    }
    let found = oid(table);
    let values: Vec<String> = needed.iter().map(|right| format!("('{right}')")).collect();
    let statement = format!(
        "SELECT right_name FROM (VALUES {}) AS needed (right_name) \
         WHERE NOT has_table_privilege({found}, right_name)",
        values.join(", ")
    );
    let of_table = texts(connection, operation, &statement).await?;
    lacks.extend(of_table.into_iter().map(|right| format!("{right} on the table {table}")));
    if !look.changes.is_empty() {
        let statement = format!(
            "SELECT pg_has_role(relowner, 'USAGE')::text FROM pg_class WHERE oid = {found}"
        );
        if texts(connection, operation, &statement).await?.first().is_some_and(|is| is == "false") {
            lacks.push(format!("the ownership of the table {table}"));
        }
    }
    Ok(lacks)
}

/// The table's oid, for whoever may not use its schema too.
fn oid(table: &PostgresTable) -> String {
    format!(
        "(SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {})",
        literal(&table.schema),
        literal(&table.table)
    )
}

/// The values of a statement's rows, one after the other.
async fn texts(
    connection: &Connection,
    operation: &'static str,
    statement: &str,
) -> Result<Vec<String>, PgError> {
    let rows = connection.query(statement, &[]).await.map_err(PgError::of(operation))?;
    let mut texts = Vec::new();
    for row in &rows {
        for index in 0..row.len() {
            let text: Option<String> = row.try_get(index).map_err(PgError::of(operation))?;
            texts.push(text.unwrap_or_default());
        }
    }
    Ok(texts)
}
