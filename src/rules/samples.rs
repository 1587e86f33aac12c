//! Samples of a set: archives with what its rules say of them, and archives that are refused.
//!
//! ```text
//! accept/<name>/archive/…           or archive.tar.gz, archive.zip, …
//! accept/<name>/event.json          the event's payload; {} without it
//! accept/<name>/report.json         the report, without `versions`
//! reject/<code>.<anything>          an archive that cannot be read, named after the error's code
//! ```

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::difference;
use super::report::Report;
use super::set::RuleSet;
use crate::archive::{self, ArchiveError, ArchiveLimits, Files, Request};

/// A sample, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// The folder in `accept/`, or the file in `reject/`.
    pub path: PathBuf,
    pub is_accepted: bool,
}

/// Why a sample does not say what it should.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not JSON", .path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("there is neither a folder `archive` nor a file `archive.*` in it")]
    NoArchive,
    #[error("the archive cannot be read")]
    Archive(#[source] ArchiveError),
    #[error("the report is not the expected one:\n{}", .0.join("\n"))]
    Differs(Vec<String>),
    #[error("the archive can be read, and should be refused with `{0}`")]
    NotRefused(String),
    #[error("the archive is refused with `{}`, not with `{expected}`", .found.code())]
    RefusedOtherwise { expected: String, found: ArchiveError },
}

/// The samples in a set's folder, in order; none where it has no `accept/` and no `reject/`.
pub fn find(set: &Path) -> Result<Vec<Sample>, SampleError> {
    let mut samples = Vec::new();
    for (folder, is_accepted) in [("accept", true), ("reject", false)] {
        let folder = set.join(folder);
        if !folder.is_dir() {
            continue;
        }
        let unreadable = |source| SampleError::Read { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            samples.push(Sample { path, is_accepted });
        }
    }
    samples.sort();
    Ok(samples)
}

/// Reads an archive, or a folder, for a set. `name`: what a file that is no archive is called.
pub fn read_archive(set: &RuleSet, path: &Path, name: &str) -> Result<Files, ArchiveError> {
    let wanted = |path: &str| set.wants(path);
    let limits = ArchiveLimits::default();
    let request =
        Request { plain_name: name, wanted: &wanted, limits: &limits, on_kept: &mut |_| Ok(()) };
    if path.is_dir() {
        return archive::read_folder(path, request);
    }
    let unreadable = |source| ArchiveError::ReadFile { path: path.to_owned(), source };
    archive::read(File::open(path).map_err(unreadable)?, request)
}

impl Sample {
    /// What is wrong with the sample, or with the rules.
    pub fn check(&self, set: &RuleSet) -> Result<(), SampleError> {
        if self.is_accepted { self.accepted(set) } else { self.refused(set) }
    }

    /// The report of an accepted sample.
    pub fn report(&self, set: &RuleSet) -> Result<Report, SampleError> {
        let files = read_archive(set, &self.archive()?, "").map_err(SampleError::Archive)?;
        let event = self.path.join("event.json");
        let event = if event.is_file() {
            std::fs::read(&event).map_err(|source| SampleError::Read { path: event, source })?
        } else {
            b"{}".to_vec()
        };
        Ok(set.evaluate(&files, &event))
    }

    fn accepted(&self, set: &RuleSet) -> Result<(), SampleError> {
        let path = self.path.join("report.json");
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|source| SampleError::Read { path: path.clone(), source })?;
        let expected: Value =
            serde_json::from_str(&text).map_err(|source| SampleError::Json { path, source })?;
        let mut found = self.report(set)?.json();
        if let Some(members) = found.as_object_mut() {
            members.shift_remove("versions");
        }
        let differences = difference::lines(&expected, &found);
        if differences.is_empty() { Ok(()) } else { Err(SampleError::Differs(differences)) }
    }

    fn archive(&self) -> Result<PathBuf, SampleError> {
        let unreadable = |source| SampleError::Read { path: self.path.clone(), source };
        for entry in std::fs::read_dir(&self.path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name == "archive" || name.starts_with("archive.") {
                return Ok(entry.path());
            }
        }
        Err(SampleError::NoArchive)
    }

    fn refused(&self, set: &RuleSet) -> Result<(), SampleError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let expected = name.split('.').next().unwrap_or_default().to_owned();
        match read_archive(set, &self.path, "") {
            Ok(_) => Err(SampleError::NotRefused(expected)),
            Err(found) if found.code() == expected => Ok(()),
            Err(found) => Err(SampleError::RefusedOtherwise { expected, found }),
        }
    }
}
