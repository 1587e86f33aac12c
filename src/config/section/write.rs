//! The keys of the sink, the rows and the dead letters, and the environment that is written to.

use super::consume::environment;
use super::{bigquery, influx, kafka, postgres};
use crate::config::keys::{
    BQ_TABLE, DEAD_LETTER, INFLUX_FIELDS, INFLUX_MEASUREMENT, INFLUX_TAGS, INFLUX_TIME, Key,
    MANAGE_TABLE, OUT_KEY, OUT_TOPIC, PARTITION_BY, PG_COMPRESS_AFTER, PG_RETENTION, PG_TABLE,
    PG_TIME_COLUMN, ROW_LAYOUT, SINK, WRITE_ENV,
};
use crate::config::resolver::Resolver;
use crate::config::settings::{DeadLetterTarget, WriteSettings};
use crate::config::sink_settings::{PointRules, RowLayout, RowSettings, SinkSettings, TableRules};
use crate::config::values::{self, Wrong};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SinkKind {
    BigQuery,
    Postgres,
    Influx,
    Kafka,
}

/// Each sink with the keys that only it has.
const SINKS: &[(&str, SinkKind, &[&Key])] = &[
    ("bigquery", SinkKind::BigQuery, &[&BQ_TABLE, &PARTITION_BY]),
    (
        "postgres",
        SinkKind::Postgres,
        &[&PG_TABLE, &PG_TIME_COLUMN, &PG_COMPRESS_AFTER, &PG_RETENTION],
    ),
    (
        "influxdb",
        SinkKind::Influx,
        &[&INFLUX_MEASUREMENT, &INFLUX_TAGS, &INFLUX_FIELDS, &INFLUX_TIME],
    ),
    ("kafka", SinkKind::Kafka, &[&OUT_TOPIC, &OUT_KEY]),
];

/// The settings that determine the columns of a contract's rows, each as far as it is valid.
pub struct RowKeys {
    sink: Option<SinkKind>,
    layout: Option<RowLayout>,
    partition_by: Option<String>,
    time_column: Option<Option<String>>,
    point: Option<PointRules>,
    key: Option<Option<Vec<String>>>,
}

impl RowKeys {
    /// `None` if one of them is not valid.
    pub fn settings(&self) -> Option<RowSettings> {
        let table = match self.sink? {
            SinkKind::BigQuery => TableRules::BigQuery { partition_by: self.partition_by.clone()? },
            SinkKind::Postgres => TableRules::Postgres { time_column: self.time_column.clone()? },
            SinkKind::Influx => TableRules::Influx(self.point.clone()?),
            SinkKind::Kafka => TableRules::Kafka { key: self.key.clone()? },
        };
        Some(RowSettings { layout: self.layout?, table })
    }
}

pub fn rows(resolver: &mut Resolver<'_>) -> RowKeys {
    let sink = kind(resolver);
    let (mut partition_by, mut time_column, mut point, mut key) = (None, None, None, None);
    match sink {
        Some(SinkKind::BigQuery) => partition_by = bigquery::partition_by(resolver),
        Some(SinkKind::Postgres) => time_column = postgres::time_column(resolver),
        Some(SinkKind::Influx) => point = influx::point(resolver),
        Some(SinkKind::Kafka) => key = kafka::key(resolver),
        None => {}
    }
    let layout = resolver.required(&ROW_LAYOUT, |text| {
        values::choice(text, &[("columns", RowLayout::Columns), ("envelope", RowLayout::Envelope)])
    });
    RowKeys { sink, layout, partition_by, time_column, point, key }
}

/// The sink. A key of another sink, set for this domain alone, is a mistake: its author expects
/// something of it.
fn kind(resolver: &mut Resolver<'_>) -> Option<SinkKind> {
    let kind = resolver.required(&SINK, |text| {
        let choices: Vec<(&str, SinkKind)> =
            SINKS.iter().map(|(name, kind, _)| (*name, *kind)).collect();
        values::choice(text, &choices)
    })?;
    for (name, _, keys) in SINKS.iter().filter(|(_, other, _)| *other != kind) {
        for key in *keys {
            if let Some(setting) = resolver.layers.find(&key.name_in(resolver.domain)) {
                let found = format!("a key of the sink `{name}`, which is not this domain's");
                let accepted =
                    format!("this key with {}={name} only", SINK.name_in(resolver.domain));
                resolver.mistake(setting, found, accepted);
            }
        }
    }
    Some(kind)
}

pub fn read(resolver: &mut Resolver<'_>, rows: RowKeys) -> Option<WriteSettings> {
    let manage_table = resolver.required(&MANAGE_TABLE, values::flag);
    let environment = environment(resolver, &WRITE_ENV, "write");
    let at = environment.as_ref().map(|environment| format!("write.{environment}"));
    let at = at.as_deref();
    let sink = match rows.sink {
        Some(SinkKind::BigQuery) => {
            bigquery::read(resolver, at, rows.partition_by).map(SinkSettings::BigQuery)
        }
        Some(SinkKind::Postgres) => {
            postgres::read(resolver, at, rows.time_column).map(SinkSettings::Postgres)
        }
        Some(SinkKind::Influx) => influx::read(resolver, at, rows.point).map(SinkSettings::Influx),
        Some(SinkKind::Kafka) => kafka::read(resolver, at, rows.key).map(SinkSettings::Kafka),
        None => None,
    };
    Some(WriteSettings {
        environment: environment?,
        layout: rows.layout?,
        manage_table: manage_table?,
        sink: sink?,
    })
}

pub fn dead_letter(resolver: &mut Resolver<'_>) -> Option<DeadLetterTarget> {
    resolver.required(&DEAD_LETTER, |text| {
        // `bigquery` is the name that the first releases had for the table.
        if text.eq_ignore_ascii_case("table") || text.eq_ignore_ascii_case("bigquery") {
            return Ok(DeadLetterTarget::Table);
        }
        let topic = text.strip_prefix("kafka:").ok_or_else(Wrong::plain)?;
        values::topic(topic.trim()).map(DeadLetterTarget::Kafka)
    })
}
