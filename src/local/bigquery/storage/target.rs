//! Where the append requests on a connection go, and how their rows are decoded.

use std::sync::Arc;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::append_rows_request::{
    MissingValueInterpretation, Rows,
};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::row_error::RowErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    AppendRowsRequest, ProtoSchema, RowError,
};
use tonic::Code;

use super::names::{DEFAULT_STREAM, split_stream, table_id};
use super::state::WriteState;
use crate::clock::Clock;
use crate::local::bigquery::decode::{Cells, RowDecoder, SchemaMismatch};
use crate::local::bigquery::field_schema::FieldSchema;
use crate::local::bigquery::partition::PartitionColumn;
use crate::local::bigquery::refusal::Refusal;
use crate::local::bigquery::store::has_columns;

/// The stream and the writer schema that a connection's requests use until one names others.
#[derive(Debug)]
pub struct AppendTarget {
    pub stream: String,
    /// The table's path, `projects/P/datasets/D/tables/T`.
    pub path: String,
    /// The table's id in the store, `P.D.T`.
    pub table: String,
    pub is_default: bool,
    pub columns: Arc<Vec<FieldSchema>>,
    schema: ProtoSchema,
    decoder: RowDecoder,
    partition: Option<PartitionColumn>,
}

impl AppendTarget {
    /// The target of `request`, given that of the request before it. A connection's first request
    /// has to name the stream and carry the schema. An error ends the connection.
    pub fn of(
        state: &WriteState,
        before: Option<&Arc<Self>>,
        request: &AppendRowsRequest,
    ) -> Result<Arc<Self>, Refusal> {
        let named = (!request.write_stream.is_empty()).then_some(request.write_stream.as_str());
        let schema =
            request.rows.as_ref().and_then(|Rows::ProtoRows(data)| data.writer_schema.clone());
        if let Some(before) = before {
            let same_stream = named.is_none_or(|name| name == before.stream);
            let same_schema = schema.as_ref().is_none_or(|schema| *schema == before.schema);
            if same_stream && same_schema {
                state.new_tables.check(&before.table, &before.path)?;
                let live = state.store.columns(&before.table)?;
                // Otherwise the table was deleted and created again with other columns. A created
                // stream goes with its table.
                let fits = |live: &Arc<Vec<FieldSchema>>| {
                    Arc::ptr_eq(live, &before.columns) || has_columns(live, &before.columns)
                };
                if !before.is_default || live.as_ref().is_none_or(fits) {
                    return Ok(before.clone());
                }
            }
        }
        let name = named.or(before.map(|before| before.stream.as_str())).ok_or_else(|| {
            Refusal::invalid("The first request of a connection must name its write_stream.")
        })?;
        let invalid = || Refusal::invalid(format!("Invalid stream name: {name}"));
        let (path, stream) = split_stream(name).ok_or_else(invalid)?;
        let table = table_id(path).ok_or_else(invalid)?;
        let is_default = stream == DEFAULT_STREAM;
        let same = before.filter(|before| before.stream == name);
        if before.is_some_and(|before| same.is_none() && !(before.is_default && is_default)) {
            let message = "One connection can append to several tables only by default streams.";
            return Err(Refusal::invalid(message).about(name));
        }
        state.new_tables.check(&table, path)?;
        let schema =
            schema.or_else(|| same.map(|before| before.schema.clone())).ok_or_else(|| {
                let message =
                    "The first request to a stream on a connection must carry its writer_schema.";
                Refusal::invalid(message).about(name)
            })?;
        let columns = state.schemas.columns(&state.store, &state.faults, &table, path)?;
        let descriptor = schema.proto_descriptor.as_ref().ok_or_else(|| {
            Refusal::invalid("writer_schema.proto_descriptor must be specified.").about(name)
        })?;
        let decoder =
            RowDecoder::new(descriptor, &columns).map_err(|wrong| mismatch(name, wrong))?;
        if !is_default {
            state.store.stream(name)?;
        }
        let resource = state.store.table(&table)?.unwrap_or_default();
        let partition = PartitionColumn::of(&resource, &columns);
        let (stream, path) = (name.to_owned(), path.to_owned());
        Ok(Arc::new(Self { stream, path, table, is_default, columns, schema, decoder, partition }))
    }

    /// The decoded rows of a request. If any row is bad, the errors of all bad rows.
    pub fn rows(&self, request: &AppendRowsRequest) -> Result<Vec<Cells>, AppendRefusal> {
        let refuse =
            |code, message| AppendRefusal::Request(Refusal::new(code, message).about(&self.stream));
        let default = MissingValueInterpretation::DefaultValue as i32;
        if request.default_missing_value_interpretation == default
            || request.missing_value_interpretations.values().any(|value| *value == default)
        {
            let message = "The embedded BigQuery does not support default values of columns.";
            return Err(refuse(Code::Unimplemented, message));
        }
        let data = request.rows.as_ref().map(|Rows::ProtoRows(data)| data);
        let rows = data.and_then(|data| data.rows.as_ref()).map(|rows| &rows.serialized_rows);
        let rows = rows
            .filter(|rows| !rows.is_empty())
            .ok_or_else(|| refuse(Code::InvalidArgument, "Rows must be specified."))?;
        let partition = self.partition.map(|column| column.at(Clock::System.now_micros()));
        let mut good = Vec::with_capacity(rows.len());
        let mut errors = Vec::new();
        for (index, bytes) in rows.iter().enumerate() {
            let checked = self.decoder.decode(bytes).and_then(|row| {
                partition.as_ref().map_or(Ok(()), |partition| partition.check(&row))?;
                Ok(row)
            });
            match checked {
                Ok(row) => good.push(row),
                Err(message) => errors.push(RowError {
                    index: index as i64,
                    code: RowErrorCode::FieldsError as i32,
                    message,
                }),
            }
        }
        if errors.is_empty() { Ok(good) } else { Err(AppendRefusal::Rows(errors)) }
    }
}

/// Why the rows of a request are not written.
pub enum AppendRefusal {
    Request(Refusal),
    Rows(Vec<RowError>),
}

fn mismatch(stream: &str, mismatch: SchemaMismatch) -> Refusal {
    match mismatch {
        SchemaMismatch::Extra(fields) => Refusal::invalid(format!(
            "Input schema has more fields than BigQuery schema, extra fields: '{}'",
            fields.join(",")
        ))
        .about(stream)
        .storage(StorageErrorCode::SchemaMismatchExtraFields),
        SchemaMismatch::Invalid(message) => Refusal::invalid(message).about(stream),
    }
}
