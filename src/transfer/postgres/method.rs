//! How staged rows reach a table of PostgreSQL: the statements of one transaction.

use crate::config::{PostgresTable, Scope};
use crate::row::{ColumnType, Mode as ColumnMode, TableSchema};
use crate::sink::postgres::batch::{Merge, Range, Step, timestamp};
use crate::stop::Stop;
use crate::transfer::days::Days;
use crate::transfer::request::Mode;
use crate::transfer::target::Change;

/// How the rows become those of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// The rows of the range are deleted and the new ones inserted.
    Replace { range: Option<Range> },
    /// Rows with the same key are updated where they differ, and the others inserted.
    Merge { range: Option<Range> },
    /// Rows whose key the table does not have are inserted.
    Fill,
}

impl Method {
    /// Chooses the method. An error says that the target has no column with the date.
    pub fn choose(
        change: &Change<'_>,
        target: &PostgresTable,
        columns: &TableSchema,
    ) -> Result<Self, Stop> {
        let range = match (change.date_column, change.scope) {
            (Some(column), Scope::Day) => {
                let range = change.days.and_then(|days| range(column, days, columns));
                Some(range.ok_or_else(|| {
                    Stop {
                    what: format!(
                        "write {target}: it has no column {column} with a time or a date"
                    ),
                    hint:
                        "date_column names the column whose value says to which day a row belongs"
                            .to_owned(),
                    source: None,
                }
                })?)
            }
            (_, Scope::Table) | (None, Scope::Day) => None,
        };
        Ok(match change.mode {
            Mode::Truncate => Self::Replace { range },
            Mode::Delta => Self::Merge { range },
            Mode::Fill => Self::Fill,
        })
    }

    /// The rows that it replaces or merges among; `None`: all.
    pub fn range(&self) -> Option<&Range> {
        match self {
            Self::Replace { range } | Self::Merge { range } => range.as_ref(),
            Self::Fill => None,
        }
    }

    /// What it does, for people.
    pub fn describe(&self, target: &PostgresTable, days: Option<&Days>) -> String {
        let rows = |range: &Range| {
            let days = days.map_or(String::new(), |days| {
                format!(" from {} to before {}", days.first(), days.after())
            });
            format!("the rows of {target} with {}{days}", range.column)
        };
        match self {
            Self::Replace { range: None } => format!("replace all rows of {target}"),
            Self::Replace { range: Some(range) } => format!("replace {}", rows(range)),
            Self::Merge { range: None } => format!("merge into {target}"),
            Self::Merge { range: Some(range) } => format!("merge into {}", rows(range)),
            Self::Fill => format!("insert the rows that {target} does not have"),
        }
    }

    /// The statements that do it, in their order.
    pub fn steps(&self, merge: Merge<'_>, delete_missing: bool) -> Vec<Step> {
        match self {
            Self::Replace { range } => {
                let merge = Merge { range: range.as_ref(), ..merge };
                vec![Step::Delete(merge.delete()), Step::Insert(merge.insert())]
            }
            Self::Merge { range } => {
                let merge = Merge { range: range.as_ref(), ..merge };
                let delete = delete_missing.then(|| Step::Delete(merge.delete_missing()));
                let update = merge.update().map(Step::Update);
                let insert = Step::Insert(merge.insert_missing());
                delete.into_iter().chain(update).chain([insert]).collect()
            }
            Self::Fill => vec![Step::Insert(merge.insert_missing())],
        }
    }
}

/// The days as values of the column; `None` where it has no date. A column without a time zone that holds
/// times holds those of UTC: PostgreSQL compares them so in a session of UTC.
fn range(column: &str, days: &Days, columns: &TableSchema) -> Option<Range> {
    let column = columns.column(column)?;
    let (first, after) = match (&column.kind, column.mode) {
        (_, ColumnMode::Repeated) => return None,
        (ColumnType::Timestamp, _) => {
            let (first, after) = days.micros();
            (timestamp(first), timestamp(after))
        }
        (ColumnType::Date, _) => {
            (format!("DATE '{}'", days.first()), format!("DATE '{}'", days.after()))
        }
        (ColumnType::Datetime, _) => (
            format!("TIMESTAMP '{} 00:00:00'", days.first()),
            format!("TIMESTAMP '{} 00:00:00'", days.after()),
        ),
        _ => return None,
    };
    Some(Range { column: column.name.clone(), first, after })
}
