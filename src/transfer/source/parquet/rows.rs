//! Puts the values of the columns together to rows.

use parquet::errors::Result;

use super::column::Column;
use super::shape::{Content, Field};

/// The columns of a row group, of which some rows are in memory.
pub struct Rows<'s> {
    pub fields: &'s [Field],
    pub columns: Vec<Box<dyn Column>>,
}

impl Rows<'_> {
    /// Reads so many rows of all columns.
    pub fn load(&mut self, rows: usize) -> Result<()> {
        self.columns.iter_mut().try_for_each(|column| column.load(rows))
    }

    /// Writes the next row as a JSON object.
    pub fn write(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let fields = self.fields;
        self.record(fields, into)
    }

    /// Fields without a value are left out.
    fn record(&mut self, fields: &[Field], into: &mut Vec<u8>) -> Result<()> {
        into.push(b'{');
        let start = into.len();
        for field in fields {
            let before = into.len();
            if before > start {
                into.push(b',');
            }
            into.extend_from_slice(&field.name);
            if !self.field(field, into)? {
                into.truncate(before);
            }
        }
        into.push(b'}');
        Ok(())
    }

    /// Returns whether the field has a value.
    fn field(&mut self, field: &Field, into: &mut Vec<u8>) -> Result<bool> {
        if self.level(field)? < field.level {
            self.skip(field);
            return Ok(false);
        }
        match &field.content {
            Content::Value => self.value(field, into)?,
            Content::Record(fields) => self.record(fields, into)?,
            Content::List { repeated, item } => {
                into.push(b'[');
                if self.level(field)? < repeated.level {
                    self.skip(field);
                } else {
                    self.item(item, into)?;
                    while self.again(field) == repeated.again {
                        into.push(b',');
                        self.item(item, into)?;
                    }
                }
                into.push(b']');
            }
            Content::Map { repeated, key, value } => {
                into.push(b'{');
                if self.level(field)? < repeated.level {
                    self.skip(field);
                } else {
                    self.entry(key, value.as_deref(), into)?;
                    while self.again(field) == repeated.again {
                        into.push(b',');
                        self.entry(key, value.as_deref(), into)?;
                    }
                }
                into.push(b'}');
            }
        }
        Ok(true)
    }

    /// An item without a value is `null`.
    fn item(&mut self, item: &Field, into: &mut Vec<u8>) -> Result<()> {
        if !self.field(item, into)? {
            into.extend_from_slice(b"null");
        }
        Ok(())
    }

    fn entry(&mut self, key: &Field, value: Option<&Field>, into: &mut Vec<u8>) -> Result<()> {
        let start = into.len();
        self.item(key, into)?;
        // Keys of JSON are texts.
        if into.get(start) != Some(&b'"') {
            into.insert(start, b'"');
            into.push(b'"');
        }
        into.push(b':');
        match value {
            Some(value) => self.item(value, into),
            None => {
                into.extend_from_slice(b"null");
                Ok(())
            }
        }
    }

    fn value(&mut self, field: &Field, into: &mut Vec<u8>) -> Result<()> {
        match self.columns.get_mut(field.columns.start) {
            Some(column) => column.write(into),
            None => Ok(()),
        }
    }

    /// The definition level of the field's first column. All columns in it have the same one as long as
    /// the field itself has no value.
    fn level(&self, field: &Field) -> Result<i16> {
        self.columns.get(field.columns.start).map_or(Ok(0), |column| column.level())
    }

    fn again(&self, field: &Field) -> i16 {
        self.columns.get(field.columns.start).map_or(0, |column| column.again())
    }

    fn skip(&mut self, field: &Field) {
        let columns = self.columns.get_mut(field.columns.clone());
        columns.into_iter().flatten().for_each(|column| column.skip());
    }
}
