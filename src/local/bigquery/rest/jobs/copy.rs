//! Copy jobs.

use serde_json::{Value, json};

use super::configuration::{choice, refuse_unknown, table_reference};
use super::destination::{Destination, Incoming, Run, WriteDisposition};
use super::failure::JobError;
use crate::local::bigquery::field_schema::FieldSchema;
use crate::local::bigquery::partition::{NOT_PARTITIONED, Partition, partitioning, specification};
use crate::local::bigquery::rest::api::ApiError;
use crate::local::bigquery::rest::partitions::read_partition;
use crate::local::bigquery::rest::paths::TablePath;
use crate::local::bigquery::rest::tables::columns_of;
use crate::local::bigquery::store::CopiedRows;

/// The configuration of a copy job.
pub struct CopyJob {
    /// The tables, with their decorators.
    sources: Vec<TablePath>,
    pub destination: Destination,
}

/// A table from which rows are copied.
struct Source {
    /// The table's id in the store, without a decorator.
    id: String,
    table: Value,
    columns: Vec<FieldSchema>,
    partition: Option<Partition>,
}

impl CopyJob {
    pub fn of(project: &str, configuration: &Value) -> Result<Self, ApiError> {
        let known = [
            "sourceTable",
            "sourceTables",
            "destinationTable",
            "createDisposition",
            "writeDisposition",
            "operationType",
        ];
        refuse_unknown(configuration, &known, "configuration.copy")?;
        let operation = choice(
            configuration,
            "operationType",
            &["COPY", "OPERATION_TYPE_UNSPECIFIED", "SNAPSHOT", "RESTORE", "CLONE"],
        )?;
        if !["COPY", "OPERATION_TYPE_UNSPECIFIED"].contains(&operation) {
            return Err(ApiError::unimplemented(format!(
                "The embedded BigQuery does not support the operationType {operation} of copy jobs."
            )));
        }
        let several = configuration["sourceTables"].as_array().map(Vec::as_slice);
        let references = match (&configuration["sourceTable"], several) {
            (Value::Null, Some(several)) if !several.is_empty() => several,
            (one, None | Some([])) => std::slice::from_ref(one),
            (_, Some(_)) => {
                let message = "Only one of sourceTable and sourceTables can be set.";
                return Err(ApiError::invalid(message));
            }
        };
        let sources = references.iter();
        let sources = sources.map(|reference| table_reference(project, reference, "sourceTable"));
        Ok(Self {
            sources: sources.collect::<Result<_, _>>()?,
            destination: Destination::of(project, configuration, WriteDisposition::Empty)?,
        })
    }

    /// Copies the rows. Returns `statistics.copy`.
    pub fn run(&self, run: &Run<'_>) -> Result<Value, JobError> {
        let sources = self.sources.iter().map(|path| source(run, path));
        let sources = sources.collect::<Result<Vec<Source>, JobError>>()?;
        let [first, others @ ..] = sources.as_slice() else {
            return Err(JobError::invalid("A copy job must have a source table."));
        };
        if others.iter().any(|other| other.columns != first.columns) {
            let tables: Vec<String> = self.sources.iter().map(TablePath::shown).collect();
            return Err(JobError::invalid(format!(
                "Incompatible table schemata between tables: {}",
                tables.join(", ")
            )));
        }
        if let Some(message) = others.iter().find_map(|other| mismatch(&first.table, &other.table))
        {
            return Err(JobError::invalid(message));
        }
        let incoming = Incoming {
            table: brought(&first.table),
            layout_refusal: &|live, replaces| layout_refusal(live, &first.table, replaces),
        };
        let to = self.destination.open(run, &incoming)?;
        let keeps_ingestion =
            to.partition.is_none() && is_by_ingestion(&first.table) && is_by_ingestion(&to.table);
        let mut copied = 0;
        for Source { id, partition, .. } in &sources {
            let rows = CopiedRows { from: id, partition: partition.as_ref(), keeps_ingestion };
            copied += run.resources.copy_rows(&rows, &to.id, &to.columns, to.ingested())?;
        }
        to.close(run)?;
        Ok(json!({ "copiedRows": copied.to_string() }))
    }
}

fn source(run: &Run<'_>, path: &TablePath) -> Result<Source, JobError> {
    let (path, partition) = path.split();
    let id = path.id();
    let table = run.resources.table(&id)?.ok_or_else(|| path.not_found())?;
    let columns = columns_of(&table)?;
    let partition = read_partition(&path, partition.as_deref(), &table, &columns)?;
    Ok(Source { id, table, columns, partition })
}

/// Whether a table is partitioned by the time of ingestion.
fn is_by_ingestion(table: &Value) -> bool {
    let partitioning = &table["timePartitioning"];
    !partitioning.is_null() && partitioning["field"].is_null()
}

/// The properties of the source that the destination gets if it is created or replaced.
fn brought(source: &Value) -> Value {
    let names =
        ["schema", "timePartitioning", "rangePartitioning", "clustering", "labels", "description"];
    names
        .iter()
        .map(|name| ((*name).to_owned(), source[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Why the layout of an existing destination does not fit that of the source. A table that is replaced
/// as a whole gets the clustering of the source.
fn layout_refusal(live: &Value, source: &Value, replaces: bool) -> Option<String> {
    let is_partitioned = |table: &Value| partitioning(table) != NOT_PARTITIONED;
    match (is_partitioned(source), is_partitioned(live)) {
        (false, true) if !is_by_ingestion(live) => Some(
            "Incompatible table partitioning specification when copying to the column partitioned \
             table"
                .to_owned(),
        ),
        // The rows go to the partition that the decorator names, or to the current one.
        (false, true) => None,
        _ if replaces && partitioning(live) == partitioning(source) => None,
        _ => mismatch(live, source),
    }
}

/// The message about tables whose partitioning or clustering differs.
fn mismatch(expected: &Value, found: &Value) -> Option<String> {
    let (expected, found) = (specification(expected), specification(found));
    (expected != found).then(|| {
        format!(
            "Incompatible table partitioning specification. Expects partitioning specification \
             {expected}, but input partitioning specification is {found}"
        )
    })
}
