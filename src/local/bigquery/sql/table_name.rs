//! The table that a statement names.

use std::sync::Arc;

use sqlparser::ast::{ObjectName, ObjectNamePart, Spanned};

use super::error::{Place, SqlError};
use super::request::Query;
use crate::local::bigquery::field_schema::{self, FieldSchema};
use crate::local::bigquery::store::Resources;

/// A table of the store.
#[derive(Debug, Clone)]
pub struct Target {
    /// `project.dataset.table`
    pub id: String,
    pub columns: Arc<Vec<FieldSchema>>,
    /// Whether a column has a default value, which INSERT would have to compute.
    pub has_defaults: bool,
    /// The columns of which a filter is required, and the index of the one that the table has.
    pub required_filter: Option<(String, Option<usize>)>,
}

/// The id of a table, in parts.
#[derive(Debug, Clone)]
pub struct TableName {
    pub project: String,
    pub dataset: String,
    pub table: String,
}

impl TableName {
    /// Adds the project and the default dataset to a name that lacks them.
    pub fn of(query: &Query<'_>, name: &ObjectName) -> Result<Self, SqlError> {
        let place = Place::from(name.span());
        let mut words = parts(name)?;
        if words.iter().any(|word| word.eq_ignore_ascii_case("INFORMATION_SCHEMA")) {
            return Err(SqlError::unimplemented("INFORMATION_SCHEMA", place));
        }
        if words.last().is_some_and(|word| word.contains(['*', '$', '@'])) {
            let what = "wildcard tables, partition decorators and table decorators";
            return Err(SqlError::unimplemented(what, place));
        }
        if let ([table], Some(default)) = (&words[..], query.default_dataset) {
            let full = default.split(['.', ':']).map(str::to_owned).chain([table.clone()]);
            words = full.collect();
        }
        if words.len() == 2 {
            words.insert(0, query.project.to_owned());
        }
        match <[String; 3]>::try_from(words) {
            Ok([project, dataset, table]) => Ok(Self { project, dataset, table }),
            Err(words) if words.len() == 1 => {
                let table = &words[0];
                let message = format!(
                    "Table \"{table}\" must be qualified with a dataset (e.g. dataset.table)"
                );
                Err(SqlError::invalid(message, place))
            }
            Err(words) => {
                let message = format!("Invalid table name: `{}`", words.join("."));
                Err(SqlError::invalid(message, place))
            }
        }
    }

    pub fn id(&self) -> String {
        format!("{}.{}.{}", self.project, self.dataset, self.table)
    }

    /// The id in messages.
    pub fn shown(&self) -> String {
        format!("{}:{}.{}", self.project, self.dataset, self.table)
    }

    pub fn not_found(&self) -> SqlError {
        SqlError::NotFound(format!("Not found: Table {} was not found", self.shown()))
    }
}

impl Target {
    pub fn find(
        resources: &Resources<'_>,
        query: &Query<'_>,
        name: &ObjectName,
    ) -> Result<Self, SqlError> {
        let name = TableName::of(query, name)?;
        let dataset = format!("{}.{}", name.project, name.dataset);
        let Some(dataset) = resources.dataset(&dataset)? else {
            let message =
                format!("Not found: Dataset {}:{} was not found", name.project, name.dataset);
            return Err(SqlError::NotFound(message));
        };
        let Some(table) = resources.table(&name.id())? else {
            let location = dataset["location"].as_str().unwrap_or("US");
            let message =
                format!("Not found: Table {} was not found in location {location}", name.shown());
            return Err(SqlError::NotFound(message));
        };
        let columns = field_schema::of_table(&table).unwrap_or_default();
        let mut fields = table["schema"]["fields"].as_array().into_iter().flatten();
        let has_defaults = fields.any(|field| !field["defaultValueExpression"].is_null());
        let partitioning = &table["timePartitioning"];
        let is_required = [&table, partitioning]
            .iter()
            .any(|place| place["requirePartitionFilter"].as_bool() == Some(true));
        let required_filter = is_required.then(|| match partitioning["field"].as_str() {
            Some(column) => (format!("'{column}'"), field_schema::position(&columns, column)),
            None => ("'_PARTITION_LOAD_TIME', '_PARTITIONDATE', '_PARTITIONTIME'".to_owned(), None),
        });
        Ok(Self { id: name.id(), columns: Arc::new(columns), has_defaults, required_filter })
    }
}

/// The words of a name; quotes may be around the whole or around each.
pub fn parts(name: &ObjectName) -> Result<Vec<String>, SqlError> {
    let mut words = Vec::new();
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(ident) => {
                words.extend(ident.value.split('.').map(str::to_owned));
            }
            ObjectNamePart::Function(_) => {
                let what = format!("the table name {name}");
                return Err(SqlError::unimplemented(what, name.span()));
            }
        }
    }
    Ok(words)
}
