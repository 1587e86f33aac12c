//! `[write.<env>.kafka]` and the keys of a topic that rows are written to.

use super::properties;
use crate::config::keys::{OUT_KEY, OUT_TOPIC};
use crate::config::resolver::Resolver;
use crate::config::sink_settings::{KafkaServer, KafkaSettings};
use crate::config::values::{self, Wrong};

const SERVERS: &str = "servers as `host:port`, separated by commas: `prod1:9092,prod2:9092`";

/// The most bytes of a topic's name.
const LONGEST_NAME: usize = 249;
/// A topic's name is that much shorter, because `_dead_letters` follows it.
const LONGEST_TOPIC: usize = LONGEST_NAME - "_dead_letters".len();

/// The field that becomes the key of a message; `Some(None)`: the key of the record.
pub fn key(resolver: &mut Resolver<'_>) -> Option<Option<Vec<String>>> {
    resolver.optional(&OUT_KEY, values::pointer)
}

/// `environment`: the path of the write environment, `write.prod`, where it is known.
pub fn read(
    resolver: &mut Resolver<'_>,
    environment: Option<&str>,
    key: Option<Option<Vec<String>>>,
) -> Option<KafkaSettings> {
    let topic = resolver.required(&OUT_TOPIC, topic);
    let server = server(resolver, environment?);
    Some(KafkaSettings { server: server?, topic: topic?, key: key? })
}

fn topic(text: &str) -> Result<String, Wrong> {
    values::topic(text).and_then(|topic| match topic.len() <= LONGEST_TOPIC {
        true => Ok(topic),
        false => {
            Err(Wrong::because("the name of its dead letters, `<topic>_dead_letters`, is too long"))
        }
    })
}

/// The cluster of a write environment.
fn server(resolver: &mut Resolver<'_>, environment: &str) -> Option<KafkaServer> {
    let at = format!("{environment}.kafka");
    let properties = properties::read(resolver, &format!("{at}.properties"));
    let protocol = properties.as_ref().map(|properties| {
        properties.get("security.protocol").map_or("plaintext", |protocol| protocol.expose())
    });
    let bootstrap =
        resolver.required_at(&format!("{at}.bootstrap_servers"), SERVERS, |text| match text {
            "embedded" => Err(Wrong::because(
                "the broker inside this process does not keep the offsets of transactions",
            )),
            _ => values::servers(text, protocol),
        });
    Some(KafkaServer { bootstrap: bootstrap?, properties: properties? })
}
