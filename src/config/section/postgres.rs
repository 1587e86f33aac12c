//! `[write.<env>.postgres]` and the keys of a PostgreSQL table.

use std::path::PathBuf;

use tokio_postgres::Config;

use crate::config::keys::{PG_COMPRESS_AFTER, PG_RETENTION, PG_TABLE, PG_TIME_COLUMN};
use crate::config::resolver::Resolver;
use crate::config::secret::Secret;
use crate::config::sink_settings::{
    PostgresServer, PostgresSettings, PostgresTable, PostgresTls, SslMode,
};
use crate::config::values::{self, Wrong};

const URL: &str = "a connection URI without a password: `postgres://user@host:5432/database`";
const USER: &str = "the name of a role";
const PASSWORD: &str = "the password of the role; without it the server must not ask for one";
const SSLMODE: &str = "`disable`, `prefer`, `require`, `verify-ca` or `verify-full`";
const SSLROOTCERT: &str = "the path of a file of certificates (PEM)";
const CONNECTIONS: &str = "a whole number from 1 to 100";
const DEFAULT_CONNECTIONS: u64 = 4;

/// The most bytes of a name (`NAMEDATALEN`).
const LONGEST_NAME: usize = 63;
/// A table's name is that much shorter, because `_dead_letters` follows it.
const LONGEST_TABLE: usize = LONGEST_NAME - "_dead_letters".len();

const MODES: &[(&str, SslMode)] = &[
    ("disable", SslMode::Disable),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

/// `environment`: the path of the write environment, `write.prod`, where it is known.
pub fn read(
    resolver: &mut Resolver<'_>,
    environment: Option<&str>,
    time_column: Option<Option<String>>,
) -> Option<PostgresSettings> {
    let table = resolver.required(&PG_TABLE, table);
    let compress_after = resolver.optional(&PG_COMPRESS_AFTER, values::age);
    let retention = resolver.optional(&PG_RETENTION, values::age);
    if time_column == Some(None) {
        for (key, age) in [(&PG_COMPRESS_AFTER, &compress_after), (&PG_RETENTION, &retention)] {
            if let (Some(Some(_)), Some(setting)) = (age, resolver.find(key)) {
                let found = "an age, and there is no PG_TIME_COLUMN".to_owned();
                let accepted = "an age where PG_TIME_COLUMN makes the table a hypertable";
                resolver.mistake(setting, found, accepted.to_owned());
            }
        }
    }
    let server = server(resolver, environment?);
    Some(PostgresSettings {
        server: server?,
        table: table?,
        time_column: time_column?,
        compress_after: compress_after?,
        retention: retention?,
    })
}

/// The column that makes the table a hypertable; `Some(None)`: none.
pub fn time_column(resolver: &mut Resolver<'_>) -> Option<Option<String>> {
    resolver.optional(&PG_TIME_COLUMN, |text| {
        match !text.contains('\0') && text.len() <= LONGEST_NAME {
            true => Ok(text.to_owned()),
            false => Err(Wrong::plain()),
        }
    })
}

fn table(text: &str) -> Result<PostgresTable, Wrong> {
    let (schema, table) = text.split_once('.').unwrap_or(("public", text));
    let name = |name: &str, longest: usize| {
        values::name(name, b"_", longest)
            .ok()
            .filter(|name| !name.starts_with(|c: char| c.is_ascii_digit()))
    };
    match (name(schema, LONGEST_NAME), name(table, LONGEST_TABLE)) {
        (Some(schema), Some(table)) => Ok(PostgresTable { schema, table }),
        _ => Err(Wrong::because(format!(
            "a name has letters, digits and underscores and does not begin with a digit; a schema's \
             has up to {LONGEST_NAME} characters, a table's {LONGEST_TABLE}"
        ))),
    }
}

/// The section of the server in an environment: `write.prod`.
pub fn server(resolver: &mut Resolver<'_>, environment: &str) -> Option<PostgresServer> {
    let at = |leaf: &str| format!("{environment}.postgres.{leaf}");
    let url = resolver.required_at(&at("url"), URL, url);
    let user = resolver.optional_at(&at("user"), USER, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(text.to_owned()),
    });
    let password =
        resolver.optional_at(&at("password"), PASSWORD, |text| Ok(Secret::new(text.to_owned())));
    let mode = resolver.optional_at(&at("sslmode"), SSLMODE, |text| values::choice(text, MODES));
    let root = resolver.optional_at(&at("sslrootcert"), SSLROOTCERT, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(PathBuf::from(text)),
    });
    let connections =
        resolver.optional_at(&at("connections"), CONNECTIONS, |text| values::number(text, 1, 100));
    let Uri { url, mode: in_url, root: root_in_url } = url?;
    Some(PostgresServer {
        url: Secret::new(url),
        user: user?,
        password: password?,
        tls: PostgresTls {
            mode: mode?.or(in_url).unwrap_or(SslMode::Prefer),
            root_certificate: root?.or(root_in_url),
        },
        connections: usize::try_from(connections?.unwrap_or(DEFAULT_CONNECTIONS)).ok()?,
    })
}

/// A connection URI, and what it says of TLS, which tokio-postgres knows in part only.
struct Uri {
    url: String,
    mode: Option<SslMode>,
    root: Option<PathBuf>,
}

fn url(text: &str) -> Result<Uri, Wrong> {
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(Wrong::plain());
    }
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let (mut mode, mut root, mut kept) = (None, None, Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => {
                let wrong = |_| Wrong::because(format!("sslmode is {SSLMODE}"));
                mode = Some(values::choice(value, MODES).map_err(wrong)?);
            }
            Some(("sslrootcert", value)) => root = Some(PathBuf::from(value)),
            _ => kept.push(parameter),
        }
    }
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    let url = format!("{address}{query}");
    let config: Config = url.parse().map_err(|error| Wrong::because(described(&error)))?;
    if config.get_password().is_some() {
        return Err(Wrong::because("the password has a key of its own, `password`"));
    }
    if config.get_dbname().is_none_or(str::is_empty) {
        return Err(Wrong::because("it names the database"));
    }
    Ok(Uri { url, mode, root })
}

/// What is wrong with a URI. The error itself says no more than that it is one.
fn described(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
