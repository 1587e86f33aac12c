//! The servers that the PostgreSQL sink is tested on, and the proxy in front of them, do what the
//! tests rely on.

use std::time::Duration;

use crate::support::cuts::Cuts;
use crate::support::folder;
use crate::support::postgres::{Postgres, psql, url};
use crate::support::timescale::Timescale;
use crate::support::tls::certificate;
use crate::support::until::until_true;

#[test]
fn a_killed_server_keeps_its_data() {
    let mut server = Postgres::start("kept");
    assert_eq!(server.value("SHOW fsync"), "on");
    psql(&server.url(), "CREATE TABLE t (n int8, s text)").expect("created");
    server.query("INSERT INTO t VALUES (1, 'a|b\nc'), (2, NULL)");
    server.kill();
    assert!(server.try_query("SELECT 1").is_err());
    server.start_again();
    let expected = vec![
        vec![Some("1".to_owned()), Some("a|b\nc".to_owned())],
        vec![Some("2".to_owned()), None],
    ];
    assert_eq!(server.query("SELECT * FROM t ORDER BY 1"), expected);
    server.stop();
    server.start_again();
    assert_eq!(server.count("t"), 2);
}

#[test]
fn a_frozen_server_answers_once_it_is_thawed() {
    let mut server = Postgres::start("frozen");
    server.query("CREATE TABLE t (n int8)");
    server.freeze();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.count("t"));
        std::thread::sleep(Duration::from_secs(1));
        assert!(!asked.is_finished(), "it is frozen");
        server.thaw();
        assert_eq!(asked.join().expect("no panic"), 0);
    });
    // A frozen server can be killed.
    server.freeze();
    server.kill();
    server.start_again();
    assert_eq!(server.count("t"), 0);
}

#[test]
fn tls_and_the_password_are_required() {
    let folder = folder::fresh("postgres-tls");
    certificate(&folder);
    let server = Postgres::start_tls("tls", &folder);
    let root = folder.join("cert.pem");
    let verified = |host| {
        let url = url(host, server.port(), "verify-full");
        psql(&format!("{url}&sslrootcert={}", root.display()), "SELECT 1")
    };
    assert_eq!(verified("localhost"), Ok(vec![vec![Some("1".to_owned())]]));
    let plain = psql(&server.url(), "SELECT 1").expect_err("TLS is required");
    assert!(plain.contains("no encryption"), "{plain}");
    let wrong = server.url().replace("@", ":wrong@").replace("disable", "require");
    let refused = psql(&wrong, "SELECT 1").expect_err("the password counts");
    assert!(refused.contains("password authentication failed"), "{refused}");
}

#[test]
fn the_proxy_loses_answers_and_delivers_requests_late() {
    let server = Postgres::start("cuts");
    server.query("CREATE TABLE t (n int8); GRANT ALL ON t TO consumer");
    let cuts = Cuts::start(server.port());
    let through = url("127.0.0.1", cuts.port(), "disable");
    assert!(psql(&through, "INSERT INTO t VALUES (1)").is_ok());
    let insert = |number: i64| format!("SELECT pg_sleep(0.2); INSERT INTO t VALUES ({number})");
    // The statement is sent before the answers are lost, and carried out meanwhile.
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| psql(&through, &insert(2)));
        std::thread::sleep(Duration::from_millis(100));
        cuts.lose_answers(Duration::from_millis(400));
        assert!(asked.join().expect("no panic").is_err());
    });
    until_true("the insert was carried out", Duration::from_secs(5), || server.count("t") == 2);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| psql(&through, "INSERT INTO t VALUES (3)"));
        cuts.deliver_late(Duration::from_millis(100));
        let _ = asked.join().expect("no panic");
    });
    assert!(psql(&through, "SELECT 1").is_ok());
    cuts.refuse(true);
    assert!(psql(&through, "SELECT 1").is_err());
    cuts.refuse(false);
    assert!(psql(&through, "SELECT 1").is_ok());
}

#[test]
fn timescale_copies_and_makes_hypertables() {
    let server = Timescale::start("harness");
    server.query(
        "CREATE TABLE t (at timestamptz NOT NULL, n float8); \
         SELECT create_hypertable('t', by_range('at', INTERVAL '1 day')); \
         ALTER TABLE t SET (timescaledb.compress); \
         SELECT add_compression_policy('t', INTERVAL '7 days'); \
         SELECT add_retention_policy('t', INTERVAL '90 days')",
    );
    server.query("INSERT INTO t SELECT '2026-11-06'::timestamptz + i * interval '1 hour', i FROM generate_series(1, 48) i");
    let buckets =
        server.query("SELECT count(*) FROM (SELECT time_bucket('1 day', at) FROM t GROUP BY 1) x");
    assert_eq!(buckets, vec![vec![Some("3".to_owned())]]);
}
