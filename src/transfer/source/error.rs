//! Why files cannot be read.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("there is no file {pattern}")]
    Missing { pattern: String },
    #[error("{pattern} is in no folder of this machine")]
    NotLocal { pattern: String },
    #[error("{pattern} is no pattern: {problem}")]
    Pattern { pattern: String, problem: String },
    #[error("read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {problem}", .path.display())]
    Header { path: PathBuf, problem: String },
    #[error("a file of the format {0} cannot be read by this version")]
    Format(&'static str),
}
