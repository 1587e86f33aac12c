//! A column of a row group, read in batches of rows and then value by value.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type, Int96Type,
};
use parquet::errors::{ParquetError, Result};

use super::kind::Kind;
use super::value::AsJson;

/// A column, of which some rows are in memory.
pub trait Column {
    /// Reads so many rows, in the place of those before.
    fn load(&mut self, rows: usize) -> Result<()>;

    /// The definition level of the next value; an error after the last one.
    fn level(&self) -> Result<i16>;

    /// The repetition level of the next value; 0 after the last one, as at the beginning of a row.
    fn again(&self) -> i16;

    /// Passes a place without value.
    fn skip(&mut self);

    /// Writes the next value as JSON.
    fn write(&mut self, into: &mut Vec<u8>) -> Result<()>;
}

/// A column whose values mean what `kind` says. `most` is its largest definition level.
pub fn column(reader: ColumnReader, name: String, kind: Kind, most: i16) -> Box<dyn Column> {
    match reader {
        ColumnReader::BoolColumnReader(it) => Typed::<BoolType>::boxed(it, name, kind, most),
        ColumnReader::Int32ColumnReader(it) => Typed::<Int32Type>::boxed(it, name, kind, most),
        ColumnReader::Int64ColumnReader(it) => Typed::<Int64Type>::boxed(it, name, kind, most),
        ColumnReader::Int96ColumnReader(it) => Typed::<Int96Type>::boxed(it, name, kind, most),
        ColumnReader::FloatColumnReader(it) => Typed::<FloatType>::boxed(it, name, kind, most),
        ColumnReader::DoubleColumnReader(it) => Typed::<DoubleType>::boxed(it, name, kind, most),
        ColumnReader::ByteArrayColumnReader(it) => {
            Typed::<ByteArrayType>::boxed(it, name, kind, most)
        }
        ColumnReader::FixedLenByteArrayColumnReader(it) => {
            Typed::<FixedLenByteArrayType>::boxed(it, name, kind, most)
        }
    }
}

/// A column of one physical type.
struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    name: String,
    kind: Kind,
    /// The definition level of a value that is there.
    most: i16,
    /// Of places with and without value. Empty where all values are required, or are not repeated.
    levels: Vec<i16>,
    agains: Vec<i16>,
    values: Vec<T::T>,
    /// The next place, and the next value.
    place: usize,
    next: usize,
}

impl<T: DataType<T: AsJson> + 'static> Typed<T> {
    fn boxed(reader: ColumnReaderImpl<T>, name: String, kind: Kind, most: i16) -> Box<dyn Column> {
        let (levels, agains, values) = (Vec::new(), Vec::new(), Vec::new());
        Box::new(Self { reader, name, kind, most, levels, agains, values, place: 0, next: 0 })
    }

    fn failed(&self, error: ParquetError) -> ParquetError {
        match error {
            // What is wrong with the file's storage has its own message.
            ParquetError::External(_) => error,
            error => {
                let error = error.to_string();
                let problem = error.strip_prefix("Parquet error: ").unwrap_or(&error);
                let name = &self.name;
                ParquetError::General(format!("column {name} is damaged, or encrypted: {problem}"))
            }
        }
    }
}

impl<T: DataType<T: AsJson> + 'static> Column for Typed<T> {
    fn load(&mut self, rows: usize) -> Result<()> {
        (self.place, self.next) = (0, 0);
        self.levels.clear();
        self.agains.clear();
        self.values.clear();
        let (levels, agains) = (Some(&mut self.levels), Some(&mut self.agains));
        let read = self.reader.read_records(rows, levels, agains, &mut self.values);
        match read.map_err(|error| self.failed(error))? {
            (read, _, _) if read == rows => Ok(()),
            (read, _, _) => {
                let problem = format!("it has {read} rows where {rows} should be");
                Err(self.failed(ParquetError::General(problem)))
            }
        }
    }

    fn level(&self) -> Result<i16> {
        match self.most {
            0 => Ok(0),
            _ => self.levels.get(self.place).copied().ok_or_else(|| {
                self.failed(ParquetError::General("it has fewer values than others".to_owned()))
            }),
        }
    }

    fn again(&self) -> i16 {
        self.agains.get(self.place).copied().unwrap_or(0)
    }

    fn skip(&mut self) {
        self.place += 1;
    }

    fn write(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let Some(value) = self.values.get(self.next) else {
            let problem = "it has fewer values than others".to_owned();
            return Err(self.failed(ParquetError::General(problem)));
        };
        value.write(self.kind, into).map_err(|bad| self.failed(bad.into()))?;
        self.place += 1;
        self.next += 1;
        Ok(())
    }
}
