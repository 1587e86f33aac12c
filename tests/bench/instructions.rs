//! Instructions of the hot path under valgrind: they repeat exactly, so they have limits, and a
//! change that goes beyond one fails (`make instructions`). What a limit leaves free is what
//! compilers differ by.

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

/// What is given back is dropped uncounted.
fn ran<W>(mut work: W, run: impl Fn(&mut W) -> usize) -> W {
    black_box(run(&mut work));
    work
}

// A thousand events, of which a fifth is left out.
#[library_benchmark(config = at_most(6_000 * THOUSAND))]
#[bench::delivery(Transcoding::new(Columns::All, 0.2))]
fn transcode(work: Transcoding) -> Transcoding {
    ran(work, Transcoding::run)
}

// A thousand events read and checked, without rows.
#[library_benchmark(config = at_most(4_900 * THOUSAND))]
#[bench::delivery(Transcoding::new(Columns::None, 0.0))]
fn decode(work: Transcoding) -> Transcoding {
    ran(work, Transcoding::run)
}

// A thousand events that are left out.
#[library_benchmark(config = at_most(1_025 * THOUSAND))]
#[bench::delivery(Transcoding::new(Columns::All, 1.0))]
fn ignore(work: Transcoding) -> Transcoding {
    ran(work, Transcoding::run)
}

// One request of eight hundred rows, which are not touched.
#[library_benchmark(config = at_most(1_000))]
#[bench::delivery(Framing::new())]
fn frame(work: Framing) -> Framing {
    ran(work, Framing::run)
}

// A thousand batches from open to visible.
#[library_benchmark(config = at_most(520 * THOUSAND))]
fn ledger() -> generic_consumer::pipeline::Ledger {
    black_box(work::settle_a_thousand_batches())
}

library_benchmark_group!(name = hot_path, benchmarks = [transcode, decode, ignore, frame, ledger]);

main!(library_benchmark_groups = hot_path);
