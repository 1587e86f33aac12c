//! Rows as the binary form of COPY: `PGCOPY`, then each row with its columns, then a trailer.

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::Type;

use super::cell::{CellError, Encoding, Scalar};
use super::columns::{quoted, quoted_name, sql_type};
use crate::config::PostgresTable;
use crate::row::{Column, ColumnType, FieldValue, Fields, RowBuffer, TableSchema};

/// The signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;

/// How rows of these columns go to a table by COPY.
#[derive(Debug, Clone)]
pub(super) struct CopyInto {
    /// `COPY … FROM STDIN (FORMAT binary)`.
    pub statement: String,
    columns: TableSchema,
    encodings: Vec<Encoding>,
}

/// A row that does not fit its table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {source}")]
pub(super) struct Unfit {
    pub column: String,
    pub source: CellError,
}

impl CopyInto {
    /// `columns` are those of the rows, each with the live column's type. A column of another type
    /// than its values may go to is returned.
    pub fn new(table: &PostgresTable, columns: Vec<(Column, Type)>) -> Result<Self, Mismatch> {
        let mut encodings = Vec::with_capacity(columns.len());
        for (column, live) in &columns {
            let encoding = Encoding::of(column, live).ok_or_else(|| Mismatch {
                column: column.name.clone(),
                live: live.name().to_owned(),
                wanted: sql_type(column),
            })?;
            encodings.push(encoding);
        }
        let columns: Vec<Column> = columns.into_iter().map(|(column, _)| column).collect();
        let statement = statement(table, &columns);
        Ok(Self { statement, columns: TableSchema { columns }, encodings })
    }

    /// How the same rows go to another table with these columns. `number` is a column of integers that
    /// they have in addition.
    pub fn to(&self, table: &PostgresTable, number: Option<&str>) -> Self {
        let mut to = self.clone();
        if let Some(name) = number {
            to.columns.columns.push(Column::nullable(name, ColumnType::Int64));
            to.encodings.push(Encoding::One(Scalar::Int8));
        }
        to.statement = statement(table, &to.columns.columns);
        to
    }

    pub fn columns(&self) -> &TableSchema {
        &self.columns
    }

    /// The message for a range of rows. Those that do not fit come back with their indices.
    pub fn message(
        &self,
        rows: &RowBuffer,
        range: Range<usize>,
    ) -> (BytesMut, Vec<(usize, Unfit)>) {
        // Each value has its length in front.
        let bytes = rows.bytes() / rows.len().max(1) + 4 * self.encodings.len();
        let mut to = BytesMut::with_capacity(bytes * range.len());
        to.put_slice(HEADER);
        let (mut unfit, mut values) = (Vec::new(), Vec::new());
        for (index, (_, row)) in rows.rows().enumerate().take(range.end).skip(range.start) {
            let start = to.len();
            values.clear();
            if let Err(error) = self.row(row, &mut values, &mut to) {
                to.truncate(start);
                unfit.push((index, error));
            }
        }
        to.put_i16(TRAILER);
        (to, unfit)
    }

    fn row<'r>(
        &'r self,
        row: &'r [u8],
        values: &mut Vec<FieldValue<'r>>,
        to: &mut BytesMut,
    ) -> Result<(), Unfit> {
        let of_row = |source| Unfit { column: "(any)".to_owned(), source };
        let fields = Fields::new(&self.columns.columns, row);
        fields.read(values).map_err(|error| of_row(CellError::Row(error)))?;
        to.put_i16(self.encodings.len() as i16);
        for ((encoding, value), column) in
            self.encodings.iter().zip(values.iter()).zip(&self.columns.columns)
        {
            encoding
                .append(*value, to)
                .map_err(|source| Unfit { column: column.name.clone(), source })?;
        }
        Ok(())
    }
}

fn statement(table: &PostgresTable, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    format!("COPY {} ({}) FROM STDIN (FORMAT binary)", quoted_name(table), names.join(", "))
}

/// A live column that cannot hold the values of the contract's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} has the type {live}, and its values are {wanted}")]
pub(super) struct Mismatch {
    pub column: String,
    pub live: String,
    pub wanted: String,
}
