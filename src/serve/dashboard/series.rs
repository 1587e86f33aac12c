//! All series in the same buckets.

use std::sync::Arc;

use futures_util::future::join_all;
use serde::Serialize;

use super::gate::Gate;
use super::range::Range;
use crate::config::SeriesSettings;

/// One series, and the way to its store.
pub(super) struct Line {
    pub settings: SeriesSettings,
    pub gate: Arc<Gate>,
}

/// The series of the chart.
pub(super) struct Chart {
    lines: Vec<Line>,
}

/// The body of `/api/series`. Times are in milliseconds since 1970.
#[derive(Debug, Serialize)]
pub(super) struct Frame {
    from: i64,
    to: i64,
    bucket: i64,
    /// Where each bucket begins.
    times: Vec<i64>,
    series: Vec<FrameLine>,
    /// Whether a series could not be read.
    partial: bool,
}

#[derive(Debug, Serialize)]
struct FrameLine {
    name: String,
    label: String,
    unit: String,
    aggregate: &'static str,
    /// The store and the place in it, for people.
    source: String,
    /// One for each bucket; `None` where it is empty. No list if there is an error.
    values: Option<Vec<Option<f64>>>,
    error: Option<String>,
}

impl Chart {
    pub fn new(lines: Vec<Line>) -> Self {
        Self { lines }
    }

    /// Asks all stores at once. It takes as long as the slowest, which is bounded.
    pub async fn frame(&self, range: Range) -> Frame {
        let lines = self.lines.iter().map(|line| line.read(&range));
        let series = join_all(lines).await;
        Frame {
            from: range.from,
            to: range.to,
            bucket: range.bucket,
            times: range.times(),
            partial: series.iter().any(|line| line.error.is_some()),
            series,
        }
    }
}

impl Line {
    async fn read(&self, range: &Range) -> FrameLine {
        let (values, error) = match self.gate.values(&self.settings, range).await {
            Ok(found) => (Some(filled(&found, range)), None),
            Err(error) => (None, Some(error)),
        };
        let SeriesSettings { name, label, unit, aggregate, source, .. } = self.settings.clone();
        let (aggregate, source) = (aggregate.name(), source.to_string());
        FrameLine { name, label, unit, aggregate, source, values, error }
    }
}

/// The values in the order of the buckets. What is no number of JSON counts as no value.
fn filled(found: &[(i64, f64)], range: &Range) -> Vec<Option<f64>> {
    let mut values = vec![None; range.times().len()];
    for (at, value) in found {
        let place = range.index(*at).and_then(|index| values.get_mut(index));
        if let (Some(place), true) = (place, value.is_finite()) {
            *place = Some(*value);
        }
    }
    values
}
