//! The settings of a transfer: `[transfer.<name>]` in the file that the command line names.
//!
//! A transfer is also a domain of the same name: its keys (`IMPORT_PATH_ORDERS`, `WRITE_ENV`, …) may
//! stand in every layer, and `contract`, `channel`, `topic`, `sink` and `target` of the file set five of
//! them.

mod file;
mod schema;
mod settings;

use jiff::tz::TimeZone;

use super::keys;
use super::layer::{LayerKind, Place};
use super::mistake::{Mistake, Mistakes};
use super::resolver::Resolver;
use super::section::{self, Check};

pub use file::{CONFIG_LOCATION, DEFAULT_LEASE, Table};
pub use schema::tables as schema;
pub use settings::{
    BatchSettings, Compression, Duplicates, FileFormat, FilesSource, QuerySource, Scope,
    SourceSettings, TransferSettings,
};

/// Reads the transfer's table and its domain; `None` if there was a mistake.
pub fn read(
    resolver: &mut Resolver<'_>,
    name: &str,
    table: Option<Table>,
    check: Check<'_>,
) -> Option<TransferSettings> {
    let Some(table) = table else {
        // Nothing is known of it, so nothing else is missing. A misspelt name is a mistake already.
        if resolver.mistakes.is_empty() {
            resolver.missing(&format!("transfer.{name}"), "a table in CONFIG_LOCATION");
        }
        return None;
    };
    let own = file::read(resolver, name, table);
    let is_topic = own.as_ref().is_some_and(|own| matches!(own.source, SourceSettings::Topic));
    let domain = section::read_batch(resolver, check, is_topic);
    let (own, domain) = (own?, domain?);
    if let Some((key, found, accepted)) = own.problem_with(&domain) {
        let key = format!("transfer.{name}.{key}");
        resolver.mistakes.push(Mistake { key, at: own.at.clone(), found, accepted });
        return None;
    }
    Some(TransferSettings {
        otlp: None,
        name: name.to_owned(),
        source: own.source,
        date_column: own.date_column,
        time_zone: own.time_zone.unwrap_or(TimeZone::UTC),
        scope: own.scope,
        key: own.key,
        duplicates: own.duplicates,
        delete_missing: own.delete_missing,
        lease: own.lease,
        before: own.before,
        after: own.after,
        domain,
    })
}

/// The domain of a transfer's name: `daily-orders` is `DAILY_ORDERS`.
pub fn domain(name: &str) -> Result<String, Mistakes> {
    let fits = !name.is_empty()
        && name.len() <= 40
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
        });
    let domain = keys::domain(&name.replace('-', "_")).ok().filter(|_| fits);
    domain.ok_or_else(|| Mistakes {
        domain: format!("the transfer {name:?}"),
        note: None,
        list: vec![Mistake {
            key: "TRANSFER_NAME".to_owned(),
            at: Some((LayerKind::CommandLine, Place::Flag("second argument"))),
            found: format!("{name:?}"),
            accepted: "up to 40 lower-case letters, digits and single hyphens or underscores, \
                       beginning with a letter: `orders`, `daily-orders`"
                .to_owned(),
        }],
    })
}
