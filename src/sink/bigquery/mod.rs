//! BigQuery
