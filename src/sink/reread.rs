//! Reading a record again, for the dead letter of a row that the sink refused.

use async_trait::async_trait;

use crate::record::{DeadLetter, Event, Offset, Position, Reason, Rejection};
use crate::row::{FieldValue, Fields, TableSchema};
use crate::source::RecordReader;

/// Reads records again by position: a record's value is not kept while its row is in flight.
#[async_trait]
pub trait Reread: Send + Sync {
    /// The record at `at` as a dead letter of this rejection; `None` where the broker no longer has
    /// it.
    async fn reread(&self, at: Position, rejection: Rejection) -> Option<DeadLetter>;
}

#[async_trait]
impl Reread for RecordReader {
    async fn reread(&self, at: Position, rejection: Rejection) -> Option<DeadLetter> {
        self.read(at, rejection).await
    }
}

/// The dead letter of a row that the sink refused, with the record of the row before it.
pub(super) async fn letter_of_refused_row(
    reread: &dyn Reread,
    columns: &TableSchema,
    row: (Position, &[u8]),
    why: String,
) -> DeadLetter {
    letter_of_row(reread, columns, row, Rejection::new(Reason::RowError, why, None)).await
}

/// The same for any reason. Where the broker no longer has the row's own record, the letter has its
/// position alone.
pub(super) async fn letter_of_row(
    reread: &dyn Reread,
    columns: &TableSchema,
    (at, row): (Position, &[u8]),
    rejection: Rejection,
) -> DeadLetter {
    let letter = reread.reread(at, rejection.clone()).await;
    let letter = letter.unwrap_or_else(|| DeadLetter::of(&Event::unknown(at), rejection));
    let previous = match Fields::new(&columns.columns, row).named("_kafka_previous") {
        Some(FieldValue::Int64(offset)) => Some(Offset(offset)),
        _ => None,
    };
    DeadLetter { previous, ..letter }
}
