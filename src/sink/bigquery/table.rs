//! The table: created if it does not exist, and extended by columns. Nothing is removed, and no
//! type changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::columns::{canonical, type_name};
use super::rest::{Rest, RestError};
use crate::clock::Clock;
use crate::config::TableId;
use crate::retry::Backoff;
use crate::row::{Column, ColumnType, Mode, TableSchema};
use crate::stop::Stop;

/// How the table should be.
pub struct Wish<'a> {
    pub table: &'a TableId,
    pub desired: &'a TableSchema,
    /// Column of the day partitions; `None`: the table has none.
    pub partition_by: Option<&'a str>,
    pub cluster_by: Option<&'a str>,
    /// Create and alter the table; otherwise only read what it is.
    pub manage: bool,
    /// Create the dataset too.
    pub makes_datasets: bool,
}

/// A table that may be written.
#[derive(Debug, Clone)]
pub struct PreparedTable {
    /// The columns that may be written: those desired that the table has, with its spelling and modes.
    pub columns: TableSchema,
    /// When the table was created, where that is known. For some minutes after that, servers may not
    /// find it.
    pub created: Option<Instant>,
    /// The column of the table's partitions; `None` if it has none, or one by the time of arrival.
    pub partition_by: Option<String>,
    /// Where its dataset is: `EU`, `europe-west1`.
    pub location: Option<String>,
}

/// How often the table is read, created or altered before this program gives up.
const ATTEMPTS: u32 = 20;

/// What has to be done to a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Nothing,
    Create,
    Alter {
        /// The fields of the table's schema afterwards.
        fields: Vec<Value>,
        /// `add note: STRING`, `relax id`.
        changes: Vec<String>,
    },
}

/// What has to be done so that the table is as somebody wishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub step: Step,
    /// The columns that may be written afterwards.
    pub columns: TableSchema,
    /// Desired columns that the table lacks and that may not be added.
    pub left_out: Vec<String>,
}

/// What has to be done to the live table, whose resource this is. The error says why it cannot be as
/// it is wished.
pub fn plan(live: Option<&Value>, wish: &Wish<'_>) -> Result<Planned, Stop> {
    let Some(live) = live else {
        let columns = wish.desired.clone();
        return match wish.manage {
            true => Ok(Planned { step: Step::Create, columns, left_out: Vec::new() }),
            false => Err(missing(wish.table)),
        };
    };
    let fields = live["schema"]["fields"].as_array().cloned().unwrap_or_default();
    let mut evolution = Evolution::default();
    let (fields, writable) = evolution.merge(&fields, &wish.desired.columns, "", wish.manage);
    let Evolution { changes, conflicts, left_out } = evolution;
    if !conflicts.is_empty() {
        return Err(conflict(wish.table, &conflicts));
    }
    let step = if changes.is_empty() { Step::Nothing } else { Step::Alter { fields, changes } };
    Ok(Planned { step, columns: TableSchema { columns: writable }, left_out })
}

/// Creates or alters the table as `wish` says.
pub async fn prepare(rest: &Rest, wish: Wish<'_>, clock: Clock) -> Result<PreparedTable, Stop> {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    for _ in 0..ATTEMPTS {
        let live = rest.table(wish.table).await.map_err(RestError::stop)?;
        let planned = plan(live.as_ref(), &wish)?;
        let live = live.unwrap_or_default();
        match planned.step {
            Step::Create => {
                if wish.makes_datasets {
                    rest.ensure_dataset(wish.table).await.map_err(RestError::stop)?;
                }
                match rest.insert_table(wish.table, &resource(&wish)).await {
                    Ok(_) => tracing::info!(table = %wish.table, "table created"),
                    // Another instance created it in the meantime.
                    Err(error) if error.status() == Some(409) => {
                        tokio::time::sleep(backoff.pause()).await;
                    }
                    Err(error) => return Err(error.stop()),
                }
            }
            Step::Nothing => {
                if !planned.left_out.is_empty() {
                    let columns = planned.left_out.join(", ");
                    tracing::warn!(table = %wish.table, columns, "the table lacks columns of the contract; their values are not written");
                }
                return Ok(PreparedTable {
                    columns: planned.columns,
                    created: created(&live, clock),
                    partition_by: partition_column(&live),
                    location: live["location"].as_str().map(str::to_owned),
                });
            }
            Step::Alter { fields, changes } => {
                let etag = live["etag"].as_str().unwrap_or("*").to_owned();
                let mut body = live;
                body["schema"]["fields"] = Value::Array(fields);
                match rest.update_table(wish.table, &body, &etag).await {
                    Ok(_) => {
                        let changes = changes.join(", ");
                        tracing::info!(table = %wish.table, changes, "table altered");
                    }
                    // Another client altered it in the meantime: read it again.
                    Err(error) if error.status() == Some(412) => {
                        tokio::time::sleep(backoff.pause()).await;
                    }
                    Err(error) => return Err(error.stop()),
                }
            }
        }
    }
    Err(Stop {
        what: format!("alter table {}", wish.table),
        hint: format!(
            "it does not have the contract's columns after {ATTEMPTS} attempts: either another \
             client keeps changing it, or this identity may not read it"
        ),
        source: None,
    })
}

/// When the table was created, by BigQuery's clock. One that is ahead of ours gives the present.
fn created(live: &Value, clock: Clock) -> Option<Instant> {
    let created_ms: i64 = live["creationTime"].as_str()?.parse().ok()?;
    let age_ms = (clock.now_micros() / 1_000).saturating_sub(created_ms);
    Instant::now().checked_sub(Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)))
}

/// The column that a table resource is partitioned by.
pub fn partition_column(table: &Value) -> Option<String> {
    table["timePartitioning"]["field"].as_str().map(str::to_owned)
}

fn missing(table: &TableId) -> Stop {
    Stop {
        what: format!("use table {table}"),
        hint: "it does not exist and MANAGE_TABLE is false: create it, or set MANAGE_TABLE=true"
            .to_owned(),
        source: None,
    }
}

fn conflict(table: &TableId, conflicts: &[String]) -> Stop {
    Stop {
        what: format!("write to table {table}: {}", conflicts.join("; ")),
        hint: "a column's type cannot change in place: write to a new table (BQ_TABLE), or set \
               x-bigquery-type in the contract to the type that the table has"
            .to_owned(),
        source: None,
    }
}

/// The table resource as `tables.insert` takes it.
fn resource(wish: &Wish<'_>) -> Value {
    let fields: Vec<Value> = wish.desired.columns.iter().map(field).collect();
    let mut resource = json!({
        "tableReference": {
            "projectId": wish.table.project,
            "datasetId": wish.table.dataset,
            "tableId": wish.table.table,
        },
        "schema": { "fields": fields },
        "description": "Written by generic-consumer.",
    });
    if let Some(column) = wish.partition_by {
        resource["timePartitioning"] = json!({ "type": "DAY", "field": column });
    }
    if let Some(column) = wish.cluster_by {
        resource["clustering"] = json!({ "fields": [column] });
    }
    resource
}

pub fn field(column: &Column) -> Value {
    let mode = match column.mode {
        Mode::Nullable => "NULLABLE",
        Mode::Required => "REQUIRED",
        Mode::Repeated => "REPEATED",
    };
    let mut field = json!({ "name": column.name, "type": type_name(&column.kind), "mode": mode });
    if let ColumnType::Record(fields) = &column.kind {
        field["fields"] = fields.iter().map(self::field).collect();
    }
    field
}

/// The type as people write it: `STRING`, `ARRAY<STRING>`.
fn described(column: &Column) -> String {
    match column.mode {
        Mode::Repeated => format!("ARRAY<{}>", type_name(&column.kind)),
        Mode::Nullable | Mode::Required => type_name(&column.kind).to_owned(),
    }
}

/// What has to change so that the live table has the desired columns.
#[derive(Default)]
struct Evolution {
    changes: Vec<String>,
    /// What no change can repair.
    conflicts: Vec<String>,
    /// Desired columns that the table lacks and that may not be added.
    left_out: Vec<String>,
}

impl Evolution {
    /// Returns the live fields with the missing ones added, and the columns that may be written, in
    /// the order of `desired`. Other live fields, and all properties of live fields, are kept.
    fn merge(
        &mut self,
        live: &[Value],
        desired: &[Column],
        path: &str,
        manage: bool,
    ) -> (Vec<Value>, Vec<Column>) {
        let mut fields = live.to_vec();
        let mut writable = Vec::with_capacity(desired.len());
        for column in desired {
            let name = format!("{path}{}", column.name);
            let found = fields.iter_mut().find(|field| {
                field["name"].as_str().is_some_and(|live| live.eq_ignore_ascii_case(&column.name))
            });
            match found {
                None if manage => {
                    self.changes.push(format!("add {name}: {}", described(column)));
                    let mut added = column.clone();
                    // Existing rows have no value for it, so a new column cannot be REQUIRED.
                    if added.mode == Mode::Required {
                        added.mode = Mode::Nullable;
                    }
                    fields.push(field(&added));
                    writable.push(added);
                }
                None => self.left_out.push(name),
                Some(field) => writable.extend(self.compare(field, column, &name, manage)),
            }
        }
        for field in &mut fields {
            let name = field["name"].as_str().unwrap_or_default().to_owned();
            let known = desired.iter().any(|column| column.name.eq_ignore_ascii_case(&name));
            if field["mode"] == "REQUIRED" && !known {
                if manage {
                    self.changes.push(format!("relax {path}{name}"));
                    field["mode"] = json!("NULLABLE");
                } else {
                    let what = "is REQUIRED, and the contract does not have it";
                    self.conflicts.push(format!("{path}{name} {what}"));
                }
            }
        }
        (fields, writable)
    }

    /// Compares a live column with the desired one, and returns the column that may be written.
    fn compare(
        &mut self,
        field: &mut Value,
        column: &Column,
        name: &str,
        manage: bool,
    ) -> Option<Column> {
        let live_type = canonical(field["type"].as_str().unwrap_or_default());
        let wanted = type_name(&column.kind);
        if live_type != wanted {
            self.conflicts.push(format!("{name} is {live_type}, the contract needs {wanted}"));
            return None;
        }
        let live_mode = match field["mode"].as_str() {
            Some("REPEATED") => Mode::Repeated,
            Some("REQUIRED") => Mode::Required,
            _ => Mode::Nullable,
        };
        let mut writable = column.clone();
        writable.mode = live_mode;
        // A column's name keeps the case it was created with.
        writable.name = field["name"].as_str().unwrap_or(&column.name).to_owned();
        match (live_mode, column.mode) {
            (Mode::Repeated, Mode::Repeated) => {}
            (Mode::Repeated, _) | (_, Mode::Repeated) => {
                self.conflicts
                    .push(format!("{name} is REPEATED in only one of table and contract"));
                return None;
            }
            // The contract requires the field, so that every row has a value.
            (Mode::Required, Mode::Nullable) if column.required => {}
            (Mode::Required, Mode::Nullable) if manage => {
                self.changes.push(format!("relax {name}"));
                field["mode"] = json!("NULLABLE");
                writable.mode = Mode::Nullable;
            }
            (Mode::Required, Mode::Nullable) => {
                self.conflicts.push(format!("{name} is REQUIRED, the contract may leave it out"));
            }
            (Mode::Required | Mode::Nullable, Mode::Required | Mode::Nullable) => {}
        }
        if let ColumnType::Record(wanted) = &column.kind {
            let live = field["fields"].as_array().cloned().unwrap_or_default();
            let (fields, inner) = self.merge(&live, wanted, &format!("{name}."), manage);
            field["fields"] = Value::Array(fields);
            writable.kind = ColumnType::Record(inner);
        }
        Some(writable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(fields: &[Value]) -> Vec<&str> {
        fields.iter().filter_map(|field| field["name"].as_str()).collect()
    }

    fn live(text: &str) -> Vec<Value> {
        serde_json::from_str(text).expect("test JSON")
    }

    #[test]
    fn missing_columns_are_added_and_unknown_properties_kept() {
        let live = live(
            r#"[{"name":"A","type":"STRING","policyTags":{"names":["x"]}},
                {"name":"r","type":"RECORD","mode":"NULLABLE","fields":[{"name":"x","type":"INT64"}]}]"#,
        );
        let inner =
            vec![Column::nullable("x", ColumnType::Int64), Column::nullable("y", ColumnType::Bool)];
        let desired = [
            Column::nullable("a", ColumnType::String),
            Column::nullable("r", ColumnType::Record(inner)),
            Column::nullable("n", ColumnType::Json),
        ];
        let mut evolution = Evolution::default();
        let (fields, writable) = evolution.merge(&live, &desired, "", true);
        assert_eq!(evolution.changes, ["add r.y: BOOLEAN", "add n: JSON"]);
        assert!(evolution.conflicts.is_empty());
        assert_eq!(names(&fields), ["A", "r", "n"]);
        assert_eq!(fields[0]["policyTags"]["names"][0], "x");
        assert_eq!(writable.len(), 3);
        assert_eq!(writable[0].name, "A");
    }

    #[test]
    fn a_table_that_we_do_not_manage_is_not_altered() {
        let live = live(r#"[{"name":"a","type":"STRING","mode":"NULLABLE"}]"#);
        let desired =
            [Column::nullable("a", ColumnType::String), Column::nullable("n", ColumnType::Json)];
        let mut evolution = Evolution::default();
        let (fields, writable) = evolution.merge(&live, &desired, "", false);
        assert!(evolution.changes.is_empty());
        assert_eq!(evolution.left_out, ["n"]);
        assert_eq!((fields.len(), writable.len()), (1, 1));
    }

    #[test]
    fn the_live_table_says_by_which_column_it_is_partitioned() {
        let by_column = json!({"timePartitioning": {"type": "DAY", "field": "at"}});
        assert_eq!(partition_column(&by_column).as_deref(), Some("at"));
        let by_arrival = json!({"timePartitioning": {"type": "DAY"}});
        assert_eq!(partition_column(&by_arrival), None);
        assert_eq!(partition_column(&json!({})), None);
    }

    #[test]
    fn all_conflicts_are_reported_together() {
        let live = live(
            r#"[{"name":"a","type":"INTEGER"},{"name":"b","type":"STRING","mode":"REPEATED"}]"#,
        );
        let desired =
            [Column::nullable("a", ColumnType::String), Column::nullable("b", ColumnType::String)];
        let mut evolution = Evolution::default();
        evolution.merge(&live, &desired, "", true);
        assert_eq!(evolution.conflicts.len(), 2);
    }

    #[test]
    fn a_required_column_stays_where_the_contract_requires_the_field() {
        let live = live(r#"[{"name":"userId","type":"STRING","mode":"REQUIRED"}]"#);
        let column = Column::nullable("userId", ColumnType::String);
        let desired = [Column { required: true, ..column }];
        for manage in [true, false] {
            let mut evolution = Evolution::default();
            let (fields, writable) = evolution.merge(&live, &desired, "", manage);
            assert!(evolution.changes.is_empty() && evolution.conflicts.is_empty());
            assert_eq!(fields[0]["mode"], "REQUIRED");
            assert_eq!(writable[0].mode, Mode::Required);
        }
    }

    #[test]
    fn required_columns_become_nullable() {
        let live = live(
            r#"[{"name":"a","type":"STRING","mode":"REQUIRED"},{"name":"old","type":"STRING","mode":"REQUIRED"}]"#,
        );
        let mut evolution = Evolution::default();
        let desired = [Column::nullable("a", ColumnType::String)];
        let (fields, _) = evolution.merge(&live, &desired, "", true);
        assert_eq!(evolution.changes, ["relax a", "relax old"]);
        assert!(fields.iter().all(|field| field["mode"] == "NULLABLE"));
    }
}
