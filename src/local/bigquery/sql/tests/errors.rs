//! What is refused, in BigQuery's words.

use super::fixture::Fixture;

#[test]
fn refusals_say_what_is_wrong_and_where() {
    let fixture = Fixture::new();
    fixture.all(&[
        "CREATE TABLE t (id INT64 NOT NULL, name STRING, j JSON)",
        "CREATE TABLE u (id INT64)",
    ]);
    let mut wrong = Vec::new();
    for (sql, expected) in ERRORS {
        let found = fixture.error(sql);
        if found != *expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ERRORS: &[(&str, &str)] = &[
    (
        "SELECT BIT_OR(id) OVER () FROM t",
        "notImplemented: The embedded BigQuery does not support BIT_OR with OVER at [1:8]",
    ),
    (
        "SELECT RANK() OVER () FROM t",
        "invalidQuery: Window ORDER BY is required for analytic function RANK at [1:8]",
    ),
    (
        "SELECT 1 FROM t WHERE ROW_NUMBER() OVER () = 1",
        "invalidQuery: Analytic function not allowed in WHERE clause at [1:23]",
    ),
    (
        "SELECT * FROM t JOIN u",
        "invalidQuery: INNER JOIN must have an immediately following ON or USING clause at [1:22]",
    ),
    (
        "SELECT * FROM t JOIN u USING (name)",
        "invalidQuery: Column name in USING clause not found on right side of join at [1:31]",
    ),
    (
        "SELECT * FROM t, t",
        "invalidQuery: Duplicate table alias t in the same FROM clause at [1:18]",
    ),
    (
        "SELECT TIMESTAMP_ADD(TIMESTAMP '2026-11-21', INTERVAL 1 MONTH)",
        "invalidQuery: TIMESTAMP_ADD does not support the MONTH date part at [1:8]",
    ),
    (
        "MERGE t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET * ",
        "notImplemented: The embedded BigQuery does not support UPDATE SET * at [1:32]",
    ),
    (
        "INSERT INTO t (id, ID) VALUES (1, 2)",
        "invalidQuery: INSERT has columns with duplicate name: ID at [1:20]",
    ),
    (
        "UPDATE t SET id = 1, id = 2 WHERE TRUE",
        "invalidQuery: Update item id assigned more than once at [1:22]",
    ),
    (
        "SELECT id = name FROM t",
        "invalidQuery: No matching signature for operator = for argument types: INT64, STRING. Supported signature: ANY = ANY at [1:8]",
    ),
    (
        "SELECT 1 + 'a'",
        "invalidQuery: No matching signature for operator + for argument types: INT64, STRING at [1:8]",
    ),
    ("SELECT nope FROM t", "invalidQuery: Unrecognized name: nope at [1:8]"),
    ("SELECT t.nope FROM t", "invalidQuery: Name nope not found inside t at [1:10]"),
    ("SELECT id FROM t, u", "invalidQuery: Column name id is ambiguous at [1:8]"),
    (
        "SELECT * FROM missing",
        "notFound: Not found: Table p:d.missing was not found in location EU",
    ),
    ("SELECT * FROM e.t", "notFound: Not found: Dataset p:e was not found"),
    (
        "SELECT name FROM t GROUP BY id",
        "invalidQuery: SELECT list expression references column name which is neither grouped nor aggregated at [1:8]",
    ),
    (
        "SELECT id, COUNT(*) FROM t",
        "invalidQuery: SELECT list expression references column id which is neither grouped nor aggregated at [1:8]",
    ),
    (
        "SELECT id FROM t WHERE id",
        "invalidQuery: WHERE clause should return type BOOL, but returns type INT64 at [1:24]",
    ),
    (
        "SELECT id FROM t WHERE COUNT(*) > 1",
        "invalidQuery: Aggregate function COUNT not allowed in WHERE clause at [1:24]",
    ),
    (
        "SELECT SUM(SUM(id)) FROM t",
        "invalidQuery: Aggregations of aggregations are not allowed at [1:12]",
    ),
    (
        "SELECT j FROM t GROUP BY j",
        "invalidQuery: Grouping by expressions of type JSON is not allowed at [1:26]",
    ),
    (
        "SELECT 1 UNION SELECT 2",
        "invalidQuery: Syntax error: Expected keyword ALL or keyword DISTINCT after UNION at [1:1]",
    ),
    (
        "SELECT 1 UNION ALL SELECT 'a'",
        "invalidQuery: Column 1 in UNION ALL has incompatible types: INT64, STRING at [1:1]",
    ),
    ("SELECT 9223372036854775807 + 1", "invalidQuery: int64 overflow: 9223372036854775807 + 1"),
    ("SELECT 1 / 0", "invalidQuery: division by zero: 1 / 0"),
    ("SELECT CAST('x' AS INT64)", "invalidQuery: Bad int64 value: x"),
    ("SELECT DATE '2026-02-30'", "invalidQuery: Invalid DATE literal at [1:13]"),
    (
        "SELECT DATE '2026-02-28' = 'x'",
        "invalidQuery: Could not cast literal \"x\" to type DATE at [1:13]",
    ),
    (
        "SELECT (SELECT x FROM (SELECT 1 AS x UNION ALL SELECT 2))",
        "invalidQuery: Scalar subquery produced more than one element",
    ),
    (
        "SELECT 1 AS a, 2 AS a",
        "invalidQuery: Duplicate column names in the result are not supported. Found duplicate(s): a",
    ),
    ("SELECT '\\z'", "invalidQuery: Syntax error: Illegal escape sequence: \\z at [1:8]"),
    (
        "SELECT '\\ud800'",
        "invalidQuery: Syntax error: Illegal escape sequence: U+D800 is no character at [1:8]",
    ),
    (
        "SELECT 'it''s'",
        "invalidQuery: Syntax error: concatenated string literals need to be separated by \
         whitespace or comments at [1:8]",
    ),
    (
        "SELECT 1 FROM t WHERE )",
        "invalidQuery: Syntax error: Expected: an expression, found: ) at [1:23]",
    ),
    (
        "SELECT FARM_FINGERPRINT('a')",
        "notImplemented: The embedded BigQuery does not support the function FARM_FINGERPRINT at [1:8]",
    ),
    (
        "SELECT ROW_NUMBER()",
        "invalidQuery: Analytic function ROW_NUMBER cannot be called without an OVER clause at [1:8]",
    ),
    (
        "SELECT b'x'",
        "notImplemented: The embedded BigQuery does not support BYTES literals at [1:8]",
    ),
    (
        "SELECT 1; SELECT 2",
        "notImplemented: The embedded BigQuery does not support scripts of several statements",
    ),
    ("SELECT [1, NULL]", "invalidQuery: Array cannot have a null element"),
    (
        "SELECT * FROM UNNEST(1)",
        "invalidQuery: Values referenced in UNNEST must be arrays. UNNEST contains expression of type INT64 at [1:22]",
    ),
    (
        "SELECT * FROM d.INFORMATION_SCHEMA.TABLES",
        "notImplemented: The embedded BigQuery does not support INFORMATION_SCHEMA at [1:15]",
    ),
    ("SELECT @p", "invalidQuery: Query parameter 'p' not found at [1:8]"),
    ("DELETE FROM t", "invalidQuery: DELETE must have a WHERE clause at [1:1]"),
    ("UPDATE t SET id = 1", "invalidQuery: UPDATE must have a WHERE clause at [1:1]"),
    ("INSERT INTO t (name) VALUES ('a')", "invalidQuery: Required field id cannot be null"),
    (
        "INSERT INTO t (id) VALUES ('a')",
        "invalidQuery: Value has type STRING which cannot be inserted into column id, which has type INT64 at [1:28]",
    ),
    (
        "INSERT INTO t (id, name) VALUES (1)",
        "invalidQuery: Inserted row has wrong column count; Has 1, expected 2 at [1:34]",
    ),
    (
        "INSERT INTO t (id) SELECT 'a'",
        "invalidQuery: Query column 1 has type STRING which cannot be inserted into column id, which has type INT64 at [1:20]",
    ),
    (
        "UPDATE t SET id = 'a' WHERE TRUE",
        "invalidQuery: Value of type STRING cannot be assigned to id, which has type INT64 at [1:19]",
    ),
    ("CREATE TABLE t (id INT64)", "duplicate: Already Exists: Table p:d.t"),
    ("DROP TABLE missing", "notFound: Not found: Table p:d.missing was not found"),
    (
        "CREATE VIEW v AS SELECT 1",
        "notImplemented: The embedded BigQuery does not support the statement CREATE VIEW",
    ),
];
