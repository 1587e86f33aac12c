//! The readers that the benchmark compares. Each run reads its topic to the end; its counts are
//! asserted.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde_json::Value;

use crate::events::Drawn;
use crate::feed::{self, Feed, Filled};
use crate::kcat::Kcat;
use crate::measure::{self, Cost};
use crate::report;
use crate::sink::Sink;
use crate::support::bigquery::{DATASET, PROJECT};
use crate::support::domain::{self, Domain, IGNORED, PARTITIONS, TABLE};
use crate::support::folder;
use crate::support::kafka::Kafka;
use crate::support::process::{Process, Start};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Reader {
    Kcat,
    Null,
    AtLeastOnce,
    ExactlyOnce,
    StorageWrite,
    InsertRows,
}

impl Reader {
    pub const ALL: [Self; 6] = [
        Self::Kcat,
        Self::Null,
        Self::AtLeastOnce,
        Self::ExactlyOnce,
        Self::StorageWrite,
        Self::InsertRows,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Kcat => "kcat, draining",
            Self::Null => "ours, null sink",
            Self::AtLeastOnce => "ours, at-least-once",
            Self::ExactlyOnce => "ours, exactly-once",
            Self::StorageWrite => "Python, Storage Write API",
            Self::InsertRows => "Python, insert_rows_json",
        }
    }

    /// How often it runs in a round. A run of two seconds depends on what else the machine does
    /// meanwhile, so one is not enough.
    pub fn times(self) -> usize {
        let is_python = matches!(self, Self::StorageWrite | Self::InsertRows);
        if is_python || report::quick() { 1 } else { 3 }
    }
}

/// The figures of one run of a reader, or of its runs in one round together.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub cost: Cost,
    pub events: u64,
    /// Between the first and the last append request; `None` for readers that send none.
    pub events_per_second: Option<f64>,
}

impl Sample {
    /// CPU seconds per million events, numerically microseconds per event.
    pub fn cpu_a_million(&self) -> f64 {
        self.cost.cpu_a_million(self.events)
    }

    /// The mean of the runs; for the memory, the largest peak.
    pub fn of(runs: &[Self]) -> Self {
        let mean = |figure: &dyn Fn(&Self) -> f64| {
            runs.iter().map(figure).sum::<f64>() / runs.len() as f64
        };
        let peak = runs.iter().map(|run| run.cost.peak_resident).max();
        let cost = Cost {
            cpu_seconds: mean(&|run| run.cost.cpu_seconds),
            peak_resident: peak.expect("a reader runs at least once"),
        };
        let events_per_second = runs[0]
            .events_per_second
            .map(|_| mean(&|run| run.events_per_second.expect("as in the first run")));
        Self { cost, events: runs[0].events, events_per_second }
    }
}

/// The broker, the sink, the filled topics, and the counts that each run has to reach.
pub struct Bench {
    pub kafka: Kafka,
    pub sink: Sink,
    pub domain: Domain,
    filled: Filled,
    /// The topic of the Python consumers, with as many events as they read in half a minute.
    small: (String, Filled),
    kcat: Kcat,
    python: PathBuf,
    runs: Cell<u32>,
}

impl Bench {
    pub fn new(events: u64, python_events: u64) -> Self {
        Self::filled(events, python_events, false)
    }

    /// With `traced`, each record has the `traceparent` of a sampled trace.
    pub fn filled(events: u64, python_events: u64, traced: bool) -> Self {
        let (kcat, python) = (Kcat::find(), python());
        let kafka = Kafka::start("bench");
        let sink = Sink::start();
        let domain = Domain::new("bench", &kafka, &sink.urls());
        let small = "bench-python".to_owned();
        kafka.create_topic(&small, PARTITIONS);
        let contract = domain.contract();
        let fill = |topic: &str, count| {
            let drawn = Drawn::plain((IGNORED, 0.2));
            let feed = Feed { topic, partitions: PARTITIONS, count, drawn, traced };
            feed::fill(&kafka, &contract, &feed)
        };
        let filled = fill(&domain.topic, events);
        let small_filled = fill(&small, python_events);
        println!(
            "{events} events of {} bytes, {:.1} % ignored, {PARTITIONS} partitions",
            filled.bytes / events,
            filled.ignored as f64 * 100.0 / events as f64
        );
        let runs = Cell::new(0);
        Self { kafka, sink, domain, filled, small: (small, small_filled), kcat, python, runs }
    }

    /// Runs a reader to the end of its topic.
    pub fn measure(&self, reader: Reader) -> Sample {
        self.measure_as(reader, domain::program())
    }

    /// The same, with `program` as our consumer.
    pub fn measure_as(&self, reader: Reader, program: &Path) -> Sample {
        self.sink.reset();
        match reader {
            Reader::Kcat => self.kcat(),
            Reader::Null => self.null(),
            Reader::AtLeastOnce => self.ours(program, "at-least-once"),
            Reader::ExactlyOnce => self.ours(program, "exactly-once"),
            Reader::StorageWrite => self.python("storage_write.py", &self.sink.grpc()),
            Reader::InsertRows => self.python("insert_rows.py", &self.sink.urls().rest),
        }
    }

    /// The name of a group that no run has used.
    pub fn fresh_group(&self) -> String {
        self.runs.set(self.runs.get() + 1);
        format!("bench-{}", self.runs.get())
    }

    fn ours(&self, program: &Path, guarantee: &str) -> Sample {
        let domain = &self.domain;
        domain.set("GROUP_ID_DELIVERY", &self.fresh_group()).set("DELIVERY_GUARANTEE", guarantee);
        let mut process = domain.launch(program, &["DELIVERY", "--until-caught-up"], &[], None);
        let cost = measure::to_the_end(&mut process);
        assert_eq!(self.sink.rows(TABLE).visible, self.filled.rows, "visible rows");
        assert_eq!(self.sink.rows(TABLE).appended, self.filled.rows, "appended rows");
        assert_eq!(summary(&process.output(), "ignored"), self.filled.ignored);
        assert_eq!(summary(&process.output(), "dead-lettered"), 0);
        self.sample(cost, self.filled)
    }

    fn null(&self) -> Sample {
        self.domain.set("GROUP_ID_DELIVERY", &self.fresh_group());
        let program = std::env::current_exe().expect("this program");
        let mut process = self.domain.launch(&program, &["null", "DELIVERY"], &[], None);
        let cost = measure::to_the_end(&mut process);
        let counts = last_line(&process);
        assert_eq!(counts["rows"].as_u64(), Some(self.filled.rows));
        assert_eq!(counts["ignored"].as_u64(), Some(self.filled.ignored));
        self.sample(cost, self.filled)
    }

    fn kcat(&self) -> Sample {
        let events = self.filled.rows + self.filled.ignored;
        let cost = self.kcat.drain(&self.kafka.bootstrap(), &self.domain.topic, events);
        self.sample(cost, self.filled)
    }

    fn python(&self, script: &str, endpoint: &str) -> Sample {
        let (topic, filled) = &self.small;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/python").join(script);
        let (kafka, group) = (self.kafka.bootstrap(), self.fresh_group());
        let table = format!("{PROJECT}.{DATASET}.python");
        let arguments =
            [script.to_str().expect("UTF-8"), &kafka, topic, &group, endpoint, &table, IGNORED];
        let mut process = start("python", &self.python, &arguments);
        let cost = measure::to_the_end(&mut process);
        let counts = last_line(&process);
        assert_eq!(counts["ignored"].as_u64(), Some(filled.ignored));
        let arrived = self.sink.rows("python").visible
            + self.sink.counts()["inserted"].as_u64().unwrap_or_default();
        assert_eq!(arrived, filled.rows, "rows that arrived");
        self.sample(cost, *filled)
    }

    fn sample(&self, cost: Cost, filled: Filled) -> Sample {
        let events = filled.rows + filled.ignored;
        let counts = self.sink.counts();
        let ms = |name: &str| counts[name].as_f64();
        let took =
            ms("first_append_ms").zip(ms("last_append_ms")).map(|(first, last)| last - first);
        let events_per_second = took.filter(|ms| *ms > 0.0).map(|ms| events as f64 * 1_000.0 / ms);
        Sample { cost, events, events_per_second }
    }
}

/// Starts a program in a folder of its own.
pub fn start(name: &str, program: &Path, arguments: &[&str]) -> Process {
    let folder = folder::fresh(name);
    Process::start(&Start {
        name,
        log: &folder.join("output.log"),
        program: program.as_os_str(),
        arguments: arguments.iter().map(Into::into).collect(),
        variables: Vec::new(),
        folder: Some(&folder),
        input: None,
    })
}

/// A number from the summary that the consumer prints.
pub fn summary(page: &str, name: &str) -> u64 {
    let line = page.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.unwrap_or_else(|| panic!("the summary has no {name:?}:\n{page}"))
}

fn last_line(process: &Process) -> Value {
    let said = process.output();
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in\n{said}"))
}

/// The Python of a virtual environment with the clients that the Python consumers use.
pub fn python() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/python/venv.sh");
    let made = Command::new(script).arg(folder::target()).output().expect("venv.sh runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8_lossy(&made.stdout).trim().into()
}
