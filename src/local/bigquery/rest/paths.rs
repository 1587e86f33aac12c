//! The dataset or table that a request's path names.

use super::api::ApiError;

#[derive(serde::Deserialize)]
pub struct DatasetPath {
    pub project: String,
    pub dataset: String,
}

impl DatasetPath {
    /// The dataset's id in the store.
    pub fn id(&self) -> String {
        format!("{}.{}", self.project, self.dataset)
    }

    /// The dataset's id in resources and messages.
    pub fn shown(&self) -> String {
        format!("{}:{}", self.project, self.dataset)
    }

    pub fn not_found(&self) -> ApiError {
        ApiError::not_found(format!("Not found: Dataset {}", self.shown()))
    }
}

#[derive(serde::Deserialize)]
pub struct TablePath {
    pub project: String,
    pub dataset: String,
    pub table: String,
}

impl TablePath {
    /// The table's id in the store.
    pub fn id(&self) -> String {
        format!("{}.{}.{}", self.project, self.dataset, self.table)
    }

    /// The table's id in resources and messages.
    pub fn shown(&self) -> String {
        format!("{}:{}.{}", self.project, self.dataset, self.table)
    }

    pub fn not_found(&self) -> ApiError {
        ApiError::not_found(format!("Not found: Table {}", self.shown()))
    }
}
