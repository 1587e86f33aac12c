//! Transfers into PostgreSQL: what both modes write, and what is refused.

use std::fmt::Write;

use crate::support::domain::Domain;
use crate::support::kafka::shared;
use crate::support::postgres::Postgres;
use crate::support::process::Process;
use crate::transfer::{CONTRACT, SALES, WITHIN};

const TRANSFERS: &str = r#"
[transfer.orders]
contract = "orders_v1"
channel = "Orders"
sink = "postgres"
target = "orders"
date_column = "placed_at"
key = ["order_id"]
lease_seconds = 2
[transfer.orders.source]
kind = "files"
files = ["orders-{date}.ndjson"]
format = "ndjson"

[transfer.sales]
contract = "orders_v1"
channel = "Orders"
sink = "postgres"
target = "sales_by_day"
date_column = "placed_at"
time_zone = "Europe/Berlin"
key = ["order_id"]
lease_seconds = 2
[transfer.sales.source]
kind = "query"
sql = "sales.sql"
environment = "live"

[transfer.delivery]
sink = "postgres"
target = "from_topic"
lease_seconds = 2
[transfer.delivery.source]
kind = "topic"
"#;

/// A server, and a folder with the transfers into it.
pub struct Scene {
    pub domain: Domain,
    pub server: Postgres,
}

impl Scene {
    pub fn new(name: &str) -> Self {
        let server = Postgres::start(name);
        let domain = Domain::on_postgres(name, shared(), &server.section());
        std::fs::write(domain.folder().join("contracts/orders_v1.json"), CONTRACT)
            .expect("written");
        domain.file("sales.sql", SALES);
        let scene = Self { domain, server };
        scene.change_transfers("", "");
        scene
    }

    /// Replaces a part of the transfers' file as it was at first.
    pub fn change_transfers(&self, from: &str, to: &str) {
        assert!(TRANSFERS.contains(from), "{from}");
        self.domain.file("transfers.toml", &TRANSFERS.replacen(from, to, 1));
    }

    pub fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Process {
        let [day, name, mode, more @ ..] = arguments else { panic!("{arguments:?}") };
        let arguments = [&["transfer", day, name, mode, "transfers.toml"], more].concat();
        self.domain.run(&arguments, variables)
    }

    /// Runs a transfer to its end, and returns what it has said.
    pub fn run(&self, arguments: &[&str], code: i32) -> String {
        let mut process = self.start(arguments, &[]);
        let status = process.wait(WITHIN);
        assert_eq!(status.code(), Some(code), "{arguments:?}: {}", process.output());
        process.output()
    }

    /// The orders of a day's file, as `number:amount`.
    pub fn orders(&self, day: &str, orders: &[(&str, f64)]) {
        let mut lines = String::new();
        for (id, amount) in orders {
            writeln!(
                lines,
                r#"{{"order_id":"{id}","placed_at":"{day}T10:00:00Z","amount":{amount}}}"#
            )
            .expect("a string");
        }
        self.domain.file(&format!("orders-{}.ndjson", day.replace('-', "")), &lines);
    }

    /// The rows of the target, as `id day amount`.
    pub fn rows(&self) -> Vec<String> {
        let rows = self.server.query(
            "SELECT concat_ws(' ', order_id, placed_at::date, amount) FROM orders ORDER BY 1",
        );
        rows.into_iter().map(|mut row| row.pop().flatten().expect("a text")).collect()
    }

    /// What runs have left next to their targets: staging tables, and rows of leases.
    pub fn left(&self) -> Vec<Vec<Option<String>>> {
        let staging = "SELECT relname FROM pg_class WHERE relname LIKE 'generic_consumer_stage_%'";
        let leases = "SELECT name FROM generic_consumer_transfer_leases";
        self.server.query(&format!("{staging} UNION ALL {leases}"))
    }
}

#[test]
fn both_modes_write_what_the_source_has() {
    let scene = Scene::new("transfer-pg-modes");
    scene.orders("2026-11-20", &[("a", 1.0), ("b", 2.0), ("c", 3.0)]);
    scene.orders("2026-11-21", &[("d", 4.0)]);
    let said = scene.run(&["20261120", "orders", "truncate"], 0);
    assert!(said.contains("3 inserted, 0 updated, 0 deleted") && said.contains("run 1"), "{said}");
    assert!(!said.contains("\nbilled"), "{said}");
    scene.run(&["20261121", "orders", "truncate"], 0);
    let day = ["a 2026-11-20 1", "b 2026-11-20 2", "c 2026-11-20 3", "d 2026-11-21 4"];
    assert_eq!(scene.rows(), day);
    // The table that was created is searched by its date.
    assert!(scene.server.has_table("orders_placed_at_idx"));
    let said = scene.run(&["20261120", "orders", "truncate"], 0);
    assert!(said.contains("3 inserted, 0 updated, 3 deleted") && said.contains("run 3"), "{said}");
    let said = scene.run(&["20261120", "orders", "delta"], 0);
    assert!(said.contains("0 inserted, 0 updated, 0 deleted"), "{said}");
    assert_eq!(scene.rows(), day, "the same command twice changes nothing");

    // One is changed, one is new, and two are gone.
    scene.orders("2026-11-20", &[("a", 1.5), ("x", 9.0)]);
    let said = scene.run(&["20261120", "orders", "delta"], 0);
    assert!(said.contains("1 inserted, 1 updated, 0 deleted"), "{said}");
    assert_eq!(scene.rows().len(), 5);
    scene.change_transfers("lease_seconds", "delete_missing = true\nlease_seconds");
    let arguments = ["20261121", "orders", "delta", "--delta-start-date=20261120"];
    let said = scene.run(&arguments, 0);
    assert!(said.contains("0 inserted, 0 updated, 2 deleted"), "{said}");
    assert_eq!(scene.rows(), ["a 2026-11-20 1.5", "d 2026-11-21 4", "x 2026-11-20 9"]);

    scene.orders("2026-11-20", &[]);
    let said = scene.run(&["20261120", "orders", "truncate"], 0);
    assert!(said.contains("the days have no rows"), "{said}");
    assert_eq!(scene.rows(), ["d 2026-11-21 4"]);

    // The last of several rows with a key counts, or none.
    scene.orders("2026-11-20", &[("a", 1.0), ("b", 2.0), ("a", 3.0)]);
    let said = scene.run(&["20261120", "orders", "truncate"], 1);
    assert!(said.contains("1 key is that of several rows"), "{said}");
    scene.change_transfers("lease_seconds", "duplicates = \"last\"\nlease_seconds");
    for mode in ["truncate", "delta"] {
        scene.run(&["20261120", "orders", mode], 0);
        assert_eq!(scene.rows(), ["a 2026-11-20 3", "b 2026-11-20 2", "d 2026-11-21 4"]);
    }

    // The source has all rows of the table.
    scene.change_transfers("date_column = \"placed_at\"", "scope = \"table\"");
    scene.orders("2026-11-20", &[("z", 1.0)]);
    let said = scene.run(&["20261120", "orders", "truncate"], 0);
    assert!(said.contains("1 inserted, 0 updated, 3 deleted"), "{said}");
    assert_eq!(scene.rows(), ["z 2026-11-20 1"]);
    assert!(scene.left().is_empty(), "{:?}", scene.left());
    let runs = "SELECT DISTINCT state, target, bytes_billed FROM generic_consumer_transfers";
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(scene.server.query(runs), [[text("done"), text("public.orders"), None]]);
}

/// The rows of each hour of three days, of which the second has as many hours as clocks give it.
#[test]
fn a_day_has_the_hours_that_clocks_give_it() {
    let scene = Scene::new("transfer-pg-days");
    let server = &scene.server;
    server.query("CREATE TABLE sales (id int, at timestamptz, amount numeric(12, 2))");
    server.query("GRANT SELECT ON sales TO consumer");
    for (day, hours) in [("20260329", 23), ("20261025", 25), ("20261120", 24)] {
        server.query(&format!(
            "TRUNCATE sales; INSERT INTO sales SELECT n, \
             TIMESTAMP '{day}' AT TIME ZONE 'Europe/Berlin' + n * INTERVAL '1 hour', n \
             FROM generate_series(-24, 48) AS n"
        ));
        // What the neighbours of the day have stays.
        server.query("DROP TABLE IF EXISTS sales_by_day");
        let mut expected = hours;
        for mode in ["truncate", "delta", "truncate"] {
            let said = scene.run(&[day, "sales", mode], 0);
            assert!(said.contains(&format!("staged      {hours} rows")), "{said}");
            assert_eq!(server.count("sales_by_day"), expected);
            if expected == hours {
                server.query(
                    "INSERT INTO sales_by_day (order_id, placed_at) \
                     SELECT 'o' || id, at FROM sales ON CONFLICT DO NOTHING",
                );
                server.query(&format!(
                    "DELETE FROM sales_by_day WHERE amount IS NULL AND (placed_at AT TIME ZONE \
                     'Europe/Berlin')::date = DATE '{day}'"
                ));
                expected = 73;
            }
        }
    }
}

#[test]
fn what_the_database_refuses_becomes_letters() {
    let scene = Scene::new("transfer-pg-refused");
    let server = &scene.server;
    scene.orders("2026-11-20", &[("a", 1.0)]);
    scene.run(&["20261120", "orders", "truncate"], 0);
    server.query(
        "ALTER TABLE orders ALTER amount TYPE numeric(6, 2), ADD CHECK (note <> 'forbidden'), \
         ADD id bigint GENERATED ALWAYS AS IDENTITY, ADD seen timestamptz NOT NULL DEFAULT now()",
    );
    let said = scene.run(&["20261120", "orders", "truncate"], 3);
    assert!(said.contains("column amount has the type numeric"), "{said}");
    server.query("ALTER TABLE orders ALTER amount TYPE real");
    let mut lines = String::new();
    for number in 0..30_000 {
        // The greatest number is beyond a real.
        let more = match number {
            17 => r#","note":"a\u0000b""#,
            4_000 => r#","amount":1e300"#,
            25_000 => r#","note":"forbidden""#,
            _ => r#","note":"fine""#,
        };
        writeln!(lines, r#"{{"order_id":"o{number}","placed_at":"2026-11-20T10:00:00Z"{more}}}"#)
            .expect("a string");
    }
    scene.domain.file("orders-20261120.ndjson", &lines);
    let said = scene.run(&["20261120", "orders", "truncate"], 7);
    assert!(said.contains("3 of 30000 records are rejected"), "{said}");
    assert!(said.contains("public.orders_dead_letters"), "{said}");
    assert_eq!(scene.rows(), ["a 2026-11-20 1"], "the target is as it was");
    let letters = "SELECT count(*) FROM orders_dead_letters WHERE reason = 'row_error'";
    assert_eq!(server.value(letters), "3");
    assert_eq!(server.value("SELECT count(DISTINCT value) FROM orders_dead_letters"), "3");
    assert!(!said.contains("forbidden"), "no value is in the log: {said}");
    let said = scene.run(&["20261120", "orders", "truncate", "--max-rejected=0.01%"], 0);
    assert!(said.contains("29,997 inserted, 0 updated, 1 deleted"), "{said}");
    assert_eq!(server.count("orders"), 29_997);
    assert_eq!(server.value("SELECT count(DISTINCT id) FROM orders"), "29997");
    assert!(scene.left().is_empty(), "{:?}", scene.left());
}

#[test]
fn what_does_not_fit_leaves_the_target_as_it_was() {
    let scene = Scene::new("transfer-pg-unfit");
    let server = &scene.server;
    scene.orders("2026-11-20", &[("a", 1.0)]);
    scene.domain.set("MANAGE_TABLE", "false");
    let said = scene.run(&["20261120", "orders", "truncate"], 3);
    assert!(said.contains("there is no such table") && said.contains("MANAGE_TABLE"), "{said}");
    scene.domain.unset("MANAGE_TABLE");
    // Files say nothing of when they were read.
    scene.domain.set("PG_TIME_COLUMN_ORDERS", "_ingested_at");
    let said = scene.run(&["20261120", "orders", "truncate"], 3);
    assert!(said.contains("PG_TIME_COLUMN names a column of the rows"), "{said}");
    scene.domain.unset("PG_TIME_COLUMN_ORDERS");
    scene.run(&["20261120", "orders", "truncate"], 0);

    // A unique key that a row of another day has.
    server.query("CREATE UNIQUE INDEX only_once ON orders (order_id)");
    scene.orders("2026-11-21", &[("b", 2.0), ("a", 3.0)]);
    let said = scene.run(&["20261121", "orders", "delta"], 3);
    assert!(said.contains("only_once") && said.contains("the target is as it was"), "{said}");
    assert_eq!(scene.rows(), ["a 2026-11-20 1"]);
    server.query("DROP INDEX only_once");

    for (date_column, said) in [("note", "with a time or a date"), ("nothing", "no column nothing")]
    {
        scene.change_transfers("placed_at", date_column);
        let output = scene.run(&["20261120", "orders", "truncate"], 1);
        assert!(output.contains(said), "{output}");
    }
    // Statements of one's own: a mistake before changes nothing, one after is told as such.
    for (when, said) in [("before", "the target is as it was"), ("after", "has its new rows")] {
        scene.change_transfers("lease_seconds", &format!("{when} = \"own.sql\"\nlease_seconds"));
        scene.domain.file("own.sql", "DELETE FROM no_such_table;");
        scene.orders("2026-11-20", &[("a", 5.0)]);
        let output = scene.run(&["20261120", "orders", "truncate"], 3);
        assert!(output.contains(said) && output.contains("own.sql"), "{output}");
        let amount = if when == "before" { "1" } else { "5" };
        assert_eq!(scene.rows(), [format!("a 2026-11-20 {amount}")]);
        scene.domain.file("own.sql", "UPDATE orders SET note = 'seen'; SELECT 1");
        scene.orders("2026-11-20", &[("a", 1.0)]);
        scene.run(&["20261120", "orders", "truncate"], 0);
        let seen = server.value("SELECT count(*) FROM orders WHERE note = 'seen'");
        assert_eq!(seen, if when == "before" { "0" } else { "1" });
    }
    scene.change_transfers("", "");
    // What the target would store with a date of another day, a second run would not find.
    server.query("ALTER TABLE orders ALTER placed_at TYPE timestamptz(0)");
    let late = r#"{"order_id":"z","placed_at":"2026-11-22T23:59:59.7Z","amount":1}"#;
    scene.domain.file("orders-20261122.ndjson", late);
    let said = scene.run(&["20261122", "orders", "truncate"], 1);
    assert!(said.contains("1 rows are of another day"), "{said}");
    // Rows that something keeps from being written.
    server.query("CREATE RULE none AS ON INSERT TO orders DO INSTEAD NOTHING");
    let before = scene.rows();
    let said = scene.run(&["20261120", "orders", "truncate"], 3);
    assert!(said.contains("a trigger, a rule or row security"), "{said}");
    assert_eq!(scene.rows(), before);
    server.query("DROP RULE none ON orders");
    let said = scene.run(&["20261120", "orders", "truncate", "--dry-run"], 0);
    assert!(said.contains("replace the rows of public.orders with placed_at"), "{said}");
    server.query("REVOKE ALL ON orders FROM consumer; ALTER TABLE orders OWNER TO postgres");
    let said = scene.run(&["20261120", "orders", "truncate"], 3);
    assert!(said.contains("grant the role SELECT, INSERT, UPDATE and DELETE"), "{said}");
    let said = scene.run(&["20261120", "orders", "truncate", "--dry-run"], 3);
    assert!(said.contains("grant the role SELECT"), "{said}");
    let state = "SELECT state FROM generic_consumer_transfers ORDER BY started_at";
    let states: Vec<String> =
        server.query(state).into_iter().map(|mut row| row.remove(0).unwrap_or_default()).collect();
    assert_eq!(
        states,
        ["done", "done", "moved", "done"],
        "the one with a mistake after it has moved"
    );
    assert!(scene.left().is_empty(), "{:?}", scene.left());
}
