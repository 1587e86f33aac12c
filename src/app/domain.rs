//! A domain: its contract, and what follows from it.

use std::fmt;

use crate::config::{ContractSettings, RowLayout, Settings};
use crate::contract::{self, Contract, ContractError, Problem};
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
    /// Reads the contract's documents and derives the columns.
    pub fn of(settings: &Settings) -> Result<Self, DomainError> {
        let write = &settings.write;
        let options = RowOptions::new(&settings.contract, write.layout, &write.partition_by);
        Self::load(&settings.contract, options)
    }

    /// The same where the rest of the settings is not known.
    pub fn load(at: &ContractSettings, options: RowOptions) -> Result<Self, DomainError> {
        let contract =
            contract::load(&at.dir, &at.import_path, &at.import_object).map_err(|source| {
                DomainError::Contract { import_path: at.import_path.clone(), source }
            })?;
        Self::new(contract, options)
    }

    pub fn new(contract: Contract, options: RowOptions) -> Result<Self, DomainError> {
        let mut problems = contract.type_place_problems(&options.ignore);
        let (columns, of_columns) =
            match contract.table_schema(options.layout, &columns::COLUMN_RULES) {
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

    /// Compiles the contract for the table. `table` is what may be written: values for a column
    /// that it lacks are checked and left out.
    pub fn plan(&self, table: &TableSchema) -> Result<Plan, DomainError> {
        let options = PlanOptions {
            topic: self.contract.topic.clone(),
            ignore: self.options.ignore.clone(),
            layout: self.options.layout,
            partition: Some(PartitionWindow {
                column: self.options.partition_by.clone(),
                days_back: columns::PARTITION_DAYS_BACK,
                days_ahead: columns::PARTITION_DAYS_AHEAD,
            }),
            max_row_bytes: self.options.largest_row,
        };
        Plan::compile(&self.contract, table, options)
            .map_err(|source| DomainError::Plan { contract: self.contract.id.clone(), source })
    }
}
