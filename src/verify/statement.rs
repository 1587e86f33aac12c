//! The questions to a table, as SQL that BigQuery and PostgreSQL both understand.

use super::chain::Span;
use crate::record::{Partition, Position};

/// Tables and a part of them, as text in the dialect of the store.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The table with the rows.
    pub rows: String,
    /// The table with the dead letters, if there is one.
    pub letters: Option<String>,
    /// Beginning and end of the part, each a literal of a time.
    pub from: Option<String>,
    pub to: Option<String>,
}

impl Asked {
    /// Every place where a row does not name the one before it, and the first and the last place of
    /// each partition: partition, offset, previous, before, whether it is a letter (0 or 1), rows of
    /// the partition. A row that names the same one as the row before it does is left out: that one
    /// was a dead letter and became a row later, and it says for both what is missing.
    pub fn places(&self, most: usize) -> String {
        format!(
            "SELECT p, o, v, b, k, r FROM (SELECT p, o, v, k, \
             LAG(o) OVER (PARTITION BY p ORDER BY o, k) AS b, \
             LAG(v) OVER (PARTITION BY p ORDER BY o, k) AS w, \
             LEAD(o) OVER (PARTITION BY p ORDER BY o, k) AS n, \
             SUM(1 - k) OVER (PARTITION BY p) AS r \
             FROM ({}) AS places) AS chained \
             WHERE b IS NULL OR n IS NULL OR v IS NULL OR b = o OR (v <> b AND (w IS NULL OR v <> w)) \
             ORDER BY p, o, k LIMIT {most}",
            self.both(&self.part())
        )
    }

    /// Which of these positions have a row or a letter: partition and offset.
    pub fn there(&self, positions: &[Position]) -> String {
        let each = positions.iter().map(|at| {
            format!("(_kafka_partition = {} AND _kafka_offset = {})", at.partition, at.offset)
        });
        let condition = format!(" AND ({})", each.collect::<Vec<_>>().join(" OR "));
        format!("SELECT DISTINCT p, o FROM ({}) AS places", self.both(&condition))
    }

    /// The last row of each partition: partition and offset.
    pub fn last_rows(&self) -> String {
        format!(
            "SELECT _kafka_partition, MAX(_kafka_offset) FROM {} WHERE _kafka_partition IS NOT NULL \
             GROUP BY _kafka_partition",
            self.rows
        )
    }

    /// How many of the offsets of these spans have a row.
    pub fn rows_in(&self, spans: &[(Partition, Span)]) -> String {
        format!(
            "SELECT COUNT(*) FROM (SELECT DISTINCT _kafka_partition, _kafka_offset FROM {} WHERE {}) \
             AS places",
            self.rows,
            within(spans)
        )
    }

    /// The dead letters in these spans, `most` of them: partition and offset. `None`: there is no table
    /// of them.
    pub fn letters_in(&self, spans: &[(Partition, Span)], most: usize) -> Option<String> {
        let letters = self.letters.as_ref()?;
        Some(format!(
            "SELECT DISTINCT _kafka_partition, _kafka_offset FROM {letters} WHERE {} LIMIT {most}",
            within(spans)
        ))
    }

    fn both(&self, condition: &str) -> String {
        // Rows without a position are something else's.
        let rows = format!(
            "SELECT _kafka_partition AS p, _kafka_offset AS o, _kafka_previous AS v, 0 AS k FROM {} \
             WHERE _kafka_partition IS NOT NULL{condition}",
            self.rows
        );
        match &self.letters {
            None => rows,
            // Letters are written at least once.
            Some(letters) => format!(
                "{rows} UNION ALL SELECT DISTINCT _kafka_partition, _kafka_offset, _kafka_previous, \
                 1 FROM {letters} WHERE reason = 'row_error'{condition}"
            ),
        }
    }

    fn part(&self) -> String {
        let from = self.from.iter().map(|from| format!(" AND _kafka_timestamp >= {from}"));
        let to = self.to.iter().map(|to| format!(" AND _kafka_timestamp < {to}"));
        from.chain(to).collect()
    }

    /// Whether only a part of the table is asked for.
    pub fn is_part(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

fn within(spans: &[(Partition, Span)]) -> String {
    let each = spans.iter().map(|(partition, span)| {
        format!(
            "(_kafka_partition = {partition} AND _kafka_offset BETWEEN {} AND {})",
            span.from, span.to
        )
    });
    each.collect::<Vec<_>>().join(" OR ")
}
