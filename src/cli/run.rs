//! `run DELIVERY`: from settings to flowing rows.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::args::RunArgs;
use super::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{DeadLetterTarget, Settings};
use crate::contract::{self, Contract};
use crate::pipeline::{self, Flow, Stop, Summary, Until};
use crate::shutdown::Shutdown;
use crate::sink::SinkError;
use crate::sink::bigquery::BigQuery;
use crate::sink::bigquery::columns::{COLUMN_RULES, LARGEST_ROW, check_partition};
use crate::sink::dead_letter::{About, DeadLetters};
use crate::source::{KafkaReread, client};
use crate::telemetry::{self, Health, Metrics};
use crate::transcode::{Plan, PlanOptions};

mod peers;

use peers::Peers;

/// Runs the domain until it is stopped, caught up, or needs a person.
pub async fn run(args: RunArgs, settings: Settings) -> Result<(), Failure> {
    telemetry::logs::init();
    let shutdown = Shutdown::on_signals()
        .map_err(|error| Failure::new(Exit::Stopped, "listen for signals").source(error))?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let health = Health::new();
    let _serving = telemetry::http::serve(settings.metrics_addr, registry, health.clone())
        .await
        .map_err(|error| Failure::new(Exit::Stopped, "serve health and metrics").source(error))?;
    if settings.disabled {
        tracing::info!(domain = settings.domain, "disabled: kafka and bigquery are not touched");
        health.disabled();
        shutdown.wait().await;
        return Ok(());
    }
    let until = if args.flags.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    let contract = load(&settings)?;
    let peers = Peers::of(&settings, &contract).await?;
    let run = Run { settings: &settings, contract: &contract, peers: &peers, until };
    let flow = tokio::select! {
        flow = run.assemble(metrics, health, shutdown.clone()) => flow?,
        () = shutdown.wait() => return Ok(()),
    };
    tracing::info!(
        domain = settings.domain,
        topic = flow.topic,
        group = flow.group,
        table = %flow.table,
        contract = contract.id,
        guarantee = ?flow.guarantee,
        "consuming"
    );
    let (summary, drained) = on_a_thread(flow).await?;
    match until {
        Until::CaughtUp => println!("{summary}{}", peers.look_at(&settings.write.table)),
        Until::Stopped => tracing::info!(
            read = summary.read,
            written = summary.written,
            rejoins = summary.rejoins,
            drained,
            "stopped"
        ),
    }
    if drained {
        return Ok(());
    }
    let what = "the drain deadline passed before everything in flight was settled and committed";
    let hint = "nothing is lost: what was not committed is read again at the next start";
    Err(Failure::new(Exit::DrainDeadline, what).hint(hint))
}

/// The settings' contract.
pub(super) fn load(settings: &Settings) -> Result<Contract, Failure> {
    let at = &settings.contract;
    contract::load(&at.dir, &at.import_path, &at.import_object).map_err(|error| {
        let what = format!("load the contract {}", at.import_path);
        Failure::new(Exit::Configuration, what).source(error)
    })
}

/// The thread that polls Kafka blocks by design, so it is none of the runtime's.
async fn on_a_thread(flow: Flow) -> Result<(Summary, bool), Failure> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::new(Exit::Stopped, "run the consumer thread").source(error)
    };
    std::thread::Builder::new()
        .name("consumer".to_owned())
        .spawn(move || {
            let _entered = runtime.enter();
            let _ = tell.send(pipeline::run(flow));
        })
        .map_err(|error| failed(error.into()))?;
    told.await.map_err(|error| failed(error.into()))?.map_err(Failure::from)
}

/// Contract × table × peers, made ready to flow.
struct Run<'a> {
    settings: &'a Settings,
    contract: &'a Contract,
    peers: &'a Peers,
    until: Until,
}

impl Run<'_> {
    async fn assemble(
        &self,
        metrics: Metrics,
        health: Health,
        shutdown: Shutdown,
    ) -> Result<Flow, Failure> {
        let (settings, contract, write) = (self.settings, self.contract, &self.peers.write);
        let columns = |error: Box<dyn std::error::Error + Send + Sync>| {
            let what = format!("derive columns from the contract {}", contract.id);
            Failure::new(Exit::Configuration, what).source(error)
        };
        let desired = contract
            .table_schema(write.layout, &COLUMN_RULES)
            .map_err(|error| columns(error.into()))?;
        check_partition(&desired, &write.partition_by).map_err(|error| columns(error.into()))?;
        let sink = BigQuery::connect(write, metrics.clone(), Clock::System).await?;
        let schema =
            sink.prepare(&write.table, &desired, write.manage_table, &write.partition_by).await?;
        let letters = self.letters(&sink).await?;
        health.sink_reachable(true);
        let options = PlanOptions {
            topic: contract.topic.clone(),
            ignore: settings.contract.ignore_events.clone(),
            layout: write.layout,
            partition_by: write.partition_by.clone(),
            max_row_bytes: LARGEST_ROW,
        };
        let plan = Plan::compile(contract, &schema, options).map_err(|error| {
            let what = format!("compile the contract {} for {}", contract.id, write.table);
            Failure::new(Exit::Configuration, what).source(error)
        })?;
        let consumer = client::consumer_config(&settings.consume, &self.peers.bootstrap);
        Ok(Flow {
            topic: contract.topic.clone(),
            group: settings.consume.group_id.clone(),
            start_from: settings.consume.start_from,
            reread: Arc::new(KafkaReread::new(consumer.clone(), contract.topic.clone())),
            consumer,
            transactions: client::transactional_config(&settings.consume, &self.peers.bootstrap),
            guarantee: write.guarantee,
            limits: settings.limits.clone(),
            until: self.until,
            plan,
            sink,
            table: write.table.clone(),
            schema: Arc::new(schema),
            letters,
            metrics,
            health,
            clock: Clock::System,
            shutdown,
        })
    }

    async fn letters(&self, sink: &BigQuery) -> Result<DeadLetters, SinkError> {
        let (settings, write) = (self.settings, &self.peers.write);
        let about = About {
            topic: self.contract.topic.clone(),
            group: settings.consume.group_id.clone(),
            contract: self.contract.id.clone(),
        };
        match &settings.dead_letter {
            DeadLetterTarget::BigQuery => {
                DeadLetters::bigquery(sink, &write.table, write.manage_table, about).await
            }
            DeadLetterTarget::Kafka(topic) => {
                let config = client::producer_config(&settings.consume, &self.peers.bootstrap);
                DeadLetters::kafka(&config, topic, about)
            }
        }
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        let failure = Failure::stopped(error.what, error.hint);
        Failure { source: error.source, ..failure }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        let failure = Failure::stopped(stop.what, stop.hint);
        Failure { source: stop.source, ..failure }
    }
}
