//! The dashboard: the page, the series of its chart from the stores, and the state of the instances.
//!
//! ```text
//! draining ─► routes ─┬► assets: the page
//!                     ├► range ─► series ─► gate, one a store ─► postgres, influxdb
//!                     ├► fleet ─► /status of each instance
//!                     └► live: both, again and again (SSE)
//! ```
//!
//! It only reads. docs/adr/0020-dashboard.md has the reasons.

mod assets;
mod fleet;
mod gate;
mod influxdb;
mod live;
mod postgres;
mod range;
mod reason;
mod routes;
mod series;
mod shared_answer;
mod store;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::fleet::Fleet;
use self::gate::Gate;
use self::influxdb::InfluxStore;
use self::live::Live;
use self::postgres::PostgresStore;
use self::routes::Shared;
use self::series::Chart;
use super::draining;
use crate::clock::Clock;
use crate::config::{DashboardSettings, SeriesSettings, SeriesSource};
use crate::shutdown::Shutdown;
use crate::stop::Stop;

/// How long open requests may take to end when the process is asked to stop. A store has five seconds.
const DRAIN: Duration = Duration::from_secs(8);

/// Requests to InfluxDB at the same time.
const INFLUX_REQUESTS: usize = 4;

/// A dashboard that listens.
pub struct Dashboard {
    /// The address it listens on, with the port that was chosen for port 0.
    pub address: SocketAddr,
    listener: TcpListener,
    chart: Arc<Chart>,
    fleet: Arc<Fleet>,
}

impl Dashboard {
    /// Listens. It connects to no store and asks no instance before somebody looks at it.
    pub async fn listen(settings: &DashboardSettings) -> Result<Self, Stop> {
        let chart = Chart::new(lines(settings)?);
        let fleet = Fleet::new(settings.instances.clone())?;
        Self::serving(settings.address, chart, fleet).await
    }

    async fn serving(address: SocketAddr, chart: Chart, fleet: Fleet) -> Result<Self, Stop> {
        let failed = |error| {
            let hint = "DASHBOARD_ADDR, or --addr, names a free address of this machine";
            Stop::new(format!("listen on {address}"), hint, error)
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        Ok(Self { address: bound, listener, chart: Arc::new(chart), fleet: Arc::new(fleet) })
    }

    /// Serves until a shutdown is requested, and then ends what is open. Returns whether that took no
    /// longer than it may.
    pub async fn serve(self, shutdown: Shutdown) -> bool {
        let live = Live::new(self.chart.clone(), self.fleet.clone(), shutdown.clone());
        let shared = Shared {
            chart: self.chart,
            fleet: self.fleet,
            live,
            asking: Semaphore::new(routes::MOST_AT_ONCE),
            clock: Clock::System,
            shutdown: shutdown.clone(),
        };
        let router = routes::router(Arc::new(shared));
        draining::serve(self.listener, router, shutdown, DRAIN).await
    }
}

/// Each series with the gate of its store.
fn lines(settings: &DashboardSettings) -> Result<Vec<series::Line>, Stop> {
    let (mut postgres, mut influxdb) = (None, None);
    if let Some(server) = &settings.postgres {
        postgres = Some(Gate::new(PostgresStore::new(server)?, server.connections));
    }
    if let Some(server) = &settings.influxdb {
        influxdb = Some(Gate::new(InfluxStore::new(server)?, INFLUX_REQUESTS));
    }
    let line = |series: &SeriesSettings| {
        let gate = match &series.source {
            SeriesSource::Postgres { .. } => &postgres,
            SeriesSource::Influx { .. } => &influxdb,
        };
        // The settings have the server of each store that a series names.
        gate.clone().map(|gate| series::Line { settings: series.clone(), gate })
    };
    Ok(settings.series.iter().filter_map(line).collect())
}
