//! Seven days in fast motion: whole sessions on librdkafka's mock cluster and the embedded BigQuery,
//! for which each hour of records is followed by an hour that passes at once. An instance is replaced
//! every six hours, and a second one joins and leaves every day; then nobody writes for eight days,
//! longer than a stream lives. What a day leaves behind must not grow from day to day.
//!
//! The clock that is set is BigQuery's, by which streams expire. What waits in an instance (retries,
//! heartbeats, the commit interval) waits as ever.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use prometheus_client::registry::Registry;
use rusqlite::Connection;

use super::rig::{Kind, PARTITIONS, Rig, Running, positions, wait_until};
use crate::clock::Clock;
use crate::config::{BigQuerySettings, Endpoint, Guarantee, TableId};
use crate::local::bigquery;
use crate::record::{DeadLetter, Offset, Position, Rejection};
use crate::sink::Reread;
use crate::sink::bigquery::{BigQuery, BigQuerySink};
use crate::sink::dead_letter::{About, DeadLetters};
use crate::telemetry::Metrics;

const HOURS_A_DAY: i64 = 24;
const DAYS: i64 = 7;
/// Records of each partition in an hour.
const AN_HOUR: i64 = 10;
/// Hours after which an instance is replaced.
const DEPLOYED_EVERY: i64 = 6;
/// BigQuery's own.
const STREAM_LIVES_DAYS: i64 = 7;
const DAY_MICROS: i64 = HOURS_A_DAY * HOUR_MICROS;
const HOUR_MICROS: i64 = 3_600_000_000;

const TABLE: &str = "p.d.events";

/// The rows of records that BigQuery has refused are read again; here it refuses none.
struct NoneRefused;

#[async_trait]
impl Reread for NoneRefused {
    async fn reread(&self, at: Position, _: Rejection) -> Option<DeadLetter> {
        panic!("{at:?} is refused")
    }
}

/// A topic, a BigQuery, and the time there.
struct World {
    rig: Rig,
    served: bigquery::Running,
    store: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let rig = Rig::new();
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store.sqlite");
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let options = bigquery::Options {
            rest: anywhere,
            grpc: anywhere,
            store: store.clone(),
            faults: bigquery::Faults::default(),
            stream_expiry: None,
            emptied: Vec::new(),
            variables: Default::default(),
        };
        let served = rig.runtime.block_on(bigquery::start(options)).expect("BigQuery starts");
        Self { rig, served, store, _folder: folder }
    }

    /// Starts an instance as a deployment does: with connections of its own, on the same table.
    fn instance(&self) -> Running {
        let (rest, storage) = self.served.urls();
        let mut parts = TABLE.split('.').map(str::to_owned);
        let mut part = || parts.next().expect("three parts");
        let table = TableId { project: part(), dataset: part(), table: part() };
        let settings = BigQuerySettings {
            table: table.clone(),
            endpoint: Endpoint::Custom { rest, storage, trusted: false },
            credentials: None,
            partition_by: "_ingested_at".to_owned(),
            guarantee: Guarantee::ExactlyOnce,
            price_per_gib: None,
        };
        let about = About {
            topic: super::rig::TOPIC.to_owned(),
            group: super::rig::GROUP.to_owned(),
            contract: "contract".to_owned(),
        };
        let columns = &self.rig.domain.columns;
        let sink = self.rig.runtime.block_on(async {
            let metrics = Metrics::register(&mut Registry::default());
            let bigquery = BigQuery::connect(&settings, metrics, Clock::System).await?;
            let by = Some(settings.partition_by.as_str());
            let prepared = bigquery.prepare(&table, columns, true, by).await?;
            let letters = DeadLetters::bigquery(&bigquery, &table, true, about).await?;
            let (table, guarantee) = ((table, &prepared), settings.guarantee);
            Ok::<_, crate::stop::Stop>(BigQuerySink::new(
                bigquery,
                table,
                guarantee,
                letters,
                Arc::new(NoneRefused),
            ))
        });
        self.rig.start_on(sink.expect("the table is ready"))
    }

    /// So much time passes for BigQuery.
    fn passes(&self, micros: i64) {
        let sql = "UPDATE __streams SET created = created - ?1, used = used - ?1";
        self.open().execute(sql, [micros]).expect("time passes");
    }

    /// Streams of the table that take rows, and have not expired.
    fn open_streams(&self) -> i64 {
        let sql = "SELECT count(*) FROM __streams
                   WHERE table_id = ?1 AND finalized = 0 AND used > unixepoch() * 1000000 - ?2";
        let lives = STREAM_LIVES_DAYS * DAY_MICROS;
        self.open()
            .query_row(sql, rusqlite::params![TABLE, lives], |row| row.get(0))
            .expect("a count")
    }

    /// The visible rows, each with the offset of the row before it.
    fn rows(&self) -> Vec<(Position, Option<Offset>)> {
        let sql = format!(
            "SELECT _kafka_partition, _kafka_offset, _kafka_previous FROM \"{TABLE}\"
             WHERE __visible = 1 ORDER BY 1, 2"
        );
        let store = self.open();
        let mut statement = store.prepare(&sql).expect("a query");
        let rows = statement.query_map([], |row| {
            let previous: Option<i64> = row.get(2)?;
            Ok((Position::new(row.get(0)?, row.get(1)?), previous.map(Offset)))
        });
        rows.expect("rows").collect::<Result<_, _>>().expect("rows")
    }

    fn visible(&self) -> i64 {
        let sql = format!("SELECT count(*) FROM \"{TABLE}\" WHERE __visible = 1");
        self.open().query_row(&sql, [], |row| row.get(0)).expect("a count")
    }

    fn wait_for(&self, end: i64) {
        let rows = positions(end, Kind::Row).len() as i64;
        wait_until("every row is visible", || self.visible() == rows);
    }

    fn open(&self) -> Connection {
        let store = Connection::open(&self.store).expect("the store opens");
        store.busy_timeout(super::rig::WITHIN).expect("set");
        store
    }
}

#[test]
fn seven_days_of_deployments_and_rebalances_and_a_holiday_leave_one_chain_and_no_streams() {
    let world = World::new();
    let mut instance = world.instance();
    let mut end = 0;
    let mut of_days = Vec::new();
    for day in 0..DAYS {
        for hour in 0..HOURS_A_DAY {
            world.rig.publish(end, end + AN_HOUR);
            end += AN_HOUR;
            if hour % DEPLOYED_EVERY == 0 {
                world.wait_for(end);
                assert!(instance.stop().1, "day {day}: it drains");
                instance = world.instance();
            }
            if hour == HOURS_A_DAY / 2 {
                let second = world.instance();
                wait_until("the second one owns something", || {
                    second.metrics.assigned_partitions.get() > 0
                });
                world.rig.publish(end, end + AN_HOUR);
                end += AN_HOUR;
                assert!(second.stop().1, "day {day}: the second one drains");
            }
            world.passes(HOUR_MICROS);
        }
        world.wait_for(end);
        of_days.push(world.open_streams());
    }

    // A holiday. The instance waits with streams that expire meanwhile.
    world.passes(STREAM_LIVES_DAYS * DAY_MICROS + DAY_MICROS);
    assert_eq!(world.open_streams(), 0, "all streams have expired");
    world.rig.publish(end, end + AN_HOUR);
    end += AN_HOUR;
    world.wait_for(end);
    assert!(world.open_streams() <= i64::from(PARTITIONS), "one for each partition");
    assert_eq!(instance.metrics.in_flight_bytes.get(), 0);
    assert_eq!(instance.metrics.rejoins.get(), 0);
    assert!(instance.stop().1, "it drains");

    let rows = world.rows();
    let expected = positions(end, Kind::Row);
    assert_eq!(rows.iter().map(|(at, _)| *at).collect::<Vec<_>>(), expected, "each row once");
    let mut before: Option<Position> = None;
    for (at, previous) in rows {
        let of_partition = before.filter(|before| before.partition == at.partition);
        assert_eq!(previous, of_partition.map(|before| before.offset), "{at:?}");
        before = Some(at);
    }
    let offsets: Vec<i64> = world.rig.committed().into_iter().map(|(offset, _)| offset).collect();
    assert_eq!(offsets, vec![end; PARTITIONS as usize]);
    let busiest = of_days.iter().max().expect("days");
    // A partition may be lost on a busy machine, and its stream is left then.
    assert!(*busiest <= 2 * i64::from(PARTITIONS), "streams left open at midnight: {of_days:?}");
}
