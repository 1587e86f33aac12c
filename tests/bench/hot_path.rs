//! The hot path by the clock, for work on it: `cargo bench --profile dist --bench hot-path`. What gates a change
//! is in instructions.rs.

mod events;
mod work;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use work::{COUNT, Columns, Framing, Transcoding};

fn main() {
    divan::main();
}

/// Bytes to row.
#[divan::bench(args = [0.0, 0.2, 0.95])]
fn transcode(bencher: Bencher, ignored: f64) {
    let mut work = Transcoding::new(Columns::All, ignored);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| black_box(work.run()));
}

/// Bytes read and checked, no row.
#[divan::bench]
fn decode(bencher: Bencher) {
    let mut work = Transcoding::new(Columns::None, 0.0);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| black_box(work.run()));
}

/// Rows to request.
#[divan::bench]
fn frame(bencher: Bencher) {
    let mut work = Framing::new();
    let bytes = work.run();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| black_box(work.run()));
}

/// A batch from open to visible.
#[divan::bench]
fn ledger(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(COUNT))
        .bench_local(|| black_box(work::settle_a_thousand_batches()));
}
