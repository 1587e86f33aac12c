//! Tar, header by header.
//!
//! The `tar` crate's own iteration reads a name of any length that a header announces, and takes an
//! archive without its end for whole. So the crate reads headers here, and this file what is between
//! them.

use std::io::Read;

use tar::{EntryType, Header, PaxExtensions};

use super::error::ArchiveError;
use super::keeper::Keeper;
use super::source::{BLOCK, fill};

/// Bytes of the longest extended header that is read: names, times, extended attributes.
const LONGEST_EXTENSION: u64 = 1 << 20;

/// Where the checksum stands in a header; it counts as spaces in itself.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Whether a block is a header, or the first of the two empty blocks of an archive without entries.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    is_end(block) || has_checksum(block)
}

fn is_end(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

fn has_checksum(block: &[u8; BLOCK]) -> bool {
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let of_itself: u32 = block[CHECKSUM].iter().map(|byte| u32::from(*byte)).sum();
    let spaces = CHECKSUM.len() as u32 * u32::from(b' ');
    Header::from_byte_slice(block).cksum().is_ok_and(|it| it == sum - of_itself + spaces)
}

/// What extended headers say of the entry behind them.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Reads the wanted files.
pub(super) fn read(reader: &mut dyn Read, keeper: &mut Keeper<'_>) -> Result<(), ArchiveError> {
    let mut extended = Extended::default();
    loop {
        let block = block(reader, keeper)?;
        if is_end(&block) {
            // What follows is padding. It is read so that gzip's checksum is.
            return keeper.pass_over(reader).map(|_| ());
        }
        if !has_checksum(&block) {
            return Err(malformed("a header's checksum is wrong"));
        }
        let header = Header::from_byte_slice(&block);
        let size = header.entry_size().map_err(|_| malformed("a header has no size"))?;
        match header.entry_type() {
            EntryType::GNULongName => extended.name = Some(long_name(reader, size, keeper)?),
            EntryType::XHeader => pax(&extension(reader, size, keeper)?, &mut extended)?,
            EntryType::GNULongLink | EntryType::XGlobalHeader => {
                keeper.count_entry()?;
                pass_over(reader, size, keeper)?;
            }
            kind => entry(reader, header, kind, std::mem::take(&mut extended), keeper)?,
        }
    }
}

fn entry(
    reader: &mut dyn Read,
    header: &Header,
    kind: EntryType,
    extended: Extended,
    keeper: &mut Keeper<'_>,
) -> Result<(), ArchiveError> {
    keeper.count_entry()?;
    let size = header.entry_size().map_err(|_| malformed("a header has no size"))?;
    let name = extended.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let path = keeper.path(&name)?;
    match kind {
        EntryType::Regular | EntryType::Continuous => {}
        EntryType::GNUSparse => return Err(ArchiveError::Unsupported("tar with sparse files")),
        // They have no content, whatever their size says.
        EntryType::Directory => return Ok(()),
        EntryType::Link
        | EntryType::Symlink
        | EntryType::Char
        | EntryType::Block
        | EntryType::Fifo => {
            keeper.count_skipped();
            return Ok(());
        }
        // Kinds that nobody knows have a content.
        _ => {
            keeper.count_skipped();
            return pass_over(reader, size, keeper);
        }
    }
    if extended.size.is_some_and(|other| other != size) {
        // As files above 8 GiB have, which are none that is read.
        return Err(malformed("an entry has two different sizes"));
    }
    // In old archives a folder is a file whose name ends in a slash.
    let wanted = path.filter(|_| !name.ends_with(b"/"));
    match wanted.filter(|path| keeper.is_wanted(path)) {
        None => pass_over(reader, size, keeper),
        Some(path) => {
            let limit = keeper.limits().file_bytes;
            if size > limit {
                return Err(ArchiveError::FileTooLarge { name: path, limit });
            }
            let length = keeper.keep(path, &mut reader.take(size))?;
            padded(reader, size, length, keeper)
        }
    }
}

fn block(reader: &mut dyn Read, keeper: &mut Keeper<'_>) -> Result<[u8; BLOCK], ArchiveError> {
    let mut block = [0; BLOCK];
    let length = fill(reader, &mut block)?;
    keeper.count_bytes(length)?;
    // An archive ends with empty blocks, not with its bytes.
    if length == BLOCK { Ok(block) } else { Err(ArchiveError::Truncated) }
}

fn pass_over(
    reader: &mut dyn Read,
    size: u64,
    keeper: &mut Keeper<'_>,
) -> Result<(), ArchiveError> {
    let length = keeper.pass_over(&mut reader.take(size))?;
    padded(reader, size, length, keeper)
}

/// Reads up to the next block, after `length` of `size` bytes were read.
fn padded(
    reader: &mut dyn Read,
    size: u64,
    length: u64,
    keeper: &mut Keeper<'_>,
) -> Result<(), ArchiveError> {
    let padding = size.wrapping_neg() % BLOCK as u64;
    if length < size || keeper.pass_over(&mut reader.take(padding))? < padding {
        return Err(ArchiveError::Truncated);
    }
    Ok(())
}

/// The content of an extended header.
fn extension(
    reader: &mut dyn Read,
    size: u64,
    keeper: &mut Keeper<'_>,
) -> Result<Vec<u8>, ArchiveError> {
    keeper.count_entry()?;
    if size > LONGEST_EXTENSION {
        return Err(malformed("an extended header has more than 1 MiB"));
    }
    let mut content = vec![0; usize::try_from(size).unwrap_or(0)];
    let length = fill(reader, &mut content)?;
    keeper.count_bytes(length)?;
    padded(reader, size, length as u64, keeper)?;
    Ok(content)
}

/// A name of GNU's, which ends with a NUL.
fn long_name(
    reader: &mut dyn Read,
    size: u64,
    keeper: &mut Keeper<'_>,
) -> Result<Vec<u8>, ArchiveError> {
    let limit = keeper.limits().name_bytes;
    if size > limit as u64 + 1 {
        return Err(ArchiveError::NameTooLong { bytes: size - 1, limit });
    }
    let mut name = extension(reader, size, keeper)?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok(name)
}

fn pax(content: &[u8], extended: &mut Extended) -> Result<(), ArchiveError> {
    for record in PaxExtensions::new(content) {
        let record = record.map_err(|_| malformed("an extended header cannot be read"))?;
        match record.key_bytes() {
            b"path" => extended.name = Some(record.value_bytes().to_vec()),
            b"size" => {
                let size = record.value().ok().and_then(|it| it.parse().ok());
                let wrong = || malformed("an extended header has a size that is no number");
                extended.size = Some(size.ok_or_else(wrong)?);
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(ArchiveError::Unsupported("tar with sparse files"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn malformed(what: &str) -> ArchiveError {
    ArchiveError::Malformed(what.to_owned())
}
