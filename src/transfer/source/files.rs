//! Files of records, on this machine or in buckets: found by their names, unpacked and read one after
//! another.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use globset::GlobBuilder;
use jiff::civil::Date;

use super::csv::{self, Kinds};
use super::error::FilesError;
use super::json_lines;
use super::objects::Objects;
use super::parquet::{Blob, ParquetFile};
use crate::config::location::Location;
use crate::config::{Compression, FileFormat, FilesSource};
use crate::contract::{Contract, Schema};
use crate::record::{Event, NoHeaders, Position};
use crate::transfer::intake::{HandOn, Intake};

/// Files that were found, and how they are read.
pub struct Files {
    files: Vec<FoundFile>,
    format: FileFormat,
    compression: Option<Compression>,
    /// Says of which type the values of a CSV file are.
    kinds: Kinds,
    /// What the contract says about the fields of a Parquet file.
    schemas: Arc<[Schema]>,
    /// Bytes of the largest record.
    largest: usize,
    /// `None`: no file is in a bucket.
    objects: Option<Objects>,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    pub at: Location,
    /// As it is, packed or not.
    pub bytes: u64,
    /// Where the file says how many it has.
    pub rows: Option<u64>,
    /// Of a file on this machine: what changes with it.
    version: Option<FileVersion>,
}

/// What changes where a file is replaced or written: device, number, bytes, and when it was written, in
/// seconds and nanoseconds.
type FileVersion = (u64, u64, u64, i64, i64);

fn version(metadata: &Metadata) -> FileVersion {
    (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

impl FoundFile {
    /// Fails if the file was written or replaced since it was found. (Of an object, the bytes are those of
    /// one version.)
    fn is_as_found(&self) -> Result<(), FilesError> {
        let (Location::Local(path), Some(found)) = (&self.at, self.version) else { return Ok(()) };
        let at = self.at.to_string();
        match std::fs::metadata(path) {
            Ok(metadata) if version(&metadata) == found => Ok(()),
            Ok(_) => Err(FilesError::Changed { at }),
            Err(source) => Err(FilesError::Read { at, source }),
        }
    }
}

impl Files {
    /// Finds the files of the days.
    pub async fn open(
        source: &FilesSource,
        days: impl Iterator<Item = Date>,
        contract: &Contract,
        largest: usize,
        objects: Objects,
    ) -> Result<Self, FilesError> {
        let mut files: Vec<FoundFile> = Vec::new();
        for day in days {
            for pattern in &source.files {
                let pattern = pattern.replace("{date}", &day.strftime("%Y%m%d").to_string());
                let found = find(&pattern, &objects).await?;
                if found.is_empty() && !source.optional {
                    return Err(FilesError::Missing { pattern });
                }
                // Without a date in its name, a file is that of all days.
                files.extend(
                    found.into_iter().filter(|file| !files.contains(file)).collect::<Vec<_>>(),
                );
            }
        }
        let mut found = Self {
            files,
            format: source.format,
            compression: source.compression,
            kinds: Kinds::of(contract),
            schemas: contract.events.iter().map(|event| event.schema.clone()).collect(),
            largest,
            objects: Some(objects),
        };
        if found.format == FileFormat::Parquet {
            let footers = tokio::task::spawn_blocking(move || found.read_footers().map(|()| found));
            found = footers.await.map_err(|error| FilesError::Thread(error.into()))??;
        }
        Ok(found)
    }

    /// Reads how many rows the files have, so that one that cannot be read is found before anything is
    /// written.
    fn read_footers(&mut self) -> Result<(), FilesError> {
        let files = self.files.iter().map(|file| Ok(Some(self.parquet(&file.at)?.rows())));
        let rows: Vec<_> = files.collect::<Result<_, FilesError>>()?;
        self.files.iter_mut().zip(rows).for_each(|(file, rows)| file.rows = rows);
        Ok(())
    }

    fn parquet(&self, at: &Location) -> Result<ParquetFile, FilesError> {
        let (blob, size) = match (at, &self.objects) {
            (Location::Local(path), _) => {
                let file = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
                let failed = |source| FilesError::Read { at: at.to_string(), source };
                let (size, file) = file.map_err(failed)?;
                (Blob::Local(Arc::new(file)), size)
            }
            (Location::Remote(remote), Some(objects)) => {
                let opened = objects.ranges(remote);
                let (object, size) = opened.map_err(|error| FilesError::Fetch(Box::new(error)))?;
                (Blob::Object(Arc::new(object)), size)
            }
            (Location::Remote(_), None) => {
                return Err(FilesError::Missing { pattern: at.to_string() });
            }
        };
        ParquetFile::open(blob, size).map_err(|error| FilesError::parquet(at, error))
    }

    /// No files.
    pub fn none() -> Self {
        Self {
            files: Vec::new(),
            format: FileFormat::Ndjson,
            compression: None,
            kinds: Kinds::default(),
            schemas: Arc::new([]),
            largest: 0,
            objects: None,
        }
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub fn describe(&self) -> Vec<String> {
        let line = |file: &FoundFile| {
            let rows = file.rows.map_or(String::new(), |rows| format!(", {rows} rows"));
            format!("{}: {} bytes{rows}", file.at, file.bytes)
        };
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
            let failed = |source| FilesError::Read { at: file.at.to_string(), source };
            let input = || {
                let input = self.input(&file.at, &counted)?;
                unpacked(input, &file.at, self.compression).map_err(failed)
            };
            match self.format {
                FileFormat::Ndjson => {
                    json_lines::read(input()?, partition, self.largest, intake, hand_on)
                        .map_err(failed)?;
                }
                FileFormat::Csv { delimiter } => {
                    let (input, kinds) = (input()?, &self.kinds);
                    let place = (partition, self.largest);
                    let read = csv::read(input, place, delimiter, kinds, intake, hand_on);
                    read.map_err(|error| error.in_file(&file.at))?;
                }
                FileFormat::Parquet => {
                    let opened = self.parquet(&file.at)?;
                    let (schemas, count) = (self.schemas.clone(), |bytes| counted.add(bytes));
                    let read = opened.read(schemas, &count, &mut |number, value| {
                        let event = Event {
                            at: Position::new(partition, number),
                            timestamp_ms: None,
                            key: None,
                            value: Some(value),
                            headers: &NoHeaders,
                        };
                        intake.take_row(&event);
                        match intake.is_full() {
                            true => hand_on(intake.chunk()),
                            false => ControlFlow::Continue(()),
                        }
                    });
                    read.map_err(|error| FilesError::parquet(&file.at, error))?;
                }
            }
            file.is_as_found()?;
        }
        let _ = hand_on(intake.chunk());
        Ok(())
    }

    /// The bytes of a file, which are counted.
    fn input(&self, at: &Location, counted: &Counted) -> Result<Box<dyn Read>, FilesError> {
        let counted = counted.clone();
        match (at, &self.objects) {
            (Location::Local(path), _) => match File::open(path) {
                Ok(file) => Ok(Box::new(CountedFile { file, counted })),
                Err(source) => Err(FilesError::Read { at: at.to_string(), source }),
            },
            (Location::Remote(remote), Some(objects)) => match objects.open(remote) {
                Ok(file) => Ok(Box::new(CountedFile { file, counted })),
                Err(error) => Err(FilesError::Fetch(Box::new(error))),
            },
            (Location::Remote(_), None) => Err(FilesError::Missing { pattern: at.to_string() }),
        }
    }
}

/// The object of a location, or the files of a path on this machine.
async fn find(pattern: &str, objects: &Objects) -> Result<Vec<FoundFile>, FilesError> {
    let wrong = |problem: String| FilesError::Pattern { pattern: pattern.to_owned(), problem };
    match Location::file(pattern.as_ref()) {
        Ok(Location::Local(path)) => find_local(&path),
        Ok(Location::Remote(at)) => {
            let size =
                objects.size(&at).await.map_err(|error| FilesError::Fetch(Box::new(error)))?;
            let found = size.map(|bytes| FoundFile {
                at: Location::Remote(at),
                bytes,
                rows: None,
                version: None,
            });
            Ok(found.into_iter().collect())
        }
        Err(why) => Err(wrong(why.accepted("a path, `gs://bucket/object` or `s3://bucket/key`"))),
    }
}

/// The files of a path, in whose last part `*`, `?` and `[…]` may stand for others; by name.
fn find_local(path: &Path) -> Result<Vec<FoundFile>, FilesError> {
    let failed = |path: &Path| {
        let at = path.display().to_string();
        move |source| FilesError::Read { at, source }
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains(['*', '?', '[']) {
        return match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(vec![FoundFile {
                at: path.to_owned().into(),
                bytes: metadata.len(),
                rows: None,
                version: Some(version(&metadata)),
            }]),
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(path)(error)),
        };
    }
    let problem = |error: globset::Error| FilesError::Pattern {
        pattern: path.display().to_string(),
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
                found.push((entry.path(), metadata.len(), version(&metadata)));
            }
        }
    }
    found.sort();
    let file = |(path, bytes, version): (PathBuf, u64, FileVersion)| FoundFile {
        at: path.into(),
        bytes,
        rows: None,
        version: Some(version),
    };
    Ok(found.into_iter().map(file).collect())
}

/// The records of a file, as its name says that they are packed.
fn unpacked(
    file: Box<dyn Read>,
    at: &Location,
    compression: Option<Compression>,
) -> io::Result<Box<dyn BufRead>> {
    const BUFFER: usize = 256 << 10;
    let file = BufReader::with_capacity(BUFFER, file);
    let by_name = match at.extension() {
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

    fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

struct CountedFile<R> {
    file: R,
    counted: Counted,
}

impl<R: Read> Read for CountedFile<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.counted.add(read as u64);
        Ok(read)
    }
}
