//! MERGE: examples, and a comparison with a plain model.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::Affected;
use super::fixture::Fixture;

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.all(&[
        "CREATE TABLE t (k INT64, v STRING)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "CREATE TABLE s (k INT64, v STRING)",
        "INSERT INTO s VALUES (2, 'B'), (3, NULL), (4, 'D')",
    ]);
    fixture
}

#[test]
fn merges_do_what_the_first_clause_says_that_applies() {
    for (sql, rows, count) in [
        (
            "MERGE INTO t USING s ON t.k = s.k WHEN MATCHED AND s.v IS NULL THEN DELETE \
             WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (k, v) VALUES (k, v)",
            "1,\"a\" ; 2,\"B\" ; 4,\"D\"",
            (1, 1, 1),
        ),
        (
            "MERGE d.t AS x USING (SELECT k + 1 AS k, v FROM s) AS y ON x.k = y.k \
             WHEN NOT MATCHED BY TARGET AND y.k > 4 THEN INSERT ROW \
             WHEN NOT MATCHED BY SOURCE AND x.k = 1 THEN DELETE \
             WHEN NOT MATCHED BY SOURCE THEN UPDATE SET v = 'gone'",
            "2,\"gone\" ; 3,\"c\" ; 5,\"D\"",
            (1, 1, 1),
        ),
        (
            "MERGE t USING s ON FALSE WHEN NOT MATCHED BY SOURCE THEN DELETE \
             WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k * 10)",
            "20,NULL ; 30,NULL ; 40,NULL",
            (3, 0, 3),
        ),
    ] {
        let fixture = fixture();
        let dry = fixture.dry_run(sql).expect("a dry run");
        assert_eq!((dry.statement, dry.affected), ("MERGE", None));
        let answer = fixture.run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let (inserted, updated, deleted) = count;
        assert_eq!(answer.affected, Some(Affected { inserted, updated, deleted }), "{sql}");
        assert_eq!(fixture.rows("SELECT * FROM t ORDER BY k"), rows, "{sql}");
    }
}

const DOUBLED: &str =
    "invalidQuery: UPDATE/MERGE must match at most one source row for each target row";

#[test]
fn a_row_cannot_be_changed_by_two_rows_of_the_source() {
    let fixture = fixture();
    fixture.all(&["INSERT INTO s VALUES (2, 'again')"]);
    let merge = |clause: &str| format!("MERGE t USING s ON t.k = s.k WHEN MATCHED {clause}");
    assert_eq!(fixture.error(&merge("THEN UPDATE SET v = s.v")), DOUBLED);
    assert_eq!(
        fixture.error(&merge("AND s.v = 'again' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v")),
        DOUBLED
    );
    // Only one of the two rows is used.
    fixture.all(&[&merge("AND s.v = 'again' THEN UPDATE SET v = s.v")]);
    assert_eq!(fixture.rows("SELECT v FROM t WHERE k = 2"), "\"again\"");
}

/// A row: its key and its value.
type Row = (Option<i64>, i64);

#[derive(Debug, Clone)]
struct Clauses {
    delete_matched_above: Option<i64>,
    update_matched: bool,
    insert_above: Option<i64>,
    delete_unmatched_above: Option<i64>,
    update_unmatched: bool,
}

impl Clauses {
    fn sql(&self) -> String {
        let mut sql = "MERGE t USING s ON t.k = s.k".to_owned();
        if let Some(limit) = self.delete_matched_above {
            sql.push_str(&format!(" WHEN MATCHED AND s.v > {limit} THEN DELETE"));
        }
        if self.update_matched {
            sql.push_str(" WHEN MATCHED THEN UPDATE SET v = t.v * 10 + s.v");
        }
        if let Some(limit) = self.insert_above {
            sql.push_str(&format!(" WHEN NOT MATCHED AND s.v > {limit} THEN INSERT ROW"));
        }
        if let Some(limit) = self.delete_unmatched_above {
            sql.push_str(&format!(" WHEN NOT MATCHED BY SOURCE AND t.v > {limit} THEN DELETE"));
        }
        if self.update_unmatched {
            sql.push_str(" WHEN NOT MATCHED BY SOURCE THEN UPDATE SET v = -t.v");
        }
        sql
    }

    /// The table after the MERGE; `None` if a row has two changes.
    fn model(&self, table: &[Row], source: &[Row]) -> Option<Vec<Row>> {
        let matches = |one: &Row, other: &Row| one.0.is_some() && one.0 == other.0;
        let mut result = Vec::new();
        for row in table {
            let matched: Vec<&Row> = source.iter().filter(|other| matches(row, other)).collect();
            if matched.is_empty() {
                if self.delete_unmatched_above.is_some_and(|limit| row.1 > limit) {
                    continue;
                }
                result.push((row.0, if self.update_unmatched { -row.1 } else { row.1 }));
                continue;
            }
            let changes: Vec<Option<Row>> = matched
                .iter()
                .filter_map(|other| {
                    let is_deleted = self.delete_matched_above.is_some_and(|limit| other.1 > limit);
                    let updated = (row.0, row.1 * 10 + other.1);
                    if is_deleted {
                        Some(None)
                    } else {
                        self.update_matched.then_some(Some(updated))
                    }
                })
                .collect();
            match changes[..] {
                [] => result.push(*row),
                [change] => result.extend(change),
                [_, _, ..] => return None,
            }
        }
        let unmatched = source.iter().filter(|row| !table.iter().any(|other| matches(row, other)));
        result.extend(unmatched.filter(|row| self.insert_above.is_some_and(|limit| row.1 > limit)));
        Some(result)
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec((proptest::option::weighted(0.8, 0..4_i64), 0..4_i64), 0..5)
}

fn clauses() -> impl Strategy<Value = Clauses> {
    let limit = || proptest::option::of(0..4_i64);
    (limit(), any::<bool>(), limit(), limit(), any::<bool>()).prop_map(
        |(
            delete_matched_above,
            update_matched,
            insert_above,
            delete_unmatched_above,
            update_unmatched,
        )| {
            Clauses {
                delete_matched_above,
                update_matched,
                insert_above,
                delete_unmatched_above,
                update_unmatched,
            }
        },
    )
}

fn insert(fixture: &Fixture, table: &str, rows: &[Row]) {
    for (key, value) in rows {
        let key = key.map_or("NULL".to_owned(), |key| key.to_string());
        fixture.all(&[&format!("INSERT INTO {table} VALUES ({key}, {value})")]);
    }
}

#[test]
fn merge_equals_a_plain_model() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (k INT64, v INT64)", "CREATE TABLE s (k INT64, v INT64)"]);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let refused = std::cell::RefCell::new(HashSet::new());
    let done = runner.run(&(rows(), rows(), clauses()), |(table, source, clauses)| {
        fixture.all(&["TRUNCATE TABLE t", "TRUNCATE TABLE s"]);
        insert(&fixture, "t", &table);
        insert(&fixture, "s", &source);
        let sql = clauses.sql();
        prop_assume!(sql.contains("WHEN"));
        let expected = clauses.model(&table, &source);
        refused.borrow_mut().insert(expected.is_none());
        let Some(mut expected) = expected else {
            prop_assert_eq!(fixture.error(&sql), DOUBLED);
            return Ok(());
        };
        fixture.all(&[&sql]);
        expected.sort_unstable();
        let expected: Vec<String> = expected
            .iter()
            .map(|(key, value)| {
                format!("{},{value}", key.map_or("NULL".to_owned(), |key| key.to_string()))
            })
            .collect();
        prop_assert_eq!(fixture.rows("SELECT k, v FROM t ORDER BY k, v"), expected.join(" ; "));
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(refused.borrow().len(), 2, "some of the cases have to be refused, and some not");
}
