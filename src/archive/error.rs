//! Why an archive cannot be read.

use std::io;
use std::path::PathBuf;

use super::limits::NoRoom;
use crate::config::on_one_line;

/// Why an archive cannot be read. Names of entries are the only part of it that messages show.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The reader failed; the archive may be sound.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    #[error("cannot read {}", .path.display())]
    ReadFile { path: PathBuf, source: io::Error },
    /// `on_kept` said so; the archive may be sound.
    #[error("there is no room for more of the archive")]
    NoRoom(#[from] NoRoom),
    #[error("the object has no bytes")]
    Empty,
    #[error("the object is no archive (tar, gzip or zip), and no file by that name is wanted")]
    NotAnArchive,
    #[error("the archive has a format that is not read: {0}; use tar, tar.gz or zip")]
    Unsupported(&'static str),
    #[error("the archive was cut off: its end is missing")]
    Truncated,
    #[error("the archive is damaged: {0}")]
    Malformed(String),
    #[error("the file {} is encrypted", shown(.0))]
    Encrypted(String),
    #[error("an entry is named {}, which {why}", shown(.name))]
    BadName { name: String, why: &'static str },
    #[error("an entry's name has {bytes} bytes, the limit is {limit}")]
    NameTooLong { bytes: u64, limit: usize },
    #[error("the archive has more than {0} entries")]
    TooManyEntries(u64),
    #[error("the archive has more than {0} bytes when it is decompressed")]
    TooManyBytes(u64),
    #[error("the file {} has more than {limit} bytes", shown(.name))]
    FileTooLarge { name: String, limit: u64 },
    #[error("the wanted files have more than {0} bytes")]
    TooMuchKept(u64),
    #[error("the zip has more than {0} compressed bytes")]
    ZipTooLarge(u64),
}

impl ArchiveError {
    /// A name of what is wrong, for reports and metrics. It never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::ReadFile { .. } => "archive_unreadable",
            Self::NoRoom(_) => "archive_no_room",
            Self::Empty => "archive_empty",
            Self::NotAnArchive => "archive_no_archive",
            Self::Unsupported(_) => "archive_unsupported",
            Self::Truncated => "archive_truncated",
            Self::Malformed(_) => "archive_malformed",
            Self::Encrypted(_) => "archive_encrypted",
            Self::BadName { .. } => "archive_bad_name",
            Self::NameTooLong { .. } => "archive_name_too_long",
            Self::TooManyEntries(_) => "archive_too_many_entries",
            Self::TooManyBytes(_) => "archive_too_large",
            Self::FileTooLarge { .. } => "archive_file_too_large",
            Self::TooMuchKept(_) => "archive_too_much_kept",
            Self::ZipTooLarge(_) => "archive_zip_too_large",
        }
    }

    /// What the decoder's error means. Errors of the reader below it are noticed apart.
    pub(super) fn of_content(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Malformed(on_one_line(&error.to_string())),
        }
    }
}

/// Characters of a name in a message.
const LONGEST: usize = 200;

fn shown(name: &str) -> String {
    let name = on_one_line(name);
    match name.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("\"{}…\"", &name[..at]),
        None => format!("\"{name}\""),
    }
}
