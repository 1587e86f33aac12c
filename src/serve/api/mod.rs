//! The event API: takes events over HTTP, checks them by the contract and publishes them to the
//! domain's topic. It answers when the broker has acknowledged them.
//!
//! ```text
//! draining ─► routes: token ─► request: form ─► split ─► checkers ─► publisher ─► answer
//! ```

mod answer;
mod checkers;
mod cloud_events;
mod event_answer;
pub mod event_key;
mod examine;
mod form;
mod incoming;
mod openapi;
pub(in crate::serve) mod problem;
mod read_body;
mod refusal;
mod refused;
mod request;
mod request_span;
mod room;
mod routes;
mod split;
#[cfg(test)]
mod tests;
mod tokens;
mod type_header;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use self::checkers::Checkers;
use self::request::Intake;
use self::room::Room;
use self::routes::Shared;
use self::type_header::TypeHeader;
use self::work::Work;
use crate::clock::Clock;
use crate::config::ApiSettings;
use crate::contract::Contract;
use crate::serve::draining;
use crate::shutdown::Shutdown;
use crate::source::Publisher;
use crate::telemetry::{ApiMetrics, Health, otlp};
use crate::transcode::Plan;

pub use tokens::{Tokens, TokensError};

/// What the API publishes, and how.
pub struct Publishing<'c> {
    pub contract: &'c Contract,
    /// The event types that the domain's consumer leaves out.
    pub ignored: &'c [String],
    /// The compiled contract, once for each thread that checks events at the same time.
    pub plans: Vec<Plan>,
    pub settings: ApiSettings,
    /// Bytes of the largest message.
    pub largest: usize,
    /// Bytes of requests that are not yet answered.
    pub in_flight_bytes: usize,
    pub publisher: Publisher,
    pub health: Health,
    pub clock: Clock,
}

/// An event API that listens.
pub struct EventApi {
    /// The address it listens on, with the port that was chosen for port 0.
    pub address: SocketAddr,
    listener: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for events: set API_ADDR to a free address")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

impl EventApi {
    /// Listens on the address. Without anything to publish it answers 503.
    pub async fn listen(
        address: SocketAddr,
        tokens: Option<Tokens>,
        publishing: Option<Publishing<'_>>,
        metrics: ApiMetrics,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let mut openapi = String::new();
        let intake = publishing.map(|of| {
            openapi = openapi::document(of.contract, of.ignored, tokens.is_some()).to_string();
            intake(of, metrics.clone())
        });
        let shared = Arc::new(Shared { tokens, metrics, tracer: otlp::tracer(), intake, openapi });
        Ok(Self { address: bound, listener, shared })
    }

    /// Serves until a shutdown is requested, and then finishes what it has begun. Returns whether
    /// that took no longer than `drain`.
    pub async fn serve(self, shutdown: Shutdown, drain: Duration) -> bool {
        let router = routes::router(self.shared);
        draining::serve(self.listener, router, shutdown, drain).await
    }
}

fn intake(of: Publishing<'_>, metrics: ApiMetrics) -> Intake {
    Intake {
        topic: of.contract.topic.clone(),
        type_header: TypeHeader::of(of.contract, of.ignored),
        settings: of.settings,
        largest: of.largest,
        checkers: Checkers::new(of.plans),
        publisher: of.publisher,
        room: Room::new(of.in_flight_bytes, metrics.queued_bytes.clone()),
        metrics,
        work: Work::new(of.health),
        clock: of.clock,
    }
}
