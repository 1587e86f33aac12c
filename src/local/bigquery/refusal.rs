//! Error responses: a gRPC status, with a `StorageError` where BigQuery sends one.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::StorageError;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::rpc;
use prost::Message;
use tonic::{Code, Status};

const STORAGE_ERROR: &str = "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError";

/// Why a call is refused. It is returned as the status of a call, or in band in the response to an
/// append.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub storage: Option<StorageErrorCode>,
    /// The stream or table that the refusal is about; empty where BigQuery names none.
    pub entity: String,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), storage: None, entity: String::new() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// Sets the entity and appends it to the message, as BigQuery does.
    pub fn about(mut self, entity: &str) -> Self {
        self.message.push_str(" Entity: ");
        self.message.push_str(entity);
        entity.clone_into(&mut self.entity);
        self
    }

    pub fn storage(mut self, code: StorageErrorCode) -> Self {
        self.storage = Some(code);
        self
    }

    /// The refusal as the `google.rpc.Status` of an error in band.
    pub fn rpc(&self) -> rpc::Status {
        let detail = self.storage.map(|_| prost_types::Any {
            type_url: STORAGE_ERROR.to_owned(),
            value: self.storage_error().encode_to_vec(),
        });
        rpc::Status {
            code: self.code as i32,
            message: self.message.clone(),
            details: detail.into_iter().collect(),
        }
    }

    pub fn storage_error(&self) -> StorageError {
        StorageError {
            code: self.storage.unwrap_or(StorageErrorCode::Unspecified) as i32,
            entity: self.entity.clone(),
            error_message: self.message.clone(),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let details = refusal.rpc().encode_to_vec();
        Status::with_details(refusal.code, refusal.message, details.into())
    }
}
