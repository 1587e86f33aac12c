//! `results DOMAIN`: keep the latest report for each organization and cluster, and answer over HTTP.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::failure::{Exit, Failure};
use super::load::load;
use super::otlp;
use super::results_args::ResultsArgs;
use super::results_page;
use super::signals;
use crate::app::{self, ApiBroker, ResultsAssembly};
use crate::config::Settings;
use crate::serve;
use crate::serve::api::Tokens;
use crate::serve::results::{Access, ResultsApi};
use crate::shutdown::Shutdown;
use crate::telemetry::otlp::Service;
use crate::telemetry::{Health, ResultsMetrics};

/// Follows the topic and answers until it is stopped.
pub async fn results(args: &ResultsArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let (settings, fetcher) = tokio::select! {
        loaded = load(&args.domain, args.inputs()) => {
            let (loaded, fetcher) = loaded?;
            (loaded.settings, fetcher)
        }
        () = shutdown.wait() => return Ok(()),
    };
    let access = access(&settings)?;
    let mut registry = Registry::default();
    let metrics = ResultsMetrics::register(&mut registry);
    let registry = Arc::new(registry);
    otlp::start(settings.otlp.as_ref(), &Service::of(&settings), Some(registry.clone()))?;
    let health = Health::new().of_results();
    let _server = serve::start(settings.metrics_addr, registry, health.clone())
        .await
        .map_err(|error| Failure::new(Exit::Stopped, "serve health and metrics").source(error))?;
    let address = settings.results.address;
    if settings.disabled {
        health.disabled();
        let api =
            ResultsApi::listen(address, access, None, metrics).await.map_err(not_listening)?;
        tracing::info!(
            domain = settings.domain,
            address = %api.address,
            "disabled: every request is answered with 503"
        );
        api.serve(shutdown, settings.limits.drain).await;
        return Ok(());
    }
    let assembled = async {
        let domain = app::domain(&settings, &fetcher).await?;
        let broker = ApiBroker::start(&settings, &domain.contract.topic).await?;
        let (follower, reports) = app::follower(ResultsAssembly {
            settings: &settings,
            domain: &domain,
            bootstrap: &broker.bootstrap,
            metrics: metrics.clone(),
            health: health.clone(),
        })?;
        let api = ResultsApi::listen(address, access, Some(reports), metrics);
        Ok::<_, Failure>((broker, domain, follower, api.await.map_err(not_listening)?))
    };
    // The broker is dropped last: it may live in this process.
    let (broker, domain, follower, api) = tokio::select! {
        assembled = assembled => assembled?,
        () = shutdown.wait() => return Ok(()),
    };
    if broker.is_embedded() {
        tracing::warn!(
            bootstrap = broker.bootstrap,
            "the broker is embedded, and its topic is empty: reports come from whoever publishes \
             there"
        );
    }
    tracing::info!(
        domain = settings.domain,
        topic = domain.contract.topic,
        contract = domain.contract.id,
        address = %api.address,
        tokens = settings.results.tokens_file.is_some(),
        identity = settings.results.identity,
        store = %app::results_store(&settings).display(),
        "serving the latest reports"
    );
    results_page::show(&api, &settings, &domain)?;
    run(api, app::follow(follower, shutdown.clone()), &settings, health, shutdown).await
}

async fn run(
    api: ResultsApi,
    follow: impl Future<Output = Result<(), crate::stop::Stop>> + Send + 'static,
    settings: &Settings,
    health: Health,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let asked = shutdown.clone();
    tokio::spawn(async move {
        asked.wait().await;
        health.draining();
    });
    let mut following = tokio::spawn(follow);
    let serving = api.serve(shutdown, settings.limits.drain);
    tokio::pin!(serving);
    let (drained, followed) = tokio::select! {
        drained = &mut serving => (drained, following.await),
        // Before a shutdown it ends only where no retry can help.
        followed = &mut following => {
            if let Ok(Err(stop)) = followed {
                return Err(stop.into());
            }
            (serving.await, followed)
        }
    };
    match followed {
        Ok(done) => done?,
        Err(error) => {
            let hint = "please report this with the log around it";
            return Err(Failure::stopped("follow the topic", hint).source(error));
        }
    }
    tracing::info!(drained, "stopped");
    if drained {
        return Ok(());
    }
    let what = "the drain deadline passed before all requests were answered";
    Err(Failure::new(Exit::DrainDeadline, what).hint("nothing is lost: they may be sent again"))
}

/// Who may ask. Without tokens and identities, only this machine may reach the API.
fn access(settings: &Settings) -> Result<Access, Failure> {
    let (results, domain) = (&settings.results, &settings.domain);
    let tokens = match &results.tokens_file {
        Some(file) => Some(Tokens::of(file).map_err(|error| {
            let hint = "RESULTS_TOKENS_FILE names a file with a token a line; \
                        `openssl rand -hex 32` makes one";
            Failure::new(Exit::Configuration, "use the tokens").source(error).hint(hint)
        })?),
        None => None,
    };
    let address = results.address;
    if tokens.is_none() && !results.identity && !address.ip().is_loopback() {
        let what = format!(
            "RESULTS_ADDR is {address}, which other machines may reach, and nothing says who may read"
        );
        let hint = format!(
            "set RESULTS_TOKENS_FILE_{domain}, RESULTS_IDENTITY_{domain}=x-rh-identity behind a \
             gateway, or RESULTS_ADDR_{domain}=127.0.0.1:{}",
            address.port()
        );
        return Err(Failure::new(Exit::Configuration, what).hint(hint));
    }
    Ok(Access { tokens, identity: results.identity })
}

fn not_listening(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    let hint = "RESULTS_ADDR names an address of this machine";
    Failure::stopped("serve the results", hint).source(error)
}
