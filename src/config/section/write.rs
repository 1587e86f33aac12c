//! Where rows and dead letters go.

use std::path::PathBuf;

use super::consume::{embedded, environment};
use crate::config::keys::{
    BQ_TABLE, DEAD_LETTER, DELIVERY_GUARANTEE, GOOGLE_APPLICATION_CREDENTIALS, MANAGE_TABLE,
    PARTITION_BY, ROW_LAYOUT, WRITE_ENV,
};
use crate::config::reader::{Found, Reader, Wrong};
use crate::config::settings::{
    DeadLetterTarget, Endpoint, Guarantee, RowLayout, TableId, WriteSettings,
};
use crate::config::values;

const PROJECT: &str = "a Google Cloud project's id";
const DATASET: &str = "a dataset: letters, digits and underscores";
const LOCATION: &str = "a BigQuery location: `EU`, `europe-west1`";
const URL: &str = "`https://host`, `http://` for this machine only, or `embedded` for the BigQuery in this process";

/// How rows are laid out: what a contract's columns follow from.
#[derive(Debug, Clone)]
pub struct Rows {
    pub layout: RowLayout,
    pub partition_by: String,
}

pub fn rows(reader: &mut Reader<'_>) -> Option<Rows> {
    let partition_by = reader.required(&PARTITION_BY, |text| {
        values::name(text, b"_", 300)
            .ok()
            .filter(|name| !name.starts_with(|c: char| c.is_ascii_digit()))
            .ok_or_else(Wrong::plain)
    });
    let layout = reader.required(&ROW_LAYOUT, |text| {
        values::word(text, &[("columns", RowLayout::Columns), ("envelope", RowLayout::Envelope)])
    });
    Some(Rows { layout: layout?, partition_by: partition_by? })
}

pub fn read(reader: &mut Reader<'_>, rows: Option<Rows>) -> Option<WriteSettings> {
    let credentials = credentials(reader);
    let manage_table = reader.required(&MANAGE_TABLE, values::flag);
    let guarantee = reader.required(&DELIVERY_GUARANTEE, |text| {
        let words =
            [("exactly-once", Guarantee::ExactlyOnce), ("at-least-once", Guarantee::AtLeastOnce)];
        values::word(text, &words)
    });
    let name = reader.required(&BQ_TABLE, table_name);
    let environment = environment(reader, &WRITE_ENV, "write")?;
    let at = format!("write.{environment}");
    let table = table(reader, &at, name);
    let location = location(reader, &format!("{at}.location"));
    let endpoint = endpoint(reader, &format!("{at}.endpoint"));
    let Rows { layout, partition_by } = rows?;
    Some(WriteSettings {
        environment,
        table: table?,
        location: location?,
        endpoint: endpoint?,
        credentials: credentials?,
        manage_table: manage_table?,
        partition_by,
        layout,
        guarantee: guarantee?,
    })
}

pub fn dead_letter(reader: &mut Reader<'_>) -> Option<DeadLetterTarget> {
    reader.required(&DEAD_LETTER, |text| {
        if text.eq_ignore_ascii_case("bigquery") {
            return Ok(DeadLetterTarget::BigQuery);
        }
        let topic = text.strip_prefix("kafka:").ok_or_else(Wrong::plain)?;
        values::topic(topic.trim()).map(DeadLetterTarget::Kafka)
    })
}

/// The table as it is named: with or without its dataset and project.
struct TableName {
    project: Option<String>,
    dataset: Option<String>,
    table: String,
}

fn table_name(text: &str) -> Result<TableName, Wrong> {
    // Projects of the old kind (`example.com:project`) have dots, so the name is read from its end.
    let mut parts = text.rsplitn(3, '.');
    let table = parts.next().unwrap_or_default();
    // 1,024 bytes at most, and the dead letters' table adds 13.
    let table = values::name(table, b"_-", 1_011)
        .map_err(|_| Wrong::because("a table has letters, digits, `_`, `-`"))?;
    let dataset = parts.next().map(dataset).transpose()?;
    let project = parts.next().map(project).transpose()?;
    Ok(TableName { project, dataset, table })
}

fn dataset(text: &str) -> Result<String, Wrong> {
    values::name(text, b"_", 1_024)
        .map_err(|_| Wrong::because("a dataset has letters, digits, underscores"))
}

fn project(text: &str) -> Result<String, Wrong> {
    // 30 characters, and the organisation's domain before an old one.
    values::name(text, b"-.:", 128)
        .map_err(|_| Wrong::because("a project's id has letters, digits, hyphens"))
}

/// Completes the table's name from the environment.
fn table(reader: &mut Reader<'_>, at: &str, name: Option<TableName>) -> Option<TableId> {
    let project_path = format!("{at}.project");
    let dataset_path = format!("{at}.dataset");
    let default_project = reader.at_path(&project_path, PROJECT, project);
    let default_dataset = reader.at_path(&dataset_path, DATASET, dataset);
    let has = |part: fn(&TableName) -> bool| name.as_ref().is_some_and(part);
    if !has(|name| name.project.is_some()) && reader.layers.find(&project_path).is_none() {
        reader.missing(&project_path, PROJECT);
    }
    if !has(|name| name.dataset.is_some()) && reader.layers.find(&dataset_path).is_none() {
        reader.missing(&dataset_path, &format!("{DATASET}, here or in BQ_TABLE"));
    }
    let name = name?;
    Some(TableId {
        project: name.project.or(default_project)?,
        dataset: name.dataset.or(default_dataset)?,
        table: name.table,
    })
}

/// Outer `None`: a mistake was noted.
fn location(reader: &mut Reader<'_>, path: &str) -> Option<Option<String>> {
    if reader.layers.find(path).is_none() {
        return Some(None);
    }
    reader.at_path(path, LOCATION, |text| values::name(text, b"-", 63)).map(Some)
}

/// Outer `None`: a mistake was noted. An empty path takes back what a weaker layer says.
fn credentials(reader: &mut Reader<'_>) -> Option<Option<PathBuf>> {
    let key = &GOOGLE_APPLICATION_CREDENTIALS;
    if reader.text(key).is_none() {
        return Some(None);
    }
    reader.required(key, |text| match text {
        "" => Ok(None),
        _ if text.starts_with('{') => Err(Wrong::because("it holds the credentials themselves")),
        _ => Ok(Some(PathBuf::from(text))),
    })
}

/// Both addresses together, or neither: half of them would split the data between two peers.
fn endpoint(reader: &mut Reader<'_>, path: &str) -> Option<Endpoint> {
    let [rest, storage] = ["rest", "storage"].map(|leaf| format!("{path}.{leaf}"));
    let there = [&rest, &storage].map(|leaf| reader.layers.find(leaf).is_some());
    match there {
        [false, false] => return Some(Endpoint::Google),
        [true, false] => reader.missing(&storage, "it goes with `rest`: both or neither"),
        [false, true] => reader.missing(&rest, "it goes with `storage`: both or neither"),
        [true, true] => {}
    }
    let first = reader.at_path(&rest, URL, peer);
    let second = reader.at_path(&storage, URL, peer);
    match (first?, second?) {
        (Peer::Embedded, Peer::Embedded) => Some(Endpoint::Embedded),
        (Peer::At(rest), Peer::At(storage)) => Some(Endpoint::Custom { rest, storage }),
        (Peer::Embedded, Peer::At(_)) | (Peer::At(_), Peer::Embedded) => {
            if let Some((layer, entry)) = reader.layers.find(&storage) {
                let found = Found { layer, entry: entry.clone() };
                reader.wrong(
                    &found,
                    "`embedded` for both `rest` and `storage`, or for neither".to_owned(),
                );
            }
            None
        }
    }
}

enum Peer {
    Embedded,
    At(String),
}

fn peer(text: &str) -> Result<Peer, Wrong> {
    if text == "embedded" {
        return embedded().map(|()| Peer::Embedded);
    }
    values::url(text).map(Peer::At)
}
