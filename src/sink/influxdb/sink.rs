//! InfluxDB as the pipeline sees it: one measurement, and one writer for all partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::errors::Verdict;
use super::letters::LetterPoints;
use super::points::Points;
use super::target::{Letters, Target};
use super::writer;
use crate::clock::Clock;
use crate::config::InfluxSettings;
use crate::retry::Backoff;
use crate::row::TableSchema;
use crate::sink::dead_letter::{About, DeadLetters};
use crate::sink::{Durability, Lane, Reports, Reread, Sink, SinkName, Start, Writer};
use crate::stop::Stop;
use crate::telemetry::Metrics;

const NAME: SinkName = SinkName("influxdb");

/// How long a server that does not answer is waited for at the start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sink of one measurement.
pub struct InfluxSink {
    target: Arc<Target>,
}

/// What a sink is made of.
pub struct SinkParts<'a> {
    pub settings: &'a InfluxSettings,
    pub columns: &'a TableSchema,
    pub about: About,
    /// `None`: the measurement `<measurement>_dead_letters`.
    pub letters: Option<DeadLetters>,
    pub reread: Arc<dyn Reread>,
    pub metrics: Metrics,
    pub clock: Clock,
}

impl InfluxSink {
    /// Waits for the server, and asks whether bucket or database may be written to.
    pub async fn open(parts: SinkParts<'_>) -> Result<Self, Stop> {
        let SinkParts { settings, columns, about, letters, reread, metrics, clock } = parts;
        let name = settings.target();
        let place = (settings.measurement.as_str(), about.topic.as_str());
        let points =
            Points::new(place, columns.clone(), &settings.point).map_err(|problems| Stop {
                what: format!("write to {name}: {problems:?}"),
                hint: "`generic-consumer config` says what is wrong with the columns".to_owned(),
                source: None,
            })?;
        let letters = match letters {
            Some(letters) => Letters::Elsewhere(letters),
            None => {
                let measurement = settings.dead_letters();
                let name = format!("{}/{measurement}", settings.server.place());
                Letters::Measurement(name, Box::new(LetterPoints::new(&measurement, about)?))
            }
        };
        let client = Client::new(&settings.server, clock)?;
        ask(&client, &name).await?;
        let target = Target { client, name, points, letters, reread, metrics, clock };
        Ok(Self { target: Arc::new(target) })
    }
}

/// Writes nothing, which a server answers with what is wrong.
async fn ask(client: &Client, name: &str) -> Result<(), Stop> {
    let began = Instant::now();
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let Err(error) = client.write(&[]).await else { return Ok(()) };
        match error.verdict() {
            // Some servers refuse a request without lines.
            Verdict::Refused | Verdict::TooLarge | Verdict::Unexpected => return Ok(()),
            Verdict::Retry if began.elapsed() < PATIENCE => {
                tracing::warn!(error = %error, "InfluxDB is not ready yet");
                let asked = error.retry_after().unwrap_or_default();
                tokio::time::sleep(backoff.pause().max(asked)).await;
            }
            Verdict::Retry | Verdict::Stop(_) => return Err(error.stop(format!("write to {name}"))),
        }
    }
}

impl Sink for InfluxSink {
    fn name(&self) -> SinkName {
        NAME
    }

    fn target(&self) -> String {
        self.target.name.clone()
    }

    fn dead_letters(&self) -> String {
        match &self.target.letters {
            Letters::Measurement(name, _) => name.clone(),
            Letters::Elsewhere(letters) => letters.to_string(),
        }
    }

    fn durability(&self) -> Durability {
        Durability::Visible
    }

    fn open(&self, lane: Lane, _: Start, reports: Reports) -> Writer {
        writer::spawn(self.target.clone(), lane, reports)
    }
}
