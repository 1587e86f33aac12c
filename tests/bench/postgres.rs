//! Measures the PostgreSQL sink: in rounds, next to `psql \copy` of the same rows and to two Python
//! consumers, all on one server. The costs are those of the clients alone.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::Done;
use crate::events::Drawn;
use crate::feed::{self, Feed, Filled};
use crate::measure;
use crate::readers::{self, summary};
use crate::report::{self, Spread};
use crate::support::domain::{Domain, IGNORED, PARTITIONS, TABLE};
use crate::support::folder;
use crate::support::kafka::Kafka;
use crate::support::postgres::{self, Postgres};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Ours,
    Psql,
    PythonCopy,
    PythonExecutemany,
}

impl Client {
    const ALL: [Self; 4] = [Self::Ours, Self::Psql, Self::PythonCopy, Self::PythonExecutemany];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours, exactly once",
            Self::Psql => "psql \\copy of the same rows",
            Self::PythonCopy => "Python, COPY",
            Self::PythonExecutemany => "Python, executemany",
        }
    }
}

/// A limit for the ratio of a client's CPU and ours.
struct Goal {
    name: &'static str,
    client: Client,
    /// Of the client's cost and ours.
    ratio: fn(f64, f64) -> f64,
    must: &'static str,
    holds: fn(f64) -> bool,
}

const GOALS: [Goal; 3] = [
    Goal {
        name: "ours ÷ psql \\copy",
        client: Client::Psql,
        ratio: |its, ours| ours / its,
        must: "≤ 3",
        holds: |ratio| ratio <= 3.0,
    },
    Goal {
        name: "Python COPY ÷ ours",
        client: Client::PythonCopy,
        ratio: |its, ours| its / ours,
        must: "≥ 5",
        holds: |ratio| ratio >= 5.0,
    },
    Goal {
        name: "Python executemany ÷ ours",
        client: Client::PythonExecutemany,
        ratio: |its, ours| its / ours,
        must: "≥ 15",
        holds: |ratio| ratio >= 15.0,
    },
];

struct Bench {
    kafka: Kafka,
    server: Postgres,
    domain: Domain,
    filled: Filled,
    small: (String, Filled),
    python: PathBuf,
    rows: PathBuf,
    runs: Cell<u32>,
}

pub fn run() -> Done {
    let (rounds, events, python_events) =
        if report::quick() { (3, 400_000, 50_000) } else { (9, 400_000, 100_000) };
    let bench = Bench::new(events, python_events);
    // Not measured: it creates the table, and its rows are those that psql copies.
    bench.measure(Client::Ours);
    bench.export();
    let mut costs: Vec<[f64; Client::ALL.len()]> = Vec::new();
    let numbers: Vec<usize> = (0..Client::ALL.len()).collect();
    for round in 1..=rounds {
        let mut of_round = [f64::NAN; Client::ALL.len()];
        for number in measure::shuffled(&numbers, round) {
            of_round[number] = bench.measure(Client::ALL[number]);
        }
        println!("round {round}: {of_round:.2?}");
        costs.push(of_round);
    }
    let mut result = serde_json::Map::new();
    let mut rows = Vec::new();
    for (number, client) in Client::ALL.into_iter().enumerate() {
        let cost = Spread::of(costs.iter().map(|round| round[number]));
        result.insert(client.name().to_owned(), cost.json());
        rows.push(vec![client.name().to_owned(), cost.to_string()]);
    }
    report::table(&["client", "CPU s per million rows"], &rows);
    let mut goals = Vec::new();
    for Goal { name, client, ratio, must, holds } in GOALS {
        let spread = Spread::of(costs.iter().map(|of| ratio(of[client as usize], of[0])));
        let verdict = if holds(spread.median) { "holds" } else { "MISSED" };
        result.insert(name.to_owned(), spread.json());
        goals.push([name, &spread.to_string(), must, verdict].map(str::to_owned).to_vec());
    }
    report::table(&["paired ratio of CPU", "median (min – max)", "must", ""], &goals);
    report::keep("postgres", &json!({ "rounds": rounds, "events": events, "results": result }));
    Ok(())
}

impl Bench {
    fn new(events: u64, python_events: u64) -> Self {
        let python = readers::python();
        let (kafka, server) = (Kafka::start("bench-postgres"), Postgres::start("bench"));
        let domain = Domain::on_postgres("bench-postgres", &kafka, &server.section());
        let small = "bench-postgres-python".to_owned();
        kafka.create_topic(&small, PARTITIONS);
        let contract = domain.contract();
        let fill = |topic: &str, count| {
            let drawn = Drawn::plain((IGNORED, 0.2));
            let feed = Feed { topic, partitions: PARTITIONS, count, drawn, traced: false };
            feed::fill(&kafka, &contract, &feed)
        };
        let filled = fill(&domain.topic, events);
        let small_filled = fill(&small, python_events);
        let rows = folder::fresh("bench-postgres").join("rows.copy");
        let runs = Cell::new(0);
        Self { kafka, server, domain, filled, small: (small, small_filled), python, rows, runs }
    }

    /// CPU seconds of the client for each million rows.
    fn measure(&self, client: Client) -> f64 {
        let group = format!("bench-{}", self.runs.replace(self.runs.get() + 1));
        let (cost, rows) = match client {
            Client::Ours => (self.ours(&group), self.filled.rows),
            Client::Psql => (self.psql(), self.filled.rows),
            Client::PythonCopy => (self.python("copy", &group), self.small.1.rows),
            Client::PythonExecutemany => (self.python("executemany", &group), self.small.1.rows),
        };
        cost * 1e6 / rows as f64
    }

    fn ours(&self, group: &str) -> f64 {
        self.empty(TABLE);
        self.domain.set("GROUP_ID_DELIVERY", group);
        let mut process = self.domain.run(&["DELIVERY", "--until-caught-up"], &[]);
        let cost = measure::to_the_end(&mut process);
        assert_eq!(summary(&process.output(), "dead-lettered"), 0);
        assert_eq!(self.server.count(TABLE) as u64, self.filled.rows, "rows in the table");
        cost.cpu_seconds
    }

    /// Writes the table's rows into the file that psql copies from.
    fn export(&self) {
        let mut process = self.start_psql(&format!("\\copy {TABLE} TO '{}'", self.rows.display()));
        measure::to_the_end(&mut process);
    }

    fn psql(&self) -> f64 {
        self.empty(TABLE);
        let copy = format!("\\copy {TABLE} FROM '{}'", self.rows.display());
        let cost = measure::to_the_end(&mut self.start_psql(&copy));
        assert_eq!(self.server.count(TABLE) as u64, self.filled.rows, "rows that were copied");
        cost.cpu_seconds
    }

    fn start_psql(&self, command: &str) -> crate::support::process::Process {
        let url = self.url();
        readers::start(
            "psql",
            &postgres::install::program("psql"),
            &["-X", "-q", "-d", &url, "-c", command],
        )
    }

    fn python(&self, how: &str, group: &str) -> f64 {
        let table = format!("python_{how}");
        if self.server.has_table(&table) {
            self.empty(&table);
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/python/postgres.py");
        let script = script.to_str().expect("UTF-8");
        let (kafka, url, (topic, filled)) = (self.kafka.bootstrap(), self.url(), &self.small);
        let arguments = [script, how, &kafka, topic, group, &url, IGNORED];
        let cost = measure::to_the_end(&mut readers::start("python", &self.python, &arguments));
        assert_eq!(self.server.count(&table) as u64, filled.rows, "rows in {table}");
        cost.cpu_seconds
    }

    fn url(&self) -> String {
        self.server.url().replace('@', &format!(":{}@", postgres::PASSWORD))
    }

    fn empty(&self, table: &str) {
        if self.server.has_table(table) {
            self.server.query(&format!("TRUNCATE {table}; CHECKPOINT"));
        }
    }
}
