//! The settings of the dashboard: where it listens, the series that it draws, the instances that it
//! asks, and how their stores are reached.
//!
//! It is no domain: of the keys it reads `DASHBOARD_ADDR`, `SERIES` and `WRITE_ENV`, and of the write
//! environment the sections of the stores that some series names.

mod series_file;
mod settings;

use std::path::PathBuf;

use super::keys::{DASHBOARD_ADDR, SERIES, WRITE_ENV};
use super::location::Location;
use super::resolver::Resolver;
use super::section::{environment, influx, postgres};
use super::values::Wrong;
use crate::document;

pub use settings::{Aggregate, DashboardSettings, InstanceSettings, SeriesSettings, SeriesSource};

/// What the `.env` and the messages call the dashboard, where a domain has its name.
pub const NAME: &str = "DASHBOARD";

/// Reads the keys and the series file; `None` if there was a mistake.
pub fn read(resolver: &mut Resolver<'_>) -> Option<DashboardSettings> {
    let address =
        resolver.required(&DASHBOARD_ADDR, |text| text.parse().map_err(|_| Wrong::plain()));
    let file = file(resolver).and_then(|(path, text)| {
        let place = Location::Local(path);
        series_file::read(resolver, &place, &text)
    });
    let file = file?;
    let uses = |store: &str| file.series.iter().any(|one| one.source.store() == store);
    let write = environment(resolver, &WRITE_ENV, "write").map(|name| format!("write.{name}"));
    let (mut postgres, mut influxdb) = (None, None);
    if let Some(write) = &write {
        // Both, before one of them ends it.
        if uses("postgres") {
            postgres = Some(postgres::server(resolver, write));
        }
        if uses("influxdb") {
            influxdb = Some(influx::server(resolver, write));
        }
    }
    write?;
    Some(DashboardSettings {
        otlp: None,
        address: address?,
        series: file.series,
        instances: file.instances,
        postgres: server(postgres)?,
        influxdb: server(influxdb)?,
    })
}

/// The outer `None` is a mistake, as the inner one was.
fn server<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(None) => None,
        Some(Some(server)) => Some(Some(server)),
        None => Some(None),
    }
}

/// The series file and its text.
fn file(resolver: &mut Resolver<'_>) -> Option<(PathBuf, String)> {
    let path = resolver.required(&SERIES, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(PathBuf::from(text)),
    })?;
    let found = match document::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            // Editors on Windows begin a text with a byte order mark.
            Ok(text) => return Some((path, text.trim_start_matches('\u{feff}').to_owned())),
            Err(_) => "bytes that are not UTF-8".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    if let Some(setting) = resolver.find(&SERIES) {
        let found = format!("{}: {found}", path.display());
        resolver.mistake(setting, found, format!("{} that can be read", SERIES.accepted));
    }
    None
}
