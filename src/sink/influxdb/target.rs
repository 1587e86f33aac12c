//! What the writer of an instance works with.

use std::sync::Arc;

use super::client::Client;
use super::letters::LetterPoints;
use super::points::Points;
use crate::clock::Clock;
use crate::sink::Reread;
use crate::sink::dead_letter::DeadLetters;
use crate::telemetry::Metrics;

/// The server, the measurement, and where dead letters go.
pub struct Target {
    pub client: Client,
    /// The measurement with its bucket or database, for people.
    pub name: String,
    pub points: Points,
    pub letters: Letters,
    pub reread: Arc<dyn Reread>,
    pub metrics: Metrics,
    pub clock: Clock,
}

/// Where dead letters go.
pub enum Letters {
    /// A measurement next to the rows', with its name for people.
    Measurement(String, Box<LetterPoints>),
    Elsewhere(DeadLetters),
}
