//! How much of an archive is read and kept.

/// The limits of one archive. They are enforced while it is read, whatever its headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Decompressed bytes in all, also of entries that nobody wants.
    pub decompressed_bytes: u64,
    /// Bytes of one file that is kept.
    pub file_bytes: u64,
    /// Bytes of all files that are kept, with their names.
    pub kept_bytes: u64,
    /// Entries in all.
    pub entries: u64,
    /// Bytes of an entry's name.
    pub name_bytes: usize,
    /// Compressed bytes of a zip, which are held while it is read.
    pub zip_bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            decompressed_bytes: 1 << 30,
            file_bytes: 32 << 20,
            kept_bytes: 128 << 20,
            entries: 100_000,
            name_bytes: 4_096,
            zip_bytes: 64 << 20,
        }
    }
}

/// The answer of whoever counts memory: there is no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for more")]
pub struct NoRoom;
