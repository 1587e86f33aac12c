//! The benchmark compares our consumer with kcat and with two Python consumers. They read from
//! Apache Kafka and write to a BigQuery server that only counts rows. `make bench` runs it;
//! docs/performance.md explains the results.
//!
//! ```text
//! bench            all readers in rounds, then single figures → target/bench/result.json
//! bench curves     cost by partitions, types, size, ignored share, latency → target/bench/curves.json
//! bench postgres    the PostgreSQL sink next to psql and to Python consumers → target/bench/postgres.json
//! bench stalled    memory and CPU while the sink acknowledges nothing → target/bench/stalled.json
//! bench compare    CPU of several programs, divided by that of the first
//! bench hold       keeps the topic and the server for a profiler, until standard input ends
//! ```

#[expect(dead_code, reason = "the benchmark uses only a part of the live tests' support")]
#[path = "../support/mod.rs"]
mod support;

mod append;
mod compare;
mod curves;
mod events;
mod feed;
mod kcat;
mod measure;
mod null;
mod pairs;
mod postgres;
mod readers;
mod report;
mod server;
mod single;
mod sink;
mod stalled;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// The result of a subcommand. An error ends the benchmark and is printed.
pub type Done = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Measure only these readers, and no single figures
    #[arg(long, value_enum, value_delimiter = ',')]
    readers: Vec<readers::Reader>,
    /// Passed by `cargo bench`
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Part {
    /// Measures how the cost of an event depends on partitions, types, size, ignored share, latency
    Curves {
        /// Only these curves: partitions, event, bytes, ignored, latency
        along: Vec<String>,
    },
    /// Measures the CPU of the PostgreSQL sink, of `psql \copy` and of two Python consumers
    Postgres,
    /// Measures memory and CPU while the sink acknowledges nothing
    Stalled,
    /// Measures the CPU of several programs in rounds and divides it by that of the first
    Compare(compare::CompareArgs),
    /// Fills the topic and keeps broker and server for a profiler, until standard input ends
    Hold,
    /// Started by the benchmark: the BigQuery server that only counts rows
    Serve(server::ServeArgs),
    /// Started by the benchmark: reads and transcodes the whole topic, and discards the rows
    Null(null::NullArgs),
    /// Started by the benchmark: appends rows encoded beforehand, with the consumer's writer
    Append(append::AppendArgs),
}

/// The consumer's allocator, because `null` and `append` measure this process.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> Done {
    let args = Args::parse();
    let on_tokio = |part: &dyn Fn(&tokio::runtime::Runtime) -> Done| {
        part(&tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
    };
    match args.part {
        None => pairs::run(&args.readers),
        Some(Part::Curves { along }) => curves::run(&along),
        Some(Part::Postgres) => postgres::run(),
        Some(Part::Stalled) => stalled::run(),
        Some(Part::Compare(args)) => compare::run(&args),
        Some(Part::Hold) => pairs::hold(),
        Some(Part::Null(args)) => null::drain(&args),
        Some(Part::Serve(args)) => on_tokio(&|runtime| runtime.block_on(server::serve(&args))),
        Some(Part::Append(args)) => on_tokio(&|runtime| runtime.block_on(append::append(&args))),
    }
}
