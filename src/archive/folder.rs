//! A folder on this machine, read like an archive.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ArchiveError;
use super::keeper::Keeper;

/// Reads the wanted files below a folder. Symbolic links are skipped, as in an archive.
pub(super) fn read(root: &Path, keeper: &mut Keeper<'_>) -> Result<(), ArchiveError> {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let unreadable = |source| ArchiveError::ReadFile { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let kind = entry.file_type().map_err(unreadable)?;
            let path = entry.path();
            keeper.count_entry()?;
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                file(root, &path, keeper)?;
            } else {
                keeper.count_skipped();
            }
        }
    }
    Ok(())
}

fn file(root: &Path, path: &Path, keeper: &mut Keeper<'_>) -> Result<(), ArchiveError> {
    let below: PathBuf = path.strip_prefix(root).unwrap_or(path).to_owned();
    let name = below.to_string_lossy();
    let Some(name) = keeper.wanted_name(name.as_bytes())? else { return Ok(()) };
    let unreadable = |source: io::Error| ArchiveError::ReadFile { path: path.to_owned(), source };
    let mut content = super::source::Watched::new(File::open(path).map_err(unreadable)?);
    let kept = keeper.keep(name, &mut content);
    match content.failure {
        Some(error) => Err(unreadable(error)),
        None => kept.map(|_| ()),
    }
}
