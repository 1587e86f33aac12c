//! Zip, whose directory stands at its end: all of its compressed bytes are held.

use std::io::{Cursor, Read};

use memchr::memmem;
use zip::ZipArchive;
use zip::result::ZipError;

use super::error::ArchiveError;
use super::keeper::Keeper;
use super::source;
use crate::config::on_one_line;

/// How the directory's entries and its end begin.
const ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// The directory is read for each end that there seems to be. This is the most that may cost,
/// in entries.
const MOST_WORK: u64 = 10_000_000;

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Reads the wanted files.
pub(super) fn read(reader: &mut dyn Read, keeper: &mut Keeper<'_>) -> Result<(), ArchiveError> {
    let bytes = compressed(reader, keeper)?;
    let ends = memmem::find_iter(&bytes, END).count() as u64;
    if ends == 0 {
        return Err(ArchiveError::Truncated);
    }
    // The library takes memory for each entry before it can be asked how many there are. There are
    // no more than that; files with this text in them may make it seem more.
    let entries = memmem::find_iter(&bytes, ENTRY).count() as u64;
    if entries > keeper.limits().entries || entries.saturating_mul(ends) > MOST_WORK {
        return Err(ArchiveError::TooManyEntries(keeper.limits().entries));
    }
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| problem(&error))?;
    for index in 0..zip.len() {
        keeper.count_entry()?;
        let about = zip.by_index_data(index).map_err(|error| problem(&error))?;
        let name = about.name().map_err(|error| problem(&error))?.into_owned();
        let (is_link, is_folder) = (about.is_symlink(), about.is_dir());
        let is_encrypted = about.encrypted();
        let path = keeper.path(name.as_bytes())?;
        if is_link {
            keeper.count_skipped();
            continue;
        }
        let Some(path) = path.filter(|path| !is_folder && keeper.is_wanted(path)) else { continue };
        if is_encrypted {
            return Err(ArchiveError::Encrypted(path));
        }
        let mut file = zip.by_index(index).map_err(|error| problem(&error))?;
        keeper.keep(path, &mut file)?;
    }
    Ok(())
}

fn compressed(reader: &mut dyn Read, keeper: &mut Keeper<'_>) -> Result<Vec<u8>, ArchiveError> {
    let limit = keeper.limits().zip_bytes;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = source::some(reader, &mut buffer)?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() as u64 + count as u64 > limit {
            return Err(ArchiveError::ZipTooLarge(limit));
        }
        keeper.hold(count)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn problem(error: &ZipError) -> ArchiveError {
    match error {
        ZipError::Io(error) => ArchiveError::of_content(error),
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            ArchiveError::Unsupported("a zip with a compression other than deflate")
        }
        other => ArchiveError::Malformed(on_one_line(&other.to_string())),
    }
}
