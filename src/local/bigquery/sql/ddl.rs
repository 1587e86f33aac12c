//! CREATE TABLE and DROP TABLE.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlparser::ast::{
    ColumnOption, CreateTable, CreateTableOptions, DataType, Expr, FunctionArguments, ObjectName,
    Spanned, SqlOption, WrappedCollection,
};

use super::error::{Place, SqlError};
use super::functions::arguments;
use super::table_name::{TableName, parts};
use super::translator::Translator;
use super::types::named;
use crate::local::bigquery::field_schema::{self, FieldSchema, FieldType, find};

impl Translator<'_> {
    pub fn create_table(&mut self, create: &CreateTable) -> Result<(), SqlError> {
        let place = Place::from(create.name.span());
        let unsupported = [
            (create.or_replace, "CREATE OR REPLACE TABLE"),
            (create.temporary, "CREATE TEMP TABLE"),
            (create.external, "CREATE EXTERNAL TABLE"),
            (create.snapshot, "CREATE SNAPSHOT TABLE"),
            (create.query.is_some(), "CREATE TABLE AS SELECT"),
            (create.like.is_some(), "CREATE TABLE LIKE"),
            (create.clone.is_some(), "CREATE TABLE CLONE"),
            (!create.constraints.is_empty(), "constraints of tables"),
            (create.default_ddl_collation.is_some(), "DEFAULT COLLATE"),
        ];
        if let Some((_, what)) = unsupported.iter().find(|(is_there, _)| *is_there) {
            return Err(SqlError::unimplemented(*what, place));
        }
        let name = TableName::of(self.query, &create.name)?;
        let dataset = format!("{}.{}", name.project, name.dataset);
        let Some(dataset) = self.resources.dataset(&dataset)? else {
            let message =
                format!("Not found: Dataset {}:{} was not found", name.project, name.dataset);
            return Err(SqlError::NotFound(message));
        };
        if self.resources.table(&name.id())?.is_some() {
            return match create.if_not_exists {
                true => Ok(()),
                false => {
                    Err(SqlError::AlreadyExists(format!("Already Exists: Table {}", name.shown())))
                }
            };
        }
        if let Some(other) = self.resources.same_but_for_case(&name.id())? {
            let what =
                format!("the table {} next to {other}: its table names ignore case", name.id());
            return Err(SqlError::unimplemented(what, place));
        }
        let mut fields = Vec::new();
        for column in &create.columns {
            let place = Place::from(column.name.span);
            let mut mode = "NULLABLE";
            for option in &column.options {
                match &option.option {
                    ColumnOption::NotNull => mode = "REQUIRED",
                    other => {
                        let what = format!("the column option {other}");
                        return Err(SqlError::unimplemented(what, place));
                    }
                }
            }
            fields.push(field(&column.name.value, &column.data_type, mode, place)?);
        }
        let columns =
            field_schema::parse(&fields).map_err(|message| SqlError::invalid(message, place))?;
        let now = self.now / 1_000;
        let mut resource = json!({
            "kind": "bigquery#table",
            "id": name.shown(),
            "type": "TABLE",
            "location": dataset["location"],
            "tableReference": {
                "projectId": name.project, "datasetId": name.dataset, "tableId": name.table,
            },
            "schema": { "fields": fields },
            "creationTime": now.to_string(),
            "lastModifiedTime": now.to_string(),
        });
        if let Some(expr) = &create.partition_by {
            resource["timePartitioning"] = partitioning(expr, &columns)?;
        }
        if let Some(keys) = &create.cluster_by {
            resource["clustering"] = clustering(keys, &columns)?;
        }
        self.options(create, &mut resource)?;
        let digest = Sha256::digest(format!("{resource}{}", self.now));
        let etag: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        resource["etag"] = json!(etag);
        if !self.query.dry_run {
            self.resources.put_table(&name.id(), &resource, &columns)?;
        }
        Ok(())
    }

    fn options(&mut self, create: &CreateTable, resource: &mut Value) -> Result<(), SqlError> {
        let place = Place::from(create.name.span());
        let options = match &create.table_options {
            CreateTableOptions::None => return Ok(()),
            CreateTableOptions::Options(options) => options,
            _ => return Err(SqlError::unimplemented("these table options", place)),
        };
        for option in options {
            let SqlOption::KeyValue { key, value } = option else {
                return Err(SqlError::unimplemented(format!("the table option {option}"), place));
            };
            let name = parts(key)?.join(".").to_ascii_lowercase();
            let typed = self.expr(value)?;
            let connection = self.resources.connection();
            let read = |sql: String| -> Result<rusqlite::types::Value, SqlError> {
                Ok(connection.query_row(&sql, [], |row| row.get(0))?)
            };
            match (name.as_str(), typed.ty.kind) {
                ("expiration_timestamp", FieldType::Timestamp) => {
                    let millis = read(format!("SELECT bq_unix_millis({})", typed.sql))?;
                    if let rusqlite::types::Value::Integer(millis) = millis {
                        resource["expirationTime"] = json!(millis.to_string());
                    }
                }
                ("description", FieldType::String) => {
                    let text = read(format!("SELECT {}", typed.sql))?;
                    if let rusqlite::types::Value::Text(text) = text {
                        resource["description"] = json!(text);
                    }
                }
                ("expiration_timestamp" | "description", _) => {
                    let message = format!("Invalid value for option {name}: {}", typed.ty.name());
                    return Err(SqlError::invalid(message, value.span()));
                }
                _ => {
                    let what = format!("the table option {name}");
                    return Err(SqlError::unimplemented(what, place));
                }
            }
        }
        Ok(())
    }

    pub fn drop_table(&mut self, names: &[ObjectName], if_exists: bool) -> Result<(), SqlError> {
        let [name] = names else {
            return Err(SqlError::unimplemented("DROP of several tables", Place::default()));
        };
        let name = TableName::of(self.query, name)?;
        if self.resources.table(&name.id())?.is_none() {
            return if if_exists { Ok(()) } else { Err(name.not_found()) };
        }
        if !self.query.dry_run {
            self.resources.delete_table(&name.id())?;
        }
        Ok(())
    }
}

/// A column's schema in the form of the REST API.
fn field(name: &str, data_type: &DataType, mode: &str, place: Place) -> Result<Value, SqlError> {
    if let DataType::Struct(..) = data_type {
        return Err(SqlError::unimplemented("STRUCT columns in CREATE TABLE", place));
    }
    let ty = named(data_type, place)?;
    let mode = match (ty.repeated, mode) {
        (true, "REQUIRED") => {
            let message = format!("NOT NULL cannot be applied to ARRAY field {name}");
            return Err(SqlError::invalid(message, place));
        }
        (true, _) => "REPEATED",
        (false, mode) => mode,
    };
    Ok(json!({ "name": name, "type": ty.kind.name(), "mode": mode }))
}

/// `PARTITION BY date_column`, `DATE(column)` or `TIMESTAMP_TRUNC(column, HOUR)`.
fn partitioning(expr: &Expr, columns: &[FieldSchema]) -> Result<Value, SqlError> {
    let place = Place::from(expr.span());
    let unsupported = || SqlError::unimplemented(format!("PARTITION BY {expr}"), place);
    let (column, part, kinds) = match expr {
        Expr::Identifier(column) => (column, "DAY".to_owned(), &[FieldType::Date][..]),
        Expr::Function(function) if !matches!(function.args, FunctionArguments::None) => {
            let name = parts(&function.name)?.join(".").to_ascii_uppercase();
            let list = arguments(&name, function, place)?.list;
            let kinds: &[FieldType] = match name.as_str() {
                "DATE" => &[FieldType::Timestamp, FieldType::Datetime],
                "TIMESTAMP_TRUNC" => &[FieldType::Timestamp],
                "DATETIME_TRUNC" => &[FieldType::Datetime],
                "DATE_TRUNC" => &[FieldType::Date],
                _ => return Err(unsupported()),
            };
            match &list[..] {
                [Expr::Identifier(column)] if name == "DATE" => (column, "DAY".to_owned(), kinds),
                [Expr::Identifier(column), part] if name != "DATE" => {
                    (column, part.to_string().to_ascii_uppercase(), kinds)
                }
                _ => return Err(unsupported()),
            }
        }
        _ => return Err(unsupported()),
    };
    let allowed = match kinds {
        [FieldType::Date] => &["DAY", "MONTH", "YEAR"][..],
        _ => &["DAY", "HOUR", "MONTH", "YEAR"][..],
    };
    let fits = find(columns, &column.value).is_some_and(|one| {
        kinds.contains(&one.kind) && one.mode != field_schema::FieldMode::Repeated
    });
    if !fits || !allowed.contains(&part.as_str()) {
        let message = "PARTITION BY expression must be DATE(<timestamp_column>), \
                       DATE(<datetime_column>), a DATE column, or TIMESTAMP_TRUNC, DATETIME_TRUNC \
                       or DATE_TRUNC of such a column";
        return Err(SqlError::invalid(message, place));
    }
    Ok(json!({ "type": part, "field": column.value }))
}

fn clustering(
    keys: &WrappedCollection<Vec<Expr>>,
    columns: &[FieldSchema],
) -> Result<Value, SqlError> {
    let (WrappedCollection::NoWrapping(keys) | WrappedCollection::Parentheses(keys)) = keys;
    let unsuitable =
        [FieldType::Record, FieldType::Json, FieldType::Float, FieldType::Bytes, FieldType::Time];
    let mut names = Vec::new();
    for key in keys {
        let column = match key {
            Expr::Identifier(name) => find(columns, &name.value),
            _ => None,
        };
        match column.filter(|column| !unsuitable.contains(&column.kind)) {
            Some(column) if column.mode != field_schema::FieldMode::Repeated => {
                names.push(column.name.clone());
            }
            _ => {
                let message =
                    format!("CLUSTER BY expression {key} is not a column that can cluster a table");
                return Err(SqlError::invalid(message, key.span()));
            }
        }
    }
    if names.len() > 4 {
        return Err(SqlError::invalid(
            "Too many fields specified for clustering",
            Place::default(),
        ));
    }
    Ok(json!({ "fields": names }))
}
