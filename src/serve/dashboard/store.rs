//! What the dashboard asks of a store.

use async_trait::async_trait;

use super::range::Range;
use crate::config::SeriesSettings;

/// A store that series are read from.
#[async_trait]
pub(super) trait Store: Send + Sync {
    /// What people call it.
    fn name(&self) -> &'static str;

    /// The aggregate of each bucket with values: where the bucket begins, and the number. Buckets are
    /// whole, also where the range cuts one.
    async fn values(
        &self,
        series: &SeriesSettings,
        range: &Range,
    ) -> Result<Vec<(i64, f64)>, StoreError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Why a store has no values. Both texts are shown on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoreError {
    /// It cannot be reached, or is not able to answer: no series of it can be read.
    Away(String),
    /// It has answered that this series cannot be read.
    Refused(String),
}
