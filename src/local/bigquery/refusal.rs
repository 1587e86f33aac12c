//! Answers that are no success: a gRPC status, with a `StorageError` where BigQuery gives one.

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::StorageError;
use gcp_bigquery_client::google::cloud::bigquery::storage::v1::storage_error::StorageErrorCode;
use gcp_bigquery_client::google::rpc;
use prost::Message;
use tonic::{Code, Status};

use super::store::StoreError;

const STORAGE_ERROR: &str = "type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError";

/// Why a call is refused. It travels as the status of a call, or in band in an append's answer.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub storage: Option<StorageErrorCode>,
    /// Stream or table it is about; empty where BigQuery names none.
    pub entity: String,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), storage: None, entity: String::new() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// About `entity`, which the message names at its end as BigQuery's messages do.
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

    /// `google.rpc.Status`, as it stands in band.
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

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::new(Code::Internal, format!("{error:?}"))
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::from(StoreError::from(error))
    }
}
