//! Files of records: found by their names, unpacked and read one after another.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use globset::GlobBuilder;
use jiff::civil::Date;

use super::csv::{self, Kinds};
use super::error::FilesError;
use super::json_lines;
use crate::config::{Compression, FileFormat, FilesSource};
use crate::contract::Contract;
use crate::transfer::intake::{HandOn, Intake};

/// Files that were found, and how they are read.
pub struct Files {
    files: Vec<FoundFile>,
    format: FileFormat,
    compression: Option<Compression>,
    /// Says of which type the values of a CSV file are.
    kinds: Kinds,
    /// Bytes of the largest record.
    largest: usize,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    pub path: PathBuf,
    pub bytes: u64,
}

impl Files {
    /// Finds the files of the days.
    pub fn open(
        source: &FilesSource,
        days: impl Iterator<Item = Date>,
        contract: &Contract,
        largest: usize,
    ) -> Result<Self, FilesError> {
        if source.format == FileFormat::Parquet {
            return Err(FilesError::Format("parquet"));
        }
        let mut files: Vec<FoundFile> = Vec::new();
        for day in days {
            for pattern in &source.files {
                let pattern = pattern.replace("{date}", &day.strftime("%Y%m%d").to_string());
                let found = find(&pattern)?;
                if found.is_empty() && !source.optional {
                    return Err(FilesError::Missing { pattern });
                }
                // Without a date in its name, a file is that of all days.
                files.extend(
                    found.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>(),
                );
            }
        }
        Ok(Self {
            files,
            format: source.format,
            compression: source.compression,
            kinds: Kinds::of(contract),
            largest,
        })
    }

    /// No files.
    pub fn none() -> Self {
        Self {
            files: Vec::new(),
            format: FileFormat::Ndjson,
            compression: None,
            kinds: Kinds::default(),
            largest: 0,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub fn describe(&self) -> Vec<String> {
        let line = |file: &FoundFile| format!("{}: {} bytes", file.path.display(), file.bytes);
        self.files.iter().map(line).collect()
    }

    /// Reads all files. The position of a record is the number of its file and its own in the file,
    /// both from 0.
    pub fn read(&self, intake: &mut Intake, hand_on: HandOn<'_>) -> Result<(), FilesError> {
        let counted = Counted::default();
        let hand_on: HandOn<'_> = &mut |mut chunk| {
            chunk.bytes = counted.take();
            hand_on(chunk)
        };
        for (number, file) in self.files.iter().enumerate() {
            let partition = i32::try_from(number).unwrap_or(i32::MAX);
            let failed = |source| FilesError::Read { path: file.path.clone(), source };
            let input = unpacked(&file.path, self.compression, &counted).map_err(failed)?;
            match self.format {
                FileFormat::Ndjson => {
                    json_lines::read(input, partition, self.largest, intake, hand_on)
                        .map_err(failed)?;
                }
                FileFormat::Csv { delimiter } => {
                    let read = csv::read(input, partition, delimiter, &self.kinds, intake, hand_on);
                    read.map_err(|error| error.in_file(&file.path))?;
                }
                FileFormat::Parquet => return Err(FilesError::Format("parquet")),
            }
        }
        let _ = hand_on(intake.chunk());
        Ok(())
    }
}

/// The files of a path, in whose last part `*`, `?` and `[…]` may stand for others; by name.
pub fn find(pattern: &str) -> Result<Vec<FoundFile>, FilesError> {
    if pattern.contains("://") {
        return Err(FilesError::NotLocal { pattern: pattern.to_owned() });
    }
    let path = Path::new(pattern);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FilesError::Read { path, source }
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains(['*', '?', '[']) {
        return match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                Ok(vec![FoundFile { path: path.to_owned(), bytes: metadata.len() }])
            }
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(path)(error)),
        };
    }
    let problem = |error: globset::Error| FilesError::Pattern {
        pattern: pattern.to_owned(),
        problem: error.kind().to_string(),
    };
    let glob = GlobBuilder::new(name).literal_separator(true).build().map_err(problem)?;
    let glob = glob.compile_matcher();
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed(folder))?;
        if glob.is_match(entry.file_name()) {
            let metadata = std::fs::metadata(entry.path()).map_err(failed(&entry.path()))?;
            if metadata.is_file() {
                found.push(FoundFile { path: entry.path(), bytes: metadata.len() });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn unpacked(
    path: &Path,
    compression: Option<Compression>,
    counted: &Counted,
) -> io::Result<Box<dyn BufRead>> {
    const BUFFER: usize = 256 << 10;
    let file = BufReader::with_capacity(
        BUFFER,
        CountedFile { file: File::open(path)?, counted: counted.clone() },
    );
    let by_name = match path.extension().and_then(|name| name.to_str()) {
        Some("gz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    };
    let unpacked: Box<dyn Read> = match compression.unwrap_or(by_name) {
        Compression::None => return Ok(Box::new(file)),
        Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER, unpacked)))
}

/// Bytes that were read of files, packed or not. Clones share it.
#[derive(Debug, Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl Counted {
    /// The bytes since the last time.
    fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

struct CountedFile {
    file: File,
    counted: Counted,
}

impl Read for CountedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.counted.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
