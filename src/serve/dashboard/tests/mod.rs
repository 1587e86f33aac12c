//! The whole server, with stores in memory that fail when they are asked to.

mod faults;
mod pages;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::Response;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::Dashboard;
use super::fleet::Fleet;
use super::gate::Gate;
use super::range::Range;
use super::series::{Chart, Line};
use super::store::{Store, StoreError};
use crate::config::{Aggregate, InstanceSettings, PostgresTable, SeriesSettings, SeriesSource};
use crate::shutdown::Shutdown;

/// What a fake store does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Values,
    Refused,
    Away,
    Hang,
}

/// A store in memory: the value of a bucket is its number, every fifth is empty, every seventh is NaN.
struct Fake {
    mode: Mutex<Mode>,
    asked: AtomicUsize,
}

impl Fake {
    fn new() -> Arc<Self> {
        Arc::new(Self { mode: Mutex::new(Mode::Values), asked: AtomicUsize::new(0) })
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().expect("no panic") = mode;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn answer<T>(&self, answer: T) -> Result<T, StoreError> {
        let mode = *self.mode.lock().expect("no panic");
        match mode {
            Mode::Values => Ok(answer),
            Mode::Refused => Err(StoreError::Refused("no column\n\u{1b}[2J".to_owned())),
            Mode::Away => Err(StoreError::Away("connection refused".to_owned())),
            Mode::Hang => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for Arc<Fake> {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    async fn values(
        &self,
        _: &SeriesSettings,
        range: &Range,
    ) -> Result<Vec<(i64, f64)>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let with_values = range.times().into_iter().filter(|at| at / range.bucket % 5 != 0);
        let pairs = with_values.map(|at| (at, value(at / range.bucket)));
        // Outside the range, and not where a bucket begins.
        let wrong =
            [(range.end(), 1.0), (range.first() - range.bucket, 1.0), (range.from + 1, 1.0)];
        self.answer(pairs.chain(wrong).collect()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answer(()).await
    }
}

fn value(number: i64) -> f64 {
    if number % 7 == 0 { f64::NAN } else { number as f64 }
}

/// A running dashboard with two series, each from a store of its own.
struct Running {
    url: String,
    high: Arc<Fake>,
    low: Arc<Fake>,
    shutdown: Shutdown,
    task: JoinHandle<bool>,
}

impl Running {
    async fn start(instances: Vec<InstanceSettings>) -> Self {
        let (high, low) = (Fake::new(), Fake::new());
        let line = |name: &str, store: &Arc<Fake>| Line {
            settings: series(name),
            gate: Gate::new(store.clone(), 2),
        };
        let chart = Chart::new(vec![line("high", &high), line("low", &low)]);
        let fleet = Fleet::new(instances).expect("a client");
        let address = "127.0.0.1:0".parse().expect("an address");
        let dashboard = Dashboard::serving(address, chart, fleet).await.expect("listens");
        let url = format!("http://{}", dashboard.address);
        let shutdown = Shutdown::default();
        let task = tokio::spawn(dashboard.serve(shutdown.clone()));
        Self { url, high, low, shutdown, task }
    }

    async fn get(&self, path: &str) -> Response {
        reqwest::get(format!("{}{path}", self.url)).await.expect("an answer")
    }

    async fn json(&self, path: &str) -> Value {
        self.get(path).await.json().await.expect("JSON")
    }
}

fn series(name: &str) -> SeriesSettings {
    let table = PostgresTable { schema: "public".to_owned(), table: name.to_owned() };
    SeriesSettings {
        name: name.to_owned(),
        label: name.to_uppercase(),
        unit: "EUR".to_owned(),
        aggregate: Aggregate::Mean,
        value: "amount".to_owned(),
        source: SeriesSource::Postgres { table, time: "at".to_owned() },
    }
}

/// The next whole event of a stream: its name and its data.
async fn event(stream: &mut Response, rest: &mut String) -> Option<(String, Value)> {
    loop {
        while let Some((event, later)) = rest.split_once("\n\n") {
            let field = |name: &str| {
                let line = event.lines().find_map(|line| line.strip_prefix(name));
                line.map(|text| text.trim().to_owned())
            };
            let found = field("event:").zip(field("data:"));
            *rest = later.to_owned();
            if let Some((name, data)) = found {
                return Some((name, serde_json::from_str(&data).expect("JSON")));
            }
        }
        let part = stream.chunk().await.ok().flatten()?;
        rest.push_str(std::str::from_utf8(&part).expect("UTF-8"));
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
