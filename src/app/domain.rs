//! A domain: its contract, and what follows from it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::location::Location;
use crate::config::{ContractSettings, RowLayout};
use crate::contract::{self, Contract, ContractError, Documents, Library, Problem};
use crate::row::TableSchema;
use crate::sink::bigquery::columns::{self, PartitionError};
use crate::transcode::{PartitionWindow, Plan, PlanError, PlanOptions};

/// How a contract's events become rows.
#[derive(Debug, Clone)]
pub struct RowOptions {
    pub layout: RowLayout,
    /// Column of the table's day partition.
    pub partition_by: String,
    /// Event types to leave out.
    pub ignore: Vec<String>,
    /// Bytes of the largest row, and of the largest value, that the sink takes.
    pub largest_row: usize,
}

/// A contract and the columns that its rows have.
#[derive(Debug, Clone)]
pub struct Domain {
    pub contract: Contract,
    /// The columns that the table should have. The live table may lack some, see [`Domain::plan`].
    pub columns: TableSchema,
    options: RowOptions,
}

/// Why a contract cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    #[error("load the contract {import_path}")]
    Contract { import_path: String, source: ContractError },
    #[error("use the contract {contract}")]
    Columns { contract: String, source: ColumnsError },
    #[error("compile the contract {contract}")]
    Plan { contract: String, source: PlanError },
}

/// Everything that keeps a contract from being used, at once.
#[derive(Debug, thiserror::Error)]
pub struct ColumnsError {
    pub problems: Vec<Problem>,
    pub partition: Option<PartitionError>,
}

impl fmt::Display for ColumnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partition = self.partition.iter().map(|error| format!("PARTITION_BY: {error}"));
        let lines: Vec<String> =
            self.problems.iter().map(Problem::to_string).chain(partition).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl RowOptions {
    pub fn new(contract: &ContractSettings, layout: RowLayout, partition_by: &str) -> Self {
        Self {
            layout,
            partition_by: partition_by.to_owned(),
            ignore: contract.ignore_events.clone(),
            largest_row: columns::LARGEST_ROW,
        }
    }
}

/// As a domain's keys are by default.
impl Default for RowOptions {
    fn default() -> Self {
        Self {
            layout: RowLayout::Columns,
            partition_by: "_ingested_at".to_owned(),
            ignore: Vec::new(),
            largest_row: columns::LARGEST_ROW,
        }
    }
}

impl Domain {
    /// Reads the contract's documents and derives the columns. Of a folder that is not on this
    /// machine only `fetched` is read.
    pub fn load(
        at: &ContractSettings,
        options: RowOptions,
        fetched: &Documents,
    ) -> Result<Self, DomainError> {
        let library = match &at.dir {
            Location::Local(dir) => Library::Folder(existing(dir)?),
            Location::Remote(folder) => {
                Library::Fetched { folder: folder.clone(), documents: fetched.clone() }
            }
        };
        let contract =
            contract::load_from(&library, &at.import_path, &at.import_object, &options.ignore);
        let contract = contract.map_err(|source| DomainError::Contract {
            import_path: at.import_path.clone(),
            source,
        })?;
        Self::new(contract, options)
    }

    /// The event types that are left out.
    pub fn ignored(&self) -> &[String] {
        &self.options.ignore
    }

    pub fn new(contract: Contract, options: RowOptions) -> Result<Self, DomainError> {
        let mut problems = contract.type_place_problems(&options.ignore);
        let (columns, of_columns) =
            match contract.table_schema(options.layout, &options.ignore, &columns::COLUMN_RULES) {
                Ok(columns) => (columns, Vec::new()),
                Err(error) => (error.derived, error.problems),
            };
        problems.extend(of_columns);
        let partition = columns::check_partition(&columns, &options.partition_by).err();
        if !problems.is_empty() || partition.is_some() {
            let source = ColumnsError { problems, partition };
            return Err(DomainError::Columns { contract: contract.id, source });
        }
        Ok(Self { contract, columns, options })
    }

    /// Compiles the contract for a table that is partitioned as the settings say.
    pub fn plan(&self, table: &TableSchema) -> Result<Plan, DomainError> {
        self.plan_for(table, Some(&self.options.partition_by))
    }

    /// Compiles the contract for the table. `table` is what may be written: values for a column
    /// that it lacks are checked and left out. `partition_by` is the column of its day partitions.
    pub fn plan_for(
        &self,
        table: &TableSchema,
        partition_by: Option<&str>,
    ) -> Result<Plan, DomainError> {
        let options = PlanOptions {
            topic: self.contract.topic.clone(),
            ignore: self.options.ignore.clone(),
            layout: self.options.layout,
            partition: partition_by.map(|column| PartitionWindow {
                column: column.to_owned(),
                days_back: columns::PARTITION_DAYS_BACK,
                days_ahead: columns::PARTITION_DAYS_AHEAD,
            }),
            max_row_bytes: self.options.largest_row,
        };
        Plan::compile(&self.contract, table, options)
            .map_err(|source| DomainError::Plan { contract: self.contract.id.clone(), source })
    }
}

fn existing(dir: &Path) -> Result<PathBuf, DomainError> {
    if dir.is_dir() {
        return Ok(dir.to_owned());
    }
    Err(DomainError::NoFolder(std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Event, NoHeaders, Position, Transcoded};
    use crate::row::RowBuffer;
    use crate::transcode::Ingestion;

    #[test]
    fn only_a_partitioned_table_limits_the_days_of_its_rows() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let document = r#"{"asyncapi":"3.0.0","channels":{"C":{"address":"t","messages":{"e":{"payload":
            {"type":"object","properties":{"event_type":{"type":"string"},"v":{"type":"string","format":"date-time"}}}}}}}}"#;
        std::fs::write(folder.path().join("c.json"), document).expect("written");
        let contract = contract::load(folder.path(), "c", "C", &[]).expect("loads");
        let options = RowOptions { partition_by: "v".to_owned(), ..RowOptions::default() };
        let domain = Domain::new(contract, options).expect("columns");
        let event = Event {
            at: Position::new(0, 0),
            timestamp_ms: None,
            key: None,
            value: Some(br#"{"event_type":"e","v":"1990-01-01T00:00:00Z"}"#),
            headers: &NoHeaders,
        };
        let is_row = |partition_by: Option<&str>| {
            let mut plan = domain.plan_for(&domain.columns, partition_by).expect("compiles");
            let now = 1_795_255_200_000_000;
            plan.transcode(&event, Ingestion::at(now), &mut RowBuffer::default()) == Transcoded::Row
        };
        assert!(is_row(None) && is_row(Some("_ingested_at")));
        assert!(!is_row(Some("v")));
    }
}
