//! The questions to a table of dead letters, as SQL that BigQuery and PostgreSQL both understand.
//!
//! Letters may be there more than once, and a record may have become one again by a later contract: of
//! each position the latest letter counts.

use super::dialect::Dialect;
use super::groups::MOST_GROUPS;
use super::selection::{Period, Selection};
use super::standing::Places;
use crate::record::Position;

/// Tables, as text in the dialect of the store.
#[derive(Debug, Clone)]
pub struct Asked {
    pub letters: String,
    /// The table with the rows, if there is one: what is there by now.
    pub rows: Option<String>,
    pub dialect: Dialect,
}

/// The columns of [`Asked::letters`], in order.
pub const COLUMNS: usize = 16;

impl Asked {
    /// Each group on a row: reason, contract, event type, letters, letters that are rows by now, when
    /// the first and the last were written, partition, offset and detail of the first that is not a row,
    /// and letters, rows and groups of all.
    pub fn groups(&self, period: Period) -> String {
        let micros = self.dialect.micros;
        let (written, recorded) = (micros("_ingested_at"), micros("_kafka_timestamp"));
        let latest = format!(
            "SELECT reason AS r, _contract AS c, _event_type AS e, _kafka_partition AS p, \
             _kafka_offset AS o, detail AS d, {written} AS t, COALESCE({recorded}, -1) AS m, {LATEST} \
             AS copy FROM {}{}",
            self.letters,
            self.period(period)
        );
        // A topic that was created again has other records at the same offsets.
        let (is_row, join) = match &self.rows {
            None => ("0", String::new()),
            Some(rows) => (
                "CASE WHEN found.p IS NULL THEN 0 ELSE 1 END",
                format!(
                    " LEFT JOIN (SELECT DISTINCT _kafka_partition AS p, _kafka_offset AS o, \
                     COALESCE({recorded}, -1) AS m FROM {rows}) AS found ON found.p = letter.p AND \
                     found.o = letter.o AND found.m = letter.m"
                ),
            ),
        };
        let of = "PARTITION BY r, c, e";
        format!(
            "SELECT r, c, e, n, k, f, l, p, o, d, SUM(n) OVER () AS letters, SUM(k) OVER () AS redriven, \
             COUNT(*) OVER () AS several FROM (SELECT r, c, e, p, o, d, COUNT(*) OVER ({of}) AS n, \
             SUM(is_row) OVER ({of}) AS k, MIN(t) OVER ({of}) AS f, MAX(t) OVER ({of}) AS l, \
             ROW_NUMBER() OVER ({of} ORDER BY is_row, t, p, o) AS place FROM (SELECT letter.r AS r, \
             letter.c AS c, letter.e AS e, letter.p AS p, letter.o AS o, letter.d AS d, letter.t AS t, \
             {is_row} AS is_row FROM ({latest}) AS letter{join} WHERE letter.copy = 1) AS latest) AS \
             grouped WHERE place = 1 ORDER BY n DESC, r, c, e LIMIT {MOST_GROUPS}"
        )
    }

    /// The letters of a selection, in the order in which they were written: when that was, topic,
    /// partition, offset, previous, timestamp, key, headers, bytes and hash of the value, reason, detail,
    /// event type, contract, group, and the value.
    pub fn letters(&self, selection: &Selection) -> String {
        let latest = self.latest(selection, &self.period(selection.period));
        let (columns, conditions) = (columns(selection), self.conditions(selection));
        format!(
            "SELECT {columns} FROM ({latest}) AS letter WHERE copy = 1{conditions} ORDER BY t, p, o{}",
            limit(selection)
        )
    }

    /// The same letters, each with how many redrives have written it, and with what the table of rows has
    /// at its place: whether its row is there, whether any row is there, what the next row names, and
    /// whether there is none. The period is that of the latest letters.
    pub fn redrivable(&self, selection: &Selection, rows: &str) -> String {
        let latest = self.latest(selection, &self.period(Period::default()));
        let (columns, conditions) = (columns(selection), self.conditions(selection));
        let Period { from_micros, to_micros } = selection.period;
        let from = from_micros.map_or(String::new(), |at| format!(" AND t >= {at}"));
        let to = to_micros.map_or(String::new(), |at| format!(" AND t < {at}"));
        let places = Places { rows, letters: Some(&self.letters), dialect: self.dialect };
        let recorded = (self.dialect.micros)("_kafka_timestamp");
        let stood = places.standing(&format!(
            "SELECT _kafka_partition AS p, _kafka_offset AS o, COALESCE({recorded}, -1) AS m FROM {}{}",
            self.letters,
            self.period(Period::default())
        ));
        // A redrive that was killed and run again may have written a letter twice.
        let tried = format!(
            "SELECT COALESCE(_kafka_topic, '') AS ttopic, _kafka_partition AS tp, _kafka_offset AS too, \
             COALESCE({recorded}, -1) AS tm, COUNT(DISTINCT consumer_group) AS tries FROM {} WHERE \
             consumer_group LIKE '{GROUP} run %' GROUP BY 1, 2, 3, 4",
            self.letters
        );
        format!(
            "SELECT {columns}, tries, same, taken, named, is_last FROM ({latest}) AS letter JOIN \
             (SELECT p AS sp, o AS so, m AS sm, same, taken, named, is_last FROM ({stood}) AS found) AS \
             stood ON sp = p AND so = o AND sm = COALESCE(m, -1) LEFT JOIN ({tried}) AS tried ON ttopic \
             = COALESCE(topic, '') AND tp = p AND too = o AND tm = COALESCE(m, -1) WHERE copy = \
             1{conditions}{from}{to} ORDER BY t, p, o{}",
            limit(selection)
        )
    }

    /// All letters, with 1 as `copy` of the latest of each record.
    fn latest(&self, selection: &Selection, condition: &str) -> String {
        let Self { letters, dialect, .. } = self;
        let (written, recorded) =
            ((dialect.micros)("_ingested_at"), (dialect.micros)("_kafka_timestamp"));
        let value = if selection.values { ", value AS v" } else { "" };
        format!(
            "SELECT {written} AS t, _kafka_topic AS topic, _kafka_partition AS p, _kafka_offset AS o, \
             _kafka_previous AS previous, {recorded} AS m, _kafka_key AS k, _kafka_headers AS h, \
             value_bytes AS b, value_sha256 AS s, reason AS r, detail AS d, _event_type AS e, \
             _contract AS c, consumer_group AS g{value}, {LATEST} AS copy FROM {letters}{condition}"
        )
    }

    fn conditions(&self, selection: &Selection) -> String {
        let is = |column: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" AND {column} = {}", (self.dialect.text)(value)))
        };
        let conditions = [
            is("r", &selection.reason),
            is("e", &selection.event_type),
            is("c", &selection.contract),
            positions(&selection.positions),
        ];
        conditions.into_iter().flatten().collect()
    }

    fn period(&self, Period { from_micros, to_micros }: Period) -> String {
        let from =
            from_micros.map(|at| format!(" AND _ingested_at >= {}", (self.dialect.time)(at)));
        let to = to_micros.map(|at| format!(" AND _ingested_at < {}", (self.dialect.time)(at)));
        // Letters without a position are something else's.
        let with_position = " WHERE _kafka_partition IS NOT NULL AND _kafka_offset IS NOT NULL";
        format!("{with_position}{}{}", from.unwrap_or_default(), to.unwrap_or_default())
    }
}

/// The beginning of the group in letters that were written by a redrive.
pub const GROUP: &str = "redrive";

/// 1 for the latest letter of a position.
const LATEST: &str = "ROW_NUMBER() OVER (PARTITION BY _kafka_topic, _kafka_partition, _kafka_offset, \
                      _kafka_timestamp ORDER BY _ingested_at DESC)";

fn columns(selection: &Selection) -> String {
    let value = if selection.values { "v" } else { "NULL" };
    format!("t, topic, p, o, previous, m, k, h, b, s, r, d, e, c, g, {value}")
}

fn limit(selection: &Selection) -> String {
    selection.limit.map_or(String::new(), |limit| format!(" LIMIT {limit}"))
}

fn positions(positions: &[Position]) -> Option<String> {
    let each = positions.iter().map(|at| format!("(p = {} AND o = {})", at.partition, at.offset));
    let each = each.collect::<Vec<_>>().join(" OR ");
    (!each.is_empty()).then(|| format!(" AND ({each})"))
}
