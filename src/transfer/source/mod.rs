//! Where the rows of a transfer come from. A source is read on a thread of its own.

mod csv;
mod error;
mod files;
mod json_lines;
mod letters;
mod objects;
mod parquet;
mod parts;
mod query;
mod topic;

pub use error::FilesError;
pub use files::{Files, FoundFile};
pub use letters::{LetterSource, Redriven};
pub use objects::Objects;
pub use parts::{PartsSource, ReadAgain};
pub use query::{QueryError, QuerySource};
pub use topic::TopicSource;

use super::intake::{HandOn, Intake};
use crate::source::TopicError;
use crate::stop::Stop;

/// A source that was opened: what will be read is known.
pub enum Source {
    Topic(TopicSource),
    Parts(PartsSource),
    Letters(Box<LetterSource>),
    Files(Files),
    Query(QuerySource),
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Letters(#[from] Stop),
}

impl Source {
    /// One that has nothing, in the place of a source that is being read.
    pub fn none() -> Self {
        Self::Files(files::Files::none())
    }

    /// Whether a record has the same position each time the source is read. A query may give its rows in
    /// another order.
    pub fn keeps_positions(&self) -> bool {
        match self {
            Self::Topic(_) | Self::Parts(_) | Self::Files(_) | Self::Letters(_) => true,
            Self::Query(_) => false,
        }
    }

    /// How much there is to read.
    pub fn size(&self) -> Size {
        match self {
            Self::Topic(topic) => Size::Records(topic.records()),
            Self::Parts(parts) => Size::Records(parts.records()),
            Self::Letters(letters) => Size::Records(letters.letters()),
            Self::Files(files) => Size::Bytes(files.bytes()),
            Self::Query(query) => Size::About(query.rows()),
        }
    }

    /// What is read, for people: a line for each partition or file.
    pub fn describe(&self) -> Vec<String> {
        match self {
            Self::Topic(topic) => topic.describe(),
            Self::Parts(parts) => parts.describe(),
            Self::Letters(letters) => vec![letters.describe()],
            Self::Files(files) => files.describe(),
            Self::Query(query) => vec![format!("a query, of about {} rows", query.rows())],
        }
    }

    /// Reads it all, from the beginning. May be called again.
    pub fn read(&mut self, intake: &mut Intake, hand_on: HandOn<'_>) -> Result<(), SourceError> {
        match self {
            Self::Topic(topic) => topic.read(intake, hand_on)?,
            Self::Parts(parts) => parts.read(intake, hand_on)?,
            Self::Letters(letters) => letters.read(intake, hand_on)?,
            Self::Files(files) => files.read(intake, hand_on)?,
            Self::Query(query) => query.read(intake, hand_on)?,
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// At most so many.
    Records(u64),
    /// An estimate of the records.
    About(u64),
    Bytes(u64),
}
