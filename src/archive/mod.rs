//! Reads an object of an object store into the files that somebody wants of it, in bounded memory.
//!
//! ```text
//! bytes ─► gzip? ─► tar? ─► entries ─► wanted ─► Files
//!      └─► zip (its directory is at its end: the compressed bytes are held) ─┘
//!      └─► neither: one file, by the name that the caller gives
//! ```
//!
//! The content says which format it is, never a name. Nothing is written to a disk, and no name of
//! an entry is used as a path on this machine. Links and devices are neither followed nor kept;
//! [`Files::skipped`] counts them. An absolute name, or one with `..`, is an error: no honest program
//! writes it. Of several entries with one name the last counts, as where an archive is unpacked. An
//! archive in an archive is a file like any other.

mod error;
mod files;
mod folder;
mod format;
mod keeper;
mod limits;
mod request;
mod source;
mod tar_format;
mod zip_format;

#[cfg(test)]
mod tests;

pub use error::ArchiveError;
pub use files::Files;
pub use limits::{ArchiveLimits, NoRoom};
pub use request::Request;

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use format::Format;
use keeper::Keeper;
use source::{Peeked, Watched};

/// Reads the wanted files of an archive. It blocks, and reads to the end of `reader`.
pub fn read(reader: impl Read, request: Request<'_>) -> Result<Files, ArchiveError> {
    let plain_name = request.plain_name;
    let mut keeper = Keeper::new(request);
    let mut watched = Watched::new(reader);
    let done = by_format(&mut watched, plain_name, &mut keeper);
    match watched.failure {
        Some(error) => Err(ArchiveError::Read(error)),
        None => done.map(|()| keeper.into_files()),
    }
}

/// Reads the wanted files of a folder, by the same rules as those of an archive.
pub fn read_folder(root: &Path, request: Request<'_>) -> Result<Files, ArchiveError> {
    let mut keeper = Keeper::new(request);
    folder::read(root, &mut keeper)?;
    Ok(keeper.into_files())
}

fn by_format(
    reader: impl Read,
    plain_name: &str,
    keeper: &mut Keeper<'_>,
) -> Result<(), ArchiveError> {
    let mut outer = Peeked::of(reader)?;
    match Format::of(outer.beginning()) {
        Format::Gzip => {
            let mut inner = Peeked::of(MultiGzDecoder::new(outer))?;
            let name = plain_name.strip_suffix(".gz").unwrap_or(plain_name);
            match Format::of(inner.beginning()) {
                Format::Empty => Err(ArchiveError::Empty),
                Format::Tar => tar_format::read(&mut inner, keeper),
                Format::Gzip | Format::Zip | Format::Unsupported(_) | Format::Plain => {
                    plain(&mut inner, name, keeper)
                }
            }
        }
        Format::Empty => Err(ArchiveError::Empty),
        Format::Tar => tar_format::read(&mut outer, keeper),
        Format::Zip => zip_format::read(&mut outer, keeper),
        Format::Unsupported(format) => Err(ArchiveError::Unsupported(format)),
        Format::Plain => plain(&mut outer, plain_name, keeper),
    }
}

/// Keeps all of the object as one file.
fn plain(reader: &mut dyn Read, name: &str, keeper: &mut Keeper<'_>) -> Result<(), ArchiveError> {
    keeper.count_entry()?;
    match keeper.wanted_name(name.as_bytes())? {
        Some(name) => keeper.keep(name, reader).map(|_| ()),
        None => Err(ArchiveError::NotAnArchive),
    }
}
