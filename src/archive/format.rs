//! What an object is, by its first bytes.

use super::source::BLOCK;
use super::tar_format;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Empty,
    Gzip,
    Tar,
    Zip,
    /// A format that is known and not read.
    Unsupported(&'static str),
    Plain,
}

/// How formats begin.
const MAGIC: [(&[u8], Format); 9] = [
    (b"\x1f\x8b", Format::Gzip),
    (b"PK\x03\x04", Format::Zip),
    // A zip without entries.
    (b"PK\x05\x06", Format::Zip),
    (b"PK\x07\x08", Format::Unsupported("a zip in several volumes")),
    (b"\xfd7zXZ\0", Format::Unsupported("xz")),
    (b"BZh", Format::Unsupported("bzip2")),
    (b"\x28\xb5\x2f\xfd", Format::Unsupported("zstd")),
    (b"7z\xbc\xaf\x27\x1c", Format::Unsupported("7z")),
    (b"Rar!\x1a\x07", Format::Unsupported("rar")),
];

impl Format {
    /// `beginning`: a block, or all that there is.
    pub fn of(beginning: &[u8]) -> Self {
        if beginning.is_empty() {
            return Self::Empty;
        }
        if let Ok(block) = <&[u8; BLOCK]>::try_from(beginning)
            && tar_format::is_header(block)
        {
            return Self::Tar;
        }
        let known = MAGIC.iter().find(|(magic, _)| beginning.starts_with(magic));
        known.map_or(Self::Plain, |(_, format)| *format)
    }
}
