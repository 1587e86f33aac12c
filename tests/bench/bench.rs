//! The benchmark: our consumer against kcat, and against what a Python team would run, on Apache
//! Kafka and a server that only counts. `make bench` runs it; docs/performance.md says what it says.
//!
//! ```text
//! bench            readers in turn, pair by pair, then single figures → target/bench/result.json
//! bench curves     cost by partitions, types, size, ignored share, latency → target/bench/curves.json
//! bench stalled    memory and CPU while the sink answers nothing → target/bench/stalled.json
//! bench compare    programs against each other: what a change is worth
//! bench hold       the same topic and server for a profiler, until its input ends
//! ```

#[expect(dead_code, reason = "the live tests' support, of which this needs a part")]
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
mod readers;
mod report;
mod server;
mod single;
mod sink;
mod stalled;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// Whatever goes wrong ends the benchmark with its words.
pub type Done = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Only these readers, and no single figures: for a quick look while working
    #[arg(long, value_enum, value_delimiter = ',')]
    readers: Vec<readers::Reader>,
    /// Given by `cargo bench`
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Part {
    Curves {
        /// Only these, by their first word: partitions, event, bytes, ignored, latency
        along: Vec<String>,
    },
    Stalled,
    /// Programs in turn, each held against the first
    Compare(compare::CompareArgs),
    /// Fills the topic and keeps broker and server up, for a profiler; ends with its input
    Hold,
    /// Process of its own: counts rows
    Serve(server::ServeArgs),
    /// Process of its own: reads and transcodes the whole topic, and throws the rows away
    Null(null::NullArgs),
    /// Process of its own: appends rows made beforehand, by the consumer's own writer
    Append(append::AppendArgs),
}

/// As the program has it: some figures are of this process.
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
        Some(Part::Stalled) => stalled::run(),
        Some(Part::Compare(args)) => compare::run(&args),
        Some(Part::Hold) => pairs::hold(),
        Some(Part::Null(args)) => null::drain(&args),
        Some(Part::Serve(args)) => on_tokio(&|runtime| runtime.block_on(server::serve(&args))),
        Some(Part::Append(args)) => on_tokio(&|runtime| runtime.block_on(append::append(&args))),
    }
}
