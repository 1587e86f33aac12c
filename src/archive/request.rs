//! What is asked of an archive.

use super::limits::{ArchiveLimits, NoRoom};

/// What is asked of an archive.
pub struct Request<'a> {
    /// The name of the file where the object is no archive but a file: `report.json`. Of gzip the
    /// ending `.gz` is left out.
    pub plain_name: &'a str,
    /// Whether the file at a path is to be kept. Paths have no `./` at their beginning.
    pub wanted: &'a dyn Fn(&str) -> bool,
    pub limits: &'a ArchiveLimits,
    /// Is called before memory is taken, with the number of bytes: of files that are kept, and of a
    /// zip's compressed bytes, which are held while it is read. An error ends the reading.
    pub on_kept: &'a mut dyn FnMut(usize) -> Result<(), NoRoom>,
}
