//! Keeps the wanted files, within the limits.

use std::io::Read;

use super::error::ArchiveError;
use super::files::Files;
use super::limits::ArchiveLimits;
use super::request::Request;
use super::source;

/// Bytes that are read at once.
const CHUNK: usize = 32 << 10;

/// Bytes that a file takes beside its name and its content.
const FILE_OVERHEAD: usize = 128;

pub(super) struct Keeper<'a> {
    request: Request<'a>,
    files: Files,
    kept_bytes: u64,
    buffer: Vec<u8>,
}

impl<'a> Keeper<'a> {
    pub fn new(request: Request<'a>) -> Self {
        Self { request, files: Files::default(), kept_bytes: 0, buffer: vec![0; CHUNK] }
    }

    pub fn into_files(self) -> Files {
        self.files
    }

    pub fn limits(&self) -> &'a ArchiveLimits {
        self.request.limits
    }

    /// Counts an entry, whatever it is.
    pub fn count_entry(&mut self) -> Result<(), ArchiveError> {
        self.files.entries += 1;
        if self.files.entries > self.limits().entries {
            return Err(ArchiveError::TooManyEntries(self.limits().entries));
        }
        Ok(())
    }

    /// Counts a link, a device or the like.
    pub fn count_skipped(&mut self) {
        self.files.skipped += 1;
    }

    /// Counts bytes that were decompressed.
    pub fn count_bytes(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        self.files.decompressed_bytes += bytes as u64;
        if self.files.decompressed_bytes > self.limits().decompressed_bytes {
            return Err(ArchiveError::TooManyBytes(self.limits().decompressed_bytes));
        }
        Ok(())
    }

    /// Counts memory that is about to be taken, and that the limit of kept bytes does not count.
    pub fn hold(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        Ok((self.request.on_kept)(bytes)?)
    }

    /// The path of an entry of this name; `None` for that of the root. A byte that is not UTF-8 is
    /// U+FFFD.
    pub fn path(&self, name: &[u8]) -> Result<Option<String>, ArchiveError> {
        let limit = self.limits().name_bytes;
        if name.len() > limit {
            return Err(ArchiveError::NameTooLong { bytes: name.len() as u64, limit });
        }
        let name = String::from_utf8_lossy(name);
        let bad = |why| Err(ArchiveError::BadName { name: name.clone().into_owned(), why });
        if name.starts_with('/') {
            return bad("is an absolute path");
        }
        if name.contains('\0') {
            return bad("has a NUL in it");
        }
        let parts: Vec<&str> =
            name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return bad("leads out of the archive");
        }
        Ok(Some(parts.join("/")).filter(|path| !path.is_empty()))
    }

    /// The path of an entry of this name if it is wanted.
    pub fn wanted_name(&self, name: &[u8]) -> Result<Option<String>, ArchiveError> {
        Ok(self.path(name)?.filter(|path| self.is_wanted(path)))
    }

    pub fn is_wanted(&self, path: &str) -> bool {
        (self.request.wanted)(path)
    }

    /// Keeps all of the reader as the file at this path. Says how many bytes it has.
    pub fn keep(&mut self, path: String, reader: &mut dyn Read) -> Result<u64, ArchiveError> {
        // Before, so that it does not count twice.
        self.files.files.remove(&path);
        self.take(path.len() + FILE_OVERHEAD)?;
        let mut content = Vec::new();
        let limit = self.limits().file_bytes;
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            let count = source::some(reader, &mut buffer)?;
            if count == 0 {
                break;
            }
            self.count_bytes(count)?;
            if content.len() as u64 + count as u64 > limit {
                return Err(ArchiveError::FileTooLarge { name: path, limit });
            }
            self.take(count)?;
            content.extend_from_slice(&buffer[..count]);
        }
        self.buffer = buffer;
        content.shrink_to_fit();
        let length = content.len() as u64;
        self.files.files.insert(path, content);
        Ok(length)
    }

    /// Reads to the end and keeps nothing. Says how many bytes there were.
    pub fn pass_over(&mut self, reader: &mut dyn Read) -> Result<u64, ArchiveError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut length = 0;
        loop {
            let count = source::some(reader, &mut buffer)?;
            if count == 0 {
                break;
            }
            length += count as u64;
            self.count_bytes(count)?;
        }
        self.buffer = buffer;
        Ok(length)
    }

    fn take(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        self.kept_bytes += bytes as u64;
        if self.kept_bytes > self.limits().kept_bytes {
            return Err(ArchiveError::TooMuchKept(self.limits().kept_bytes));
        }
        self.hold(bytes)
    }
}
