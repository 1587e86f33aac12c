//! The shared vocabulary: where a record stands, what it holds, and what becomes of it.
//!
//! This module depends on no other module of the program.

mod dead_letter;
mod event;
mod outcome;
mod owned;
mod position;
mod reached;
mod reason;
mod unsent;

pub use dead_letter::{Again, DeadLetter, Rejected};
pub use event::{Event, HeaderList, NoHeaders};
pub use outcome::{Rejection, Transcoded, shortened};
pub use owned::OwnedEvent;
pub use position::{Offset, Partition, Position};
pub use reached::{Bookmark, Reached};
pub use reason::Reason;
pub use unsent::UnsentRecord;
