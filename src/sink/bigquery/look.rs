//! Looks at a table, and changes nothing: the same plan as that of a run, which is not carried out.

use serde_json::Value;

use super::client::BigQuery;
use super::rest::RestError;
use super::table::{self, Planned, Step, Wish};
use crate::config::TableId;
use crate::row::TableSchema;
use crate::sink::look::TableLook;
use crate::stop::Stop;

/// Writes rows.
const WRITE: &str = "bigquery.tables.updateData";
/// Adds columns.
const ALTER: &str = "bigquery.tables.update";

impl BigQuery {
    /// What [`Self::prepare`] would do with these arguments. The error says that the table was not read.
    pub async fn look(
        &self,
        id: &TableId,
        desired: &TableSchema,
        manage: bool,
        partition_by: Option<&str>,
    ) -> Result<TableLook, Stop> {
        let rest = self.rest().impatient();
        let wish = self.wish(id, desired, manage, partition_by);
        let live = rest.table(id).await.map_err(RestError::stop)?;
        let mut look = TableLook::new(id.to_string(), desired.clone());
        look.is_there = live.is_some();
        look.partition_by = match &live {
            Some(live) => table::partition_column(live),
            None => partition_by.map(str::to_owned),
        };
        match table::plan(live.as_ref(), &wish) {
            Ok(Planned { step, columns, left_out }) => {
                look.changes = match step {
                    Step::Nothing => Vec::new(),
                    Step::Create => vec![creation(&wish)],
                    Step::Alter { changes, .. } => changes,
                };
                (look.columns, look.left_out) = (columns, left_out);
            }
            Err(stop) => look.refusal = Some(stop),
        }
        match &live {
            Some(live) => {
                look.notes = notes(live, &wish);
                look.rows = rows(live);
                if self.is_google() {
                    let needed: &[&str] =
                        if look.changes.is_empty() { &[WRITE] } else { &[WRITE, ALTER] };
                    // Whoever may write may ask; where this is not answered, nothing is said.
                    if let Ok(granted) = rest.permissions(id, needed).await {
                        let lacks = |one: &&&str| !granted.iter().any(|has| has == **one);
                        let lacking = needed.iter().filter(lacks);
                        look.lacking = Some(lacking.map(|one| (*one).to_owned()).collect());
                    }
                }
            }
            None if look.refusal.is_none() => self.look_for_dataset(id, &mut look).await?,
            None => {}
        }
        Ok(look)
    }

    async fn look_for_dataset(&self, id: &TableId, look: &mut TableLook) -> Result<(), Stop> {
        let dataset = format!("{}.{}", id.project, id.dataset);
        let is_there = match self.rest().impatient().has_dataset(id).await {
            // A run does not look.
            Err(error) if error.status() == Some(403) => {
                let note = "is not seen: that needs bigquery.datasets.get";
                look.notes.push(format!("whether there is a dataset {dataset} {note}"));
                true
            }
            answer => answer.map_err(RestError::stop)?,
        };
        match self.makes_datasets() {
            _ if is_there => {}
            true => look.changes.insert(0, format!("create the dataset {dataset}")),
            false => {
                look.refusal = Some(Stop {
                    what: format!("create table {id}: there is no dataset {dataset}"),
                    hint: "create the dataset in the write environment's location (bq mk \
                           --dataset), or correct project and dataset in the configuration"
                        .to_owned(),
                    source: None,
                });
            }
        }
        Ok(())
    }
}

/// `create it with 40 columns, day partitions by _ingested_at, clustered by _event_type`.
fn creation(wish: &Wish<'_>) -> String {
    let columns = wish.desired.columns.len();
    let partitions = wish.partition_by.map(|by| format!(", day partitions by {by}"));
    let clusters = wish.cluster_by.map(|by| format!(", clustered by {by}"));
    let (partitions, clusters) = (partitions.unwrap_or_default(), clusters.unwrap_or_default());
    format!("create it with {columns} columns{partitions}{clusters}")
}

/// About how many rows a table has. Those that have just been streamed are estimated.
fn rows(live: &Value) -> Option<u64> {
    let number = |value: &Value| value.as_str()?.parse::<u64>().ok();
    let streamed = number(&live["streamingBuffer"]["estimatedRows"]).unwrap_or(0);
    Some(number(&live["numRows"])? + streamed)
}

/// What a run would keep although it would have made it otherwise.
fn notes(live: &Value, wish: &Wish<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let time = &live["timePartitioning"];
    let by = table::partition_column(live);
    let found = match (time["type"].as_str(), &by, live.get("rangePartitioning")) {
        (Some(unit), Some(by), _) => format!("has {} partitions by {by}", unit.to_lowercase()),
        (Some(unit), None, _) => {
            format!("has {} partitions by the time of arrival", unit.to_lowercase())
        }
        (None, _, Some(range)) => {
            let by = range["field"].as_str().unwrap_or("a number");
            format!("has partitions by ranges of {by}")
        }
        (None, _, None) => "has no partitions".to_owned(),
    };
    let is_as_wished = match wish.partition_by {
        Some(wished) => {
            time["type"] == "DAY" && by.is_some_and(|by| by.eq_ignore_ascii_case(wished))
        }
        None => time.is_null() && live.get("rangePartitioning").is_none(),
    };
    if !is_as_wished {
        let wished = wish.partition_by.map_or("none".to_owned(), |by| format!("days of {by}"));
        notes.push(format!("the table {found} (a new one: {wished}); a run keeps that"));
    }
    let mut tagged = Vec::new();
    let fields = live["schema"]["fields"].as_array().map_or(&[][..], Vec::as_slice);
    policy_tags(fields, "", &mut tagged);
    if !tagged.is_empty() {
        let (columns, are) = (
            tagged.join(", "),
            if tagged.len() == 1 { "has a policy tag" } else { "have policy tags" },
        );
        notes.push(format!(
            "{columns} {are}; a run keeps {}",
            if tagged.len() == 1 { "it" } else { "them" }
        ));
    }
    notes
}

/// The columns with policy tags.
fn policy_tags(fields: &[Value], path: &str, tagged: &mut Vec<String>) {
    for field in fields {
        let name = format!("{path}{}", field["name"].as_str().unwrap_or_default());
        if field["policyTags"]["names"].as_array().is_some_and(|names| !names.is_empty()) {
            tagged.push(name.clone());
        }
        if let Some(inner) = field["fields"].as_array() {
            policy_tags(inner, &format!("{name}."), tagged);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::row::{Column, ColumnType};

    #[test]
    fn other_partitions_and_policy_tags_are_told() {
        let id = TableId { project: "p".into(), dataset: "d".into(), table: "t".into() };
        let desired = TableSchema { columns: vec![Column::nullable("at", ColumnType::Timestamp)] };
        let wish = Wish {
            table: &id,
            desired: &desired,
            partition_by: Some("at"),
            cluster_by: None,
            manage: true,
            makes_datasets: false,
        };
        let tag = json!({ "names": ["projects/p/taxonomies/1"] });
        let fields = json!([{ "name": "at", "type": "TIMESTAMP" }, { "name": "who", "type": "RECORD",
            "fields": [{ "name": "mail", "type": "STRING", "policyTags": tag }] }]);
        let live =
            |time: Value| json!({ "schema": { "fields": fields }, "timePartitioning": time });
        let [tags] = &notes(&live(json!({ "type": "DAY", "field": "AT" })), &wish)[..] else {
            panic!("the tags alone")
        };
        assert_eq!(tags, "who.mail has a policy tag; a run keeps it");
        for (time, said) in [
            (json!({ "type": "HOUR", "field": "at" }), "has hour partitions by at"),
            (json!({ "type": "DAY" }), "has day partitions by the time of arrival"),
            (Value::Null, "has no partitions"),
        ] {
            let notes = notes(&live(time), &wish);
            assert!(notes.len() == 2 && notes[0].contains(said), "{notes:?}");
        }
        assert_eq!(creation(&wish), "create it with 1 columns, day partitions by at");
    }
}
