//! The unary calls: create, get, flush, finalize and commit write streams.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::{Type, WriteMode};
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::{
    BatchCommitWriteStreamsRequest, BatchCommitWriteStreamsResponse, CreateWriteStreamRequest,
    FinalizeWriteStreamRequest, FinalizeWriteStreamResponse, FlushRowsRequest, FlushRowsResponse,
    GetWriteStreamRequest, WriteStream, WriteStreamView,
};
use prost_types::Timestamp;
use rand::Rng;
use tonic::{Code, Status};

use super::append_schemas::table_schema;
use super::names::{DEFAULT_STREAM, split_stream, table_id};
use super::state::WriteState;
use crate::clock::Clock;
use crate::local::bigquery::faults::InjectedFault;
use crate::local::bigquery::refusal::Refusal;

/// The location of every table and stream.
const LOCATION: &str = "us";

pub fn create(
    state: &WriteState,
    message: CreateWriteStreamRequest,
) -> Result<WriteStream, Status> {
    state.faults.inject(InjectedFault::Create)?;
    let parent = message.parent;
    let invalid = || Refusal::invalid(format!("Invalid table path: {parent}"));
    let id = table_id(&parent).ok_or_else(invalid)?;
    state.new_tables.check(&id, &parent)?;
    let columns = state.schemas.columns(&state.store, &state.faults, &id, &parent)?;
    let kind = message.write_stream.unwrap_or_default().r#type();
    if kind == Type::Unspecified {
        return Err(Refusal::invalid("Stream type must be specified.").about(&parent).into());
    }
    let name = format!("{parent}/streams/{:032x}", rand::rng().random::<u128>());
    let created = Clock::System.now_micros();
    state.store.create_stream(&id, &name, kind, created)?;
    state.faults.inject(InjectedFault::CreateLost)?;
    Ok(WriteStream {
        name,
        r#type: kind as i32,
        create_time: Some(timestamp(created)),
        table_schema: Some(table_schema(&columns)),
        write_mode: WriteMode::Insert as i32,
        location: LOCATION.to_owned(),
        ..WriteStream::default()
    })
}

pub fn get(state: &WriteState, message: GetWriteStreamRequest) -> Result<WriteStream, Status> {
    let invalid = || Refusal::invalid(format!("Invalid stream name: {}", message.name));
    let (path, stream) = split_stream(&message.name).ok_or_else(invalid)?;
    let id = table_id(path).ok_or_else(invalid)?;
    state.new_tables.check(&id, path)?;
    let columns = state.schemas.columns(&state.store, &state.faults, &id, path)?;
    let (kind, created) = if stream == DEFAULT_STREAM {
        (Type::Committed, None)
    } else {
        let stream = state.store.stream(&message.name)?;
        (stream.kind, Some(timestamp(stream.created)))
    };
    let full = message.view() == WriteStreamView::Full;
    Ok(WriteStream {
        name: message.name,
        r#type: kind as i32,
        create_time: created,
        table_schema: full.then(|| table_schema(&columns)),
        write_mode: WriteMode::Insert as i32,
        location: LOCATION.to_owned(),
        ..WriteStream::default()
    })
}

pub fn finalize(
    state: &WriteState,
    message: FinalizeWriteStreamRequest,
) -> Result<FinalizeWriteStreamResponse, Status> {
    state.faults.inject(InjectedFault::Finalize)?;
    refuse_default(&message.name, "Finalize")?;
    let row_count = state.store.finalize(&message.name)? as i64;
    state.faults.inject(InjectedFault::FinalizeLost)?;
    Ok(FinalizeWriteStreamResponse { row_count })
}

/// Makes rows visible. A repeated flush of an open stream succeeds and changes nothing, as on the
/// live service. Beam's connector also expects ALREADY_EXISTS, which the fault `flush_again` returns.
pub fn flush(state: &WriteState, message: FlushRowsRequest) -> Result<FlushRowsResponse, Status> {
    state.faults.inject(InjectedFault::Flush)?;
    let name = &message.write_stream;
    refuse_default(name, "FlushRows")?;
    let missing = || Refusal::invalid("FlushRows offset must be specified.").about(name);
    let offset = message.offset.ok_or_else(missing)?;
    let changed = state.store.flush(name, offset)?;
    if !changed && state.faults.draw(InjectedFault::FlushAgain).is_some() {
        let message = format!("Rows up to offset {offset} are already flushed.");
        return Err(Refusal::new(Code::AlreadyExists, message)
            .about(name)
            .storage(StorageErrorCode::OffsetAlreadyExists)
            .into());
    }
    state.faults.inject(InjectedFault::FlushLost)?;
    Ok(FlushRowsResponse { offset })
}

pub fn batch_commit(
    state: &WriteState,
    message: BatchCommitWriteStreamsRequest,
) -> Result<BatchCommitWriteStreamsResponse, Status> {
    state.faults.inject(InjectedFault::Commit)?;
    let invalid = || Refusal::invalid(format!("Invalid table path: {}", message.parent));
    let table = table_id(&message.parent).ok_or_else(invalid)?;
    if message.write_streams.is_empty() {
        return Err(Refusal::invalid("Write streams must be specified.").into());
    }
    let refused = state.store.batch_commit(&table, &message.write_streams)?;
    state.faults.inject(InjectedFault::CommitLost)?;
    let commit_time = refused.is_empty().then(|| timestamp(Clock::System.now_micros()));
    let stream_errors = refused.iter().map(Refusal::storage_error).collect();
    Ok(BatchCommitWriteStreamsResponse { commit_time, stream_errors })
}

/// An error if `stream` is a default stream, which `call` does not support.
fn refuse_default(stream: &str, call: &str) -> Result<(), Refusal> {
    match split_stream(stream) {
        Some((_, DEFAULT_STREAM)) => {
            Err(Refusal::invalid(format!("{call} is not supported on the default stream."))
                .about(stream)
                .storage(StorageErrorCode::InvalidStreamType))
        }
        _ => Ok(()),
    }
}

fn timestamp(micros: i64) -> Timestamp {
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: micros.rem_euclid(1_000_000) as i32 * 1_000,
    }
}
