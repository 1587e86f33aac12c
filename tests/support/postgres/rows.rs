//! What the sink's tables hold.

use std::collections::BTreeMap;

use super::super::bigquery::At;
use super::super::stored::StoredRow;
use super::Postgres;

/// A partition's row in `generic_consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub next: Option<i64>,
    pub note: String,
    pub owner: String,
}

impl Postgres {
    /// All rows of a table; none if there is no such table yet.
    pub fn rows(&self, table: &str) -> Vec<StoredRow> {
        if !self.has_table(table) {
            return Vec::new();
        }
        let columns = "_kafka_partition, _kafka_offset, event_id, _kafka_previous";
        let rows = self.query(&format!("SELECT {columns} FROM {table} ORDER BY 1, 2"));
        rows.into_iter()
            .map(|row| {
                let [partition, offset, event_id, previous] = row.try_into().expect("four columns");
                StoredRow {
                    partition: number(partition) as i32,
                    offset: number(offset),
                    event_id: event_id.unwrap_or_default(),
                    previous: previous.map(|previous| number(Some(previous))),
                }
            })
            .collect()
    }

    /// Reason codes of the dead letters in the table beside, each with how often it is there.
    pub fn letters(&self, table: &str) -> BTreeMap<At, (String, usize)> {
        let letters = format!("{table}_dead_letters");
        if !self.has_table(&letters) {
            return BTreeMap::new();
        }
        let rows = self.query(&format!(
            "SELECT _kafka_partition, _kafka_offset, min(reason), count(*) FROM {letters} \
             GROUP BY 1, 2"
        ));
        rows.into_iter()
            .map(|row| {
                let [partition, offset, reason, count] = row.try_into().expect("four columns");
                let at = (number(partition) as i32, number(offset));
                (at, (reason.unwrap_or_default(), number(count) as usize))
            })
            .collect()
    }

    /// How many rows a table has; 0 if there is none, or while the server is away.
    pub fn count(&self, table: &str) -> i64 {
        let counted = self.try_query(&format!("SELECT count(*) FROM {table}"));
        counted.ok().and_then(|mut rows| rows.pop()?.pop()?).map_or(0, |it| number(Some(it)))
    }

    /// What the sink keeps of the partitions of a topic, by partition.
    pub fn held(&self, group: &str, topic: &str) -> BTreeMap<i32, Held> {
        let rows = self.query(&format!(
            "SELECT partition, next, note, owner FROM generic_consumer_offsets \
             WHERE consumer_group = '{group}' AND topic = '{topic}'"
        ));
        rows.into_iter()
            .map(|row| {
                let [partition, next, note, owner] = row.try_into().expect("four columns");
                let held = Held {
                    next: next.map(|next| number(Some(next))),
                    note: note.unwrap_or_default(),
                    owner: owner.unwrap_or_default(),
                };
                (number(partition) as i32, held)
            })
            .collect()
    }
}

fn number(text: Option<String>) -> i64 {
    let text = text.expect("not NULL");
    text.parse().unwrap_or_else(|_| panic!("{text:?} is a number"))
}
