//! `[transfer.<name>]`, with its `source` in a table of its own.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::settings::{
    BatchSettings, Compression, Duplicates, FileFormat, FilesSource, QuerySource, Scope,
    SourceSettings,
};
use crate::config::document::{FileValue, KeyValue};
use crate::config::entry::{Entry, at};
use crate::config::keys::WRITE_ENV;
use crate::config::layer::{LayerKind, Place};
use crate::config::location::Location;
use crate::config::resolver::Resolver;
use crate::config::section::{environment, postgres};
use crate::config::settings::DeadLetterTarget;
use crate::config::sink_settings::SinkSettings;
use crate::config::values::{self, Wrong};

/// What the file is called in messages.
pub const CONFIG_LOCATION: &str = "CONFIG_LOCATION";

const COLUMN: &str = "a column of the target";
const COLUMNS: &str = "columns of the target: a list, or names separated by commas";
const ZONE: &str = "a time zone: `Europe/Berlin`, `UTC`";
const FLAG: &str = "`true` or `false`";
const DELIMITER: &str = "`,`, `;`, `|` or `tab`";
const LEASE: &str = "seconds: a whole number from 2 to 3600";
/// In seconds.
pub const DEFAULT_LEASE: u64 = 60;
const INSTANCE: &str = "the connection name of an instance: `project:region:instance`";
const FILE: &str = "the path of a file with SQL";

pub(super) const SCOPES: &[(&str, Scope)] = &[("day", Scope::Day), ("table", Scope::Table)];
pub(super) const DUPLICATES: &[(&str, Duplicates)] =
    &[("refuse", Duplicates::Refuse), ("last", Duplicates::Last)];
pub(super) const FORMATS: &[(&str, FileFormat)] = &[
    ("ndjson", FileFormat::Ndjson),
    ("csv", FileFormat::Csv { delimiter: b',' }),
    ("parquet", FileFormat::Parquet),
];
pub(super) const DELIMITERS: &[(&str, u8)] =
    &[("tab", b'\t'), (",", b','), (";", b';'), ("|", b'|')];
pub(super) const COMPRESSIONS: &[(&str, Compression)] =
    &[("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];

pub(super) const KEYS: &[&str] = &[
    "lease_seconds",
    "contract",
    "channel",
    "topic",
    "sink",
    "target",
    "source",
    "date_column",
    "time_zone",
    "scope",
    "key",
    "duplicates",
    "delete_missing",
    "before",
    "after",
];

/// The table of a transfer as it was found.
#[derive(Debug, Clone)]
pub struct Table {
    pub file: Location,
    pub line: Option<usize>,
    /// Without the keys that set a key of the domain.
    pub pairs: Vec<KeyValue>,
}

/// What the table says.
pub struct Own {
    pub source: SourceSettings,
    pub date_column: Option<String>,
    pub time_zone: Option<TimeZone>,
    pub scope: Scope,
    pub key: Vec<String>,
    pub duplicates: Duplicates,
    pub delete_missing: bool,
    pub lease: Duration,
    pub before: Option<PathBuf>,
    pub after: Option<PathBuf>,
    pub at: Option<(LayerKind, Place)>,
}

/// The date column of a topic's rows: the time of the record.
pub const RECORD_TIME: &str = "_kafka_timestamp";

impl Own {
    /// What does not fit the domain: the key, what was found, and what is accepted.
    pub fn problem_with(&self, domain: &BatchSettings) -> Option<(&'static str, String, String)> {
        let sink = &domain.write.sink;
        if !matches!(sink, SinkSettings::BigQuery(_) | SinkSettings::Postgres(_)) {
            let found = format!("the sink `{}`", sink.name());
            return Some(("sink", found, "`bigquery` or `postgres`".to_owned()));
        }
        if let (DeadLetterTarget::Kafka(topic), None) = (&domain.dead_letter, &domain.consume) {
            let accepted = "DEAD_LETTER=table: this source has no brokers".to_owned();
            return Some(("source", format!("dead letters in the topic {topic}"), accepted));
        }
        None
    }
}

/// `None` after a mistake.
pub fn read(resolver: &mut Resolver<'_>, name: &str, table: Table) -> Option<Own> {
    let Table { file, line, mut pairs } = table;
    let source =
        pairs.iter().position(|pair| pair.key == "source").map(|index| pairs.remove(index));
    let mut entry = Entry::at_path(&format!("transfer.{name}"), &file, pairs);
    let time_zone = entry.optional("time_zone", ZONE, zone);
    let scope = entry.optional("scope", "`day` or `table`", |text| values::choice(text, SCOPES));
    let key = entry.names("key", COLUMNS, "a column");
    let duplicates =
        entry.optional("duplicates", "`refuse` or `last`", |text| values::choice(text, DUPLICATES));
    let delete_missing = entry.optional("delete_missing", FLAG, values::flag);
    let lease = entry.optional("lease_seconds", LEASE, |text| values::number(text, 2, 3_600));
    let before = entry.optional("before", FILE, path);
    let after = entry.optional("after", FILE, path);
    let date_column = entry.optional("date_column", COLUMN, column);
    let source = match source {
        Some(KeyValue { value: FileValue::Table(pairs), .. }) => {
            let mut inner = Entry::at_path(&format!("transfer.{name}.source"), &file, pairs);
            let kind = inner.required("kind", "`topic`, `files` or `query`", |text| {
                values::choice(text, KINDS)
            });
            match kind {
                Some(kind) => {
                    let source = one_source(resolver, &mut inner, kind);
                    resolver.mistakes.extend(inner.finish(known(kind), &[]));
                    source
                }
                // Without it, nobody knows which keys the others are.
                None => {
                    resolver.mistakes.append(&mut inner.mistakes);
                    None
                }
            }
        }
        Some(KeyValue { line, .. }) => {
            let accepted = format!("a table [transfer.{name}.source]");
            entry.mistake("source", line, "a plain value".to_owned(), accepted);
            None
        }
        None => {
            let accepted =
                format!("[transfer.{name}.source] with `kind`: `topic`, `files` or `query`");
            entry.mistake("source", line, "nothing".to_owned(), accepted);
            None
        }
    };
    let is_topic = matches!(source, Some(SourceSettings::Topic));
    let whole_table = scope == Some(Some(Scope::Table));
    let date_column = match date_column? {
        _ if is_topic && whole_table => {
            let accepted = "`day`: a topic is read by the time of its records".to_owned();
            entry.mistake("scope", line, "`table`".to_owned(), accepted);
            None
        }
        Some(column) if is_topic && column != RECORD_TIME => {
            let accepted = format!("`{RECORD_TIME}`: a topic is read by the time of its records");
            entry.mistake("date_column", line, format!("`{column}`"), accepted);
            None
        }
        Some(column) if whole_table => {
            let accepted = "no date column with `scope = \"table\"`".to_owned();
            entry.mistake("date_column", line, format!("`{column}`"), accepted);
            None
        }
        None if is_topic => Some(Some(RECORD_TIME.to_owned())),
        None if whole_table => Some(None),
        None => {
            entry.mistake("date_column", line, "nothing".to_owned(), COLUMN.to_owned());
            None
        }
        Some(column) => Some(Some(column)),
    };
    let own = (|| {
        Some(Own {
            source: source?,
            date_column: date_column?,
            time_zone: time_zone?,
            scope: scope?.unwrap_or(Scope::Day),
            key: key?.unwrap_or_default(),
            duplicates: duplicates?.unwrap_or(Duplicates::Refuse),
            delete_missing: delete_missing?.unwrap_or(false),
            lease: Duration::from_secs(lease?.unwrap_or(DEFAULT_LEASE)),
            before: before?,
            after: after?,
            at: at(&file, line),
        })
    })();
    let mistakes = entry.finish(KEYS, &[]);
    let is_clean = mistakes.is_empty();
    resolver.mistakes.extend(mistakes);
    own.filter(|_| is_clean)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Topic,
    Files,
    Query,
}

pub(super) const KINDS: &[(&str, Kind)] =
    &[("topic", Kind::Topic), ("files", Kind::Files), ("query", Kind::Query)];

pub(super) fn known(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Topic => &["kind"],
        Kind::Files => &["kind", "files", "format", "delimiter", "compression", "optional"],
        Kind::Query => &["kind", "sql", "environment", "proxy", "instance"],
    }
}

fn one_source(
    resolver: &mut Resolver<'_>,
    entry: &mut Entry<'_>,
    kind: Kind,
) -> Option<SourceSettings> {
    match kind {
        Kind::Topic => Some(SourceSettings::Topic),
        Kind::Files => files(entry).map(SourceSettings::Files),
        Kind::Query => query(resolver, entry).map(SourceSettings::Query),
    }
}

fn files(entry: &mut Entry<'_>) -> Option<FilesSource> {
    const FILES: &str = "paths, or `gs://` and `s3://` locations, with `{date}` where the day is";
    let files = entry.names("files", FILES, "a file");
    let format = entry
        .required("format", "`ndjson`, `csv` or `parquet`", |text| values::choice(text, FORMATS));
    let delimiter = entry.optional("delimiter", DELIMITER, |text| values::choice(text, DELIMITERS));
    let compression = entry.optional("compression", "`none`, `gzip` or `zstd`", |text| {
        values::choice(text, COMPRESSIONS)
    });
    let optional = entry.optional("optional", FLAG, values::flag);
    if format == Some(FileFormat::Parquet) && !matches!(compression, Some(None) | None) {
        let found = "the compression of a Parquet file, which says it itself".to_owned();
        let accepted = "this key with `format = \"ndjson\"` or `\"csv\"`".to_owned();
        entry.mistake("compression", None, found, accepted);
    }
    let files = match files? {
        Some(files) if !files.is_empty() => files,
        _ => {
            entry.mistake("files", None, "nothing".to_owned(), FILES.to_owned());
            return None;
        }
    };
    if let Some(wrong) = files.iter().find_map(|file| Location::file(file.as_ref()).err()) {
        let found = "a location that is none".to_owned();
        entry.mistake("files", None, found, wrong.accepted(FILES));
        return None;
    }
    let format = match (format?, delimiter?) {
        (FileFormat::Csv { .. }, Some(delimiter)) => FileFormat::Csv { delimiter },
        (format, None) => format,
        (FileFormat::Ndjson | FileFormat::Parquet, Some(_)) => {
            let found = "a delimiter of a format that has none".to_owned();
            entry.mistake("delimiter", None, found, "this key with `format = \"csv\"`".to_owned());
            return None;
        }
    };
    Some(FilesSource {
        files,
        format,
        compression: compression?,
        optional: optional?.unwrap_or(false),
    })
}

fn query(resolver: &mut Resolver<'_>, entry: &mut Entry<'_>) -> Option<QuerySource> {
    let sql = entry.required("sql", FILE, |text| Location::file(text.as_ref()));
    let proxy = entry.optional("proxy", "`host:port` or a folder of sockets", |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(text.to_owned()),
    });
    let instance = entry.optional("instance", INSTANCE, instance);
    let name = |text: &str| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(text.to_ascii_lowercase()),
    };
    // Its server is described like that of a sink.
    let named =
        entry.optional("environment", "an environment with [write.<env>.postgres]", name)?;
    let environment = match named {
        Some(name) => Some(name),
        None => environment(resolver, &WRITE_ENV, "write"),
    };
    let server = environment.and_then(|name| postgres::server(resolver, &format!("write.{name}")));
    let (proxy, instance) = (proxy?, instance?);
    // The proxy names the folder of an instance's sockets by the instance.
    let folder =
        proxy.as_deref().and_then(|proxy| Some(proxy.strip_prefix('/')?.rsplit_once('/')?.1));
    if let (Some(folder), Some(instance)) = (folder, &instance)
        && folder != instance
    {
        let accepted = format!("the end of `proxy`: `{folder}`");
        entry.mistake("instance", None, format!("`{instance}`"), accepted);
        return None;
    }
    let of_folder = || folder.and_then(|folder| self::instance(folder).ok());
    let instance = instance.or_else(of_folder);
    Some(QuerySource { server: server?, sql: sql?, proxy, instance })
}

/// A region may be in front of which an organization's domain stands: `example.com:project`.
fn instance(text: &str) -> Result<String, Wrong> {
    let is_part = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && !part.starts_with('-') && part.bytes().all(fits)
    };
    match matches!(text.split(':').count(), 3 | 4) && text.split(':').all(is_part) {
        true => Ok(text.to_owned()),
        false => Err(Wrong::plain()),
    }
}

fn zone(text: &str) -> Result<TimeZone, Wrong> {
    TimeZone::get(text).map_err(|_| Wrong::because("there is no such time zone"))
}

fn column(text: &str) -> Result<String, Wrong> {
    values::name(text, b"_", 300)
}

fn path(text: &str) -> Result<PathBuf, Wrong> {
    match text {
        "" => Err(Wrong::plain()),
        _ => Ok(PathBuf::from(text)),
    }
}
