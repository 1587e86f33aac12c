//! SELECT over tables.

use super::super::Parameter;
use super::fixture::Fixture;
use crate::local::bigquery::field_schema::{FieldMode, FieldSchema, FieldType};
use crate::row::Cell;

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.all(&[
        "CREATE TABLE t (id INT64, name STRING, amount NUMERIC, at TIMESTAMP, ok BOOL)",
        "INSERT INTO t VALUES (1, 'a', 9, '2026-11-21 10:00:00', TRUE), \
         (2, 'b', 10.5, '2026-11-22', FALSE), (3, 'b', NULL, NULL, NULL), (NULL, 'c', -1, NULL, TRUE)",
        "CREATE TABLE u (id INT64, x STRING)",
        "INSERT INTO u VALUES (1, 'one'), (1, 'uno'), (4, 'four')",
    ]);
    fixture
}

#[test]
fn queries_give_bigquerys_rows() {
    let fixture = fixture();
    let mut wrong = Vec::new();
    for (sql, expected) in QUERIES {
        let found = match fixture.run(sql) {
            Ok(answer) => super::fixture::shown(&answer.rows),
            Err(error) => format!("{error:?}"),
        };
        if found != *expected {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const QUERIES: &[(&str, &str)] = &[
    ("SELECT id, name FROM t WHERE amount > 9", "2,\"b\""),
    ("SELECT id FROM `p.d.t` WHERE ok", "1 ; NULL"),
    ("SELECT id FROM `p`.d.`t` AS s WHERE s.ok IS NULL", "3"),
    ("SELECT id FROM t ORDER BY id", "NULL ; 1 ; 2 ; 3"),
    ("SELECT id FROM t ORDER BY id DESC", "3 ; 2 ; 1 ; NULL"),
    ("SELECT id FROM t ORDER BY id NULLS LAST LIMIT 2 OFFSET 2", "3 ; NULL"),
    ("SELECT id AS k FROM t ORDER BY amount DESC", "2 ; 1 ; NULL ; 3"),
    ("SELECT id FROM t ORDER BY 1 DESC LIMIT 1", "3"),
    ("SELECT DISTINCT name FROM t ORDER BY name", "\"a\" ; \"b\" ; \"c\""),
    ("SELECT * EXCEPT (amount, at, ok) FROM t WHERE id = 1", "1,\"a\""),
    ("SELECT * EXCEPT (amount, at) REPLACE (id + 1 AS id) FROM t WHERE id = 1", "2,\"a\",true"),
    (
        "SELECT name, COUNT(*), SUM(amount), MAX(amount) FROM t GROUP BY name ORDER BY name",
        "\"a\",1,\"9\",\"9\" ; \"b\",2,\"10.5\",\"10.5\" ; \"c\",1,\"-1\",\"-1\"",
    ),
    ("SELECT name AS n, COUNT(id) AS c FROM t GROUP BY n HAVING c > 1", "\"b\",2"),
    ("SELECT UPPER(name), COUNT(*) FROM t GROUP BY UPPER(name) HAVING COUNT(*) = 2", "\"B\",2"),
    (
        "SELECT COUNT(*), COUNT(DISTINCT name), COUNTIF(ok), SUM(id), AVG(id), MIN(name), AVG(amount) FROM t",
        "4,3,2,6,2.0,\"a\",\"6.166666667\"",
    ),
    (
        "SELECT BIT_XOR(id), BIT_OR(id), BIT_AND(id), LOGICAL_AND(ok), LOGICAL_OR(ok) FROM t",
        "0,3,0,false,true",
    ),
    ("SELECT ANY_VALUE(name) FROM t WHERE id = 1", "\"a\""),
    ("SELECT STRING_AGG(name, '-') FROM t WHERE id < 3", "\"a-b\""),
    ("SELECT SUM(id) FROM t WHERE FALSE", "NULL"),
    ("SELECT t.id, x FROM t JOIN u ON t.id = u.id ORDER BY x", "1,\"one\" ; 1,\"uno\""),
    (
        "SELECT t.id, x FROM t LEFT JOIN u ON t.id = u.id WHERE t.id > 1 ORDER BY 1",
        "2,NULL ; 3,NULL",
    ),
    ("SELECT t.id AS a, u.id AS b FROM t RIGHT JOIN u USING (id) WHERE t.id IS NULL", "NULL,4"),
    (
        "SELECT id, name, x FROM t FULL JOIN u USING (id) WHERE id IN (2, 4) ORDER BY id",
        "2,\"b\",NULL ; 4,NULL,\"four\"",
    ),
    (
        "SELECT * EXCEPT (name, amount, at, ok) FROM t JOIN u USING (id) ORDER BY x",
        "1,\"one\" ; 1,\"uno\"",
    ),
    ("SELECT COUNT(*) FROM t CROSS JOIN u", "12"),
    ("SELECT COUNT(*) FROM t, u", "12"),
    (
        "SELECT id, ROW_NUMBER() OVER (PARTITION BY name ORDER BY id DESC) AS n FROM t WHERE name = 'b' ORDER BY id",
        "2,2 ; 3,1",
    ),
    (
        "SELECT id FROM t WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY name ORDER BY id DESC) = 1 ORDER BY id",
        "NULL ; 1 ; 3",
    ),
    ("SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM t QUALIFY n = 2", "1,2"),
    (
        "SELECT id, LAG(id) OVER (ORDER BY id), LEAD(id, 1, 0) OVER (ORDER BY id), FIRST_VALUE(id) OVER (ORDER BY id DESC) FROM t WHERE id > 0 ORDER BY id",
        "1,NULL,2,3 ; 2,1,3,3 ; 3,2,0,3",
    ),
    (
        "SELECT RANK() OVER (ORDER BY name), DENSE_RANK() OVER (ORDER BY name), NTILE(2) OVER (ORDER BY name), LAST_VALUE(name) OVER (ORDER BY name) FROM t ORDER BY 1 DESC LIMIT 1",
        "4,3,2,\"c\"",
    ),
    (
        "SELECT id, SUM(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t ORDER BY id",
        "NULL,\"-1\" ; 1,\"8\" ; 2,\"19.5\" ; 3,\"10.5\"",
    ),
    ("SELECT name, SUM(COUNT(*)) OVER () FROM t GROUP BY name ORDER BY name LIMIT 1", "\"a\",4"),
    ("SELECT 1 UNION ALL SELECT 2.5 ORDER BY 1 DESC", "2.5 ; 1.0"),
    ("SELECT id FROM u UNION DISTINCT SELECT 4 ORDER BY id", "1 ; 4"),
    ("SELECT id FROM u EXCEPT DISTINCT SELECT id FROM t", "4"),
    (
        "WITH a AS (SELECT id FROM t), b AS (SELECT id FROM a WHERE id > 1) SELECT COUNT(*) FROM b",
        "2",
    ),
    ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id)", "1"),
    ("SELECT id FROM t WHERE id IN (SELECT id FROM u)", "1"),
    ("SELECT (SELECT MAX(x) FROM u WHERE u.id = t.id) FROM t WHERE id = 1", "\"uno\""),
    ("SELECT n FROM (SELECT id AS n FROM t) WHERE n = 2", "2"),
    (
        "SELECT TO_JSON_STRING(t) FROM t WHERE id = 2",
        "\"{\\\"id\\\":2,\\\"name\\\":\\\"b\\\",\\\"amount\\\":10.5,\\\"at\\\":\\\"2026-11-22T00:00:00Z\\\",\\\"ok\\\":false}\"",
    ),
    ("SELECT * FROM UNNEST([3, 1]) AS n ORDER BY n", "1 ; 3"),
    (
        "SELECT n, i FROM UNNEST(['a', 'b']) AS n WITH OFFSET AS i ORDER BY i DESC",
        "\"b\",1 ; \"a\",0",
    ),
    ("SELECT id, x FROM UNNEST([STRUCT(1 AS id, 'a' AS x), (2, NULL)])", "1,\"a\" ; 2,NULL"),
    ("SELECT t.id, n FROM t, UNNEST([t.id, t.id + 1]) AS n WHERE t.id = 1", "1,1 ; 1,2"),
    ("SELECT 2 IN UNNEST([1, 2])", "true"),
    (
        "SELECT [DATE '2026-11-21'], STRUCT(1 AS a, TRUE AS b)",
        "[\"2026-11-21\"],{\"a\":1,\"b\":true}",
    ),
    ("SELECT s.a + 1 FROM (SELECT STRUCT(1 AS a) AS s)", "2"),
    ("SELECT COUNT(*) FROM t HAVING COUNT(*) > 100", ""),
];

#[test]
fn columns_without_a_name_are_numbered() {
    let answer = fixture().run("SELECT 1, id, t.name, 2 AS z, id + 1 FROM t").expect("runs");
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["f0_", "id", "name", "z", "f1_"]);
    assert_eq!(answer.statement, "SELECT");
    assert_eq!(answer.affected, None);
    // Three INT64 of eight bytes, and four names of one letter and two bytes.
    assert_eq!(answer.bytes_processed, 3 * 8 + 4 * 3);
}

#[test]
fn parameters_have_types_and_are_read_like_literals() {
    let mut fixture = fixture();
    let parameter = |name: &str, kind, value: Option<Cell>| Parameter {
        column: FieldSchema {
            name: name.to_owned(),
            kind,
            mode: FieldMode::Nullable,
            fields: vec![],
        },
        value,
    };
    fixture.parameters = vec![
        parameter("id", FieldType::Integer, Some(Cell::from(2))),
        parameter("day", FieldType::String, Some(Cell::from("2026-11-22"))),
        parameter("none", FieldType::String, None),
    ];
    assert_eq!(fixture.rows("SELECT name FROM t WHERE id = @id"), "\"b\"");
    assert_eq!(fixture.rows("SELECT id FROM t WHERE DATE(at) = @day LIMIT @id"), "2");
    assert_eq!(fixture.rows("SELECT @none, @ID + 1"), "NULL,3");
    assert!(fixture.error("SELECT id FROM t WHERE id = @day").contains("INT64, STRING"));
}
