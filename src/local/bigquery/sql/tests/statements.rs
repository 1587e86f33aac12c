//! INSERT, UPDATE, DELETE, TRUNCATE, CREATE and DROP.

use std::time::Duration;

use gcp_bigquery_client::google::cloud::bigquery::storage::v1::write_stream::Type;

use super::super::{Affected, Query, SqlError, run_in};
use super::fixture::Fixture;
use crate::clock::Clock;
use crate::local::bigquery::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::local::bigquery::store::StoreError;
use crate::row::Cell;

fn affected(inserted: u64, updated: u64, deleted: u64) -> Option<Affected> {
    Some(Affected { inserted, updated, deleted })
}

#[test]
fn statements_change_rows_and_count_them() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (id INT64 NOT NULL, name STRING, day DATE)"]);
    for (sql, statement, count, rows) in [
        (
            "INSERT INTO t VALUES (1, 'a', '2026-11-21'), (2, 'b', NULL)",
            "INSERT",
            affected(2, 0, 0),
            "1,\"a\",\"2026-11-21\" ; 2,\"b\",NULL",
        ),
        (
            "INSERT t (name, id) SELECT 'c', 3",
            "INSERT",
            affected(1, 0, 0),
            "1,\"a\",\"2026-11-21\" ; 2,\"b\",NULL ; 3,\"c\",NULL",
        ),
        (
            "UPDATE t SET name = CONCAT(name, '!'), day = DEFAULT WHERE id < 3",
            "UPDATE",
            affected(0, 2, 0),
            "1,\"a!\",NULL ; 2,\"b!\",NULL ; 3,\"c\",NULL",
        ),
        (
            "UPDATE t SET t.name = s.x FROM (SELECT 2 AS k, 'z' AS x) AS s WHERE t.id = s.k",
            "UPDATE",
            affected(0, 1, 0),
            "1,\"a!\",NULL ; 2,\"z\",NULL ; 3,\"c\",NULL",
        ),
        ("DELETE t WHERE id = 2", "DELETE", affected(0, 0, 1), "1,\"a!\",NULL ; 3,\"c\",NULL"),
        (
            "DELETE FROM t AS x WHERE x.id = 77",
            "DELETE",
            affected(0, 0, 0),
            "1,\"a!\",NULL ; 3,\"c\",NULL",
        ),
        ("TRUNCATE TABLE t", "TRUNCATE_TABLE", affected(0, 0, 2), ""),
    ] {
        let dry = fixture.dry_run(sql).expect("a dry run");
        assert_eq!((dry.statement, dry.affected), (statement, None), "{sql}");
        let answer = fixture.run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!((answer.statement, answer.affected), (statement, count), "{sql}");
        assert_eq!(fixture.rows("SELECT * FROM t"), rows, "{sql}");
    }
}

#[test]
fn a_failing_statement_changes_nothing() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (id INT64 NOT NULL)"]);
    let error = fixture.error("INSERT INTO t SELECT x FROM (SELECT 1 AS x UNION ALL SELECT NULL)");
    assert_eq!(error, "invalidQuery: Required field id cannot be null");
    assert_eq!(fixture.rows("SELECT COUNT(*) FROM t"), "0");
}

#[test]
fn a_statement_is_lost_with_the_transaction_in_which_it_runs() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (id INT64)"]);
    let sql = "INSERT INTO t VALUES (1)";
    let query = Query {
        sql,
        project: "p",
        default_dataset: Some("p.d"),
        parameters: vec![],
        dry_run: false,
    };
    let lost: Result<(), SqlError> = fixture.store.change(|resources| {
        run_in(resources, &query)?;
        Err(SqlError::NotFound("lost".to_owned()))
    });
    assert!(lost.is_err());
    assert_eq!(fixture.rows("SELECT COUNT(*) FROM t"), "0");
    let failing =
        Query { sql: "INSERT INTO t SELECT 1 / x FROM UNNEST([1, 0]) AS x", ..query.clone() };
    let went_on: Result<(), SqlError> = fixture.store.change(|resources| {
        assert!(run_in(resources, &failing).is_err());
        Ok(())
    });
    went_on.expect("goes on");
    assert_eq!(fixture.rows("SELECT COUNT(*) FROM t"), "0");
    let kept = fixture.store.change(|resources| run_in(resources, &query)).expect("runs");
    assert_eq!(kept.affected, affected(1, 0, 0));
    assert_eq!(fixture.rows("SELECT COUNT(*) FROM t"), "1");
}

#[test]
fn streamed_rows_cannot_be_changed_for_a_while() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (id INT64)", "INSERT INTO t VALUES (1)"]);
    fixture.store.set_streaming_buffer(Duration::from_secs(1_000));
    let column = FieldSchema {
        name: "id".to_owned(),
        kind: FieldType::Integer,
        mode: FieldMode::Nullable,
        fields: vec![],
    };
    let rows = [vec![Some(Cell::from(2))], vec![Some(Cell::from(3))]];
    fixture.store.append_default("p.d.t", "p:d.t", &[column], &rows).expect("streamed");
    fixture.all(&["INSERT INTO t VALUES (4)"]);
    let refused = "invalidQuery: UPDATE or DELETE statement over table p.d.t would affect rows in the \
                   streaming buffer, which is not supported";
    for sql in [
        "DELETE FROM t WHERE id = 3",
        "UPDATE t SET id = 0 WHERE id = 2",
        "MERGE t USING (SELECT 2 AS k) ON id = k WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE t",
    ] {
        assert_eq!(fixture.error(sql), refused, "{sql}");
    }
    fixture.all(&["DELETE FROM t WHERE id IN (1, 4)"]);
    fixture.store.set_streaming_buffer(Duration::ZERO);
    fixture.all(&["DELETE FROM t WHERE id = 3"]);
    assert_eq!(fixture.rows("SELECT id FROM t"), "2");
}

#[test]
fn tables_are_created_and_dropped() {
    let fixture = Fixture::new();
    let sql = "CREATE TABLE IF NOT EXISTS p.d.t (at TIMESTAMP NOT NULL, tags ARRAY<STRING>, n NUMERIC) \
               PARTITION BY TIMESTAMP_TRUNC(at, HOUR) CLUSTER BY n \
               OPTIONS (expiration_timestamp = TIMESTAMP '2030-01-01 00:00:00+00', description = 'd')";
    assert_eq!(fixture.run(sql).expect("created").statement, "CREATE_TABLE");
    assert_eq!(fixture.run(sql).expect("exists").statement, "CREATE_TABLE");
    let table = fixture.store.table("p.d.t").expect("read").expect("a table");
    assert_eq!(table["timePartitioning"], serde_json::json!({ "type": "HOUR", "field": "at" }));
    assert_eq!(table["clustering"], serde_json::json!({ "fields": ["n"] }));
    assert_eq!(table["expirationTime"], "1893456000000");
    assert_eq!(table["description"], "d");
    assert_eq!(table["schema"]["fields"][0]["mode"], "REQUIRED");
    assert_eq!(table["schema"]["fields"][1]["mode"], "REPEATED");
    assert_eq!(fixture.run("DROP TABLE t").expect("dropped").statement, "DROP_TABLE");
    fixture.all(&["DROP TABLE IF EXISTS t"]);
    assert!(fixture.store.table("p.d.t").expect("read").is_none());
}

#[test]
fn default_values_are_refused() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (id INT64)"]);
    let mut table = fixture.store.table("p.d.t").expect("read").expect("a table");
    table["schema"]["fields"][0]["defaultValueExpression"] = "1".into();
    let columns = fixture.store.columns("p.d.t").expect("read").expect("columns");
    let kept: Result<(), StoreError> =
        fixture.store.change(|all| all.put_table("p.d.t", &table, &columns));
    kept.expect("kept");
    assert!(fixture.error("INSERT INTO t VALUES (1)").starts_with("notImplemented: "));
}

#[test]
fn a_pseudocolumn_is_refused_by_its_name() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (id INT64)"]);
    let refused = "notImplemented: The embedded BigQuery does not support the pseudocolumn \
                   _PARTITIONTIME at [1:23]";
    assert_eq!(fixture.error("SELECT 1 FROM t WHERE _partitiontime IS NULL"), refused);
}

#[test]
fn a_required_partition_filter_has_to_be_there() {
    let fixture = Fixture::new();
    fixture.all(&["CREATE TABLE t (id INT64, day DATE) PARTITION BY day"]);
    let mut table = fixture.store.table("p.d.t").expect("read").expect("a table");
    table["requirePartitionFilter"] = true.into();
    let columns = fixture.store.columns("p.d.t").expect("read").expect("columns");
    let kept: Result<(), StoreError> =
        fixture.store.change(|all| all.put_table("p.d.t", &table, &columns));
    kept.expect("kept");
    let refused = "Cannot query over table 'p.d.t' without a filter over column(s) 'day' that can be \
                   used for partition elimination";
    for sql in [
        "SELECT * FROM t WHERE id = 1",
        "SELECT 1 FROM (SELECT id FROM t)",
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET id = 1 WHERE TRUE",
        "MERGE t USING (SELECT 1 AS k) ON id = k WHEN MATCHED THEN DELETE",
    ] {
        assert!(fixture.error(sql).contains(refused), "{sql}");
    }
    fixture.all(&[
        "INSERT INTO t VALUES (1, '2026-11-21')",
        "SELECT * FROM t WHERE day = '2026-11-21'",
        "UPDATE t SET id = 2 WHERE day > '2026-01-01'",
        "MERGE t USING (SELECT 2 AS k) ON id = k AND day > '2026-01-01' WHEN MATCHED THEN DELETE",
    ]);
}

#[test]
fn nan_and_infinities_are_not_compared_as_text() {
    let fixture = Fixture::new();
    fixture.all(&[
        "CREATE TABLE t (f FLOAT64)",
        "INSERT INTO t VALUES (CAST('NaN' AS FLOAT64)), (1), (CAST('-inf' AS FLOAT64))",
    ]);
    assert_eq!(fixture.rows("SELECT f FROM t"), "\"NaN\" ; 1.0 ; \"-Infinity\"");
    let refused = "notImplemented: The embedded BigQuery does not support NaN and infinities in \
                   comparisons and sums";
    for sql in [
        "SELECT f FROM t WHERE f > 0",
        "SELECT f FROM t WHERE f IN (1)",
        "SELECT f FROM t WHERE f BETWEEN 1 AND 2",
        "SELECT SUM(f) FROM t",
        "SELECT f FROM t ORDER BY f",
        "SELECT GREATEST(f, f) FROM t",
    ] {
        assert_eq!(fixture.error(sql), refused, "{sql}");
    }
}

#[test]
fn rows_of_streams_are_in_the_streaming_buffer_but_not_those_of_pending_ones() {
    let fixture = Fixture::new();
    fixture.store.set_streaming_buffer(Duration::from_secs(1_000));
    fixture.all(&["CREATE TABLE t (id INT64)"]);
    let columns = fixture.store.columns("p.d.t").expect("read").expect("columns");
    let now = Clock::System.now_micros();
    for (id, kind) in [(1, Type::Committed), (2, Type::Buffered), (3, Type::Pending)] {
        let name = format!("projects/p/datasets/d/tables/t/streams/s{id}");
        fixture.store.create_stream("p.d.t", &name, kind, now).expect("created");
        let rows = [vec![Some(Cell::from(id))]];
        fixture.store.append(&name, &columns, None, &rows).expect("appended");
        if kind == Type::Buffered {
            fixture.store.flush(&name, 0).expect("flushed");
        }
        if kind == Type::Pending {
            fixture.store.finalize(&name).expect("finalized");
            let refused = fixture.store.batch_commit("p.d.t", &[name]).expect("committed");
            assert!(refused.is_empty());
        }
    }
    assert_eq!(fixture.rows("SELECT id FROM t"), "1 ; 2 ; 3");
    for id in [1, 2] {
        let error = fixture.error(&format!("DELETE FROM t WHERE id = {id}"));
        assert!(error.contains("streaming buffer"), "{error}");
    }
    fixture.all(&["DELETE FROM t WHERE id = 3"]);
    assert_eq!(fixture.rows("SELECT id FROM t"), "1 ; 2");
}
