//! Why files cannot be read.

use std::io;

use crate::remote::FetchError;

#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("there is no file {pattern}")]
    Missing { pattern: String },
    #[error("fetch a file")]
    Fetch(#[source] Box<FetchError>),
    #[error("{pattern} is no pattern: {problem}")]
    Pattern { pattern: String, problem: String },
    #[error("read {at}")]
    Read { at: String, source: io::Error },
    #[error("{at}: {problem}")]
    Header { at: String, problem: String },
    #[error("a file of the format {0} cannot be read by this version")]
    Format(&'static str),
}
