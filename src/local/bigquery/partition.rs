//! The partitions of a table: those into which BigQuery streams rows, and the one that a decorator
//! (`table$20261121`) names.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::field_schema::{self, FieldSchema};
use crate::row::Cell;

/// Days before today whose partitions accept rows.
const DAYS_BACK: i64 = 1_825;

/// Days after today whose partitions accept rows.
const DAYS_AHEAD: i64 = 366;

/// The index of the column by which a table is partitioned.
#[derive(Debug, Clone, Copy)]
pub struct PartitionColumn(usize);

impl PartitionColumn {
    /// The partition column that a table's resource names.
    pub fn of(table: &Value, columns: &[FieldSchema]) -> Option<Self> {
        let name = table["timePartitioning"]["field"].as_str()?;
        field_schema::position(columns, name).map(Self)
    }

    /// The check of this column's values at `now_micros`.
    pub fn at(self, now_micros: i64) -> PartitionCheck {
        PartitionCheck { column: self.0, days: days_around(now_micros) }
    }
}

/// Refuses rows for partitions that do not accept streamed rows.
#[derive(Debug, Clone, Copy)]
pub struct PartitionCheck {
    column: usize,
    /// The first and the last day whose partitions accept rows.
    days: Option<(Date, Date)>,
}

impl PartitionCheck {
    /// The error says why the row is refused.
    pub fn check(&self, row: &[Option<Cell>]) -> Result<(), String> {
        let value = row[self.column].as_ref().and_then(Cell::as_str);
        match (value, self.days) {
            (Some(value), Some((first, last))) if !is_between(value, first, last) => Err(format!(
                "The destination table's partition of {value} is outside the allowed bounds. You \
                 can only stream to partitions within {DAYS_BACK} days in the past and \
                 {DAYS_AHEAD} days in the future relative to the current date."
            )),
            _ => Ok(()),
        }
    }
}

fn days_around(now_micros: i64) -> Option<(Date, Date)> {
    let now = Timestamp::from_microsecond(now_micros).ok()?;
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = |count: i64| Span::new().try_days(count).ok();
    Some((today.checked_sub(days(DAYS_BACK)?).ok()?, today.checked_add(days(DAYS_AHEAD)?).ok()?))
}

/// Whether the day of a stored TIMESTAMP, DATE or DATETIME is in a range.
fn is_between(stored: &str, first: Date, last: Date) -> bool {
    let day = stored.get(..10).and_then(|day| day.parse::<Date>().ok());
    day.is_some_and(|day| (first..=last).contains(&day))
}

/// One partition of a table.
#[derive(Debug, Clone)]
pub struct Partition {
    /// The partition's id, for example `20261121`.
    pub id: String,
    /// The column by which the table is partitioned; `None` if it is by ingestion time.
    pub column: Option<FieldSchema>,
    /// What the column's stored values begin with, or the hours of ingestion; `None` for the partition
    /// of NULL.
    pub prefix: Option<String>,
    /// The partition's first hour as the store keeps hours of ingestion.
    pub hour: String,
}

/// Why a decorator names no partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecoratorError {
    /// The table is not partitioned.
    NotPartitioned,
    /// The embedded BigQuery does not know this partition.
    Unsupported,
    /// The message says why the id does not fit the table.
    Invalid(String),
}

/// The table's name and the partition's id of a name such as `table$20261121`.
pub fn split_decorator(name: &str) -> (&str, Option<&str>) {
    name.split_once('$').map_or((name, None), |(table, id)| (table, Some(id)))
}

/// The partition of this id of a table, given its resource and columns.
pub fn decorated(
    table: &Value,
    columns: &[FieldSchema],
    id: &str,
) -> Result<Partition, DecoratorError> {
    if !table["rangePartitioning"].is_null() || id == "__UNPARTITIONED__" {
        return Err(DecoratorError::Unsupported);
    }
    let partitioning = &table["timePartitioning"];
    let kind = partitioning["type"].as_str().ok_or(DecoratorError::NotPartitioned)?;
    let (digits, form) = match kind {
        "YEAR" => (4, "YYYY"),
        "MONTH" => (6, "YYYYMM"),
        "HOUR" => (10, "YYYYMMDDHH"),
        _ => (8, "YYYYMMDD"),
    };
    let column = partitioning["field"].as_str();
    let column = column.and_then(|name| field_schema::find(columns, name)).cloned();
    if id == "__NULL__" && column.is_some() {
        return Ok(Partition { id: id.to_owned(), column, prefix: None, hour: String::new() });
    }
    let invalid = || {
        DecoratorError::Invalid(format!(
            "Invalid partition id \"{id}\": the table is partitioned by {kind}, so it has the form \
             {form}."
        ))
    };
    if id.len() != digits || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let hour = format!("{id}{}", &"0000010100"[digits..]);
    let civil = format!("{}-{}-{}T{}", &hour[..4], &hour[4..6], &hour[6..8], &hour[8..]);
    if civil[..10].parse::<Date>().is_err() || hour[8..].parse::<u8>().is_ok_and(|hour| hour > 23) {
        return Err(invalid());
    }
    let prefix = match &column {
        // 4, 7, 10 or 13 characters of `2026-11-21T10`.
        Some(_) => civil[..digits + (digits - 4) / 2].to_owned(),
        None => id.to_owned(),
    };
    Ok(Partition { id: id.to_owned(), column, prefix: Some(prefix), hour })
}

/// The hour of a time in microseconds since the epoch, as `2026112110`: the store keeps when rows were
/// ingested in this form.
pub fn ingestion_hour(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or_default();
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H").to_string()
}

/// How messages describe that a table is not partitioned.
pub const NOT_PARTITIONED: &str = "none";

/// How BigQuery's messages describe a table's partitioning.
pub fn partitioning(table: &Value) -> String {
    let range = &table["rangePartitioning"];
    if let Some(field) = range["field"].as_str() {
        return format!("range(field:{field},{})", range["range"]);
    }
    let partitioning = &table["timePartitioning"];
    let kind = partitioning["type"].as_str().map(str::to_lowercase);
    match (kind, partitioning["field"].as_str()) {
        (Some(kind), Some(field)) => format!("interval(type:{kind},field:{field})"),
        (Some(kind), None) => format!("interval(type:{kind})"),
        (None, _) => NOT_PARTITIONED.to_owned(),
    }
}

/// How BigQuery's messages describe a table's partitioning and clustering.
pub fn specification(table: &Value) -> String {
    let clustered = table["clustering"]["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let clustered: Vec<&str> = clustered.iter().filter_map(Value::as_str).collect();
    match clustered[..] {
        [] => partitioning(table),
        _ => format!("{} clustering({})", partitioning(table), clustered.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decorator_names_the_part_of_a_date_that_the_table_is_partitioned_by() {
        let columns = field_schema::parse(&[json!({ "name": "at", "type": "TIMESTAMP" })]).unwrap();
        let partition = |kind: &str, id: &str| {
            let table = json!({ "timePartitioning": { "type": kind, "field": "at" } });
            decorated(&table, &columns, id).map(|found| (found.prefix.unwrap(), found.hour))
        };
        for (kind, id, prefix, hour) in [
            ("YEAR", "2026", "2026", "2026010100"),
            ("MONTH", "202611", "2026-11", "2026110100"),
            ("DAY", "20261121", "2026-11-21", "2026112100"),
            ("HOUR", "2026112107", "2026-11-21T07", "2026112107"),
        ] {
            assert_eq!(partition(kind, id), Ok((prefix.to_owned(), hour.to_owned())));
        }
        for (kind, id) in [
            ("YEAR", "202611"),
            ("DAY", "2026112"),
            ("DAY", "20261131"),
            ("DAY", "2026112107"),
            ("DAY", "2026112x"),
            ("HOUR", "2026112124"),
        ] {
            assert!(matches!(partition(kind, id), Err(DecoratorError::Invalid(_))), "{kind} {id}");
        }
        let none = decorated(&json!({}), &columns, "20261121").map(|found| found.id);
        assert_eq!(none, Err(DecoratorError::NotPartitioned));
        let ingested = json!({ "timePartitioning": { "type": "DAY" } });
        let prefix = decorated(&ingested, &columns, "20261121").map(|found| found.prefix);
        assert_eq!(prefix, Ok(Some("20261121".to_owned())));
    }

    #[test]
    fn rows_from_1825_days_ago_to_366_days_ahead_are_accepted() {
        // 2026-11-21
        let check = PartitionColumn(0).at(1_795_219_200_000_000);
        for (day, accepted) in [
            ("2021-11-21", false),
            ("2021-11-22", true),
            ("2026-11-21T23:00:00.000000Z", true),
            ("2027-11-22T00:00:00.000000Z", true),
            ("2027-11-23", false),
            ("0001-01-01", false),
        ] {
            assert_eq!(check.check(&[Some(Cell::from(day))]).is_ok(), accepted, "{day}");
        }
        assert_eq!(check.check(&[None]), Ok(()), "NULL has a partition of its own");
    }
}
