//! A domain: its contract, and what follows from it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::keys::{
    INFLUX_FIELDS, INFLUX_TAGS, INFLUX_TIME, Key, OUT_KEY, PARTITION_BY, PG_TIME_COLUMN,
};
use crate::config::location::Location;
use crate::config::{
    ContractSettings, FilterSettings, RowLayout, RowSettings, StepSettings, TableRules,
};
use crate::contract::{self, Contract, ContractError, Documents, Library, Problem};
use crate::row::{ColumnRules, TableSchema};
use crate::rules::{self, RuleSet, RulesError};
use crate::sink::influxdb::layout::{Layout, LayoutProblem, Role};
use crate::sink::{bigquery, influxdb, kafka, postgres};
use crate::transcode::{Filter, FilterError, PartitionWindow, Plan, PlanError, PlanOptions};

/// How a contract's events become rows.
#[derive(Debug, Clone)]
pub struct RowOptions {
    pub layout: RowLayout,
    /// The sink, and the columns that its keys name.
    pub table: TableRules,
    /// Event types to leave out.
    pub ignore: Vec<String>,
    /// Which of the other events become rows; `None`: all.
    pub filter: Option<FilterSettings>,
    /// Bytes of the largest row, and of the largest value.
    pub largest_row: usize,
}

/// A contract and the columns that its rows have.
#[derive(Debug, Clone)]
pub struct Domain {
    pub contract: Contract,
    /// The columns that the table should have. The live table may lack some, see [`Domain::plan`].
    pub columns: TableSchema,
    pub filter: Option<Filter>,
    /// For a domain with rules: the rules, and the contract of their reports.
    pub reports: Option<Arc<Reports>>,
    options: RowOptions,
}

/// What is written for a domain with rules.
#[derive(Debug)]
pub struct Reports {
    pub rules: Arc<RuleSet>,
    /// The contract of the reports, and the columns of their rows.
    pub domain: Domain,
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
    #[error("FILTER does not fit the contract {contract}")]
    Filter { contract: String, source: FilterError },
    #[error("compile the contract {contract}")]
    Plan { contract: String, source: PlanError },
    #[error("use the contract of the reports")]
    Report(#[source] Box<DomainError>),
    #[error("load the rules {set}")]
    Rules { set: String, source: RulesError },
}

/// Everything that keeps a contract from being used, at once.
#[derive(Debug, thiserror::Error)]
pub struct ColumnsError {
    pub problems: Vec<Problem>,
    /// What is wrong with the columns that keys of the sink name.
    pub keys: Vec<KeyProblem>,
}

/// A key names a column that cannot be what the key makes of it.
#[derive(Debug, Clone)]
pub struct KeyProblem {
    pub key: &'static Key,
    pub found: String,
    pub accepted: String,
}

impl fmt::Display for ColumnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys =
            self.keys.iter().map(|problem| format!("{}: {}", problem.key.base, problem.found));
        let lines: Vec<String> = self.problems.iter().map(Problem::to_string).chain(keys).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl RowOptions {
    pub fn new(contract: &ContractSettings, rows: RowSettings) -> Self {
        let largest_row = match rows.table {
            TableRules::BigQuery { .. } => bigquery::columns::LARGEST_ROW,
            TableRules::Postgres { .. } => postgres::columns::LARGEST_ROW,
            TableRules::Influx(_) => influxdb::columns::LARGEST_ROW,
            TableRules::Kafka { .. } => kafka::columns::LARGEST_ROW,
        };
        Self {
            layout: rows.layout,
            table: rows.table,
            ignore: contract.ignore_events.clone(),
            filter: contract.filter.clone(),
            largest_row,
        }
    }

    /// For events that are worked on before something is written: their contract is checked, and they
    /// have no columns.
    fn of_events(contract: &ContractSettings) -> Self {
        Self {
            layout: RowLayout::Envelope,
            ignore: contract.ignore_events.clone(),
            filter: contract.filter.clone(),
            ..Self::default()
        }
    }

    /// What the sink demands of its columns.
    fn column_rules(&self) -> &'static ColumnRules {
        match self.table {
            TableRules::BigQuery { .. } => &bigquery::columns::COLUMN_RULES,
            TableRules::Postgres { .. } => &postgres::columns::COLUMN_RULES,
            TableRules::Influx(_) => &influxdb::columns::COLUMN_RULES,
            TableRules::Kafka { .. } => &kafka::columns::COLUMN_RULES,
        }
    }

    /// What is wrong with the columns that keys of the sink name.
    fn key_problems(&self, columns: &TableSchema) -> Vec<KeyProblem> {
        let time = |key, found: String| {
            let accepted = "a timestamp or date column of the table".to_owned();
            KeyProblem { key, found, accepted }
        };
        let one = match &self.table {
            TableRules::BigQuery { partition_by } => {
                let problem = bigquery::columns::check_partition(columns, partition_by).err();
                problem.map(|problem| time(&PARTITION_BY, problem.to_string()))
            }
            TableRules::Postgres { time_column } => {
                let check = |column: &String| postgres::columns::check_time(columns, column).err();
                let problem = time_column.as_ref().and_then(check);
                problem.map(|problem| time(&PG_TIME_COLUMN, problem.to_string()))
            }
            TableRules::Kafka { key } => {
                let check = |key: &Vec<String>| kafka::columns::key_path(columns, key).err();
                key.as_ref().and_then(check).map(|problem| KeyProblem {
                    key: &OUT_KEY,
                    found: problem.to_string(),
                    accepted: "a field of the contract with one value".to_owned(),
                })
            }
            TableRules::Influx(rules) => {
                let problems = Layout::new(columns, rules).err().unwrap_or_default();
                return problems.into_iter().map(KeyProblem::from).collect();
            }
        };
        one.into_iter().collect()
    }
}

impl From<LayoutProblem> for KeyProblem {
    fn from(LayoutProblem { role, found, accepted }: LayoutProblem) -> Self {
        let key = match role {
            Role::Tag => &INFLUX_TAGS,
            Role::Field => &INFLUX_FIELDS,
            Role::Time => &INFLUX_TIME,
        };
        Self { key, found, accepted }
    }
}

/// As a domain's keys are by default.
impl Default for RowOptions {
    fn default() -> Self {
        Self {
            layout: RowLayout::Columns,
            table: TableRules::BigQuery { partition_by: "_ingested_at".to_owned() },
            ignore: Vec::new(),
            filter: None,
            largest_row: bigquery::columns::LARGEST_ROW,
        }
    }
}

impl Domain {
    /// Reads the contract's documents and derives the columns. Of a folder that is not on this
    /// machine only `documents` are read; what is read of another is noted there.
    pub fn load(
        at: &ContractSettings,
        options: RowOptions,
        documents: &Documents,
    ) -> Result<Self, DomainError> {
        let documents = documents.clone();
        let library = match &at.dir {
            Location::Local(dir) => Library::Folder { folder: existing(dir)?, read: documents },
            Location::Remote(folder) => Library::Fetched { folder: folder.clone(), documents },
        };
        let contract =
            contract::load_from(&library, &at.import_path, &at.import_object, &options.ignore);
        let mut contract = contract.map_err(|source| DomainError::Contract {
            import_path: at.import_path.clone(),
            source,
        })?;
        contract.topic = at.topic.clone().unwrap_or(contract.topic);
        Self::new(contract, options)
    }

    /// Reads the contracts and rules of a domain, and derives the columns. The error has what is wrong
    /// with each of them.
    pub fn of_settings(
        at: &ContractSettings,
        rows: RowSettings,
        steps: Option<&StepSettings>,
        documents: &Documents,
    ) -> Result<Self, Vec<DomainError>> {
        let Some(steps) = steps else {
            return Self::load(at, RowOptions::new(at, rows), documents)
                .map_err(|error| vec![error]);
        };
        let report_at = ContractSettings {
            dir: at.dir.clone(),
            import_path: steps.report.import_path.clone(),
            import_object: steps.report.import_object.clone(),
            topic: None,
            ignore_events: Vec::new(),
            filter: None,
        };
        let events = Self::load(at, RowOptions::of_events(at), documents);
        let report = Self::load(&report_at, RowOptions::new(&report_at, rows), documents);
        let report = report.map_err(|error| DomainError::Report(Box::new(error)));
        match (events, report, rules(steps)) {
            (Ok(events), Ok(mut domain), Ok(rules)) => {
                // A row says which topic its record was on.
                domain.contract.topic = events.contract.topic.clone();
                let reports = Some(Arc::new(Reports { rules: Arc::new(rules), domain }));
                Ok(Self { reports, ..events })
            }
            (events, report, rules) => {
                let errors = [events.err(), report.err(), rules.err()];
                Err(errors.into_iter().flatten().collect())
            }
        }
    }

    /// What rows are of: the events, or the reports on them.
    pub fn written(&self) -> &Self {
        self.reports.as_ref().map_or(self, |reports| &reports.domain)
    }

    /// The event types that are left out.
    pub fn ignored(&self) -> &[String] {
        &self.options.ignore
    }

    pub fn new(contract: Contract, options: RowOptions) -> Result<Self, DomainError> {
        let mut problems = contract.type_place_problems(&options.ignore);
        let (columns, of_columns) =
            match contract.table_schema(options.layout, &options.ignore, options.column_rules()) {
                Ok(columns) => (columns, Vec::new()),
                Err(error) => (error.derived, error.problems),
            };
        problems.extend(of_columns);
        let keys = options.key_problems(&columns);
        if !problems.is_empty() || !keys.is_empty() {
            let source = ColumnsError { problems, keys };
            return Err(DomainError::Columns { contract: contract.id, source });
        }
        let compile = |settings| Filter::compile(settings, &contract, &options.ignore);
        let filter = match options.filter.as_ref().map(compile).transpose() {
            Ok(filter) => filter,
            Err(source) => return Err(DomainError::Filter { contract: contract.id, source }),
        };
        Ok(Self { contract, columns, filter, reports: None, options })
    }

    /// The domain as if it had no filter: what its contract alone says.
    pub fn without_filter(&self) -> Self {
        Self { filter: None, ..self.clone() }
    }

    /// Compiles the contract for a table that is partitioned as the settings say.
    pub fn plan(&self, table: &TableSchema) -> Result<Plan, DomainError> {
        let partition_by = match &self.options.table {
            TableRules::BigQuery { partition_by } => Some(partition_by.as_str()),
            TableRules::Postgres { .. } | TableRules::Influx(_) | TableRules::Kafka { .. } => None,
        };
        self.plan_for(table, partition_by)
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
            filter: self.filter.clone(),
            layout: self.options.layout,
            partition: partition_by.map(|column| PartitionWindow {
                column: column.to_owned(),
                days_back: bigquery::columns::PARTITION_DAYS_BACK,
                days_ahead: bigquery::columns::PARTITION_DAYS_AHEAD,
            }),
            max_row_bytes: self.options.largest_row,
        };
        Plan::compile(&self.contract, table, options)
            .map_err(|source| DomainError::Plan { contract: self.contract.id.clone(), source })
    }
}

/// The set of rules that the settings name.
fn rules(steps: &StepSettings) -> Result<RuleSet, DomainError> {
    let mut names: Vec<&str> = steps.rules.split('.').collect();
    let own_name = steps.rules_dir.file_name().and_then(|name| name.to_str());
    if names.len() > 1 && (names[0] == "rules" || Some(names[0]) == own_name) {
        names.remove(0);
    }
    let folder = names.iter().fold(steps.rules_dir.clone(), |folder, name| folder.join(name));
    let set = names.last().copied().unwrap_or_default();
    rules::read_folder(&folder)
        .and_then(|documents| RuleSet::load(set, &documents))
        .map_err(|source| DomainError::Rules { set: steps.rules.clone(), source })
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
        let table = TableRules::BigQuery { partition_by: "v".to_owned() };
        let options = RowOptions { table, ..RowOptions::default() };
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
