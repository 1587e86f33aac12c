//! The dataset or table that a request's path names.

use super::api::ApiError;
use crate::local::bigquery::partition::split_decorator;

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

#[derive(Debug, Clone, serde::Deserialize)]
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

    /// The path of the table without a decorator, and the partition's id in the decorator.
    pub fn split(&self) -> (Self, Option<String>) {
        let (table, partition) = split_decorator(&self.table);
        let (project, dataset) = (self.project.clone(), self.dataset.clone());
        (Self { project, dataset, table: table.to_owned() }, partition.map(str::to_owned))
    }

    pub fn of_dataset(&self) -> DatasetPath {
        DatasetPath { project: self.project.clone(), dataset: self.dataset.clone() }
    }

    pub fn not_found(&self) -> ApiError {
        ApiError::not_found(format!("Not found: Table {}", self.shown()))
    }
}
