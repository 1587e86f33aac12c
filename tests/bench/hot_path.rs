//! Times the hot path, for work on it: `cargo bench --profile dist --bench hot-path`.
//! The limits that every change has to keep are in instructions.rs.

mod events;
mod work;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use work::{COUNT, Columns, Framing, Transcoding};

fn main() {
    divan::main();
}

/// Transcodes events into rows; the argument is the ignored share.
#[divan::bench(args = [0.0, 0.2, 0.95])]
fn transcode(bencher: Bencher, ignored: f64) {
    let mut work = Transcoding::new(Columns::All, ignored);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| black_box(work.run()));
}

/// Reads and checks events, but encodes no columns.
#[divan::bench]
fn decode(bencher: Bencher) {
    let mut work = Transcoding::new(Columns::None, 0.0);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| black_box(work.run()));
}

/// Builds an append request from encoded rows.
#[divan::bench]
fn frame(bencher: Bencher) {
    let mut work = Framing::new();
    let bytes = work.run();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| black_box(work.run()));
}

/// Takes batches through the ledger: opened, settled, committed, flushed.
#[divan::bench]
fn ledger(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(COUNT))
        .bench_local(|| black_box(work::settle_a_thousand_batches()));
}
