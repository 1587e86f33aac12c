//! The arguments of Kafka's consumer and publisher: settings of their own, and properties of
//! librdkafka under its names or those of kafka-python.

use super::draft::Target;
use crate::config::keys::{GROUP_ID, IN_TOPIC, Key, OUT_TOPIC};
use crate::config::{Property, property};

/// What an argument is here.
pub enum Argument {
    To(Target),
    /// A setting that the program makes itself; the reason.
    Refused(&'static str),
    Unknown,
}

/// The side of the pipeline: its topic's keys and the section of its servers.
pub struct Side {
    pub topic: &'static Key,
    pub section: String,
    pub is_consumer: bool,
}

impl Side {
    pub fn consumer(environment: &str) -> Self {
        Self { topic: &IN_TOPIC, section: format!("consume.{environment}"), is_consumer: true }
    }

    pub fn publisher(environment: &str) -> Self {
        let section = format!("write.{environment}.kafka");
        Self { topic: &OUT_TOPIC, section, is_consumer: false }
    }

    pub fn argument(&self, name: &str) -> Argument {
        let own =
            |leaf: &str| Target::Section { section: self.section.clone(), leaf: leaf.to_owned() };
        Argument::To(match (name, self.is_consumer) {
            ("incoming_topic", true) | ("outgoing_topic", false) | ("topic" | "topics", _) => {
                Target::Key(self.topic)
            }
            ("incoming_topic_env", true) | ("outgoing_topic_env", false) => {
                Target::KeyEnv(self.topic)
            }
            ("group_id" | "group.id", true) => Target::Key(&GROUP_ID),
            ("group_id_env", true) => Target::KeyEnv(&GROUP_ID),
            ("bootstrap_servers" | "bootstrap.servers", _) => own("bootstrap_servers"),
            ("bootstrap_server_env" | "bootstrap_servers_env", _) => own("bootstrap_servers_env"),
            _ => return self.property(name),
        })
    }

    fn property(&self, name: &str) -> Argument {
        let name = librdkafka(name);
        match property(&name) {
            Property::Known => Argument::To(Target::Section {
                section: format!("{}.properties", self.section),
                leaf: name,
            }),
            Property::Refused(reason) => Argument::Refused(reason),
            Property::Unknown => Argument::Unknown,
        }
    }
}

/// librdkafka's name of an argument of kafka-python.
fn librdkafka(name: &str) -> String {
    let name = match name {
        "sasl_plain_username" => "sasl.username",
        "sasl_plain_password" => "sasl.password",
        "ssl_cafile" => "ssl.ca.location",
        "ssl_certfile" => "ssl.certificate.location",
        "ssl_keyfile" => "ssl.key.location",
        "ssl_password" => "ssl.key.password",
        other if other.contains('.') => other,
        other => return other.replace('_', "."),
    };
    name.to_owned()
}
