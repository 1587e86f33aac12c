//! Rows that are durable but not visible, named so that anybody can make them visible later.

use std::fmt;
use std::sync::Arc;

/// A sink's name in the metadata of offset commits: `bigquery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SinkName(pub &'static str);

/// A promise to make rows visible. An offset commit carries it, and whoever owns the partition next
/// gives it back to the sink. Only the sink knows what it names; everybody else may compare two.
///
/// Promises of one series are ordered: making the rows of one visible makes those of all earlier
/// ones visible too.
#[derive(Debug, Clone, Eq)]
pub struct Promise {
    sink: SinkName,
    series: Arc<str>,
    rows: u64,
}

impl PartialEq for Promise {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.is_of_series(other)
    }
}

impl Promise {
    /// `series` is what the sink appends to, `rows` how many of its first rows are promised.
    pub fn new(sink: SinkName, series: Arc<str>, rows: u64) -> Self {
        Self { sink, series, rows }
    }

    pub fn sink(&self) -> SinkName {
        self.sink
    }

    pub fn series(&self) -> &Arc<str> {
        &self.series
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn is_of_series(&self, other: &Self) -> bool {
        // Promises of one series share its name, as a rule: then no text is compared.
        let same_series = Arc::ptr_eq(&self.series, &other.series) || self.series == other.series;
        same_series && (std::ptr::eq(self.sink.0, other.sink.0) || self.sink == other.sink)
    }

    /// Whether keeping this promise keeps the other one too.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_of_series(other) && other.rows <= self.rows
    }
}

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
