//! `SINK=postgres`: its keys, its section, and the keys of another sink.

use std::path::Path;
use std::time::Duration;

use super::*;

const URL: &str = "WRITE__PROD__POSTGRES__URL";

/// A valid configuration of DELIVERY that writes to PostgreSQL.
fn valid() -> Sources {
    without_bigquery()
        .env("SINK_DELIVERY=postgres\nPG_TABLE_DELIVERY=high")
        .variable(URL, "postgres://writer@db.example:5433/events")
}

/// The same without one key.
pub(super) fn valid_without(base: &str) -> Sources {
    let mut sources = valid();
    let mut lines: Vec<&str> =
        sources.env_file.lines().filter(|line| !line.starts_with(base)).collect();
    if base != "PG_TIME_COLUMN" {
        lines.push("PG_TIME_COLUMN=_ingested_at");
    }
    sources.env_file = lines.iter().map(|line| format!("{line}\n")).collect();
    sources
}

fn postgres(sources: Sources) -> PostgresSettings {
    match sources.settings().write.sink {
        SinkSettings::Postgres(settings) => settings,
        _ => panic!("the sink is PostgreSQL"),
    }
}

#[test]
fn the_least_that_is_needed() {
    let settings = postgres(valid());
    assert_eq!(settings.table.to_string(), "public.high");
    assert_eq!(settings.table.dead_letters().to_string(), "public.high_dead_letters");
    assert_eq!(settings.server.url.expose(), "postgres://writer@db.example:5433/events");
    assert_eq!(settings.server.connections, 4);
    assert_eq!(settings.server.tls, PostgresTls { mode: SslMode::Prefer, root_certificate: None });
    assert_eq!(
        (settings.time_column, settings.compress_after, settings.retention),
        (None, None, None)
    );
}

#[test]
fn everything_that_can_be_set() {
    let settings = postgres(
        valid_without("PG_TABLE")
            .env("PG_TABLE_DELIVERY=events.high")
            .env("PG_COMPRESS_AFTER_DELIVERY=7d\nPG_RETENTION='12 w'")
            .variable(URL, "postgresql://db/events?sslmode=require&target_session_attrs=read-write")
            .variable("WRITE__PROD__POSTGRES__USER", "writer")
            .variable("WRITE__PROD__POSTGRES__PASSWORD", "s3cret")
            .variable("WRITE__PROD__POSTGRES__SSLMODE", "verify-full")
            .variable("WRITE__PROD__POSTGRES__SSLROOTCERT", "/etc/ca.pem")
            .variable("WRITE__PROD__POSTGRES__CONNECTIONS", "9"),
    );
    assert_eq!(settings.table.to_string(), "events.high");
    assert_eq!(settings.time_column.as_deref(), Some("_ingested_at"));
    assert_eq!(settings.compress_after, Some(Duration::from_secs(7 * 24 * 3_600)));
    assert_eq!(settings.retention, Some(Duration::from_secs(12 * 7 * 24 * 3_600)));
    let PostgresServer { url, user, password, tls, connections } = settings.server;
    assert_eq!(url.expose(), "postgresql://db/events?target_session_attrs=read-write");
    assert_eq!((user.as_deref(), connections), (Some("writer"), 9));
    assert_eq!(password.map(|password| password.expose().to_owned()).as_deref(), Some("s3cret"));
    assert_eq!(tls.mode, SslMode::VerifyFull);
    assert_eq!(tls.root_certificate.as_deref(), Some(Path::new("/etc/ca.pem")));
}

#[test]
fn the_url_may_say_how_to_encrypt() {
    let url = "postgres://db/events?sslmode=verify-ca&sslrootcert=/etc/ca.pem";
    let server = postgres(valid().variable(URL, url)).server;
    assert_eq!(server.url.expose(), "postgres://db/events");
    let root_certificate = Some(Path::new("/etc/ca.pem").to_owned());
    assert_eq!(server.tls, PostgresTls { mode: SslMode::VerifyCa, root_certificate });
}

#[test]
fn values_that_are_refused() {
    for (key, value, accepted) in [
        (URL, "mysql://db/events", "a connection URI"),
        (URL, "postgres://u:secret@db/events", "a key of its own"),
        (URL, "postgres://db", "names the database"),
        (URL, "postgres://db/events?sslmode=maybe", "sslmode is `disable`"),
        (URL, "postgres://db/events?nonsense=1", "unknown option `nonsense`"),
        ("WRITE__PROD__POSTGRES__SSLMODE", "on", "verify-full"),
        ("WRITE__PROD__POSTGRES__CONNECTIONS", "0", "from 1 to 100"),
    ] {
        let mistake = valid().variable(key, value).mistake();
        assert_eq!(mistake.key, key, "{value}");
        assert!(mistake.accepted.contains(accepted), "{value}: {mistake}");
        assert!(!mistake.to_string().contains("secret"), "{mistake}");
    }
}

#[test]
fn an_age_needs_a_hypertable() {
    let mistake = valid().env("PG_RETENTION=7d").mistake();
    assert_eq!(mistake.key, "PG_RETENTION");
    assert!(mistake.found.contains("no PG_TIME_COLUMN"), "{mistake}");
    // Empty means none, so that a domain can do without the default of all domains.
    assert_eq!(postgres(valid().env("PG_RETENTION=7d\nPG_RETENTION_DELIVERY=''")).retention, None);
}

/// Whoever sets it for a domain expects something of it. A default of all domains may be there.
#[test]
fn a_key_of_another_sink_is_a_mistake() {
    let mistake = valid().env("BQ_TABLE_DELIVERY=t").mistake();
    assert_eq!(mistake.key, "BQ_TABLE_DELIVERY");
    assert_eq!(mistake.accepted, "this key with SINK_DELIVERY=bigquery only");
    let mistake = Sources::valid().env("PG_TABLE_DELIVERY=t").mistake();
    assert_eq!(mistake.accepted, "this key with SINK_DELIVERY=postgres only");
    postgres(valid().env("BQ_TABLE=t\nPARTITION_BY=at"));
}

#[test]
fn what_is_missing_is_named() {
    let mut sources = valid().variable("WRITE__PROD__POSTGRES__USER", "writer");
    sources.variables.remove(std::ffi::OsStr::new(URL));
    let missing = sources.mistake();
    assert_eq!(missing.key, "write.prod.postgres.url");
}

#[test]
fn the_password_is_not_shown() {
    let loaded =
        valid().variable("WRITE__PROD__POSTGRES__PASSWORD", "s3cret").load().expect("valid");
    assert!(!format!("{loaded:?}").contains("s3cret"));
}
