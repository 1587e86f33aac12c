//! What the table of rows has where letters' records would stand.
//!
//! A redriven row is a link of the chain of rows like any other: it names the row that the next row names,
//! because between the two there was none. Where a chain begins, or a row is missing in between, nobody
//! knows, and it names none.

use std::collections::{BTreeMap, BTreeSet};

use super::dialect::{BIGQUERY, Dialect, POSTGRES};
use crate::record::{Offset, Position};
use crate::sink::bigquery::batch;
use crate::sink::postgres::quoted_name;
use crate::stop::Stop;
use crate::verify::Table;

/// Records that one statement asks for.
const ASKED: usize = 250;

/// What the table has at the place of a letter's record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// The record's row: one with its position and timestamp.
    pub is_row: bool,
    /// A row of its position, whichever record it is of. A topic that was deleted and created again has
    /// other records at the same offsets.
    pub is_taken: bool,
    /// The row that the next row of the partition names.
    pub named: Option<Offset>,
    /// No row comes after it.
    pub is_last: bool,
}

/// A record: its position, and its timestamp in microseconds since the epoch, -1 where it has none.
pub type Record = (Position, i64);

/// The positions and times of letters in a topic, with what the table has there.
pub type Standings = BTreeMap<Record, Standing>;

impl Standing {
    /// The row before the record, where it is known that none is missing between the two.
    pub fn previous(&self, at: Position, last_row: Option<Offset>) -> Option<Offset> {
        let named = if self.is_last { last_row } else { self.named };
        named.filter(|named| *named < at.offset)
    }

    /// Whether rows around the record are missing: what comes after it names a row that is not there. `links`
    /// are places that are named and in another store: refused rows whose letters are in a topic.
    pub fn is_in_gap(
        &self,
        at: Position,
        last_row: Option<Offset>,
        links: &BTreeSet<Position>,
    ) -> bool {
        let named = if self.is_last { last_row } else { self.named };
        let is_link = |offset: Offset| links.contains(&Position { offset, ..at });
        named.is_some_and(|named| named > at.offset && !is_link(named))
    }

    /// A row of that query: partition, offset, time, and what is there.
    pub fn read(row: &[Option<i64>]) -> Option<(Record, Self)> {
        let [Some(partition), Some(offset), Some(micros), is_row, is_taken, named, is_last] = row
        else {
            return None;
        };
        let at = Position::new(i32::try_from(*partition).ok()?, *offset);
        Some(((at, *micros), Self::of([*is_row, *is_taken, *named, *is_last])))
    }

    pub fn of([is_row, is_taken, named, is_last]: [Option<i64>; 4]) -> Self {
        let is = |flag: Option<i64>| flag == Some(1);
        let (is_row, is_taken, is_last) = (is(is_row), is(is_taken), is(is_last));
        Self { is_row, is_taken, named: named.map(Offset), is_last }
    }
}

/// The tables, as text.
pub struct Places<'a> {
    pub rows: &'a str,
    /// The table of dead letters beside the rows: those of refused rows are links of the chain.
    pub letters: Option<&'a str>,
    pub dialect: Dialect,
}

impl Places<'_> {
    /// What the table has at these places: partition, offset and time, whether the row is there, whether
    /// any row is there, what the next row names, and whether there is none. `asked` is a query with the
    /// columns `p`, `o` and `m`.
    pub fn standing(&self, asked: &str) -> String {
        let recorded = (self.dialect.micros)("_kafka_timestamp");
        let place = |kind: &str, from: &str, condition: &str| {
            format!(
                "SELECT _kafka_partition AS p, _kafka_offset AS o, COALESCE({recorded}, -1) AS m, \
                 _kafka_previous AS v, 0 AS k, {kind} AS r FROM {from} WHERE {condition}"
            )
        };
        let rows = place("1", self.rows, "_kafka_partition IS NOT NULL");
        let letters = self
            .letters
            .map(|letters| format!(" UNION ALL {}", place("0", letters, "reason = 'row_error'")));
        // `c` counts the links from the end: a place has the number of the link after it.
        format!(
            "SELECT p, o, m, same, taken, named, CASE WHEN c = 0 THEN 1 ELSE 0 END AS is_last FROM \
             (SELECT p, o, m, k, c, MAX(r) OVER (PARTITION BY p, o, m) AS same, \
             MAX(r) OVER (PARTITION BY p, o) AS taken, MAX(v) OVER (PARTITION BY p, c) AS named FROM \
             (SELECT p, o, m, v, k, r, SUM(1 - k) OVER (PARTITION BY p ORDER BY o DESC, k DESC \
             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS c FROM ({rows}{} UNION ALL \
             SELECT p, o, m, NULL AS v, 1 AS k, 0 AS r FROM (SELECT DISTINCT p, o, m FROM ({asked}) AS \
             these) AS asked) AS places) AS counted) AS stood WHERE k = 1",
            letters.unwrap_or_default()
        )
    }
}

/// What a table has at the places of records whose letters are in no table, and the bytes billed.
pub async fn standings(table: &Table, records: &[Record]) -> Result<(Standings, u64), Stop> {
    let (rows, dialect) = match table {
        Table::BigQuery { table, .. } => (batch::name(table), BIGQUERY),
        Table::Postgres { table, .. } => (quoted_name(table), POSTGRES),
    };
    let places = Places { rows: &rows, letters: None, dialect };
    let (mut found, mut billed) = (Standings::new(), 0);
    for records in records.chunks(ASKED) {
        let each = records.iter().map(|(at, micros)| {
            format!("SELECT {} AS p, {} AS o, {micros} AS m", at.partition, at.offset)
        });
        let each: Vec<String> = each.collect();
        let (rows, bytes) = table.numbers(&places.standing(&each.join(" UNION ALL "))).await?;
        billed += bytes;
        found.extend(rows.iter().filter_map(|row| Standing::read(row)));
    }
    Ok((found, billed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_names_one_further_on_says_nothing_about_this_one() {
        let at = Position::new(0, 50);
        let names = |named: i64| Standing { named: Some(Offset(named)), ..Standing::default() };
        assert_eq!(names(49).previous(at, None), Some(Offset(49)));
        assert_eq!(names(50).previous(at, None), None, "it names the refused row of this record");
        assert_eq!(names(51).previous(at, None), None, "a row is missing after it");
        assert_eq!(Standing::default().previous(at, Some(Offset(40))), None, "a chain begins");
        let last = Standing { is_last: true, ..Standing::default() };
        assert_eq!(last.previous(at, Some(Offset(40))), Some(Offset(40)));
        assert_eq!(last.previous(at, Some(Offset(60))), None);

        let is_in_gap = |it: Standing, last_row: Option<i64>, links: &[i64]| {
            let links = links.iter().map(|offset| Position::new(0, *offset)).collect();
            it.is_in_gap(at, last_row.map(Offset), &links)
        };
        assert!(is_in_gap(names(51), None, &[]) && is_in_gap(last, Some(60), &[]));
        assert!(!is_in_gap(names(51), None, &[51]), "a refused row, whose letter is in a topic");
        assert!(!is_in_gap(names(49), None, &[]) && !is_in_gap(names(50), None, &[]));
        assert!(!is_in_gap(last, Some(40), &[]) && !is_in_gap(Standing::default(), None, &[]));
    }
}
