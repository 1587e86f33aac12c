//! One match turns what BigQuery answers into what we do about it.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::StorageError;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::rpc;
use prost::Message;
use tonic::{Code, Status};

use crate::sink::SinkError;

/// What becomes of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Passing: the same again, on a new connection, after a short pause.
    Retry,
    /// A quota, or a schema that has not arrived everywhere: the same again after a longer pause.
    RetrySlowly,
    /// The stream already has rows at this offset. Success only for a request whose answer was lost.
    AlreadyExists,
    /// The stream cannot be continued; unsettled rows are invisible and may go to a fresh one.
    FreshStream,
    /// A person has to do something.
    Stop(&'static str),
}

/// A call that failed: which, on what, with what answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation} {on}: {code:?}: {message}")]
pub struct CallError {
    pub operation: &'static str,
    pub on: String,
    pub code: Code,
    pub message: String,
    pub storage: Option<StorageErrorCode>,
}

impl CallError {
    pub fn of_status(operation: &'static str, on: &str, status: &Status) -> Self {
        let details = rpc::Status::decode(status.details()).unwrap_or_default();
        Self {
            operation,
            on: on.to_owned(),
            code: status.code(),
            message: status.message().to_owned(),
            storage: storage_code(&details),
        }
    }

    /// An error that came in band, inside a successful response.
    pub fn in_band(operation: &'static str, on: &str, status: &rpc::Status) -> Self {
        Self {
            operation,
            on: on.to_owned(),
            code: Code::from_i32(status.code),
            message: status.message.clone(),
            storage: storage_code(status),
        }
    }

    /// No answer within the time a healthy service needs.
    pub fn no_answer(operation: &'static str, on: &str) -> Self {
        Self {
            operation,
            on: on.to_owned(),
            code: Code::DeadlineExceeded,
            message: "no answer".to_owned(),
            storage: None,
        }
    }

    pub fn verdict(&self) -> Verdict {
        match self.storage {
            Some(code) => storage_verdict(code),
            None => code_verdict(self.code),
        }
    }

    pub fn stop(self, hint: &str) -> SinkError {
        SinkError {
            what: format!("{} {}", self.operation, self.on),
            hint: hint.to_owned(),
            source: Some(Box::new(self)),
        }
    }
}

const GRANT: &str =
    "grant roles/bigquery.dataEditor on the dataset to this identity (docs/reference/bigquery.md)";
const NOT_OURS: &str =
    "BigQuery refuses the request itself; please report it with this message and the contract";

fn storage_verdict(code: StorageErrorCode) -> Verdict {
    use StorageErrorCode as S;
    match code {
        S::OffsetAlreadyExists => Verdict::AlreadyExists,
        S::OffsetOutOfRange | S::StreamFinalized | S::InvalidStreamState | S::StreamNotFound => {
            Verdict::FreshStream
        }
        // Our own DDL takes minutes to reach the append servers.
        S::SchemaMismatchExtraFields => Verdict::RetrySlowly,
        S::TableNotFound => Verdict::Stop("the table is gone; start again to have it created"),
        S::StreamAlreadyCommitted | S::InvalidStreamType | S::Unspecified => {
            Verdict::Stop(NOT_OURS)
        }
        S::KmsServiceError => Verdict::RetrySlowly,
        S::CmekNotProvided
        | S::InvalidCmekProvided
        | S::CmekEncryptionError
        | S::KmsPermissionDenied => Verdict::Stop(
            "check the encryption key of the dataset and this identity's access to it",
        ),
    }
}

fn code_verdict(code: Code) -> Verdict {
    match code {
        Code::Aborted
        | Code::Unavailable
        | Code::Cancelled
        | Code::Internal
        | Code::DeadlineExceeded
        | Code::Unknown => Verdict::Retry,
        Code::ResourceExhausted => Verdict::RetrySlowly,
        Code::AlreadyExists => Verdict::AlreadyExists,
        Code::OutOfRange => Verdict::FreshStream,
        Code::NotFound => {
            Verdict::Stop("check project, dataset and table; start again to create the table")
        }
        Code::PermissionDenied => Verdict::Stop(GRANT),
        Code::Unauthenticated => {
            Verdict::Stop("check GOOGLE_APPLICATION_CREDENTIALS or the workload identity")
        }
        Code::Ok
        | Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::DataLoss => Verdict::Stop(NOT_OURS),
    }
}

/// The `StorageError` among a status's details.
fn storage_code(status: &rpc::Status) -> Option<StorageErrorCode> {
    const TYPE: &str = "google.cloud.bigquery.storage.v1.StorageError";
    let detail = status.details.iter().find(|any| any.type_url.ends_with(TYPE))?;
    let error = StorageError::decode(detail.value.as_slice()).ok()?;
    StorageErrorCode::try_from(error.code)
        .ok()
        .filter(|code| *code != StorageErrorCode::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_detail(code: StorageErrorCode) -> rpc::Status {
        let error = StorageError { code: code as i32, ..StorageError::default() };
        rpc::Status {
            code: Code::InvalidArgument as i32,
            message: "m".to_owned(),
            details: vec![prost_types::Any {
                type_url: "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError"
                    .to_owned(),
                value: error.encode_to_vec(),
            }],
        }
    }

    #[test]
    fn the_storage_error_in_the_details_decides() {
        let in_band =
            CallError::in_band("append to", "s", &with_detail(StorageErrorCode::StreamFinalized));
        assert_eq!(in_band.verdict(), Verdict::FreshStream);
        let status = Status::with_details(
            Code::InvalidArgument,
            "m",
            with_detail(StorageErrorCode::OffsetAlreadyExists).encode_to_vec().into(),
        );
        let call = CallError::of_status("append to", "s", &status);
        assert_eq!(call.verdict(), Verdict::AlreadyExists);
    }

    #[test]
    fn every_documented_retryable_code_is_retried() {
        for code in [
            Code::Aborted,
            Code::Unavailable,
            Code::Cancelled,
            Code::Internal,
            Code::DeadlineExceeded,
            Code::Unknown,
        ] {
            assert_eq!(code_verdict(code), Verdict::Retry, "{code:?}");
        }
        assert_eq!(code_verdict(Code::ResourceExhausted), Verdict::RetrySlowly);
        for code in
            [Code::InvalidArgument, Code::PermissionDenied, Code::Unauthenticated, Code::NotFound]
        {
            assert!(matches!(code_verdict(code), Verdict::Stop(_)), "{code:?}");
        }
    }
}
