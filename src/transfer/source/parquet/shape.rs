//! The shape of a Parquet file's rows: which columns make up which field, and how fields nest.
//!
//! Parquet stores each column by itself. A value has a definition level, which says how many of the
//! optional and repeated fields around it are there, and a repetition level, which says at which
//! repeated field it goes on.

use std::ops::Range;

use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::Type;

use super::kind::Kind;
use super::value;
use crate::contract::{Schema, SchemaKind};

/// How deep fields may nest.
const DEEPEST: usize = 100;

/// A field of a row, or an item of a list.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON with the colon; empty for an item.
    pub name: Vec<u8>,
    /// The definition level of its values. At a lower one it has none.
    pub level: i16,
    /// The columns in it.
    pub columns: Range<usize>,
    pub content: Content,
}

#[derive(Debug)]
pub enum Content {
    Value,
    Record(Vec<Field>),
    List {
        repeated: Repeated,
        item: Box<Field>,
    },
    /// A JSON object. A key without value: the map is a set.
    Map {
        repeated: Repeated,
        key: Box<Field>,
        value: Option<Box<Field>>,
    },
}

/// A field that may occur several times.
#[derive(Debug, Clone, Copy)]
pub struct Repeated {
    /// The definition level of its items. At a lower one there are none.
    pub level: i16,
    /// The repetition level at which an item follows another.
    pub again: i16,
}

/// The fields of a file's rows.
#[derive(Debug)]
pub struct Shape {
    pub fields: Vec<Field>,
    /// What the values of each column mean.
    pub kinds: Vec<Kind>,
}

impl Shape {
    /// The shape of the rows of this schema. What the contract says about a field decides whether
    /// decimals and JSON are texts.
    pub fn of(root: &Type, contract: &[Schema]) -> Result<Self> {
        let mut shape = Self { fields: Vec::new(), kinds: Vec::new() };
        let wanted = Wanted(contract.iter().collect());
        shape.fields = shape.record(root, Levels::default(), &wanted)?;
        Ok(shape)
    }

    fn record(&mut self, group: &Type, at: Levels, wanted: &Wanted<'_>) -> Result<Vec<Field>> {
        let fields = group.get_fields();
        if fields.is_empty() {
            return Err(wrong("it has a group without fields"));
        }
        let field =
            |field: &std::sync::Arc<Type>| self.field(field, at, &wanted.field(field.name()));
        fields.iter().map(field).collect()
    }

    fn field(&mut self, field: &Type, at: Levels, wanted: &Wanted<'_>) -> Result<Field> {
        let mut name = Vec::new();
        value::text(field.name().as_bytes(), &mut name);
        name.push(b':');
        let content = match field.get_basic_info().repetition() {
            Repetition::REQUIRED => self.content(field, at, wanted)?,
            Repetition::OPTIONAL => self.content(field, at.optional()?, wanted)?,
            // A repeated field that is not in a LIST is a list of values that are there.
            Repetition::REPEATED => {
                let (repeated, inner) = at.repeated()?;
                let item = Box::new(self.content(field, inner, &wanted.items())?);
                let columns = item.columns.clone();
                let content = Content::List { repeated, item };
                return Ok(Field { name, level: at.definition, columns, content });
            }
        };
        Ok(Field { name, ..content })
    }

    /// What is in a field, however often it occurs.
    fn content(&mut self, field: &Type, at: Levels, wanted: &Wanted<'_>) -> Result<Field> {
        if at.depth > DEEPEST {
            return Err(wrong("its fields are nested too deeply"));
        }
        let at = Levels { depth: at.depth + 1, ..at };
        let first = self.kinds.len();
        let content = if field.is_primitive() {
            self.kinds.push(Kind::of(field, wanted.is_text()));
            Content::Value
        } else {
            match (annotation(field), field.get_fields()) {
                (Some(Annotation::List), [items]) if is_repeated(items) => {
                    let (repeated, inner) = at.repeated()?;
                    let wanted = wanted.items();
                    let item = match element(field, items) {
                        Some(element) => self.field(element, inner, &wanted)?,
                        None => self.content(items, inner, &wanted)?,
                    };
                    Content::List { repeated, item: Box::new(item) }
                }
                (Some(Annotation::Map), [entries]) if is_repeated(entries) && is_entry(entries) => {
                    let (repeated, inner) = at.repeated()?;
                    let nothing = Wanted(Vec::new());
                    let mut entry = entries.get_fields().iter();
                    let mut next = || {
                        let field = entry.next().map(|field| self.field(field, inner, &nothing));
                        field.transpose().map(|field| field.map(Box::new))
                    };
                    let key = next()?.ok_or_else(|| wrong("it has a map without keys"))?;
                    Content::Map { repeated, key, value: next()? }
                }
                _ => Content::Record(self.record(field, at, wanted)?),
            }
        };
        let columns = first..self.kinds.len();
        Ok(Field { name: Vec::new(), level: at.definition, columns, content })
    }
}

/// The levels at a place of the schema.
#[derive(Debug, Clone, Copy, Default)]
struct Levels {
    definition: i16,
    repetition: i16,
    depth: usize,
}

impl Levels {
    fn optional(self) -> Result<Self> {
        let definition = self.definition.checked_add(1);
        let definition = definition.ok_or_else(|| wrong("its fields are nested too deeply"))?;
        Ok(Self { definition, ..self })
    }

    fn repeated(self) -> Result<(Repeated, Self)> {
        let inner = self.optional()?;
        // Not more than definition levels.
        let repetition = self.repetition + 1;
        let repeated = Repeated { level: inner.definition, again: repetition };
        Ok((repeated, Self { repetition, ..inner }))
    }
}

/// What a group stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Annotation {
    List,
    Map,
}

fn annotation(group: &Type) -> Option<Annotation> {
    let info = group.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::List), _) | (None, ConvertedType::LIST) => Some(Annotation::List),
        (Some(LogicalType::Map), _) | (None, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => {
            Some(Annotation::Map)
        }
        _ => None,
    }
}

fn is_repeated(field: &Type) -> bool {
    field.get_basic_info().repetition() == Repetition::REPEATED
}

/// Whether a group has a key that can be one of a JSON object, and at most one value.
fn is_entry(group: &Type) -> bool {
    let fields = if group.is_group() { group.get_fields() } else { &[] };
    let is_key = |key: &std::sync::Arc<Type>| key.is_primitive() && !is_repeated(key);
    fields.len() <= 2 && fields.first().is_some_and(is_key)
}

/// The element of a list, by the rules for lists of older writers in Parquet's specification. `None`:
/// the repeated field is the element.
fn element<'t>(list: &Type, items: &'t Type) -> Option<&'t Type> {
    let [element] = (if items.is_group() { items.get_fields() } else { &[] }) else { return None };
    let name = items.name();
    let is_tuple = name == "array" || name.strip_suffix("_tuple") == Some(list.name());
    (!is_tuple && !is_repeated(element)).then_some(&**element)
}

/// What the events of a contract say about a place.
struct Wanted<'c>(Vec<&'c Schema>);

impl<'c> Wanted<'c> {
    fn field(&self, name: &str) -> Self {
        self.each(|kind| match kind {
            SchemaKind::Object(fields) => {
                fields.iter().find(|field| field.name == name).map(|field| &field.schema)
            }
            _ => None,
        })
    }

    fn items(&self) -> Self {
        self.each(|kind| match kind {
            SchemaKind::Array(items) => Some(&**items),
            _ => None,
        })
    }

    fn each(&self, inner: impl Fn(&'c SchemaKind) -> Option<&'c Schema>) -> Self {
        Self(self.0.iter().filter_map(|schema| inner(&schema.kind)).collect())
    }

    /// Whether the field is a string in one of the events.
    fn is_text(&self) -> bool {
        self.0.iter().any(|schema| schema.kind == SchemaKind::String)
    }
}

fn wrong(problem: &str) -> ParquetError {
    ParquetError::General(problem.to_owned())
}
