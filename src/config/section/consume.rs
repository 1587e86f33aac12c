//! Where events come from: the environment, its brokers, the group.

use super::properties;
use crate::config::keys::{CONSUME_ENV, GROUP_ID, Key, START_FROM, closest, perhaps};
use crate::config::reader::{Reader, Wrong};
use crate::config::settings::{Broker, ConsumeSettings, StartFrom};
use crate::config::values;

const SERVERS: &str = "servers with commas between (`prod1:9092,prod2:9092`), or `embedded` for the broker in this process";

pub fn read(reader: &mut Reader<'_>) -> Option<ConsumeSettings> {
    let group_id = reader.required(&GROUP_ID, group);
    let start_from = reader.required(&START_FROM, |text| {
        values::word(text, &[("earliest", StartFrom::Earliest), ("latest", StartFrom::Latest)])
    });
    let environment = environment(reader, &CONSUME_ENV, "consume")?;
    let at = format!("consume.{environment}");
    let servers = format!("{at}.bootstrap_servers");
    if reader.layers.find(&servers).is_none() {
        reader.missing(&servers, SERVERS);
    }
    let broker = reader.at_path(&servers, SERVERS, broker);
    let protected = format!("{at}.protected");
    let protected = match reader.layers.find(&protected) {
        Some(_) => reader.at_path(&protected, "`true` or `false`", values::flag),
        None => Some(false),
    };
    let properties = properties::read(reader, &format!("{at}.properties"));
    Some(ConsumeSettings {
        environment,
        broker: broker?,
        protected: protected?,
        properties: properties?,
        group_id: group_id?,
        start_from: start_from?,
    })
}

/// The environment that a key names; it has to be configured.
pub fn environment(reader: &mut Reader<'_>, key: &Key, section: &str) -> Option<String> {
    let names = reader.environments.iter().filter_map(|name| name.strip_prefix(section));
    let known: Vec<String> =
        names.filter_map(|name| name.strip_prefix('.')).map(str::to_owned).collect();
    let incomplete = reader.incomplete;
    reader.required(key, |text| {
        let name = text.to_ascii_lowercase();
        // With a file that cannot be read nothing is called unknown.
        if known.contains(&name) || (incomplete && !name.is_empty()) {
            return Ok(name);
        }
        let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let perhaps = perhaps(closest(&name, known.iter().map(String::as_str)));
        Err(Wrong::because(format!("configured are: {there}{perhaps}")))
    })
}

/// What stands for the peer inside this process; the image is built without it.
pub fn embedded() -> Result<(), Wrong> {
    if cfg!(feature = "local") {
        return Ok(());
    }
    Err(Wrong::because("this binary is built without the feature `local`, so it embeds nothing"))
}

fn broker(text: &str) -> Result<Broker, Wrong> {
    if text == "embedded" {
        return embedded().map(|()| Broker::Embedded);
    }
    values::servers(text).map(Broker::Servers)
}

fn group(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Wrong::plain());
    }
    Ok(text.to_owned())
}
