//! Counts the instructions of the hot path under valgrind (`make instructions`). The counts repeat
//! exactly, so each has a limit, and a change that exceeds one fails. The limits leave room for the
//! differences between compilers.

mod events;
mod work;

use std::hint::black_box;

use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use work::{Columns, Framing, Transcoding};

const THOUSAND: u64 = work::COUNT as u64;

fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, instructions)]));
    config
}

/// Runs the work and returns it, so that its drop is not counted.
fn ran<W>(mut work: W, run: impl Fn(&mut W) -> usize) -> W {
    black_box(run(&mut work));
    work
}

// Transcodes a thousand events, of which a fifth is ignored.
#[library_benchmark(config = at_most(6_100 * THOUSAND))]
#[bench::delivery(Transcoding::new(Columns::All, 0.2))]
fn transcode(work: Transcoding) -> Transcoding {
    ran(work, Transcoding::run)
}

// Reads and checks a thousand events, but encodes no columns.
#[library_benchmark(config = at_most(5_000 * THOUSAND))]
#[bench::delivery(Transcoding::new(Columns::None, 0.0))]
fn decode(work: Transcoding) -> Transcoding {
    ran(work, Transcoding::run)
}

// Transcodes a thousand events that are all ignored.
#[library_benchmark(config = at_most(1_025 * THOUSAND))]
#[bench::delivery(Transcoding::new(Columns::All, 1.0))]
fn ignore(work: Transcoding) -> Transcoding {
    ran(work, Transcoding::run)
}

// Leaves out a thousand events by a filter that reads one field of the payload and one comparison.
#[library_benchmark(config = at_most(12_250 * THOUSAND))]
#[bench::delivery(Transcoding::filtered(Columns::All, 0.0, Some("payload.delivery_id == ''")))]
fn filter(work: Transcoding) -> Transcoding {
    ran(work, Transcoding::run)
}

// Builds one request of about eight hundred encoded rows, which are not copied.
#[library_benchmark(config = at_most(1_000))]
#[bench::delivery(Framing::new())]
fn frame(work: Framing) -> Framing {
    ran(work, Framing::run)
}

// Takes a thousand batches through the ledger: opened, settled, committed, flushed.
#[library_benchmark(config = at_most(520 * THOUSAND))]
fn ledger() -> generic_consumer::pipeline::Ledger {
    black_box(work::settle_a_thousand_batches())
}

library_benchmark_group!(
    name = hot_path,
    benchmarks = [transcode, decode, ignore, filter, frame, ledger]
);

main!(library_benchmark_groups = hot_path);
