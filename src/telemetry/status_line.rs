//! The line at the bottom of a terminal that changes while the log scrolls above it.

use std::io::{self, Write};
use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar};

/// What is drawn on standard error. It draws nothing if standard error is not a terminal.
static LINES: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Shows a bar as the last line until it is finished.
pub fn show(bar: ProgressBar) -> ProgressBar {
    LINES.add(bar)
}

/// Standard error. The status line is cleared before each write and drawn again below it.
#[derive(Debug, Clone, Copy)]
pub struct AboveTheLine;

impl Write for AboveTheLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.suspend(|| io::stderr().write_all(bytes).map(|()| bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
