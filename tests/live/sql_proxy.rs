//! `transfer --sql-proxy` through a stand-in for the Cloud SQL Auth Proxy, which takes the same
//! arguments and forwards connections to PostgreSQL.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::Domain;
use crate::support::kafka::shared;
use crate::support::ports;
use crate::support::postgres::{self, Postgres, USER};
use crate::transfer::{CONTRACT, contents};

const WITHIN: Duration = Duration::from_secs(60);

/// Forwards connections to the port in `STAND_IN_FOR`. After `STAND_IN_BYTES` of answers it ends as one
/// that has lost its instance.
const PROXY: &str = r#"#!/usr/bin/env python3
import os, signal, socket, sys, threading
flags = dict(argument[2:].split("=", 1) for argument in sys.argv[1:-1])
instance = sys.argv[-1]
if "unix-socket" in flags:
    folder = os.path.join(flags["unix-socket"], instance)
    os.mkdir(folder)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, ".s.PGSQL.5432"))
else:
    listener = socket.create_server((flags["address"], int(flags["port"])))
listener.listen()
print(f"[{instance}] Listening", flush=True)
left = int(os.environ.get("STAND_IN_BYTES", 1 << 60))
def end(*_):
    print("asked to end", flush=True)
    os._exit(143)
signal.signal(signal.SIGTERM, end)
def forward(source, target, counts):
    global left
    try:
        while data := source.recv(1 << 16):
            if counts:
                left -= len(data)
                if left < 0:
                    print("lost the instance", file=sys.stderr, flush=True)
                    os._exit(1)
            target.sendall(data)
    except OSError:
        pass
    finally:
        target.close()
def serve(client):
    server = socket.create_connection(("127.0.0.1", int(os.environ["STAND_IN_FOR"])))
    threading.Thread(target=forward, args=(client, server, False), daemon=True).start()
    forward(server, client, True)
while True:
    client, _ = listener.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
"#;

const TRANSFERS: &str = r#"
[transfer.sales]
contract = "orders_v1"
channel = "Orders"
target = "sales"
date_column = "placed_at"
key = ["order_id"]
[transfer.sales.source]
kind = "query"
sql = "sales.sql"
environment = "sales"
"#;

const SQL: &str =
    "SELECT 'o' || id AS order_id, at AS placed_at, repeat('x', 1000) AS note FROM sales";

#[test]
fn a_proxy_is_started_for_the_run_and_its_end_in_the_middle_is_told() {
    let bigquery = EmbeddedBigQuery::start("sql-proxy", "", 1);
    let domain = Domain::new("sql-proxy", shared(), &bigquery.urls());
    std::fs::write(domain.folder().join("contracts/orders_v1.json"), CONTRACT).expect("written");
    let postgres = Postgres::start("sql-proxy");
    postgres.query("CREATE TABLE sales (id int, at timestamptz)");
    postgres
        .query("INSERT INTO sales SELECT n, '2026-11-20 12:00+00' FROM generate_series(1, 5000) n");
    postgres.query(&format!("GRANT SELECT ON sales TO {USER}"));
    domain.file("sales.sql", SQL);
    std::fs::create_dir(domain.folder().join("bin")).expect("a folder");
    let program = domain.file("bin/cloud-sql-proxy", PROXY);
    std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("executable");
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{path}", domain.folder().join("bin").display());
    let for_port = postgres.port().to_string();
    // The server is reached through the proxy alone.
    let section = postgres::section(&postgres::url("nowhere.invalid", 1, "disable"));
    // A short path: that of a socket has 107 bytes at most.
    let temporary = tempfile::tempdir().expect("a folder");
    let run = |proxy: &str, code: i32, variables: &[(&str, &str)]| {
        domain.file(
            "transfers.toml",
            &format!("{TRANSFERS}{proxy}\n[write.sales.postgres]\n{section}"),
        );
        let arguments =
            ["transfer", "20261120", "sales", "truncate", "transfers.toml", "--sql-proxy"];
        let temporary = temporary.path().to_str().expect("UTF-8");
        let own = [("PATH", path.as_str()), ("STAND_IN_FOR", &for_port), ("TMPDIR", temporary)];
        let mut process = domain.run(&arguments, &[&own[..], variables].concat());
        assert_eq!(process.wait(WITHIN).code(), Some(code), "{}", process.output());
        process.output()
    };
    let is_empty =
        |folder: &Path| std::fs::read_dir(folder).is_ok_and(|mut it| it.next().is_none());
    let said = run("instance = \"p:r:i\"", 0, &[]);
    assert!(said.contains("5,000 records") && said.contains("asked to end"), "{said}");
    assert!(is_empty(temporary.path()), "its folder is removed");
    let rows = contents(&bigquery.store(), "sales");
    assert_eq!(rows.len(), 5_000);

    let port = format!("proxy = \"localhost:{}\"\ninstance = \"p:r:i\"", ports::free());
    let said = run(&port, 0, &[]);
    assert!(said.contains("asked to end"), "{said}");

    let folder = temporary.path().join("sockets");
    std::fs::create_dir(&folder).expect("a folder");
    let sockets = format!("proxy = \"{}/p:r:i\"", folder.display());
    assert!(run(&sockets, 0, &[]).contains("asked to end"));

    postgres.query("UPDATE sales SET at = '2026-11-20 13:00+00'");
    let said = run("instance = \"p:r:i\"", 3, &[("STAND_IN_BYTES", "2000000")]);
    assert!(said.contains("read the source of sales"), "{said}");
    let ended = "the SQL proxy cloud-sql-proxy has ended (exit status: 1); its last lines:";
    assert!(said.contains(ended) && said.contains("    lost the instance"), "{said}");
    assert_eq!(contents(&bigquery.store(), "sales"), rows, "the target is as it was");
}
