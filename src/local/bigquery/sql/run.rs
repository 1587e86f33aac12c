//! Runs a statement in a transaction.

use rusqlite::Connection;
use sqlparser::ast::{ObjectType, Statement};
use sqlparser::dialect::BigQueryDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::changes::Changes;
use super::error::{Place, SqlError};
use super::escapes::unescape;
use super::queries::Rows;
use super::request::{Answer, Query};
use super::table_name::Target;
use super::translator::Translator;
use crate::local::bigquery::decode::Cells;
use crate::local::bigquery::field_schema::{self, FieldSchema, FieldType};
use crate::local::bigquery::store::{Resources, Store, StoreError, quoted, read, sql_name};
use crate::row::Cell;

/// Runs a statement in a transaction of its own.
pub fn run(store: &Store, query: &Query<'_>) -> Result<Answer, SqlError> {
    let statement = parsed(query.sql)?;
    match statement {
        Statement::Query(_) => store.read(|resources| execute(resources, query, &statement)),
        _ => store.change(|resources| execute(resources, query, &statement)),
    }
}

/// Runs a statement in an open transaction, with which its changes are kept or lost. A statement that
/// fails changes nothing, so the transaction can go on and be committed.
pub fn run_in(resources: &Resources<'_>, query: &Query<'_>) -> Result<Answer, SqlError> {
    let statement = parsed(query.sql)?;
    let connection = resources.connection();
    connection.execute_batch("SAVEPOINT statement")?;
    let done = execute(resources, query, &statement);
    if done.is_err() {
        connection.execute_batch("ROLLBACK TO statement")?;
    }
    connection.execute_batch("RELEASE statement")?;
    done
}

/// How many operators a statement can have: each may be one level of recursion.
const MOST_OPERATORS: usize = 1_000;

fn parsed(sql: &str) -> Result<Statement, SqlError> {
    let tokenizer = Tokenizer::new(&BigQueryDialect, sql).with_unescape(false);
    let mut tokens = { tokenizer }
        .tokenize_with_location()
        .map_err(|error| SqlError::from(sqlparser::parser::ParserError::from(error)))?;
    unescape(&mut tokens)?;
    let is_operator = |token: &Token| match token {
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::StringConcat => true,
        Token::Word(word) => {
            matches!(word.keyword, Keyword::AND | Keyword::OR | Keyword::UNION | Keyword::NOT)
        }
        _ => false,
    };
    if tokens.iter().filter(|token| is_operator(&token.token)).count() > MOST_OPERATORS {
        let what = format!("statements with more than {MOST_OPERATORS} operators");
        return Err(SqlError::unimplemented(what, Place::default()));
    }
    let parser = Parser::new(&BigQueryDialect).with_tokens_with_locations(tokens);
    let mut statements = { parser }.parse_statements()?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (Some(_), false) => {
            Err(SqlError::unimplemented("scripts of several statements", Place::default()))
        }
        (None, _) => {
            Err(SqlError::invalid("Syntax error: Unexpected end of statement", Place::default()))
        }
    }
}

fn execute(
    resources: &Resources<'_>,
    query: &Query<'_>,
    statement: &Statement,
) -> Result<Answer, SqlError> {
    let mut translator = Translator::new(resources, query);
    match statement {
        Statement::Query(body) => {
            let rows = translator.subquery(body)?;
            select(&translator, &rows)
        }
        Statement::Insert(insert) => {
            let changed = translator.insert(insert)?;
            change(&mut translator, "INSERT", changed)
        }
        Statement::Update(update) => {
            let changed = translator.update(update)?;
            change(&mut translator, "UPDATE", changed)
        }
        Statement::Delete(delete) => {
            let changed = translator.delete(delete)?;
            change(&mut translator, "DELETE", changed)
        }
        Statement::Merge(merge) => {
            let changed = translator.merge(merge)?;
            change(&mut translator, "MERGE", changed)
        }
        Statement::Truncate(truncate) => {
            let changed = translator.truncate(truncate)?;
            change(&mut translator, "TRUNCATE_TABLE", changed)
        }
        Statement::CreateTable(create) => {
            translator.create_table(create)?;
            Ok(empty("CREATE_TABLE"))
        }
        Statement::Drop {
            object_type: ObjectType::Table,
            if_exists,
            names,
            cascade: false,
            restrict: false,
            purge: false,
            temporary: false,
            table: None,
        } => {
            translator.drop_table(names, *if_exists)?;
            Ok(empty("DROP_TABLE"))
        }
        other => {
            let words: Vec<String> =
                other.to_string().split_whitespace().take(2).map(str::to_owned).collect();
            let what = format!("the statement {}", words.join(" "));
            Err(SqlError::unimplemented(what, Place::default()))
        }
    }
}

fn empty(statement: &'static str) -> Answer {
    Answer { columns: Vec::new(), rows: Vec::new(), affected: None, statement, bytes_processed: 0 }
}

fn select(translator: &Translator<'_>, rows: &Rows) -> Result<Answer, SqlError> {
    let mut unnamed = 0..;
    let columns = rows.columns.iter().map(|(name, value)| {
        let name = name.clone().or_else(|| unnamed.next().map(|number| format!("f{number}_")));
        value.ty.column(&name.unwrap_or_default())
    });
    let columns: Vec<FieldSchema> = columns.collect();
    for (index, column) in columns.iter().enumerate() {
        if field_schema::position(&columns, &column.name) != Some(index) {
            let message = format!(
                "Duplicate column names in the result are not supported. Found duplicate(s): {}",
                column.name
            );
            return Err(SqlError::invalid(message, Place::default()));
        }
    }
    let connection = translator.resources.connection();
    let bytes_processed = bytes_read(translator)?;
    let mut answer = Answer { columns, bytes_processed, ..empty("SELECT") };
    let mut statement = connection.prepare(&rows.sql)?;
    if translator.query.dry_run {
        return Ok(answer);
    }
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let cells = answer.columns.iter().enumerate().map(|(index, column)| {
            let cell = read(row.get_ref(index)?, column)?;
            Ok(cell.map(|cell| as_float(cell, column)))
        });
        answer.rows.push(cells.collect::<Result<Cells, SqlError>>()?);
    }
    Ok(answer)
}

/// SQLite gives whole numbers also where the column is a FLOAT64.
fn as_float(cell: Cell, column: &FieldSchema) -> Cell {
    match &cell {
        Cell::Scalar(number) if column.kind == FieldType::Float => {
            number.as_i64().map_or(cell, |number| Cell::from(number as f64))
        }
        _ => cell,
    }
}

fn change(
    translator: &mut Translator<'_>,
    statement: &'static str,
    (target, changes): (Target, Changes),
) -> Result<Answer, SqlError> {
    if matches!(statement, "UPDATE" | "DELETE" | "MERGE") {
        let all = (0..target.columns.len()).map(|index| (target.id.clone(), index));
        translator.read.extend(all);
    }
    let bytes_processed = bytes_read(translator)?;
    let affected = match translator.query.dry_run {
        true => None,
        false => Some(changes.make(translator.resources, &target)?),
    };
    Ok(Answer { affected, bytes_processed, ..empty(statement) })
}

/// The size of the columns that a statement reads, by BigQuery's sizes of the types.
fn bytes_read(translator: &Translator<'_>) -> Result<u64, SqlError> {
    let mut bytes = 0;
    for (table, index) in &translator.read {
        let resource = translator.resources.table(table)?.unwrap_or_default();
        let columns = field_schema::of_table(&resource).unwrap_or_default();
        if let Some(column) = columns.get(*index) {
            bytes += column_bytes(translator.resources.connection(), table, column)?;
        }
    }
    Ok(bytes)
}

fn column_bytes(
    connection: &Connection,
    table: &str,
    column: &FieldSchema,
) -> Result<u64, SqlError> {
    let name = quoted(&sql_name(column));
    let size = match column.kind {
        FieldType::Boolean => "1".to_owned(),
        FieldType::Numeric => "16".to_owned(),
        FieldType::BigNumeric => "32".to_owned(),
        FieldType::Bytes => format!("length({name}) * 3 / 4 + 2"),
        FieldType::String | FieldType::Json | FieldType::Geography | FieldType::Record => {
            format!("length(CAST({name} AS BLOB)) + 2")
        }
        _ => "8".to_owned(),
    };
    let table = quoted(table);
    let sql = format!(
        "SELECT ifnull(sum({size}), 0) FROM {table} WHERE __visible = 1 AND {name} IS NOT NULL"
    );
    let bytes: i64 = connection.query_row(&sql, [], |row| row.get(0)).map_err(StoreError::from)?;
    Ok(bytes as u64)
}
