//! The table or partition into which a job writes: whether it is created, and what happens to the
//! rows that it has.

use serde_json::Value;

use super::configuration::{choice, table_reference};
use super::failure::JobError;
use super::reference::shown_location;
use crate::local::bigquery::field_schema::{self, FieldSchema};
use crate::local::bigquery::new_tables::NewTables;
use crate::local::bigquery::partition::Partition;
use crate::local::bigquery::rest::api::ApiError;
use crate::local::bigquery::rest::partitions::written_partition;
use crate::local::bigquery::rest::paths::TablePath;
use crate::local::bigquery::rest::resource::stamp;
use crate::local::bigquery::rest::tables::{checked_columns, columns_of, created};
use crate::local::bigquery::store::Resources;

/// What a job works with while it runs.
pub struct Run<'a> {
    /// The datasets and tables, in the transaction of the job.
    pub resources: &'a Resources<'a>,
    pub new_tables: &'a NewTables,
    /// The job's location.
    pub location: &'a str,
    /// The job's id in the store.
    pub job: &'a str,
}

/// What happens to the rows that a table or partition has before the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteDisposition {
    /// If there are any, the job fails.
    Empty,
    /// They stay.
    Append,
    /// They are deleted. A whole table gets the job's schema and layout too.
    Truncate,
    /// They are deleted, and the table keeps its schema.
    TruncateData,
}

/// `destinationTable` and the dispositions of a job's configuration.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The table, without a decorator.
    pub path: TablePath,
    /// The partition's id in the decorator.
    partition: Option<String>,
    creates: bool,
    write: WriteDisposition,
}

/// What a job brings to its destination.
pub struct Incoming<'a> {
    /// The properties that the destination gets if it is created or replaced; null removes one. A null
    /// `schema` stands for that of the destination.
    pub table: Value,
    /// The refusal of a destination whose layout does not fit, given its resource and whether it is
    /// replaced as a whole.
    pub layout_refusal: &'a dyn Fn(&Value, bool) -> Option<String>,
}

/// The properties of a table that a job brings and that replace those of a whole table.
const REPLACED: &[&str] = &["schema", "clustering", "labels", "description"];

/// A destination to which rows can be written.
pub struct OpenTable {
    pub id: String,
    pub table: Value,
    pub columns: Vec<FieldSchema>,
    pub partition: Option<Partition>,
    /// The place after the rows that were there before the job.
    end: u64,
    truncates: bool,
}

impl Destination {
    /// Reads the destination of a copy, load or query configuration, whose default for
    /// `writeDisposition` is given.
    pub fn of(
        project: &str,
        configuration: &Value,
        default: WriteDisposition,
    ) -> Result<Self, ApiError> {
        let reference = &configuration["destinationTable"];
        let path = table_reference(project, reference, "destinationTable")?;
        let created =
            choice(configuration, "createDisposition", &["CREATE_IF_NEEDED", "CREATE_NEVER"])?;
        let write = match configuration["writeDisposition"].as_str() {
            None => default,
            Some(_) => match choice(
                configuration,
                "writeDisposition",
                &["WRITE_EMPTY", "WRITE_APPEND", "WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"],
            )? {
                "WRITE_EMPTY" => WriteDisposition::Empty,
                "WRITE_APPEND" => WriteDisposition::Append,
                "WRITE_TRUNCATE" => WriteDisposition::Truncate,
                _ => WriteDisposition::TruncateData,
            },
        };
        let (path, partition) = path.split();
        Ok(Self { path, partition, creates: created == "CREATE_IF_NEEDED", write })
    }

    /// Finds or creates the table, and checks that the incoming one fits.
    pub fn open(&self, run: &Run<'_>, incoming: &Incoming<'_>) -> Result<OpenTable, JobError> {
        let dataset = self.path.of_dataset();
        let found = run.resources.dataset(&dataset.id())?.ok_or_else(|| dataset.not_found())?;
        let location = found["location"].as_str().map(shown_location);
        if location.is_some_and(|location| location != run.location) {
            let message = format!(
                "Not found: Dataset {} was not found in location {}",
                dataset.shown(),
                run.location
            );
            return Err(JobError::failed("notFound", message));
        }
        match run.resources.table(&self.path.id())? {
            Some(live) => self.open_existing(run, live, incoming),
            None if self.creates => self.create(run, &found, incoming),
            None => Err(self.path.not_found().into()),
        }
    }

    fn create(
        &self,
        run: &Run<'_>,
        dataset: &Value,
        incoming: &Incoming<'_>,
    ) -> Result<OpenTable, JobError> {
        if incoming.table["schema"].is_null() {
            return Err(JobError::invalid("No schema specified on job or table."));
        }
        if self.partition.is_some() && incoming.table["timePartitioning"].is_null() {
            let message =
                "Partitioning specification must be provided in order to create partitioned table";
            return Err(JobError::invalid(message));
        }
        let mut table = incoming.table.clone();
        if let Some(table) = table.as_object_mut() {
            table.retain(|_, property| !property.is_null());
        }
        let (table, columns) = created(run.resources, &self.path, dataset, table)?;
        let id = self.path.id();
        let partition = written_partition(&self.path, self.partition.as_deref(), &table, &columns)?;
        run.new_tables.created(&id);
        run.resources.put_table(&id, &table, &columns)?;
        Ok(OpenTable { id, table, columns, partition, end: 0, truncates: false })
    }

    fn open_existing(
        &self,
        run: &Run<'_>,
        mut table: Value,
        incoming: &Incoming<'_>,
    ) -> Result<OpenTable, JobError> {
        let id = self.path.id();
        let mut columns = columns_of(&table)?;
        let partition = written_partition(&self.path, self.partition.as_deref(), &table, &columns)?;
        let replaces = self.write == WriteDisposition::Truncate && partition.is_none();
        if let Some(message) = (incoming.layout_refusal)(&table, replaces) {
            return Err(JobError::invalid(message));
        }
        let rows = || run.resources.count_rows(&id, partition.as_ref());
        if self.write == WriteDisposition::Empty && rows()? > 0 {
            let message = format!("Already Exists: Table {}", self.shown());
            return Err(JobError::failed("duplicate", message));
        }
        let mut end = run.resources.end_of_rows(&id)?;
        if replaces {
            let replaced = replaced(&table, incoming);
            let new_columns = checked_columns(&replaced)?;
            if new_columns != columns {
                // Rows that write streams have not committed yet may not fit the new columns.
                run.resources.delete_table(&id)?;
                run.new_tables.created(&id);
                end = 0;
            }
            run.resources.put_table(&id, &replaced, &new_columns)?;
            (table, columns) = (replaced, new_columns);
        } else if !incoming.table["schema"].is_null() {
            let rows = columns_of(&incoming.table)?;
            if let Some(wrong) = field_schema::append_refusal(&columns, &rows, "") {
                return Err(JobError::invalid(format!(
                    "Provided Schema does not match Table {}. {wrong}",
                    self.shown()
                )));
            }
        }
        let truncates = match self.write {
            WriteDisposition::Truncate | WriteDisposition::TruncateData => true,
            WriteDisposition::Empty | WriteDisposition::Append => false,
        };
        Ok(OpenTable { id, table, columns, partition, end, truncates })
    }

    /// The table with its decorator, as messages have it.
    fn shown(&self) -> String {
        match &self.partition {
            Some(partition) => format!("{}${partition}", self.path.shown()),
            None => self.path.shown(),
        }
    }
}

impl OpenTable {
    /// The hour at which rows count as ingested, if the destination's decorator says so.
    pub fn ingested(&self) -> Option<&str> {
        self.partition.as_ref().map(|partition| partition.hour.as_str())
    }

    /// Checks that the rows which the job wrote are in the partition, and deletes those that they
    /// replace.
    pub fn close(self, run: &Run<'_>) -> Result<(), JobError> {
        if let Some(partition) = &self.partition
            && run.resources.is_any_outside(&self.id, partition, self.end)?
        {
            return Err(JobError::invalid(format!(
                "Some rows belong to different partitions rather than destination partition {}",
                partition.id
            )));
        }
        if self.truncates {
            run.resources.delete_rows(&self.id, self.partition.as_ref(), self.end)?;
        }
        Ok(())
    }
}

/// The resource of a table whose schema and layout are replaced. Without a schema in the job, it keeps
/// its own.
fn replaced(live: &Value, incoming: &Incoming<'_>) -> Value {
    let mut table = live.clone();
    for name in REPLACED {
        match incoming.table.get(*name) {
            None => {}
            Some(Value::Null) if *name == "schema" => {}
            Some(Value::Null) => {
                if let Some(table) = table.as_object_mut() {
                    table.remove(*name);
                }
            }
            Some(value) => table[*name] = value.clone(),
        }
    }
    if let Some(table) = table.as_object_mut() {
        // Constraints belong to the schema.
        table.remove("tableConstraints");
    }
    stamp(&mut table);
    table
}
