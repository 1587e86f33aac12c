//! An error of PostgreSQL, and the one match that decides what to do about it.

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, SqlState};

use crate::stop::Stop;

/// What to do after a failed operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The connection, the server or another transaction was in the way: try again.
    Retry,
    /// A row is to blame, and others are not.
    Refused,
    /// A person has to act; the text says how.
    Stop(&'static str),
}

/// An operation failed: which, and why. The message is whole: the client's own error says "db error"
/// and leaves the rest to its sources.
#[derive(Debug, thiserror::Error)]
pub enum PgError {
    #[error("{operation}: {}", described(.error))]
    Postgres { operation: &'static str, error: tokio_postgres::Error },
    #[error("connect: {0}")]
    Pool(String),
    #[error("{operation}: no answer")]
    NoAnswer { operation: &'static str },
}

/// The server's message with its code, or what the client says.
fn described(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

const ROLE: &str = "check user and password of the write environment's `postgres` section, and the \
                    server's pg_hba.conf";
const RIGHTS: &str = "grant the role INSERT on the table and its dead letters, SELECT, INSERT and \
                      UPDATE on generic_consumer_offsets, USAGE on their schema and, unless \
                      MANAGE_TABLE=false, CREATE on the schema and the ownership of the tables";
const CHANGED: &str = "the tables have changed, or were dropped, while the instance was running: start \
                       it again, which looks at them anew; with MANAGE_TABLE=false create what is \
                       missing first (docs/reference/postgresql.md)";
const DATABASE: &str = "create the database, or check the URL of the write environment's `postgres` \
                        section";
const SCHEMA: &str = "create the schema of the table and give the role USAGE and CREATE on it: CREATE \
                      SCHEMA …; GRANT USAGE, CREATE ON SCHEMA … TO …";
const UNSUPPORTED: &str = "change the table, or the keys of its hypertable, as the message says; a \
                           table that has rows is made a hypertable by hand, with create_hypertable(…, \
                           migrate_data => true)";
const TLS: &str = "check sslmode and sslrootcert of the write environment's `postgres` section \
                   against the server's certificate";

impl PgError {
    pub fn of(operation: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |error| Self::Postgres { operation, error }
    }

    pub fn pool(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Postgres { operation: "connect", error },
            other => Self::Pool(other.to_string()),
        }
    }

    pub fn db(&self) -> Option<&DbError> {
        match self {
            Self::Postgres { error, .. } => error.as_db_error(),
            Self::Pool(_) | Self::NoAnswer { .. } => None,
        }
    }

    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Postgres { error, .. } => match error.as_db_error() {
                Some(db) => of_code(db.code()),
                None if is_certificate(error) => Verdict::Stop(TLS),
                None if is_configuration(error) => Verdict::Stop(ROLE),
                None => Verdict::Retry,
            },
            Self::Pool(_) | Self::NoAnswer { .. } => Verdict::Retry,
        }
    }

    /// The error as what stops the instance.
    pub fn stop(self, what: impl Into<String>, hint: impl Into<String>) -> Stop {
        Stop::new(what, hint, self)
    }
}

/// The five characters of a code are a class of two and a condition of three.
fn of_code(code: &SqlState) -> Verdict {
    match code.code() {
        // A value in the binary form of another type: a column was altered, no row is to blame.
        "22P03" | "08P01" => Verdict::Stop(CHANGED),
        "42501" => Verdict::Stop(RIGHTS),
        "3D000" => Verdict::Stop(DATABASE),
        "3F000" => Verdict::Stop(SCHEMA),
        "0A000" => Verdict::Stop(UNSUPPORTED),
        // A server in recovery takes no writes until it is promoted.
        "25006" | "55P03" | "57014" => Verdict::Retry,
        // A pooler gave the session's prepared statements to another server.
        "42P05" => Verdict::Retry,
        // Raised by a trigger for this row.
        "P0001" | "44000" => Verdict::Refused,
        code => match &code[..code.len().min(2)] {
            // Data, integrity, limits of the program: a row too large, a JSON value nested too deep.
            "22" | "23" | "54" => Verdict::Refused,
            "28" => Verdict::Stop(ROLE),
            "3F" | "42" => Verdict::Stop(CHANGED),
            // Connection, transaction rollback, resources, operator, system and internal errors.
            _ => Verdict::Retry,
        },
    }
}

/// Whether the TLS handshake failed because of the server's certificate, or because the server has
/// none: no retry changes either.
fn is_certificate(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    let tls = io
        .and_then(std::io::Error::get_ref)
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
        || source.is_some_and(|source| source.to_string() == "server does not support TLS")
}

/// Whether the client could not log in with what is configured: no password where one is asked for.
fn is_configuration(error: &tokio_postgres::Error) -> bool {
    let text = described(error);
    text.contains("password missing") || text.contains("invalid configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_verdicts() {
        let verdict = |code: &str| of_code(&SqlState::from_code(code));
        for code in [
            "08006", "08001", "40001", "40P01", "53100", "53200", "53300", "57P01", "57P02",
            "57P03", "58030", "XX000", "25006", "55P03", "57014", "25P03",
        ] {
            assert_eq!(verdict(code), Verdict::Retry, "{code}");
        }
        for code in [
            "22003", "22008", "22021", "22P02", "22P05", "22001", "54001", "23502", "23505",
            "23514", "P0001", "54000",
        ] {
            assert_eq!(verdict(code), Verdict::Refused, "{code}");
        }
        for code in
            ["28P01", "28000", "42501", "42P01", "42703", "3D000", "3F000", "22P03", "08P01"]
        {
            assert!(matches!(verdict(code), Verdict::Stop(_)), "{code}");
        }
    }
}
