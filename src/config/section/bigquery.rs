//! `[write.<env>]` for BigQuery, and the keys of its table.

use std::path::PathBuf;

use super::consume::embedded;
use crate::config::instance_file;
use crate::config::keys::{
    BQ_TABLE, DELIVERY_GUARANTEE, GOOGLE_APPLICATION_CREDENTIALS, PARTITION_BY,
};
use crate::config::layer::LayerKind;
use crate::config::resolver::Resolver;
use crate::config::sink_settings::{BigQuerySettings, Endpoint, Guarantee, TableId};
use crate::config::values::{self, Wrong};

const PROJECT: &str = "a Google Cloud project id";
const DATASET: &str = "a dataset name: letters, digits and underscores";
const LOCATION: &str = "a BigQuery location: `EU`, `europe-west1`";
const PRICE: &str = "US dollars: a number from 0 to 100, `0.025`";
const URL: &str = "`https://host`, `http://` for this machine only, or `embedded` for the BigQuery inside this process";

/// The column of the table's day partitions.
pub fn partition_by(resolver: &mut Resolver<'_>) -> Option<String> {
    resolver.required(&PARTITION_BY, |text| {
        values::name(text, b"_", 300)
            .ok()
            .filter(|name| !name.starts_with(|c: char| c.is_ascii_digit()))
            .ok_or_else(Wrong::plain)
    })
}

/// `environment`: the path of the write environment, `write.prod`, where it is known.
pub fn read(
    resolver: &mut Resolver<'_>,
    environment: Option<&str>,
    partition_by: Option<String>,
) -> Option<BigQuerySettings> {
    let credentials = credentials(resolver);
    let guarantee = resolver.required(&DELIVERY_GUARANTEE, |text| {
        let choices =
            [("exactly-once", Guarantee::ExactlyOnce), ("at-least-once", Guarantee::AtLeastOnce)];
        values::choice(text, &choices)
    });
    let name = resolver.required(&BQ_TABLE, table_name);
    let at = environment?;
    let table = table(resolver, at, name);
    // For readers of the configuration; nothing uses it.
    let location = resolver.optional_at(&format!("{at}.location"), LOCATION, location);
    let price_per_gib = resolver.optional_at(&format!("{at}.price_per_gib"), PRICE, price);
    let endpoint = endpoint(resolver, &format!("{at}.endpoint"));
    location?;
    Some(BigQuerySettings {
        table: table?,
        endpoint: endpoint?,
        credentials: credentials?,
        partition_by: partition_by?,
        guarantee: guarantee?,
        price_per_gib: price_per_gib?,
    })
}

/// The table's name as written, which may leave out the project or the dataset.
struct TableName {
    project: Option<String>,
    dataset: Option<String>,
    table: String,
}

fn table_name(text: &str) -> Result<TableName, Wrong> {
    // Split from the end, because an old project id may contain dots (`example.com:project`).
    let mut parts = text.rsplitn(3, '.');
    let table = parts.next().unwrap_or_default();
    // A table's name has at most 1,024 bytes, and `_dead_letters` adds 13.
    let table = values::name(table, b"_-", 1_011)
        .map_err(|_| Wrong::because("a table name has letters, digits, `_` and `-`"))?;
    let dataset = parts.next().map(dataset).transpose()?;
    let project = parts.next().map(project).transpose()?;
    Ok(TableName { project, dataset, table })
}

fn dataset(text: &str) -> Result<String, Wrong> {
    values::name(text, b"_", 1_024)
        .map_err(|_| Wrong::because("a dataset name has letters, digits and underscores"))
}

fn project(text: &str) -> Result<String, Wrong> {
    // At most 30 characters, but an old id begins with a domain name.
    values::name(text, b"-.:", 128)
        .map_err(|_| Wrong::because("a project id has letters, digits and hyphens"))
}

/// The table's full name. The environment adds what the name leaves out.
fn table(resolver: &mut Resolver<'_>, at: &str, name: Option<TableName>) -> Option<TableId> {
    let project_path = format!("{at}.project");
    let dataset_path = format!("{at}.dataset");
    let default_project = resolver.optional_at(&project_path, PROJECT, project);
    let default_dataset = resolver.optional_at(&dataset_path, DATASET, dataset);
    let named = |part: fn(&TableName) -> bool| name.as_ref().is_some_and(part);
    if !named(|name| name.project.is_some()) && default_project == Some(None) {
        resolver.missing(&project_path, PROJECT);
    }
    if !named(|name| name.dataset.is_some()) && default_dataset == Some(None) {
        resolver.missing(&dataset_path, &format!("{DATASET}, here or in BQ_TABLE"));
    }
    let name = name?;
    if let (Some(named), Some(Some(default))) = (&name.project, &default_project)
        && named != default
        && let Some(cluster) = instance_file::cluster(resolver.layers)
        && let Some(setting) = resolver.find(&BQ_TABLE)
        && setting.layer == LayerKind::EnvFile
    {
        let found = format!("the project `{named}`, which is another than the cluster's");
        let accepted = format!("a table of `{default}`, where the cluster `{cluster}` writes");
        resolver.mistake(setting, found, accepted);
        return None;
    }
    Some(TableId {
        project: name.project.or(default_project?)?,
        dataset: name.dataset.or(default_dataset?)?,
        table: name.table,
    })
}

fn location(text: &str) -> Result<String, Wrong> {
    values::name(text, b"-", 63)
}

fn price(text: &str) -> Result<f64, Wrong> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let price = text.parse().ok().filter(|price| is_plain && *price <= 100.0);
    price.ok_or_else(Wrong::plain)
}

/// The path of the credentials file; `Some(None)` if there is none. An empty value removes the path
/// that a weaker layer sets.
fn credentials(resolver: &mut Resolver<'_>) -> Option<Option<PathBuf>> {
    resolver.optional(&GOOGLE_APPLICATION_CREDENTIALS, |text| match text.starts_with('{') {
        true => Err(Wrong::because("this is the content of a credentials file, not its path")),
        false => Ok(PathBuf::from(text)),
    })
}

/// The two addresses of BigQuery, of which both or none are set: with only one, tables and rows
/// would be on different servers.
fn endpoint(resolver: &mut Resolver<'_>, path: &str) -> Option<Endpoint> {
    let [rest_path, storage_path] = ["rest", "storage"].map(|leaf| format!("{path}.{leaf}"));
    let rest = resolver.optional_at(&rest_path, URL, address);
    let storage = resolver.optional_at(&storage_path, URL, address);
    match (rest, storage) {
        (Some(None), Some(None)) => Some(Endpoint::Google),
        (_, Some(None)) => {
            resolver.missing(&storage_path, "an address, because `rest` has one: both or neither");
            None
        }
        (Some(None), _) => {
            resolver.missing(&rest_path, "an address, because `storage` has one: both or neither");
            None
        }
        (None, _) | (_, None) => None,
        (Some(Some(Address::Embedded)), Some(Some(Address::Embedded))) => Some(Endpoint::Embedded),
        (Some(Some(Address::Url(rest))), Some(Some(Address::Url(storage)))) => {
            let trusted = is_google(&rest) && is_google(&storage)
                || [&rest_path, &storage_path].iter().all(|path| !in_env_file(resolver, path));
            Some(Endpoint::Custom { rest, storage, trusted })
        }
        (Some(Some(_)), Some(Some(_))) => {
            let accepted = "`embedded` for both `rest` and `storage`, or for neither";
            if let Some(setting) = resolver.layers.find(&storage_path) {
                resolver.wrong(setting, accepted.to_owned());
            }
            None
        }
    }
}

/// Whether a URL is one of Google's, so that a token that is sent there reaches nobody else.
fn is_google(url: &str) -> bool {
    let host = url.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    url.starts_with("https://") && host.is_some_and(|host| host.ends_with(".googleapis.com"))
}

/// Whether the value that counts at a path stands in the `.env`.
fn in_env_file(resolver: &Resolver<'_>, path: &str) -> bool {
    resolver.layers.find(path).is_some_and(|setting| setting.layer == LayerKind::EnvFile)
}

/// One address of BigQuery.
enum Address {
    Embedded,
    Url(String),
}

fn address(text: &str) -> Result<Address, Wrong> {
    if text == "embedded" {
        return embedded().map(|()| Address::Embedded);
    }
    values::url(text).map(Address::Url)
}
