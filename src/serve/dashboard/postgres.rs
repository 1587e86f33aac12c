//! Series from PostgreSQL: `time_bucket` where TimescaleDB is, else `date_bin`.

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio_postgres::types::{Kind, Type};

use super::range::Range;
use super::store::{Store, StoreError};
use crate::config::{Aggregate, PostgresServer, SeriesSettings, SeriesSource};
use crate::sink::postgres::{Connection, Connections, PgError, Verdict, quoted, quoted_name};
use crate::stop::Stop;

/// A statement that takes longer is given up by the server, before the dashboard counts it as away.
/// A pooler may give each transaction to another session, so they are set in each.
const BEGIN: &str = "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = '4s'; \
                     SET LOCAL lock_timeout = '2s'; SET LOCAL TimeZone = 'UTC'";

/// The server's version as a number, and the schema of TimescaleDB.
const ABOUT: &str = "SELECT current_setting('server_version_num')::int4, \
                     (SELECT quote_ident(n.nspname) FROM pg_extension e \
                     JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'timescaledb')";

pub(super) struct PostgresStore {
    connections: Connections,
    bucketing: OnceCell<Bucketing>,
}

/// The function that gives a time its bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bucketing {
    /// With the schema of the extension.
    TimeBucket(String),
    DateBin,
}

impl PostgresStore {
    /// Connects when it is asked.
    pub fn new(server: &PostgresServer) -> Result<Self, Stop> {
        Ok(Self { connections: Connections::new(server, None)?, bucketing: OnceCell::new() })
    }

    async fn bucketing(&self, connection: &Connection) -> Result<&Bucketing, StoreError> {
        let found = async || {
            let about = connection.query_one(ABOUT, &[]).await;
            let about = about.map_err(PgError::of("read the version"))?;
            let read = |error| PgError::Postgres { operation: "read the version", error };
            let version: i32 = about.try_get(0).map_err(read)?;
            match about.try_get::<_, Option<String>>(1).map_err(read)? {
                Some(schema) => Ok(Bucketing::TimeBucket(schema)),
                None if version >= 140_000 => Ok(Bucketing::DateBin),
                None => Err(StoreError::Refused(format!(
                    "version {} has no date_bin: the dashboard needs PostgreSQL 14 or later, or \
                     TimescaleDB",
                    version / 10_000
                ))),
            }
        };
        self.bucketing.get_or_try_init(found).await
    }

    async fn read(
        &self,
        connection: &Connection,
        series: &SeriesSettings,
        range: &Range,
    ) -> Result<Vec<(i64, f64)>, StoreError> {
        let SeriesSource::Postgres { table, time } = &series.source else { return Ok(Vec::new()) };
        let failed = PgError::of("begin a transaction");
        connection.batch_execute(BEGIN).await.map_err(failed)?;
        let bucketing = self.bucketing(connection).await?;
        let (table, time, value) = (quoted_name(table), quoted(time), quoted(&series.value));
        // Nothing is read: the columns that it would have say what they are.
        let probe = format!("SELECT {time}, {value} FROM {table} LIMIT 0");
        let probe = connection.prepare_cached(&probe).await;
        let probe = probe.map_err(PgError::of("look at the table"))?;
        if let [time, value] = probe.columns() {
            check_types(series, (time.name(), time.type_()), value.type_())?;
        }
        let statement = statement(bucketing, series.aggregate, &table, &time, &value);
        let statement = connection.prepare_cached(&statement).await;
        let statement = statement.map_err(PgError::of("prepare the query"))?;
        let seconds = |milliseconds: i64| milliseconds as f64 / 1_000.0;
        let (width, first, end) =
            (seconds(range.bucket), seconds(range.first()), seconds(range.end()));
        let rows = connection.query(&statement, &[&width, &first, &end]).await;
        let rows = rows.map_err(|error| match error.code().map(|code| code.code()) {
            Some("57014") => StoreError::Refused(
                "the query took longer than 4 s: choose a shorter range, or add an index on the \
                 time column"
                    .to_owned(),
            ),
            _ => PgError::Postgres { operation: "query", error }.into(),
        })?;
        connection.batch_execute("COMMIT").await.map_err(PgError::of("end the transaction"))?;
        let pair = |row: &tokio_postgres::Row| -> Result<_, tokio_postgres::Error> {
            Ok((row.try_get::<_, i64>(0)?, row.try_get::<_, Option<f64>>(1)?))
        };
        let pairs: Result<Vec<_>, _> = rows.iter().map(pair).collect();
        let pairs = pairs.map_err(PgError::of("read the answer"))?;
        Ok(pairs.into_iter().filter_map(|(at, value)| Some((at, value?))).collect())
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    async fn values(
        &self,
        series: &SeriesSettings,
        range: &Range,
    ) -> Result<Vec<(i64, f64)>, StoreError> {
        let connection = self.connections.get().await?;
        let values = self.read(&connection, series, range).await?;
        // After an error it is closed instead, and its transaction with it.
        connection.give_back();
        Ok(values)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let connection = self.connections.get().await?;
        connection.batch_execute("SELECT 1").await.map_err(PgError::of("query"))?;
        connection.give_back();
        Ok(())
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        // The server's message would repeat the value.
        if let Some(code) =
            error.db().map(|db| db.code().code()).filter(|code| code.starts_with("22"))
        {
            return Self::Refused(format!(
                "a value cannot be read as a number, or is too large ({code})"
            ));
        }
        match error.verdict() {
            Verdict::Retry => Self::Away(error.to_string()),
            Verdict::Refused | Verdict::Stop(_) => Self::Refused(error.to_string()),
        }
    }
}

/// One row a bucket that has rows: where it begins in milliseconds, and the aggregate. The parameters
/// are the bucket's length and the bounds in seconds. Values that are no numbers of JSON are left out.
fn statement(
    bucketing: &Bucketing,
    aggregate: Aggregate,
    table: &str,
    time: &str,
    value: &str,
) -> String {
    let bucket = match bucketing {
        Bucketing::TimeBucket(schema) => format!(
            "{schema}.time_bucket(make_interval(secs => $1::float8), at, \
             timestamptz '1970-01-01 00:00:00+00')"
        ),
        Bucketing::DateBin => "date_bin(make_interval(secs => $1::float8), at, \
                               timestamptz '1970-01-01 00:00:00+00')"
            .to_owned(),
    };
    let finite = "FILTER (WHERE value > '-infinity' AND value < 'infinity')";
    let (value, aggregated) = match aggregate {
        Aggregate::Count => (value.to_owned(), "nullif(count(value), 0)::float8".to_owned()),
        Aggregate::Mean => (format!("{value}::float8"), format!("avg(value) {finite}")),
        Aggregate::Sum => (format!("{value}::float8"), format!("sum(value) {finite}")),
        Aggregate::Min => (format!("{value}::float8"), format!("min(value) {finite}")),
        Aggregate::Max => (format!("{value}::float8"), format!("max(value) {finite}")),
    };
    format!(
        "SELECT (extract(epoch FROM bucket) * 1000)::int8, aggregated FROM \
         (SELECT {bucket} AS bucket, {aggregated} AS aggregated FROM \
         (SELECT {time}::timestamptz AS at, {value} AS value FROM {table} \
         WHERE {time} >= to_timestamp($2::float8) AND {time} < to_timestamp($3::float8)) AS found \
         GROUP BY 1) AS buckets ORDER BY 1"
    )
}

/// Fails if the columns are not of types that can be aggregated over time.
fn check_types(
    series: &SeriesSettings,
    (time_name, time): (&str, &Type),
    value: &Type,
) -> Result<(), StoreError> {
    let is_time = [Type::TIMESTAMPTZ, Type::TIMESTAMP, Type::DATE].contains(base(time));
    if !is_time {
        return Err(StoreError::Refused(format!(
            "the time column {time_name} is {}: a timestamp or date is needed",
            time.name()
        )));
    }
    let numbers = [Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC];
    // Anything can be counted.
    if series.aggregate == Aggregate::Count || numbers.contains(base(value)) {
        return Ok(());
    }
    Err(StoreError::Refused(format!(
        "the value column {} is {}, which is no number: only count can be made of it",
        series.value,
        value.name()
    )))
}

/// The type under a domain.
fn base(kind: &Type) -> &Type {
    match kind.kind() {
        Kind::Domain(inner) => base(inner),
        _ => kind,
    }
}
