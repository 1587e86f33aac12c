//! `api DELIVERY`: take events over HTTP and publish them to the domain's topic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;

use super::api_page;
use super::args::ApiArgs;
use super::failure::{Exit, Failure};
use super::load::load;
use super::otlp;
use super::signals;
use crate::app::{self, ApiBroker, EventApiAssembly};
use crate::config::Settings;
use crate::serve;
use crate::serve::api::{EventApi, Tokens};
use crate::shutdown::Shutdown;
use crate::source::Publisher;
use crate::telemetry::otlp::Service;
use crate::telemetry::{ApiMetrics, Health};

/// Takes events until it is stopped.
pub async fn api(args: &ApiArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let (settings, fetcher) = tokio::select! {
        loaded = load(&args.domain, args.inputs()) => {
            let (loaded, fetcher) = loaded?;
            (loaded.settings, fetcher)
        }
        () = shutdown.wait() => return Ok(()),
    };
    let tokens = tokens(&settings)?;
    let mut registry = Registry::default();
    let metrics = ApiMetrics::register(&mut registry);
    let registry = Arc::new(registry);
    otlp::start(settings.otlp.as_ref(), &Service::of(&settings), Some(registry.clone()))?;
    let health = Health::new().of_event_api();
    let _server = serve::start(settings.metrics_addr, registry, health.clone())
        .await
        .map_err(|error| Failure::new(Exit::Stopped, "serve health and metrics").source(error))?;
    if settings.disabled {
        health.disabled();
        let address = settings.api.address;
        let api = EventApi::listen(address, tokens, None, metrics).await.map_err(not_listening)?;
        tracing::info!(
            domain = settings.domain,
            address = %api.address,
            "disabled: every request is answered with 503"
        );
        api.serve(shutdown, settings.limits.drain).await;
        return Ok(());
    }
    let has_tokens = tokens.is_some();
    let assembled = async {
        let domain = app::domain(&settings, &fetcher).await?;
        let broker = ApiBroker::start(&settings, &domain.contract.topic).await?;
        let assembly = EventApiAssembly {
            settings: &settings,
            domain: &domain,
            bootstrap: &broker.bootstrap,
            tokens,
            metrics,
            health: health.clone(),
        };
        let (api, publisher) = app::event_api(assembly).await?;
        Ok::<_, Failure>((broker, domain, publisher, api))
    };
    // The broker is dropped last: it may live in this process.
    let (broker, domain, publisher, api) = tokio::select! {
        assembled = assembled => assembled?,
        () = shutdown.wait() => return Ok(()),
    };
    if broker.is_embedded() {
        tracing::warn!(
            bootstrap = broker.bootstrap,
            "the broker is embedded: what is published is gone when this process ends"
        );
    }
    tracing::info!(
        domain = settings.domain,
        topic = domain.contract.topic,
        contract = domain.contract.id,
        address = %api.address,
        has_tokens,
        "taking events"
    );
    api_page::show(&api, &settings, &domain)?;
    serve_until_stopped(api, &publisher, &settings, health, shutdown).await
}

/// The tokens of the settings. Without any, only this machine may reach the API.
fn tokens(settings: &Settings) -> Result<Option<Tokens>, Failure> {
    let (address, domain) = (settings.api.address, &settings.domain);
    match &settings.api.tokens_file {
        Some(file) => Tokens::of(file).map(Some).map_err(|error| {
            let hint = "API_TOKENS_FILE names a file with a token a line; `openssl rand -hex 32` \
                        makes one";
            Failure::new(Exit::Configuration, "use the tokens").source(error).hint(hint)
        }),
        None if address.ip().is_loopback() => Ok(None),
        None => {
            let what = format!(
                "API_ADDR is {address}, which other machines may reach, and there is no file of \
                 tokens"
            );
            let hint = format!(
                "set API_TOKENS_FILE_{domain}, or API_ADDR_{domain}=127.0.0.1:{}",
                address.port()
            );
            Err(Failure::new(Exit::Configuration, what).hint(hint))
        }
    }
}

async fn serve_until_stopped(
    api: EventApi,
    publisher: &Publisher,
    settings: &Settings,
    health: Health,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let asked = shutdown.clone();
    let stopping = tokio::spawn(async move {
        asked.wait().await;
        health.draining();
        Instant::now()
    });
    let drain = settings.limits.drain;
    let ended = tokio::select! {
        ended = api.serve(shutdown, drain) => ended,
        why = publisher.broken() => {
            let hint = "start it again: the client has lost its state at the broker for good; what \
                        was not answered with 202 may be sent again";
            return Err(Failure::stopped(format!("the Kafka client is unusable: {why}"), hint));
        }
    };
    let began = stopping.await.unwrap_or_else(|_| Instant::now());
    // What clients sent who went away before their answer.
    let rest = drain.saturating_sub(began.elapsed()).max(Duration::from_millis(100));
    let flushed = publisher.clone();
    let flushed = tokio::task::spawn_blocking(move || flushed.flush(rest)).await.unwrap_or(false);
    tracing::info!(drained = ended && flushed, "stopped");
    if ended && flushed {
        return Ok(());
    }
    let what = "the drain deadline passed before all requests were answered";
    let hint = "what was not answered with 202 may be on the topic or not: its senders try again";
    Err(Failure::new(Exit::DrainDeadline, what).hint(hint))
}

fn not_listening(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    let hint = "API_ADDR names an address of this machine";
    Failure::stopped("start the event API", hint).source(error)
}
