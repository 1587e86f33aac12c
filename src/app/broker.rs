//! The broker that an event API publishes to, and producers.

use rdkafka::ClientConfig;

use super::error::AppError;
use crate::config::{Broker, Settings};
use crate::source::Publisher;
use crate::stop::Stop;

/// Opens a producer for a topic of the consume environment.
pub(super) fn publisher(config: &ClientConfig, topic: &str) -> Result<Publisher, Stop> {
    Publisher::open(config, topic).map_err(|error| {
        let hint = "check the consume environment's properties";
        Stop::new(format!("open a producer for {topic}"), hint, error)
    })
}

/// A broker. An embedded one lives as long as this.
pub struct ApiBroker {
    /// `bootstrap.servers`.
    pub bootstrap: String,
    #[cfg(feature = "local")]
    embedded: Option<crate::local::broker::EmbeddedBroker>,
}

#[cfg(feature = "local")]
impl ApiBroker {
    /// The broker of the settings; an embedded one is started, with an empty topic.
    pub async fn start(settings: &Settings, topic: &str) -> Result<Self, AppError> {
        let servers = match &settings.consume.broker {
            Broker::Servers(servers) => servers.clone(),
            Broker::Embedded => {
                let hint = "the embedded broker is for trying out: name another environment";
                let broker = crate::local::broker::EmbeddedBroker::start(topic, &[]).await;
                let broker = broker.map_err(|error| {
                    crate::stop::Stop::new("start the embedded broker", hint, error)
                })?;
                let bootstrap = broker.bootstrap_servers().to_owned();
                return Ok(Self { bootstrap, embedded: Some(broker) });
            }
        };
        Ok(Self { bootstrap: servers, embedded: None })
    }

    /// Whether nothing that is published outlives the process.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }
}

#[cfg(not(feature = "local"))]
impl ApiBroker {
    pub async fn start(settings: &Settings, _: &str) -> Result<Self, AppError> {
        match &settings.consume.broker {
            Broker::Servers(servers) => Ok(Self { bootstrap: servers.clone() }),
            Broker::Embedded => Err(AppError::Configuration {
                what: "this program has no embedded broker".to_owned(),
                hint: Some(
                    "build with the feature `local`, or name another environment".to_owned(),
                ),
                source: None,
            }),
        }
    }

    pub fn is_embedded(&self) -> bool {
        false
    }
}
