//! The shared vocabulary: where a record stands, what it holds, and what becomes of it.
//!
//! This module depends on no other module of the program.

mod dead_letter;
mod event;
mod outcome;
mod position;
mod reached;
mod reason;
mod unsent;

pub use dead_letter::DeadLetter;
pub use event::{Event, HeaderList, NoHeaders};
pub use outcome::{Rejection, Transcoded, shortened};
pub use position::{Offset, Partition, Position};
pub use reached::{Bookmark, Reached};
pub use reason::Reason;
pub use unsent::UnsentRecord;
