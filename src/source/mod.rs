//! Kafka: where events come from, and the words for their places.

mod event;
mod position;

pub use event::{Event, HeaderList, NoHeaders};
pub use position::{Offset, Partition, Position};
