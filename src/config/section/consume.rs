//! `[consume.<env>]` and the keys of the consumer group.

use super::properties;
use crate::config::keys::{
    ACCEPT_TOPIC_ID, CONSUME_ENV, GROUP_ID, Key, START_FROM, closest, did_you_mean,
};
use crate::config::resolver::Resolver;
use crate::config::settings::{Broker, ConsumeSettings, StartFrom};
use crate::config::values::{self, Wrong};

const SERVERS: &str = "servers as `host:port`, separated by commas (`prod1:9092,prod2:9092`), or `embedded` for the broker inside this process";

pub fn read(resolver: &mut Resolver<'_>) -> Option<ConsumeSettings> {
    let group_id = resolver.required(&GROUP_ID, group);
    let start_from = resolver.required(&START_FROM, |text| {
        values::choice(text, &[("earliest", StartFrom::Earliest), ("latest", StartFrom::Latest)])
    });
    let accept_topic = match resolver.find(&ACCEPT_TOPIC_ID) {
        None => Some(None),
        Some(_) => resolver
            .required(&ACCEPT_TOPIC_ID, |text| text.parse().map_err(|_| Wrong::plain()))
            .map(Some),
    };
    let environment = environment(resolver, &CONSUME_ENV, "consume")?;
    let at = format!("consume.{environment}");
    let properties = properties::read(resolver, &format!("{at}.properties"));
    let protocol = properties.as_ref().map(|properties| {
        properties.get("security.protocol").map_or("plaintext", |protocol| protocol.expose())
    });
    let broker = resolver
        .required_at(&format!("{at}.bootstrap_servers"), SERVERS, |text| broker(text, protocol));
    let protected =
        resolver.optional_at(&format!("{at}.protected"), "`true` or `false`", values::flag);
    Some(ConsumeSettings {
        environment,
        broker: broker?,
        protected: protected?.unwrap_or(false),
        properties: properties?,
        group_id: group_id?,
        start_from: start_from?,
        accept_topic: accept_topic?,
    })
}

/// The environment that a key names. Some layer has to configure it in this section.
pub fn environment(resolver: &mut Resolver<'_>, key: &Key, section: &str) -> Option<String> {
    let names = resolver.environments.iter().filter_map(|name| name.strip_prefix(section));
    let known: Vec<String> =
        names.filter_map(|name| name.strip_prefix('.')).map(str::to_owned).collect();
    let incomplete = resolver.incomplete;
    let no_file = resolver.no_environments_at.as_ref();
    let no_file = no_file.map_or(String::new(), |at| format!("; there is no {}", at.display()));
    resolver.required(key, |text| {
        let name = text.to_ascii_lowercase();
        // A file that could not be read may configure the environment.
        if known.contains(&name) || (incomplete && !name.is_empty()) {
            return Ok(name);
        }
        let configured = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let hint = did_you_mean(closest(&name, known.iter().map(String::as_str)));
        Err(Wrong::because(format!("configured environments: {configured}{hint}{no_file}")))
    })
}

/// Fails if this binary was built without the embedded broker and BigQuery, as in the image.
pub fn embedded() -> Result<(), Wrong> {
    if cfg!(feature = "local") {
        return Ok(());
    }
    Err(Wrong::because(
        "this binary is built without the feature `local`, which contains what is embedded",
    ))
}

fn broker(text: &str, security_protocol: Option<&str>) -> Result<Broker, Wrong> {
    if text == "embedded" {
        return embedded().map(|()| Broker::Embedded);
    }
    values::servers(text, security_protocol).map(Broker::Servers)
}

fn group(text: &str) -> Result<String, Wrong> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Wrong::plain());
    }
    Ok(text.to_owned())
}
