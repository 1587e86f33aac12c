//! The target of a batch job as it is, and staging tables like it.

use std::time::Duration;

use serde_json::{Value, json};

use super::lease::HOLDER;
use super::statements::DateColumn;
use crate::config::TableId;
use crate::row::Column;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::columns::canonical;
use crate::sink::bigquery::rest::RestError;
use crate::sink::bigquery::table::field;
use crate::stop::Stop;

/// A table that rows are to be moved into.
#[derive(Debug, Clone)]
pub struct TargetTable {
    pub table: TableId,
    /// The table's resource.
    live: Value,
}

impl BigQuery {
    /// Reads the table, which has to exist.
    pub async fn target(&self, table: &TableId) -> Result<TargetTable, Stop> {
        self.find_table(table).await?.ok_or_else(|| Stop {
            what: format!("read table {table}"),
            hint: "it was deleted meanwhile: start again".to_owned(),
            source: None,
        })
    }

    /// Reads the table, if there is one.
    pub async fn find_table(&self, table: &TableId) -> Result<Option<TargetTable>, Stop> {
        let live = self.rest().table(table).await.map_err(RestError::stop)?;
        Ok(live.map(|live| TargetTable { table: table.clone(), live }))
    }

    /// Creates a staging table with the columns, the partitions and the clustering of the target, and
    /// `also` in addition. It expires by itself.
    pub async fn create_staging(
        &self,
        staging: &TableId,
        like: &TargetTable,
        also: &[Column],
        lasts: Duration,
    ) -> Result<(), Stop> {
        let mut fields = like.live["schema"]["fields"].as_array().cloned().unwrap_or_default();
        for field in &mut fields {
            // Needs a permission of its own, and the rows are read by this identity alone.
            drop_policy_tags(field);
        }
        fields.extend(also.iter().map(field));
        let expires = self.clock().now_micros() / 1_000 + lasts.as_millis() as i64;
        let mut body = json!({
            "tableReference": {
                "projectId": staging.project,
                "datasetId": staging.dataset,
                "tableId": staging.table,
            },
            "schema": { "fields": fields },
            "description": format!("Rows on their way into {}, by generic-consumer.", like.table),
            "expirationTime": expires.to_string(),
        });
        let partitioning = &like.live["timePartitioning"];
        if !partitioning.is_null() {
            // Without the age at which partitions expire.
            body["timePartitioning"] =
                json!({ "type": partitioning["type"], "field": partitioning["field"] });
        }
        if !like.live["clustering"].is_null() {
            body["clustering"] = like.live["clustering"].clone();
        }
        match self.rest().insert_table(staging, &body).await {
            Ok(_) => Ok(()),
            // Its name is this run's own: the answer to the creation was lost.
            Err(error) if error.status() == Some(409) => Ok(()),
            Err(error) => Err(error.stop()),
        }
    }

    /// Deletes a table, if it is there.
    pub async fn drop_table(&self, table: &TableId) -> Result<(), Stop> {
        self.rest().delete_table(table).await.map_err(RestError::stop)
    }

    /// The tables of the dataset whose names begin so.
    pub async fn tables_named(&self, of: &TableId, prefix: &str) -> Result<Vec<TableId>, Stop> {
        let names = self.rest().tables(of).await.map_err(RestError::stop)?;
        let names = names.into_iter().filter(|name| name.starts_with(prefix));
        Ok(names.map(|table| TableId { table, ..of.clone() }).collect())
    }
}

impl TargetTable {
    /// Where the dataset is.
    pub fn location(&self) -> Option<&str> {
        self.live["location"].as_str()
    }

    pub fn description(&self) -> Option<&str> {
        self.live["description"].as_str()
    }

    /// Whose lease it is, if it is one.
    pub fn holder(&self) -> Option<&str> {
        self.live["labels"][HOLDER].as_str()
    }

    /// Its rows, without those that were streamed a moment ago. `None`: it may have such rows.
    pub fn rows(&self) -> Option<u64> {
        let is_streamed_into = !self.live["streamingBuffer"].is_null();
        let rows = self.live["numRows"].as_str().and_then(|rows| rows.parse().ok());
        rows.filter(|_| !is_streamed_into)
    }

    /// When it expires, in milliseconds since the epoch.
    pub fn expires_ms(&self) -> Option<i64> {
        self.live["expirationTime"].as_str().and_then(|at| at.parse().ok())
    }

    /// The column of its partitions, if they are days.
    pub fn day_partitions(&self) -> Option<&str> {
        let partitioning = &self.live["timePartitioning"];
        let is_day = partitioning["type"].as_str() == Some("DAY");
        partitioning["field"].as_str().filter(|_| is_day)
    }

    pub fn is_partitioned(&self) -> bool {
        ["timePartitioning", "rangePartitioning"].iter().any(|kind| !self.live[kind].is_null())
    }

    /// The type of a column, if it is one of those with a date.
    pub fn date_column(&self, column: &str) -> Option<DateColumn> {
        let fields = self.live["schema"]["fields"].as_array()?;
        let name = |field: &&Value| {
            field["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(column))
        };
        match canonical(fields.iter().find(name)?["type"].as_str()?) {
            "DATE" => Some(DateColumn::Date),
            "DATETIME" => Some(DateColumn::Datetime),
            "TIMESTAMP" => Some(DateColumn::Timestamp),
            _ => None,
        }
    }
}

fn drop_policy_tags(field: &mut Value) {
    if let Some(properties) = field.as_object_mut() {
        properties.remove("policyTags");
    }
    if let Some(inner) = field["fields"].as_array_mut() {
        inner.iter_mut().for_each(drop_policy_tags);
    }
}
