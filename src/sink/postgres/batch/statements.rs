//! The statements of a batch job, as text.

use jiff::Timestamp;

use crate::config::PostgresTable;
use crate::sink::postgres::columns::{literal, quoted, quoted_name};

/// Values of the date column: from `first` to before `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    pub column: String,
    /// Literals of SQL.
    pub first: String,
    pub after: String,
}

impl Range {
    /// Whether a row's date is in the range.
    fn predicate(&self) -> String {
        let column = format!("target.{}", quoted(&self.column));
        format!("{column} >= {} AND {column} < {}", self.first, self.after)
    }
}

/// Rows of a staging table that become rows of the target.
#[derive(Debug, Clone)]
pub struct Merge<'a> {
    pub target: &'a PostgresTable,
    pub staging: &'a PostgresTable,
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
    /// Deletes the rows of the range.
    pub fn delete(&self) -> String {
        format!("DELETE FROM {} AS target{}", quoted_name(self.target), self.where_in_range())
    }

    /// Inserts all rows.
    pub fn insert(&self) -> String {
        self.insert_where("")
    }

    /// Updates the rows of the range whose key is that of a row, and that differ from it.
    pub fn update(&self) -> Option<String> {
        let set = self.columns.iter().filter(|column| !self.key.contains(column));
        let set: Vec<&String> = set.collect();
        if set.is_empty() {
            return None;
        }
        let row = |of: &str| {
            let values: Vec<String> =
                set.iter().map(|column| format!("{of}.{}", quoted(column))).collect();
            format!("ROW({})", values.join(", "))
        };
        let assigned: Vec<String> =
            set.iter().map(|column| format!("{0} = source.{0}", quoted(column))).collect();
        // Compares rows as they are stored, so columns without an equality count too.
        Some(format!(
            "UPDATE {} AS target SET {} FROM {} AS source WHERE {} AND pg_catalog.record_image_ne({}, {})",
            quoted_name(self.target),
            assigned.join(", "),
            self.source(),
            self.is_same(),
            row("target"),
            row("source"),
        ))
    }

    /// Inserts the rows whose key no row of the range has.
    pub fn insert_missing(&self) -> String {
        self.insert_where(&format!(
            " WHERE NOT EXISTS (SELECT FROM {} AS target WHERE {})",
            quoted_name(self.target),
            self.is_same()
        ))
    }

    /// Deletes the rows of the range whose key no row has.
    pub fn delete_missing(&self) -> String {
        let in_range = self.where_in_range();
        let begin = if in_range.is_empty() { " WHERE" } else { " AND" };
        format!(
            "DELETE FROM {} AS target{in_range}{begin} NOT EXISTS (SELECT FROM {} AS source WHERE {})",
            quoted_name(self.target),
            quoted_name(self.staging),
            self.same_key()
        )
    }

    /// Counts the rows of the staging table that are not in the range.
    pub fn outside(&self) -> Option<String> {
        let range = self.range?;
        Some(format!(
            "SELECT count(*) FROM {} AS target WHERE ({}) IS NOT TRUE",
            quoted_name(self.staging),
            range.predicate()
        ))
    }

    /// Counts the rows of the range.
    pub fn count(&self) -> String {
        count_statement(self.target, self.range)
    }

    /// Counts the keys that several rows of the staging table have.
    pub fn repeated_keys(&self) -> String {
        format!(
            "SELECT count(*) FROM (SELECT FROM {} GROUP BY {} HAVING count(*) > 1) AS repeated",
            quoted_name(self.staging),
            list(self.key)
        )
    }

    /// Some of these keys, those of most rows first: the columns of the key, and the number of rows.
    pub fn examples_of_repeated_keys(&self, most: u32) -> String {
        let key = list(self.key);
        format!(
            "SELECT {key}, count(*) AS repeated FROM {} GROUP BY {key} HAVING count(*) > 1 \
             ORDER BY repeated DESC, {key} LIMIT {most}",
            quoted_name(self.staging),
        )
    }

    fn insert_where(&self, condition: &str) -> String {
        let columns = list(self.columns);
        format!(
            "INSERT INTO {} ({columns}) SELECT {columns} FROM {} AS source{condition}",
            quoted_name(self.target),
            self.source()
        )
    }

    fn source(&self) -> String {
        let staging = quoted_name(self.staging);
        match self.last_by {
            None => staging,
            Some(last_by) => format!(
                "(SELECT DISTINCT ON ({key}) {} FROM {staging} ORDER BY {key}, {} DESC)",
                list(self.columns),
                quoted(last_by),
                key = list(self.key),
            ),
        }
    }

    fn same_key(&self) -> String {
        let same = self.key.iter().map(|key| format!("target.{0} = source.{0}", quoted(key)));
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// Whether a row of the range has the key of a row.
    fn is_same(&self) -> String {
        match self.range {
            None => self.same_key(),
            Some(range) => format!("{} AND {}", self.same_key(), range.predicate()),
        }
    }

    fn where_in_range(&self) -> String {
        where_in(self.range)
    }
}

/// Counts the rows of a table, or those of a range.
pub fn count_statement(table: &PostgresTable, range: Option<&Range>) -> String {
    format!("SELECT count(*) FROM {} AS target{}", quoted_name(table), where_in(range))
}

fn where_in(range: Option<&Range>) -> String {
    range.map_or(String::new(), |range| format!(" WHERE {}", range.predicate()))
}

/// A text as a literal.
pub fn text(value: &str) -> String {
    literal(value)
}

/// A time, in microseconds since the epoch, as a literal.
pub fn timestamp(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or_default();
    format!("TIMESTAMPTZ '{}'", at.strftime("%Y-%m-%d %H:%M:%S.%6f+00"))
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(table: &str) -> PostgresTable {
        PostgresTable { schema: "s".to_owned(), table: table.to_owned() }
    }

    #[test]
    fn statements_stay_within_the_range() {
        let (target, staging) = (table("t"), table("stage"));
        let columns = ["id", "at", "note"].map(str::to_owned);
        let range = Range {
            column: "at".to_owned(),
            first: "DATE '2026-11-20'".to_owned(),
            after: "DATE '2026-11-21'".to_owned(),
        };
        let merge = Merge {
            target: &target,
            staging: &staging,
            columns: &columns,
            range: Some(&range),
            key: &columns[..1],
            last_by: None,
        };
        let within = r#"target."at" >= DATE '2026-11-20' AND target."at" < DATE '2026-11-21'"#;
        assert_eq!(merge.delete(), format!(r#"DELETE FROM "s"."t" AS target WHERE {within}"#));
        assert_eq!(
            merge.insert(),
            r#"INSERT INTO "s"."t" ("id", "at", "note") SELECT "id", "at", "note" FROM "s"."stage" AS source"#
        );
        for statement in
            [merge.update().expect("an update"), merge.insert_missing(), merge.delete_missing()]
        {
            assert!(statement.contains(within), "{statement}");
            assert!(statement.contains(r#"target."id" = source."id""#), "{statement}");
        }
        let all = Merge { range: None, last_by: Some("n"), ..merge.clone() };
        assert_eq!(all.delete(), r#"DELETE FROM "s"."t" AS target"#);
        assert!(
            all.delete_missing().contains("target WHERE NOT EXISTS"),
            "{}",
            all.delete_missing()
        );
        assert!(
            all.insert().ends_with(
                r#"FROM (SELECT DISTINCT ON ("id") "id", "at", "note" FROM "s"."stage" ORDER BY "id", "n" DESC) AS source"#
            ),
            "{}",
            all.insert()
        );
        let keys_only = Merge { columns: &columns[..1], ..merge };
        assert_eq!(keys_only.update(), None);
    }

    #[test]
    fn a_time_is_one_of_utc() {
        assert_eq!(timestamp(-1), "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'");
    }
}
