//! The error of a Storage Write API call, and the one match that decides what to do about it.

use std::error::Error;
use std::fmt;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::StorageError;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::rpc;
use prost::Message;
use tonic::{Code, Status};

use super::auth::TokenError;
use crate::stop::Stop;
use crate::telemetry::Waits;

/// What to do after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A transient failure: repeat the call on a new connection after a short pause.
    Retry,
    /// A quota is used up, or a schema change has not reached all servers: repeat the call after a
    /// longer pause.
    RetrySlowly,
    /// The stream already has rows at this offset. If the same request was sent before and its
    /// answer was lost, this is success.
    AlreadyExists,
    /// The stream or its table does not exist, or was created so recently that this server does not
    /// know it yet.
    NotFound(Missing),
    /// The stream cannot be continued. Its unflushed rows are invisible, so they may be appended to
    /// a fresh stream.
    FreshStream,
    /// A person has to act; the text says how.
    Stop(&'static str),
}

/// What a call did not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Table,
    Stream,
    /// BigQuery does not say which of the two.
    Either,
}

/// A call of the Storage Write API (gRPC) failed: which, on what, and why.
///
/// [`CallError::verdict`] decides whether the call is retried. If not, [`CallError::stop`] makes it
/// the [`Stop`] that stops the instance. The REST API has its own `RestError`.
#[derive(Debug)]
pub struct CallError {
    operation: &'static str,
    on: String,
    cause: CallErrorCause,
}

#[derive(Debug, thiserror::Error)]
enum CallErrorCause {
    /// BigQuery returned an error, or the connection failed, for which tonic makes up a status.
    #[error("{code:?}: {message}")]
    Status { code: Code, message: String, storage: Option<StorageErrorCode> },
    #[error("no answer")]
    NoAnswer,
    /// The call was not made, because there is no access token for it.
    #[error(transparent)]
    NoToken(TokenError),
}

/// The operation and the message of its cause; the cause's own sources are left to `source()`.
impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.on, self.cause)
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl CallError {
    /// The call ended with this gRPC status.
    pub fn of_status(operation: &'static str, on: &str, status: &Status) -> Self {
        let details = rpc::Status::decode(status.details()).unwrap_or_default();
        let cause = CallErrorCause::Status {
            code: status.code(),
            message: status.message().to_owned(),
            storage: storage_code(&details),
        };
        Self { operation, on: on.to_owned(), cause }
    }

    /// A response on the append connection carries this error. (A gRPC status, in contrast, ends
    /// the connection.)
    pub fn in_band(operation: &'static str, on: &str, status: &rpc::Status) -> Self {
        let cause = CallErrorCause::Status {
            code: Code::from_i32(status.code),
            message: status.message.clone(),
            storage: storage_code(status),
        };
        Self { operation, on: on.to_owned(), cause }
    }

    /// BigQuery did not answer within the time that a healthy service needs, or closed the
    /// connection without an answer.
    pub fn no_answer(operation: &'static str, on: &str) -> Self {
        Self { operation, on: on.to_owned(), cause: CallErrorCause::NoAnswer }
    }

    /// The call was not made for want of an access token.
    pub fn no_token(operation: &'static str, on: &str, error: TokenError) -> Self {
        Self { operation, on: on.to_owned(), cause: CallErrorCause::NoToken(error) }
    }

    /// Whether the stream was finalized, which refuses both appends and flushes.
    pub fn is_finalized(&self) -> bool {
        match &self.cause {
            CallErrorCause::Status { storage: Some(code), .. } => {
                *code == StorageErrorCode::StreamFinalized
            }
            // FlushRows returns the text without a code for it.
            CallErrorCause::Status { code, message, storage: None } => {
                *code == Code::InvalidArgument && message.contains("Stream has been finalized")
            }
            CallErrorCause::NoAnswer | CallErrorCause::NoToken(_) => false,
        }
    }

    /// What the failed call says of the service.
    pub fn waits(&self) -> Waits {
        match &self.cause {
            CallErrorCause::Status { code: Code::ResourceExhausted, .. } => Waits::Throttled,
            CallErrorCause::NoAnswer
            | CallErrorCause::Status { code: Code::DeadlineExceeded, .. } => Waits::Unanswered,
            CallErrorCause::Status { .. } | CallErrorCause::NoToken(_) => Waits::Away,
        }
    }

    pub fn verdict(&self) -> Verdict {
        match &self.cause {
            _ if self.is_finalized() => Verdict::FreshStream,
            CallErrorCause::Status { storage: Some(code), .. } => storage_verdict(*code),
            CallErrorCause::Status { code, storage: None, .. } => code_verdict(*code),
            CallErrorCause::NoAnswer => Verdict::Retry,
            CallErrorCause::NoToken(error) if error.is_transient() => Verdict::Retry,
            CallErrorCause::NoToken(_) => Verdict::Stop(CHECK_CREDENTIALS),
        }
    }

    /// Makes this the error that stops the instance.
    pub fn stop(self, hint: &str) -> Stop {
        Stop::new(format!("{} {}", self.operation, self.on), hint, self.cause)
    }
}

pub const GRANT_DATA_EDITOR: &str =
    "grant roles/bigquery.dataEditor on the dataset to this identity (docs/reference/bigquery.md)";
pub const CHECK_CREDENTIALS: &str = "check GOOGLE_APPLICATION_CREDENTIALS or the workload identity";
pub const CHECK_TABLE: &str =
    "check project, dataset and table; restart the instance to have the table created";
const REPORT_REQUEST: &str =
    "BigQuery refuses the request itself; please report it with this message and the contract";

fn storage_verdict(code: StorageErrorCode) -> Verdict {
    use StorageErrorCode as S;
    match code {
        S::OffsetAlreadyExists => Verdict::AlreadyExists,
        S::OffsetOutOfRange | S::StreamFinalized | S::InvalidStreamState => Verdict::FreshStream,
        S::StreamNotFound => Verdict::NotFound(Missing::Stream),
        // The column exists in the table: it takes minutes until the append servers know it.
        S::SchemaMismatchExtraFields => Verdict::RetrySlowly,
        S::TableNotFound => Verdict::NotFound(Missing::Table),
        S::StreamAlreadyCommitted | S::InvalidStreamType | S::Unspecified => {
            Verdict::Stop(REPORT_REQUEST)
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
        Code::NotFound => Verdict::NotFound(Missing::Either),
        Code::PermissionDenied => Verdict::Stop(GRANT_DATA_EDITOR),
        Code::Unauthenticated => Verdict::Stop(CHECK_CREDENTIALS),
        Code::Ok
        | Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::DataLoss => Verdict::Stop(REPORT_REQUEST),
    }
}

/// Returns the code of the `StorageError` among a status's details.
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
    use crate::error_chain::chain;

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
    fn a_storage_error_in_the_details_takes_precedence() {
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
    fn only_the_retryable_codes_are_retried() {
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
        for code in [Code::InvalidArgument, Code::PermissionDenied, Code::Unauthenticated] {
            assert!(matches!(code_verdict(code), Verdict::Stop(_)), "{code:?}");
        }
        assert_eq!(code_verdict(Code::NotFound), Verdict::NotFound(Missing::Either));
    }

    #[test]
    fn a_missing_token_is_retried_if_the_token_service_may_recover() {
        let refused = |status: u16| TokenError::Refused {
            operation: "refresh the user's token",
            status: reqwest::StatusCode::from_u16(status).unwrap(),
            reason: ": invalid_grant".to_owned(),
        };
        let unavailable = CallError::no_token("flush rows of", "s", refused(503));
        assert_eq!(unavailable.verdict(), Verdict::Retry);
        let denied = CallError::no_token("flush rows of", "s", refused(400));
        assert_eq!(denied.verdict(), Verdict::Stop(CHECK_CREDENTIALS));
        let message = "flush rows of s: refresh the user's token: 400 Bad Request: invalid_grant";
        assert_eq!(denied.to_string(), message);
    }

    #[test]
    fn a_finalized_stream_is_recognized_by_its_code_and_by_its_text() {
        let by_code = with_detail(StorageErrorCode::StreamFinalized);
        assert!(CallError::in_band("flush rows of", "s", &by_code).is_finalized());
        let text = "Stream has been finalized and cannot be appended. Entity: s";
        let by_text = CallError::of_status("flush rows of", "s", &Status::invalid_argument(text));
        assert!(by_text.is_finalized());
        assert_eq!(by_text.verdict(), Verdict::FreshStream);
        let other = CallError::of_status("flush rows of", "s", &Status::invalid_argument("other"));
        assert!(!other.is_finalized() && other.verdict() != Verdict::FreshStream);
    }

    #[test]
    fn a_stop_names_the_operation_once() {
        let status = Status::permission_denied("no access");
        let stop = CallError::of_status("append to", "s", &status).stop(GRANT_DATA_EDITOR);
        assert_eq!(chain(&stop), "append to s: PermissionDenied: no access");
    }
}
