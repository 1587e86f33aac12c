//! What a connection's requests say about themselves: the stream they go to and how to read them.

use std::sync::Arc;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::{
    MissingValueInterpretation, Rows,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::row_error::RowErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, ProtoSchema, RowError,
};
use serde_json::Value;
use tonic::Code;

use super::Shared;
use crate::clock::Clock;
use crate::local::bigquery::cell::Days;
use crate::local::bigquery::columns::Column;
use crate::local::bigquery::decode::{Cells, Mismatch, Reader};
use crate::local::bigquery::refusal::Refusal;

/// Id of every table's default stream.
pub const DEFAULT: &str = "_default";

/// `projects/P/datasets/D/tables/T` as the store names it: `P.D.T`.
pub fn table_id(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        ["projects", project, "datasets", dataset, "tables", table] => {
            Some(format!("{project}.{dataset}.{table}"))
        }
        _ => None,
    }
}

/// Table path and stream id of a stream's name; `T/_default` is short for `T/streams/_default`.
pub fn split(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once("/streams/")
        .or_else(|| name.strip_suffix("/_default").map(|table| (table, DEFAULT)))
}

/// What the last complete introduction on a connection said.
#[derive(Debug)]
pub struct Introduced {
    pub stream: String,
    /// `projects/P/datasets/D/tables/T`
    pub path: String,
    pub table: String,
    pub is_default: bool,
    pub columns: Arc<Vec<Column>>,
    schema: ProtoSchema,
    reader: Reader,
    /// Column of the partitions, by its place.
    partition: Option<usize>,
}

/// Reads stream and schema where the request names them; the first request has to. An error ends
/// the connection.
pub fn introduce(
    shared: &Shared,
    before: Option<&Arc<Introduced>>,
    request: &AppendRowsRequest,
) -> Result<Arc<Introduced>, Refusal> {
    let named = (!request.write_stream.is_empty()).then_some(request.write_stream.as_str());
    let schema = request.rows.as_ref().and_then(|Rows::ProtoRows(data)| data.writer_schema.clone());
    if let Some(before) = before {
        let same_stream = named.is_none_or(|name| name == before.stream);
        let same_schema = schema.as_ref().is_none_or(|schema| *schema == before.schema);
        if same_stream && same_schema {
            return Ok(before.clone());
        }
    }
    let name = named.or(before.map(|before| before.stream.as_str())).ok_or_else(|| {
        Refusal::invalid("The first request of a connection must name its write_stream.")
    })?;
    let invalid = || Refusal::invalid(format!("Invalid stream name: {name}"));
    let (path, short) = split(name).ok_or_else(invalid)?;
    let table = table_id(path).ok_or_else(invalid)?;
    let is_default = short == DEFAULT;
    let same = before.filter(|before| before.stream == name);
    if before.is_some_and(|before| same.is_none() && !(before.is_default && is_default)) {
        let message =
            "Requests of one connection may go to several tables by default streams only.";
        return Err(Refusal::invalid(message).about(name));
    }
    let schema = schema.or_else(|| same.map(|before| before.schema.clone())).ok_or_else(|| {
        let message = "The first request to a stream on a connection must carry its writer_schema.";
        Refusal::invalid(message).about(name)
    })?;
    let columns = shared.schemas.columns(&shared.store, &shared.faults, &table, path)?;
    let descriptor = schema.proto_descriptor.as_ref().ok_or_else(|| {
        Refusal::invalid("writer_schema.proto_descriptor must be specified.").about(name)
    })?;
    let reader = Reader::new(descriptor, &columns).map_err(|wrong| mismatch(name, wrong))?;
    if !is_default {
        shared.store.stream(name)?;
    }
    let resource = shared.store.table(&table)?.unwrap_or_default();
    let partition = resource["timePartitioning"]["field"].as_str();
    let partition = partition
        .and_then(|name| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name)));
    let (stream, path) = (name.to_owned(), path.to_owned());
    let introduced =
        Introduced { stream, path, table, is_default, columns, schema, reader, partition };
    Ok(Arc::new(introduced))
}

fn mismatch(stream: &str, mismatch: Mismatch) -> Refusal {
    match mismatch {
        Mismatch::Extra(fields) => Refusal::invalid(format!(
            "Input schema has more fields than BigQuery schema, extra fields: '{}'",
            fields.join(",")
        ))
        .about(stream)
        .storage(StorageErrorCode::SchemaMismatchExtraFields),
        Mismatch::Invalid(message) => Refusal::invalid(message).about(stream),
    }
}

/// What about a request's rows is wrong.
pub enum Wrong {
    Request(Refusal),
    Rows(Vec<RowError>),
}

impl Introduced {
    /// The rows of a request: all, or an error for each that is none.
    pub fn rows(&self, request: &AppendRowsRequest) -> Result<Vec<Cells>, Wrong> {
        let refuse =
            |code, message| Wrong::Request(Refusal::new(code, message).about(&self.stream));
        let default = MissingValueInterpretation::DefaultValue as i32;
        if request.default_missing_value_interpretation == default
            || request.missing_value_interpretations.values().any(|value| *value == default)
        {
            let message = "The embedded BigQuery knows no default values of columns.";
            return Err(refuse(Code::Unimplemented, message));
        }
        let data = request.rows.as_ref().map(|Rows::ProtoRows(data)| data);
        let rows = data.and_then(|data| data.rows.as_ref()).map(|rows| &rows.serialized_rows);
        let rows = rows
            .filter(|rows| !rows.is_empty())
            .ok_or_else(|| refuse(Code::InvalidArgument, "Rows must be specified."))?;
        let days = Days::around(Clock::System.now_micros());
        let mut good = Vec::with_capacity(rows.len());
        let mut errors = Vec::new();
        for (index, bytes) in rows.iter().enumerate() {
            let read = self.reader.read(bytes);
            match read.and_then(|row| self.in_partition_range(row, days.as_ref())) {
                Ok(row) => good.push(row),
                Err(message) => errors.push(RowError {
                    index: index as i64,
                    code: RowErrorCode::FieldsError as i32,
                    message,
                }),
            }
        }
        if errors.is_empty() { Ok(good) } else { Err(Wrong::Rows(errors)) }
    }

    fn in_partition_range(&self, row: Cells, days: Option<&Days>) -> Result<Cells, String> {
        let value = self.partition.and_then(|column| row[column].as_ref()).and_then(Value::as_str);
        match (value, days) {
            (Some(value), Some(days)) if !days.contain(value) => Err(format!(
                "The destination table's partition of {value} is outside the allowed bounds. You \
                 can only stream to partitions within 1825 days in the past and 366 days in the \
                 future relative to the current date."
            )),
            _ => Ok(row),
        }
    }
}
