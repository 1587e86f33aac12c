//! The REST side: datasets, tables with etags, rows listed, legacy streaming inserts.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::table_field_schema::{
    Mode as StorageMode, Type as StorageType,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{TableFieldSchema, TableSchema};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Row;
use super::cell::{Scalar, convert, rest_value};
use super::columns::{self, Column, Kind, Mode};
use super::faults::{Fault, Faults};
use super::store::{List, Store, StoreError};

#[derive(Clone)]
struct Shared {
    store: Arc<Store>,
    faults: Arc<Faults>,
}

pub fn router(store: Arc<Store>, faults: Arc<Faults>) -> Router {
    let tables = "/projects/{project}/datasets/{dataset}/tables";
    let table = "/projects/{project}/datasets/{dataset}/tables/{table}";
    let api = Router::new()
        .route("/projects/{project}/datasets", get(list_datasets).post(insert_dataset))
        .route("/projects/{project}/datasets/{dataset}", get(get_dataset).delete(delete_dataset))
        .route(tables, get(list_tables).post(insert_table))
        .route(table, get(get_table).put(update_table).patch(patch_table).delete(delete_table))
        .route(&format!("{table}/data"), get(list_rows))
        .route(&format!("{table}/insertAll"), post(insert_all))
        .fallback(async || {
            refuse(
                501,
                "notImplemented",
                "The embedded BigQuery has no such method; it lists rows, it runs no SQL.",
            )
        })
        .with_state(Shared { store, faults });
    Router::new().nest("/bigquery/v2", api).layer(axum::extract::DefaultBodyLimit::max(32 << 20))
}

/// An error in Google's form.
fn refuse(status: u16, reason: &str, message: impl Into<String>) -> Response {
    let message = message.into();
    let error = json!({
        "code": status,
        "message": message,
        "errors": [{ "message": message, "domain": "global", "reason": reason }],
        "status": reason,
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": error }))).into_response()
}

type Answer = Result<Json<Value>, No>;

/// An answer that is no success; boxed, because a response is large.
struct No(Box<Response>);

impl IntoResponse for No {
    fn into_response(self) -> Response {
        *self.0
    }
}

fn no(status: u16, reason: &str, message: impl Into<String>) -> No {
    No(Box::new(refuse(status, reason, message)))
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        no(500, "internalError", format!("{error:?}"))
    }
}

impl Shared {
    fn roll(&self) -> Result<(), No> {
        match self.faults.strikes(Fault::Rest) {
            Some(_) => Err(no(503, "backendError", "injected fault")),
            None => Ok(()),
        }
    }
}

#[derive(serde::Deserialize)]
struct InDataset {
    project: String,
    dataset: String,
}

#[derive(serde::Deserialize)]
struct InTable {
    project: String,
    dataset: String,
    table: String,
}

impl InTable {
    fn id(&self) -> String {
        format!("{}.{}.{}", self.project, self.dataset, self.table)
    }

    fn missing(&self) -> No {
        let message = format!("Not found: Table {}:{}.{}", self.project, self.dataset, self.table);
        no(404, "notFound", message)
    }
}

// ------------------------------------------------------------------ datasets

async fn insert_dataset(
    State(shared): State<Shared>,
    Path(project): Path<String>,
    Json(mut body): Json<Value>,
) -> Answer {
    shared.roll()?;
    let dataset = body["datasetReference"]["datasetId"].as_str().unwrap_or_default().to_owned();
    if dataset.is_empty() {
        return Err(no(400, "invalid", "datasetReference.datasetId is required"));
    }
    let id = format!("{project}.{dataset}");
    if shared.store.dataset(&id)?.is_some() {
        return Err(no(409, "duplicate", format!("Already Exists: Dataset {project}:{dataset}")));
    }
    body["kind"] = json!("bigquery#dataset");
    body["id"] = json!(format!("{project}:{dataset}"));
    body["datasetReference"]["projectId"] = json!(project);
    stamp(&mut body);
    shared.store.put_dataset(&id, &body)?;
    Ok(Json(body))
}

async fn get_dataset(State(shared): State<Shared>, Path(at): Path<InDataset>) -> Answer {
    shared.roll()?;
    let found = shared.store.dataset(&format!("{}.{}", at.project, at.dataset))?;
    let message = format!("Not found: Dataset {}:{}", at.project, at.dataset);
    found.map(Json).ok_or_else(|| no(404, "notFound", message))
}

async fn delete_dataset(State(shared): State<Shared>, Path(at): Path<InDataset>) -> Answer {
    let id = format!("{}.{}", at.project, at.dataset);
    for table in shared.store.list(List::Tables, &format!("{id}."))? {
        let name = table["tableReference"]["tableId"].as_str().unwrap_or_default();
        shared.store.delete_table(&format!("{id}.{name}"))?;
    }
    match shared.store.delete_dataset(&id)? {
        true => Ok(Json(json!({}))),
        false => Err(no(404, "notFound", format!("Not found: Dataset {id}"))),
    }
}

async fn list_datasets(State(shared): State<Shared>, Path(project): Path<String>) -> Answer {
    let datasets = shared.store.list(List::Datasets, &format!("{project}."))?;
    Ok(Json(json!({ "kind": "bigquery#datasetList", "datasets": datasets })))
}

// ------------------------------------------------------------------ tables

async fn insert_table(
    State(shared): State<Shared>,
    Path(at): Path<InDataset>,
    Json(mut body): Json<Value>,
) -> Answer {
    shared.roll()?;
    let table = body["tableReference"]["tableId"].as_str().unwrap_or_default().to_owned();
    let dataset = format!("{}.{}", at.project, at.dataset);
    if shared.store.dataset(&dataset)?.is_none() {
        let message = format!("Not found: Dataset {}:{}", at.project, at.dataset);
        return Err(no(404, "notFound", message));
    }
    let id = format!("{dataset}.{table}");
    if shared.store.table(&id)?.is_some() {
        let message = format!("Already Exists: Table {}:{}.{table}", at.project, at.dataset);
        return Err(no(409, "duplicate", message));
    }
    let columns = check(&body)?;
    check_layout(&body, &columns)?;
    body["kind"] = json!("bigquery#table");
    body["id"] = json!(format!("{}:{}.{table}", at.project, at.dataset));
    body["type"] = json!("TABLE");
    body["tableReference"] =
        json!({ "projectId": at.project, "datasetId": at.dataset, "tableId": table });
    stamp(&mut body);
    shared.store.put_table(&id, &body, &columns)?;
    Ok(Json(body))
}

async fn get_table(State(shared): State<Shared>, Path(at): Path<InTable>) -> Answer {
    shared.roll()?;
    let mut found = shared.store.table(&at.id())?.ok_or_else(|| at.missing())?;
    found["numRows"] = json!(shared.store.count_rows(&at.id())?.to_string());
    Ok(Json(found))
}

async fn list_tables(State(shared): State<Shared>, Path(at): Path<InDataset>) -> Answer {
    let tables = shared.store.list(List::Tables, &format!("{}.{}.", at.project, at.dataset))?;
    let total = tables.len();
    Ok(Json(json!({ "kind": "bigquery#tableList", "tables": tables, "totalItems": total })))
}

async fn delete_table(State(shared): State<Shared>, Path(at): Path<InTable>) -> Answer {
    if shared.store.delete_table(&at.id())? { Ok(Json(json!({}))) } else { Err(at.missing()) }
}

async fn update_table(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    alter(&shared, &at, &headers, body)
}

async fn patch_table(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    let mut merged = shared.store.table(&at.id())?.ok_or_else(|| at.missing())?;
    if let (Some(merged), Value::Object(changes)) = (merged.as_object_mut(), body) {
        merged.extend(changes);
    }
    alter(&shared, &at, &headers, merged)
}

fn alter(shared: &Shared, at: &InTable, headers: &HeaderMap, mut body: Value) -> Answer {
    shared.roll()?;
    let live = shared.store.table(&at.id())?.ok_or_else(|| at.missing())?;
    let wanted = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    if wanted.is_some_and(|etag| etag != "*" && Some(etag) != live["etag"].as_str()) {
        return Err(no(412, "conditionNotMet", "Precondition Failed"));
    }
    let columns = check(&body)?;
    if let Some(wrong) = columns::refuse_change(&check(&live)?, &columns, "") {
        return Err(no(400, "invalid", wrong));
    }
    for fixed in ["kind", "id", "type", "tableReference", "creationTime", "timePartitioning"] {
        body[fixed] = live[fixed].clone();
    }
    stamp(&mut body);
    shared.store.put_table(&at.id(), &body, &columns)?;
    Ok(Json(body))
}

fn check(body: &Value) -> Result<Vec<Column>, No> {
    let fields = body["schema"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    columns::parse(fields).map_err(|message| no(400, "invalid", message))
}

/// Partition and cluster columns exist and have a type that can serve.
fn check_layout(body: &Value, columns: &[Column]) -> Result<(), No> {
    let find = |name: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    if let Some(name) = body["timePartitioning"]["field"].as_str() {
        let kind = find(name).map(|column| column.kind);
        if !matches!(kind, Some(Kind::Timestamp | Kind::Date | Kind::Datetime)) {
            let message = format!(
                "The field specified for partitioning is no TIMESTAMP, DATE or DATETIME column: {name}"
            );
            return Err(no(400, "invalid", message));
        }
    }
    for name in
        body["clustering"]["fields"].as_array().into_iter().flatten().filter_map(Value::as_str)
    {
        if find(name).is_none() {
            return Err(no(
                400,
                "invalid",
                format!("The clustering field {name} is not in the schema"),
            ));
        }
    }
    Ok(())
}

/// An etag for the content, and times where there are none.
fn stamp(body: &mut Value) {
    if let Some(object) = body.as_object_mut() {
        object.remove("etag");
        object.remove("numRows");
    }
    let micros = crate::clock::Clock::System.now_micros();
    if body["creationTime"].is_null() {
        body["creationTime"] = json!((micros / 1_000).to_string());
    }
    body["lastModifiedTime"] = json!((micros / 1_000).to_string());
    let digest = Sha256::digest(format!("{body}{micros}"));
    body["etag"] = json!(digest[..12].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

// ------------------------------------------------------------------ rows

async fn list_rows(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    shared.roll()?;
    let columns = shared.store.columns(&at.id())?.ok_or_else(|| at.missing())?;
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<u64>().ok());
    let start = number("pageToken").or_else(|| number("startIndex")).unwrap_or(0);
    let limit = number("maxResults").unwrap_or(10_000).min(100_000);
    let int64 = query
        .get("formatOptions.useInt64Timestamp")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let rows = shared.store.list_rows(&at.id(), &columns, start, limit)?;
    let total = shared.store.count_rows(&at.id())?;
    let end = start + rows.len() as u64;
    let rows: Vec<Value> = rows.iter().map(|row| rest_row(row, &columns, int64)).collect();
    let mut body =
        json!({ "kind": "bigquery#tableDataList", "totalRows": total.to_string(), "rows": rows });
    if end < total && !rows.is_empty() {
        body["pageToken"] = json!(end.to_string());
    }
    Ok(Json(body))
}

fn rest_row(row: &Row, columns: &[Column], int64: bool) -> Value {
    let cells: Vec<Value> = columns
        .iter()
        .map(|column| json!({ "v": rest_value(row.get(&column.name).unwrap_or(&Value::Null), column, int64) }))
        .collect();
    json!({ "f": cells })
}

/// Legacy streaming: each row on its own, refused rows named; any refusal keeps all rows out.
async fn insert_all(
    State(shared): State<Shared>,
    Path(at): Path<InTable>,
    Json(body): Json<Value>,
) -> Answer {
    shared.roll()?;
    let columns = shared.store.columns(&at.id())?.ok_or_else(|| at.missing())?;
    let wanted = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows = Vec::with_capacity(wanted.len());
    let mut errors = Vec::new();
    for (index, row) in wanted.iter().enumerate() {
        match from_json(&row["json"], &columns) {
            Ok(row) => rows.push(row),
            Err((location, message)) => errors.push(json!({
                "index": index,
                "errors": [{ "reason": "invalid", "location": location, "message": message }],
            })),
        }
    }
    if errors.is_empty() {
        shared
            .store
            .append_default(&at.id(), &columns, &rows)
            .map_err(|refusal| no(500, "internalError", refusal.message))?;
        return Ok(Json(json!({ "kind": "bigquery#tableDataInsertAllResponse" })));
    }
    Ok(Json(json!({ "kind": "bigquery#tableDataInsertAllResponse", "insertErrors": errors })))
}

fn from_json(value: &Value, columns: &[Column]) -> Result<Row, (String, String)> {
    let empty = Map::new();
    let object = value.as_object().unwrap_or(&empty);
    let known = |name: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    let mut row = Map::new();
    for (name, value) in object {
        let Some(column) = known(name) else {
            return Err((name.clone(), format!("no such field: {name}.")));
        };
        let failed = |message: String| (name.clone(), message);
        let value = match (column.mode, value) {
            (_, Value::Null) => continue,
            (Mode::Repeated, Value::Array(items)) => items
                .iter()
                .map(|item| cell_from_json(item, column))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array)
                .map_err(failed)?,
            (Mode::Repeated, _) => {
                return Err(failed("Array specified for non-repeated field.".to_owned()));
            }
            (_, value) => cell_from_json(value, column).map_err(failed)?,
        };
        row.insert(column.name.clone(), value);
    }
    match columns
        .iter()
        .find(|column| column.mode == Mode::Required && !row.contains_key(&column.name))
    {
        Some(column) => {
            Err((column.name.clone(), format!("Missing required field: {}.", column.name)))
        }
        None => Ok(row),
    }
}

fn cell_from_json(value: &Value, column: &Column) -> Result<Value, String> {
    if column.kind == Kind::Record {
        return from_json(value, &column.fields).map(Value::Object).map_err(|(_, message)| message);
    }
    let scalar =
        match (column.kind, value) {
            (Kind::Bytes, Value::String(_)) => return Ok(value.clone()),
            (Kind::Json, Value::String(text)) => Scalar::Text(text.clone()),
            (Kind::Json, value) => Scalar::Text(value.to_string()),
            (Kind::Integer, Value::String(text)) => Scalar::Int(
                text.parse()
                    .map_err(|_| format!("Cannot convert value to integer (bad value): {text}"))?,
            ),
            (Kind::Float, Value::String(text)) => Scalar::Double(text.parse().map_err(|_| {
                format!("Cannot convert value to floating point (bad value): {text}")
            })?),
            (Kind::Numeric | Kind::BigNumeric, Value::Number(number)) => {
                Scalar::Text(number.to_string())
            }
            (Kind::Timestamp, Value::Number(number)) => {
                Scalar::Int((number.as_f64().unwrap_or_default() * 1e6) as i64)
            }
            (_, Value::String(text)) => Scalar::Text(text.clone()),
            (_, Value::Bool(flag)) => Scalar::Bool(*flag),
            (_, Value::Number(number)) => number
                .as_i64()
                .map_or_else(|| Scalar::Double(number.as_f64().unwrap_or_default()), Scalar::Int),
            (_, other) => return Err(format!("cannot convert {other} to {:?}", column.kind)),
        };
    convert(scalar, column.kind)
}

/// The columns as the Storage API tells them.
pub fn storage_schema(columns: &[Column]) -> TableSchema {
    TableSchema { fields: columns.iter().map(storage_field).collect() }
}

fn storage_field(column: &Column) -> TableFieldSchema {
    let kind = match column.kind {
        Kind::String => StorageType::String,
        Kind::Bytes => StorageType::Bytes,
        Kind::Integer => StorageType::Int64,
        Kind::Float => StorageType::Double,
        Kind::Boolean => StorageType::Bool,
        Kind::Timestamp => StorageType::Timestamp,
        Kind::Date => StorageType::Date,
        Kind::Datetime => StorageType::Datetime,
        Kind::Time => StorageType::Time,
        Kind::Numeric => StorageType::Numeric,
        Kind::BigNumeric => StorageType::Bignumeric,
        Kind::Json => StorageType::Json,
        Kind::Geography => StorageType::Geography,
        Kind::Record => StorageType::Struct,
    };
    let mode = match column.mode {
        Mode::Nullable => StorageMode::Nullable,
        Mode::Required => StorageMode::Required,
        Mode::Repeated => StorageMode::Repeated,
    };
    TableFieldSchema {
        name: column.name.clone(),
        r#type: kind as i32,
        mode: mode as i32,
        fields: storage_schema(&column.fields).fields,
        ..TableFieldSchema::default()
    }
}
