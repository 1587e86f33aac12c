//! Parquet files: rows in groups, each column of a group by itself.
//!
//! ```text
//! footer ─► shape (fields of a row, with the contract) ──────┐
//! ranges ─► pages ─► column (values and levels of a batch) ─► rows ─► JSON
//! └────────────────────────── decoder: a thread ──────────────────────────┘
//! ```
//!
//! Of a row group, no more is in memory than a page of each column, what was read ahead, and a batch of
//! rows.

mod column;
mod decoder;
mod kind;
mod ranges;
mod rows;
mod shape;
#[cfg(test)]
mod tests;
mod value;

use std::ops::ControlFlow;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::reader::get_column_reader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;

pub use ranges::{Blob, Ranges};
use rows::Rows;
use shape::Shape;

use crate::contract::Schema;

/// Bytes that are read ahead, of all columns together and of one.
const AHEAD: usize = 64 << 20;
const AHEAD_OF_ONE: std::ops::RangeInclusive<usize> = 64 << 10..=4 << 20;

/// The bytes at the end of a file that say where its footer begins.
const LAST_BYTES: usize = 8;

/// Rows that are read at once, unless they have too many bytes.
const BATCH: u64 = 1_024;
const BATCH_BYTES: usize = 4 << 20;

/// Rows on their way out of the decoder.
#[derive(Default)]
struct Batch {
    /// One row after another.
    json: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
    /// Bytes of the file that were read for them.
    fetched: u64,
}

/// Takes a row: its number in the file, and its JSON object.
pub type TakeRow<'a> = &'a mut dyn FnMut(i64, &[u8]) -> ControlFlow<()>;

/// A file of which the footer was read.
pub struct ParquetFile {
    blob: Blob,
    size: u64,
    metadata: ParquetMetaData,
    /// Bytes that were read for the footer.
    fetched: u64,
}

impl ParquetFile {
    /// Reads the footer, and checks that the file can be read.
    pub fn open(blob: Blob, size: u64) -> Result<Self> {
        let opened = decoder::start(move |hand_on| {
            let _ = hand_on(Self::read_footer(blob, size)?);
            Ok(())
        })?;
        opened.recv().unwrap_or_else(|_| Err(ParquetError::General("no footer".to_owned())))
    }

    fn read_footer(blob: Blob, size: u64) -> Result<Self> {
        let ranges = Ranges::new(blob.clone(), size, size, LAST_BYTES);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&ranges);
        let metadata = metadata.map_err(|error| reason(&ranges, error))?;
        let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
        for column in columns {
            let problem = match column.compression() {
                Compression::UNCOMPRESSED
                | Compression::SNAPPY
                | Compression::GZIP(_)
                | Compression::LZ4
                | Compression::LZ4_RAW
                | Compression::ZSTD(_) => None,
                Compression::LZO => Some("LZO"),
                Compression::BROTLI(_) => Some("Brotli"),
            };
            if let Some(codec) = problem {
                return Err(ParquetError::General(format!(
                    "column {} is compressed with {codec}; Snappy, gzip, LZ4 and Zstandard are \
                     understood",
                    column.column_path()
                )));
            }
            let offsets = [Some(column.data_page_offset()), column.dictionary_page_offset()];
            let numbers = [Some(column.compressed_size())].into_iter().chain(offsets).flatten();
            if numbers.into_iter().any(|number| !u64::try_from(number).is_ok_and(|at| at <= size)) {
                let path = column.column_path();
                return Err(ParquetError::General(format!("column {path} is outside of the file")));
            }
        }
        if metadata.row_groups().iter().any(|group| group.num_rows() < 0) {
            return Err(ParquetError::General("a row group has less than no rows".to_owned()));
        }
        Ok(Self { blob, size, metadata, fetched: ranges.take_fetched() })
    }

    pub fn rows(&self) -> u64 {
        let groups = self.metadata.row_groups().iter();
        groups.map(|group| group.num_rows().unsigned_abs()).sum()
    }

    /// Reads all rows, numbered from 0. A break ends the reading. `count` is told the bytes that were
    /// read.
    pub fn read(
        self,
        contract: Arc<[Schema]>,
        count: &dyn Fn(u64),
        take: TakeRow<'_>,
    ) -> Result<()> {
        let (size, rows) = (self.size, self.rows());
        let (mut fetched, mut number) = (self.fetched, 0_i64);
        count(fetched);
        for batch in decoder::start(move |hand_on| self.decode(&contract, hand_on))? {
            let batch = batch?;
            fetched += batch.fetched;
            count(batch.fetched);
            let mut start = 0;
            for end in batch.ends {
                if take(number, &batch.json[start..end]).is_break() {
                    return Ok(());
                }
                number += 1;
                start = end;
            }
        }
        // A decoder that has ended early must not look like the end of a shorter file.
        if number.unsigned_abs() != rows {
            let problem = format!("it has {rows} rows, of which {number} were decoded");
            return Err(ParquetError::General(problem));
        }
        // Indexes and filters, which nobody reads.
        count(size.saturating_sub(fetched));
        Ok(())
    }

    /// Hands all rows on.
    fn decode(
        &self,
        contract: &[Schema],
        hand_on: &dyn Fn(Batch) -> ControlFlow<()>,
    ) -> Result<()> {
        let schema = self.metadata.file_metadata().schema_descr();
        let shape = Shape::of(schema.root_schema(), contract)?;
        let mut batch = Batch::default();
        for group in self.metadata.row_groups() {
            let (mut rows, ranges) = self.group(group, &shape)?;
            let mut left = group.num_rows().unsigned_abs();
            let bytes_of_a_row = group.total_byte_size().unsigned_abs() / left.max(1);
            let most = (BATCH_BYTES as u64 / bytes_of_a_row.max(1)).clamp(1, BATCH);
            while left > 0 {
                let loaded = most.min(left);
                rows.load(usize::try_from(loaded)?)?;
                left -= loaded;
                batch.fetched += ranges.iter().map(Ranges::take_fetched).sum::<u64>();
                for number in 1..=loaded {
                    rows.write(&mut batch.json)?;
                    batch.ends.push(batch.json.len());
                    let is_full = batch.json.len() >= BATCH_BYTES || number == loaded;
                    if is_full && hand_on(std::mem::take(&mut batch)).is_break() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The columns of a row group, and what reads their bytes.
    fn group<'s>(
        &self,
        group: &RowGroupMetaData,
        shape: &'s Shape,
    ) -> Result<(Rows<'s>, Vec<Ranges>)> {
        if group.columns().len() != shape.kinds.len() {
            return Err(ParquetError::General("a row group has not all columns".to_owned()));
        }
        let (least, most) = AHEAD_OF_ONE.into_inner();
        let ahead = (AHEAD / group.columns().len().max(1)).clamp(least, most);
        let (mut columns, mut all) = (Vec::new(), Vec::new());
        let rows = usize::try_from(group.num_rows())?;
        for (column, kind) in group.columns().iter().zip(&shape.kinds) {
            let (start, length) = column.byte_range();
            let end = start.saturating_add(length);
            let ranges = Ranges::new(self.blob.clone(), self.size, end, ahead);
            let pages = SerializedPageReader::new(Arc::new(ranges.clone()), column, rows, None)?;
            let descriptor = column.column_descr_ptr();
            let name = column.column_path().string();
            let most = descriptor.max_def_level();
            let reader = get_column_reader(descriptor, Box::new(pages));
            columns.push(column::column(reader, name, *kind, most));
            all.push(ranges);
        }
        Ok((Rows { fields: &shape.fields, columns }, all))
    }
}

/// Why a file has no footer that can be read.
fn reason(ranges: &Ranges, error: ParquetError) -> ParquetError {
    const PARQUET: &[u8] = b"PAR1";
    const ENCRYPTED: &[u8] = b"PARE";
    // Both, and the length of the footer.
    const SMALLEST: u64 = 12;
    if matches!(error, ParquetError::External(_)) {
        return error;
    }
    let four = |start: u64| ranges.get_bytes(start, 4).unwrap_or_default();
    let size = ranges.len();
    let (first, last) = (four(0), four(size.saturating_sub(4)));
    let problem = match (&*first, &*last) {
        (ENCRYPTED, _) | (_, ENCRYPTED) => "it is encrypted, which this program cannot read",
        (PARQUET, PARQUET) if size >= SMALLEST => return error,
        (PARQUET, _) => "it is cut off: a Parquet file ends with its footer",
        _ => "it is no Parquet file",
    };
    ParquetError::General(problem.to_owned())
}
