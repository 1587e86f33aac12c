//! How staged rows reach a table of BigQuery.

use serde_json::{Value, json};

use crate::config::{Scope, TableId};
use crate::sink::bigquery::batch::{DateColumn, Merge, Range, TargetTable, query};
use crate::stop::Stop;
use crate::transfer::days::Days;
use crate::transfer::request::Mode;
use crate::transfer::target::Change;

/// How the rows become those of the target.
#[derive(Debug, Clone)]
pub enum Method {
    /// The staging table is copied over the partition of the day, or over the table.
    Copy {
        /// `20261121`; `None`: the table.
        partition: Option<String>,
    },
    /// `MERGE … ON FALSE`: what is in the range is deleted and the rows are inserted, in one step.
    Replace { range: Option<Range> },
    /// `MERGE` by key.
    Merge { range: Option<Range> },
    /// `INSERT` of the rows whose key the table does not have.
    Fill,
}

impl Method {
    /// Chooses the method. An error says what mode, scope and target have against each other.
    pub fn choose(change: &Change<'_>, target: &TargetTable) -> Result<Self, Stop> {
        let Change { mode, days, .. } = *change;
        // A copy takes all rows.
        let copies = !change.last_counts;
        let wrong = |what: String, hint: &str| {
            let what = format!("write {}: {what}", target.table);
            Err(Stop { what, hint: hint.to_owned(), source: None })
        };
        let range = match (change.date_column, change.scope) {
            (Some(column), Scope::Day) => match Self::range(change, target) {
                Some(range) => Some(range),
                None => {
                    return wrong(
                        format!("it has no column {column} of the type TIMESTAMP or DATE"),
                        "date_column names the column whose value says to which day a row belongs",
                    );
                }
            },
            (_, Scope::Table) | (None, Scope::Day) => None,
        };
        match (mode, range) {
            (Mode::Fill, _) => Ok(Self::Fill),
            (_, None) if target.is_partitioned() => wrong(
                "scope = \"table\" would replace all partitions of it".to_owned(),
                "scope = \"day\" replaces the rows of the day; only a table without partitions is \
                 replaced as a whole",
            ),
            (Mode::Delta, range) => Ok(Self::Merge { range }),
            (Mode::Truncate, None) if copies => Ok(Self::Copy { partition: None }),
            (Mode::Truncate, Some(range)) => match days {
                Some(days) if !days.is_one() => wrong(
                    format!("{days} are several days, and mode truncate replaces one"),
                    "--delta-start-date is for mode delta; run each day by itself",
                ),
                Some(day) if copies && is_partition(&range, day, target) => {
                    Ok(Self::Copy { partition: Some(day.first().strftime("%Y%m%d").to_string()) })
                }
                _ => Ok(Self::Replace { range: Some(range) }),
            },
            (Mode::Truncate, None) => Ok(Self::Replace { range: None }),
        }
    }

    /// The days of the date column, if rows are of days and the target has the column.
    pub fn range(change: &Change<'_>, target: &TargetTable) -> Option<Range> {
        let column = change.date_column.filter(|_| change.scope == Scope::Day)?;
        let days = change.days?;
        let kind = target.date_column(column)?;
        let (first, after, micros) = (days.first(), days.after(), days.micros());
        Some(Range { column: column.to_owned(), kind, first, after, micros })
    }

    /// What it does, for people.
    pub fn describe(&self, target: &TableId) -> String {
        match self {
            Self::Copy { partition: Some(partition) } => {
                format!("replace the partition {target}${partition} by a copy")
            }
            Self::Copy { partition: None } => format!("replace the table {target} by a copy"),
            Self::Replace { range: Some(range) } => format!(
                "replace the rows of {target} with {} from {} to before {}",
                range.column, range.first, range.after
            ),
            Self::Replace { range: None } => format!("replace all rows of {target}"),
            Self::Merge { range: None } => format!("merge into {target}"),
            Self::Merge { range: Some(range) } => format!(
                "merge into the rows of {target} with {} from {} to before {}",
                range.column, range.first, range.after
            ),
            Self::Fill => format!("insert the rows that {target} does not have"),
        }
    }

    /// The configuration of the job that does it.
    pub fn job(&self, merge: &Merge<'_>, delete_missing: bool) -> Value {
        match self {
            Self::Copy { partition } => {
                let reference = |table: &TableId, partition: Option<&String>| {
                    let partition = partition.map_or(String::new(), |day| format!("${day}"));
                    json!({
                        "projectId": table.project,
                        "datasetId": table.dataset,
                        "tableId": format!("{}{partition}", table.table),
                    })
                };
                json!({ "copy": {
                    "sourceTable": reference(merge.staging, None),
                    "destinationTable": reference(merge.target, partition.as_ref()),
                    "createDisposition": "CREATE_NEVER",
                    // Unlike WRITE_TRUNCATE it keeps schema, policy tags, labels and clustering.
                    "writeDisposition": "WRITE_TRUNCATE_DATA",
                } })
            }
            Self::Replace { range } => {
                query(&Merge { range: range.as_ref(), ..merge.clone() }.replace())
            }
            Self::Merge { range } => {
                query(&Merge { range: range.as_ref(), ..merge.clone() }.delta(delete_missing))
            }
            Self::Fill => query(&merge.fill()),
        }
    }
}

/// Whether the day is one partition of the target: BigQuery divides a TIMESTAMP column into days of UTC.
fn is_partition(range: &Range, days: &Days, target: &TargetTable) -> bool {
    let column = target.day_partitions();
    let is_aligned = match range.kind {
        DateColumn::Timestamp => days.are_of_utc(),
        DateColumn::Date | DateColumn::Datetime => true,
    };
    is_aligned && column.is_some_and(|live| live.eq_ignore_ascii_case(&range.column))
}
