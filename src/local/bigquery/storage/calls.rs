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

use super::Shared;
use super::introduction::{DEFAULT, split, table_id};
use super::schema::described;
use crate::clock::Clock;
use crate::local::bigquery::faults::Fault;
use crate::local::bigquery::refusal::Refusal;

/// Everything lives here, as far as answers tell.
const LOCATION: &str = "us";

pub fn create(shared: &Shared, message: CreateWriteStreamRequest) -> Result<WriteStream, Status> {
    shared.faults.fails(Fault::Create)?;
    let parent = message.parent;
    let invalid = || Refusal::invalid(format!("Invalid table path: {parent}"));
    let id = table_id(&parent).ok_or_else(invalid)?;
    let columns = shared.schemas.columns(&shared.store, &shared.faults, &id, &parent)?;
    let kind = message.write_stream.unwrap_or_default().r#type();
    if kind == Type::Unspecified {
        return Err(Refusal::invalid("Stream type must be specified.").about(&parent).into());
    }
    let name = format!("{parent}/streams/{:032x}", rand::rng().random::<u128>());
    let created = Clock::System.now_micros();
    shared.store.create_stream(&id, &name, kind, created)?;
    shared.faults.fails(Fault::CreateLost)?;
    Ok(WriteStream {
        name,
        r#type: kind as i32,
        create_time: Some(timestamp(created)),
        table_schema: Some(described(&columns)),
        write_mode: WriteMode::Insert as i32,
        location: LOCATION.to_owned(),
        ..WriteStream::default()
    })
}

pub fn get(shared: &Shared, message: GetWriteStreamRequest) -> Result<WriteStream, Status> {
    let invalid = || Refusal::invalid(format!("Invalid stream name: {}", message.name));
    let (path, short) = split(&message.name).ok_or_else(invalid)?;
    let id = table_id(path).ok_or_else(invalid)?;
    let columns = shared.schemas.columns(&shared.store, &shared.faults, &id, path)?;
    let (kind, created) = if short == DEFAULT {
        (Type::Committed, None)
    } else {
        let stream = shared.store.stream(&message.name)?;
        (stream.kind, Some(timestamp(stream.created)))
    };
    let full = message.view() == WriteStreamView::Full;
    Ok(WriteStream {
        name: message.name,
        r#type: kind as i32,
        create_time: created,
        table_schema: full.then(|| described(&columns)),
        write_mode: WriteMode::Insert as i32,
        location: LOCATION.to_owned(),
        ..WriteStream::default()
    })
}

pub fn finalize(
    shared: &Shared,
    message: FinalizeWriteStreamRequest,
) -> Result<FinalizeWriteStreamResponse, Status> {
    shared.faults.fails(Fault::Finalize)?;
    not_default(&message.name, "Finalize")?;
    let row_count = shared.store.finalize(&message.name)? as i64;
    shared.faults.fails(Fault::FinalizeLost)?;
    Ok(FinalizeWriteStreamResponse { row_count })
}

/// Flushing what is flushed already is no change. Google documents neither that nor flushing a
/// finalized stream; Beam's connector expects `ALREADY_EXISTS` and `INVALID_ARGUMENT`, which two
/// faults answer.
pub fn flush(shared: &Shared, message: FlushRowsRequest) -> Result<FlushRowsResponse, Status> {
    shared.faults.fails(Fault::Flush)?;
    let name = &message.write_stream;
    not_default(name, "FlushRows")?;
    let missing = || Refusal::invalid("FlushRows offset must be specified.").about(name);
    let offset = message.offset.ok_or_else(missing)?;
    if shared.store.stream(name)?.finalized
        && shared.faults.strikes(Fault::FlushFinalized).is_some()
    {
        return Err(Refusal::invalid("Stream has been finalized and cannot be flushed.")
            .about(name)
            .storage(StorageErrorCode::StreamFinalized)
            .into());
    }
    let flushed = shared.store.flush(name, offset)?;
    if !flushed && shared.faults.strikes(Fault::FlushAgain).is_some() {
        let message = format!("Rows up to offset {offset} are already flushed.");
        return Err(Refusal::new(Code::AlreadyExists, message)
            .about(name)
            .storage(StorageErrorCode::OffsetAlreadyExists)
            .into());
    }
    shared.faults.fails(Fault::FlushLost)?;
    Ok(FlushRowsResponse { offset })
}

pub fn commit(
    shared: &Shared,
    message: BatchCommitWriteStreamsRequest,
) -> Result<BatchCommitWriteStreamsResponse, Status> {
    shared.faults.fails(Fault::Commit)?;
    let invalid = || Refusal::invalid(format!("Invalid table path: {}", message.parent));
    let table = table_id(&message.parent).ok_or_else(invalid)?;
    if message.write_streams.is_empty() {
        return Err(Refusal::invalid("Write streams must be specified.").into());
    }
    let refused = shared.store.batch_commit(&table, &message.write_streams)?;
    shared.faults.fails(Fault::CommitLost)?;
    let commit_time = refused.is_empty().then(|| timestamp(Clock::System.now_micros()));
    let stream_errors = refused.iter().map(Refusal::storage_error).collect();
    Ok(BatchCommitWriteStreamsResponse { commit_time, stream_errors })
}

fn not_default(name: &str, what: &str) -> Result<(), Refusal> {
    match split(name) {
        Some((_, DEFAULT)) => {
            Err(Refusal::invalid(format!("{what} is not supported on the default stream."))
                .about(name)
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
