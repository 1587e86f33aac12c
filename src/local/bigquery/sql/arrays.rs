//! Array and STRUCT literals, and UNNEST. Both kinds of values are JSON text, as in the store.

use sqlparser::ast::{Expr, Spanned};

use super::error::{Place, SqlError};
use super::operations::common;
use super::scope::{Column, Relation};
use super::translator::Translator;
use super::types::{Literal, Type, Typed, kind_name, quoted_text};
use crate::local::bigquery::field_schema::{FieldSchema, FieldType};

impl Translator<'_> {
    /// `[1, 2]`
    pub fn array(&mut self, items: &[Expr], place: Place) -> Result<Typed, SqlError> {
        let mut first = None;
        let mut values: Vec<Typed> = Vec::new();
        for item in items {
            let value = match (item, &first) {
                // The fields of later STRUCTs have the names of the first.
                (
                    Expr::Tuple(fields),
                    Some(Type { kind: FieldType::Record, fields: names, .. }),
                ) => {
                    let names = names.clone();
                    self.tuple(fields, &names, item.span().into())?
                }
                (item, _) => self.expr(item)?,
            };
            if value.ty.repeated {
                let message = "Cannot construct array with element type ARRAY";
                return Err(SqlError::invalid(message, item.span()));
            }
            first.get_or_insert_with(|| value.ty.clone());
            values.push(value);
        }
        let values = match values.is_empty() {
            true => values,
            false => common(values, "array element", place)?,
        };
        let ty = values.first().map_or(Type::of(FieldType::Integer), |value| value.ty.clone());
        let items: String = values.iter().map(|value| format!(", {}", value.sql)).collect();
        let sql = format!("bq_array('{}'{items})", nested_kind(&ty));
        Ok(Typed { sql, ty: Type { repeated: true, ..ty }, literal: Literal::No })
    }

    /// `STRUCT(1 AS a, 'x' AS b)`
    pub fn structure(&mut self, values: &[Expr], place: Place) -> Result<Typed, SqlError> {
        let mut fields = Vec::new();
        for value in values {
            let (name, value) = match value {
                Expr::Named { expr, name } => (name.value.clone(), self.expr(expr)?),
                Expr::Identifier(name) => (name.value.clone(), self.expr(value)?),
                _ => return Err(SqlError::unimplemented("STRUCT fields without a name", place)),
            };
            fields.push((name, value));
        }
        Ok(structure(fields))
    }

    /// `(1, 'x')` among STRUCTs.
    fn tuple(
        &mut self,
        values: &[Expr],
        names: &[FieldSchema],
        place: Place,
    ) -> Result<Typed, SqlError> {
        if values.len() != names.len() {
            let message = "Array elements of types STRUCT do not have a common supertype";
            return Err(SqlError::invalid(message, place));
        }
        let mut fields = Vec::new();
        for (value, field) in values.iter().zip(names) {
            let value = self.expr(value)?;
            let ty = Type::of_column(field);
            let value = value.coerced(&ty, place)?.ok_or_else(|| {
                let message = "Array elements of types STRUCT do not have a common supertype";
                SqlError::invalid(message, place)
            })?;
            fields.push((field.name.clone(), value));
        }
        Ok(structure(fields))
    }

    /// UNNEST of an array: its text for FROM, its columns, and its name in SQLite.
    pub fn unnested(
        &mut self,
        array: &Expr,
        alias: Option<String>,
        place: Place,
    ) -> Result<(String, Relation, String), SqlError> {
        let array_place = Place::from(array.span());
        let array = self.expr(array)?;
        if !array.ty.repeated {
            let message = format!(
                "Values referenced in UNNEST must be arrays. UNNEST contains expression of type {}",
                array.ty.name()
            );
            return Err(SqlError::invalid(
                message,
                if array_place == Place::default() { place } else { array_place },
            ));
        }
        let sqlite = self.new_name("r");
        let item = Typed {
            sql: format!("{sqlite}.value"),
            ty: Type { repeated: false, ..array.ty },
            literal: Literal::No,
        };
        let column = |name: Option<String>, value: Typed| Column {
            name,
            value,
            origin: None,
            merged: false,
        };
        let columns = match item.ty.kind {
            FieldType::Record => {
                let fields = item.ty.fields.iter().map(|field| {
                    let sql = format!("bq_field({}, {})", item.sql, quoted_text(&field.name));
                    let ty = Type::of_column(field);
                    column(Some(field.name.clone()), Typed { sql, ty, literal: Literal::No })
                });
                fields.collect()
            }
            _ => vec![column(alias.clone(), item.clone())],
        };
        let name = alias.filter(|_| item.ty.kind == FieldType::Record);
        let sql = format!("json_each({}) AS {sqlite}", array.sql);
        Ok((sql, Relation { name, columns }, sqlite))
    }
}

fn structure(fields: Vec<(String, Typed)>) -> Typed {
    let arguments: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            format!("{}, '{}', {}", quoted_text(name), nested_kind(&value.ty), value.sql)
        })
        .collect();
    let fields = fields.iter().map(|(name, value)| value.ty.column(name)).collect();
    let ty = Type { kind: FieldType::Record, repeated: false, fields };
    Typed { sql: format!("bq_struct({})", arguments.join(", ")), ty, literal: Literal::No }
}

/// The type's name for functions that build JSON: arrays and records are JSON already.
fn nested_kind(ty: &Type) -> &'static str {
    if ty.repeated || ty.kind == FieldType::Record { "JSON" } else { kind_name(ty.kind) }
}
