//! Made-up events on their way to the topic.

use std::collections::VecDeque;
use std::time::Duration;

use super::failure::{Exit, Failure};
use super::sent::Sent;
use crate::config::Settings;
use crate::source::{Outcome, Outgoing, Pending, Publisher, client, headers};

/// How long the broker may take to acknowledge an event.
const SILENCE: Duration = Duration::from_secs(30);

/// Groups of events whose acknowledgements are waited for at the same time.
const UNDER_WAY: usize = 20;

/// Publishes to the topic.
pub struct ToTopic {
    publisher: Publisher,
    topic: String,
    under_way: VecDeque<Pending>,
}

impl ToTopic {
    pub fn open(settings: &Settings, servers: &str, topic: &str) -> Result<Self, Failure> {
        let config = client::publisher_config(&settings.consume, servers, SILENCE);
        let publisher = Publisher::open(&config, topic).map_err(|error| {
            let hint = "check the consume environment's properties";
            Failure::stopped(format!("publish to {topic}"), hint).source(error)
        })?;
        Ok(Self { publisher, topic: topic.to_owned(), under_way: VecDeque::new() })
    }

    /// Hands the events to the client, and counts those that the broker has acknowledged.
    pub async fn send(
        &mut self,
        events: &[crate::record::UnsentRecord],
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let outgoing = events.iter().map(|event| Outgoing {
            key: event.key.as_deref(),
            value: event.value.as_deref().unwrap_or_default(),
            headers: headers(&event.headers),
        });
        self.under_way.push_back(self.publisher.publish(outgoing, ()));
        while self.under_way.len() > UNDER_WAY
            || self.under_way.front().is_some_and(Pending::is_complete)
        {
            self.next(sent).await?;
        }
        Ok(())
    }

    /// Waits for all acknowledgements.
    pub async fn finish(&mut self, sent: &mut Sent) -> Result<(), Failure> {
        while !self.under_way.is_empty() {
            self.next(sent).await?;
        }
        Ok(())
    }

    async fn next(&mut self, sent: &mut Sent) -> Result<(), Failure> {
        let Some(pending) = self.under_way.pop_front() else { return Ok(()) };
        for outcome in pending.outcomes(SILENCE * 2).await {
            match outcome {
                Outcome::Published(_) => sent.published += 1,
                Outcome::NotPublished(code) | Outcome::Unknown(code) => {
                    let what = format!(
                        "publish to {}: {code}; {} events were published before that",
                        self.topic, sent.published
                    );
                    let hint = "check that the broker runs, the consume environment's servers and \
                                properties, and WRITE on the topic";
                    return Err(Failure::new(Exit::Stopped, what).hint(hint));
                }
            }
        }
        Ok(())
    }
}
