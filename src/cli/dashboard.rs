//! `dashboard`: serve a page with charts and the state of instances.

use std::fmt::Write;

use super::dashboard_args::DashboardArgs;
use super::failure::{Exit, Failure};
use super::load::fetched;
use super::otlp;
use super::output;
use super::page::{reachable, terminal_width};
use super::signals;
use crate::config::{DashboardSettings, load_dashboard};
use crate::remote::Fetcher;
use crate::serve::dashboard::Dashboard;
use crate::telemetry::otlp::Service;

/// Serves until it is stopped.
pub async fn dashboard(args: &DashboardArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let settings = tokio::select! {
        settings = settings(args) => settings?,
        () = shutdown.wait() => return Ok(()),
    };
    otlp::start(settings.otlp.as_ref(), &Service::default(), None)?;
    let dashboard = Dashboard::listen(&settings).await?;
    tracing::info!(
        address = %dashboard.address,
        series = settings.series.len(),
        instances = settings.instances.len(),
        "serving the dashboard"
    );
    if !settings.address.ip().is_loopback() {
        tracing::warn!(
            address = %dashboard.address,
            "the dashboard asks for no token: whoever reaches this address sees the values"
        );
    }
    if terminal_width().is_some() {
        output::print(&page(&dashboard, &settings))?;
    }
    let drained = dashboard.serve(shutdown).await;
    tracing::info!(drained, "stopped");
    Ok(())
}

async fn settings(args: &DashboardArgs) -> Result<DashboardSettings, Failure> {
    let inputs = args.inputs();
    let fetcher = Fetcher::new(inputs.variables().clone());
    let inputs = fetched(&fetcher, inputs).await?;
    load_dashboard(&inputs).map_err(|mistakes| {
        let hint = "docs/reference/dashboard.md has every key of the series file; \
                    `generic-consumer dashboard --help` shows one";
        Failure::new(Exit::Configuration, mistakes.to_string()).hint(hint)
    })
}

/// What a person sees who starts it.
fn page(dashboard: &Dashboard, settings: &DashboardSettings) -> String {
    let mut text = format!("\nThe dashboard: http://{}\n", reachable(dashboard.address));
    let mut line = |what: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {what:12}{value}");
    };
    for one in &settings.series {
        line("series", &format!("{}: {} of {}", one.name, one.aggregate.name(), one.source));
    }
    for one in &settings.instances {
        line("instance", &format!("{}: {}", one.name, one.url));
    }
    line("stop with", "Ctrl-C\n");
    text
}
