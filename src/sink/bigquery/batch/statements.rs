//! The statements of a batch job, as text.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::config::TableId;

/// Days of the date column: from `first` to before `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    pub column: String,
    pub kind: DateColumn,
    pub first: Date,
    /// The day after the last.
    pub after: Date,
    /// When `first` begins and when `after` begins, in microseconds since the epoch.
    pub micros: (i64, i64),
}

/// The type of a date column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateColumn {
    Date,
    Datetime,
    Timestamp,
}

impl Range {
    /// Whether a row's date is in the range.
    fn predicate(&self, of: &str) -> String {
        let column = format!("{of}.{}", quoted(&self.column));
        let (first, after) = match self.kind {
            DateColumn::Date => {
                (format!("DATE '{}'", self.first), format!("DATE '{}'", self.after))
            }
            DateColumn::Datetime => {
                let begin = |date: Date| format!("DATETIME '{date} 00:00:00'");
                (begin(self.first), begin(self.after))
            }
            DateColumn::Timestamp => {
                let (first, after) = self.micros;
                (timestamp(first), timestamp(after))
            }
        };
        format!("{column} >= {first} AND {column} < {after}")
    }
}

/// Rows of a staging table that become rows of the target.
#[derive(Debug, Clone)]
pub struct Merge<'a> {
    pub target: &'a TableId,
    pub staging: &'a TableId,
    /// The columns that are written.
    pub columns: &'a [String],
    /// `None`: the whole table.
    pub range: Option<&'a Range>,
    /// What tells rows apart. None of these columns has NULLs.
    pub key: &'a [String],
    /// Of the rows with the same key, the one with the greatest value in this column counts. `None`:
    /// no two rows have the same key.
    pub last_by: Option<&'a str>,
}

impl Merge<'_> {
    /// Updates rows with the same key and inserts the others; `delete_missing`: rows of the range
    /// that the staging table does not have are deleted.
    pub fn delta(&self, delete_missing: bool) -> String {
        let on = self.key.iter().map(|key| {
            let key = quoted(key);
            format!("target.{key} = source.{key}")
        });
        let range = self.range.map(|range| range.predicate("target"));
        let on: Vec<String> = on.chain(range.clone()).collect();
        let set = self.columns.iter().filter(|column| !self.key.contains(column));
        let set: Vec<String> = set.map(|name| format!("{0} = source.{0}", quoted(name))).collect();
        let mut sql = format!(
            "MERGE {} AS target USING ({}) AS source ON {}",
            name(self.target),
            self.source(),
            on.join(" AND ")
        );
        if !set.is_empty() {
            sql.push_str(&format!(" WHEN MATCHED THEN UPDATE SET {}", set.join(", ")));
        }
        sql.push_str(&self.insert());
        if delete_missing {
            sql.push_str(&delete(range.as_deref()));
        }
        sql
    }

    /// Replaces the rows of the range, in one statement.
    pub fn replace(&self) -> String {
        let range = self.range.map(|range| range.predicate("target"));
        format!(
            "MERGE {} AS target USING ({}) AS source ON FALSE{}{}",
            name(self.target),
            self.source(),
            self.insert(),
            delete(range.as_deref())
        )
    }

    /// Inserts the rows whose key no row of the target has. BigQuery allows an INSERT, unlike a MERGE that
    /// changes rows, beside rows that were streamed a moment ago.
    pub fn fill(&self) -> String {
        let same = self.key.iter().map(|key| format!("target.{0} = source.{0}", quoted(key)));
        let columns = list(self.columns);
        format!(
            "INSERT INTO {target} ({columns}) SELECT {columns} FROM {staging} AS source WHERE NOT \
             EXISTS (SELECT 1 FROM {target} AS target WHERE {})",
            same.collect::<Vec<_>>().join(" AND "),
            target = name(self.target),
            staging = name(self.staging),
        )
    }

    fn source(&self) -> String {
        let (columns, staging) = (list(self.columns), name(self.staging));
        match self.last_by {
            None => format!("SELECT {columns} FROM {staging}"),
            Some(last_by) => format!(
                "SELECT {columns} FROM {staging} WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY \
                 {} ORDER BY {} DESC) = 1",
                list(self.key),
                quoted(last_by)
            ),
        }
    }

    fn insert(&self) -> String {
        let values: Vec<String> =
            self.columns.iter().map(|name| format!("source.{}", quoted(name))).collect();
        format!(
            " WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
            list(self.columns),
            values.join(", ")
        )
    }
}

fn delete(range: Option<&str>) -> String {
    match range {
        Some(range) => format!(" WHEN NOT MATCHED BY SOURCE AND {range} THEN DELETE"),
        None => " WHEN NOT MATCHED BY SOURCE THEN DELETE".to_owned(),
    }
}

/// Counts the rows of a table, or those of a range.
pub fn count(table: &TableId, range: Option<&Range>) -> String {
    let counted = format!("SELECT COUNT(*) FROM {} AS target", name(table));
    match range {
        Some(range) => format!("{counted} WHERE {}", range.predicate("target")),
        None => counted,
    }
}

/// `INSERT` of one row; values are expressions.
pub fn insert(table: &TableId, values: &[(&str, String)]) -> String {
    let columns: Vec<String> = values.iter().map(|(column, _)| quoted(column)).collect();
    let values: Vec<&str> = values.iter().map(|(_, value)| value.as_str()).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", name(table), columns.join(", "), values.join(", "))
}

/// How many keys several rows of a staging table have.
pub fn repeated_keys(staging: &TableId, key: &[String]) -> String {
    format!(
        "SELECT COUNT(*) FROM (SELECT {key} FROM {staging} GROUP BY {key} HAVING COUNT(*) > 1)",
        key = list(key),
        staging = name(staging),
    )
}

/// Some of these keys, those of most rows first: the columns of the key, and the number of rows.
pub fn examples_of_repeated_keys(staging: &TableId, key: &[String], most: u32) -> String {
    format!(
        "SELECT {key}, COUNT(*) AS repeated FROM {staging} GROUP BY {key} HAVING COUNT(*) > 1 \
         ORDER BY repeated DESC, {key} LIMIT {most}",
        key = list(key),
        staging = name(staging),
    )
}

/// A table's full name.
pub fn name(table: &TableId) -> String {
    format!("`{}.{}.{}`", table.project, table.dataset, table.table)
}

/// A column's name.
pub fn quoted(column: &str) -> String {
    format!("`{}`", column.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A string literal.
pub fn text(value: &str) -> String {
    let mut literal = String::with_capacity(value.len() + 2);
    literal.push('\'');
    for letter in value.chars() {
        match letter {
            '\\' => literal.push_str("\\\\"),
            '\'' => literal.push_str("\\'"),
            letter if letter.is_control() => {
                literal.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => literal.push(letter),
        }
    }
    literal.push('\'');
    literal
}

/// A TIMESTAMP literal.
pub fn timestamp(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or_default();
    format!("TIMESTAMP '{}'", at.strftime("%Y-%m-%d %H:%M:%S.%6f+00:00"))
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}
