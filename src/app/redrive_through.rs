//! Dead letters in a topic that become rows of a sink which cannot be asked for those that it has: Kafka
//! and InfluxDB.

use std::sync::Arc;

use super::assembly::Assembly;
use super::domain::Domain;
use super::error::AppError;
use super::letters::{OpenedLetters, is_beside_rows_of_kafka, letters_group};
use super::peers::Peers;
use super::redrive::{RedriveOf, check, ends};
use super::sink;
use crate::clock::Clock;
use crate::config::{Settings, SinkSettings};
use crate::letters::{Pacing, Records, Redriven, Round, Selection, Store, Through, ThroughError};
use crate::pipeline::Until;
use crate::shutdown::Shutdown;
use crate::sink::kafka::Reads;
use crate::stop::Stop;
use crate::telemetry::{Health, Metrics};

/// Letters, and the sink that is ready for their rows. Connections live as long as this.
pub struct OpenedThrough {
    through: Through,
    _peers: Peers,
}

/// Connects to the sink, and checks that the letters may be redriven.
pub async fn open_through(
    settings: &Settings,
    domain: &Domain,
    opened: &OpenedLetters,
    of: &RedriveOf,
    (pacing, metrics, shutdown): (Option<Pacing>, Metrics, Shutdown),
) -> Result<OpenedThrough, AppError> {
    check(domain)?;
    let Store::Topic(letters) = opened.store.clone() else {
        return Err(AppError::Configuration {
            what: "these letters are in a table, and their rows are not".to_owned(),
            hint: Some("please report this".to_owned()),
            source: None,
        });
    };
    if matches!(settings.write.sink, SinkSettings::Kafka(_)) && !is_beside_rows_of_kafka(settings) {
        return Err(AppError::Configuration {
            what: format!(
                "letters of topic {} are not redriven into Kafka: some of them may be rows already, \
                 because an instance writes a letter there before it stores the offset",
                letters.topic
            ),
            hint: Some(
                "with DEAD_LETTER=table letters are in the transactions of the rows, and from then on \
                 they can be redriven; `produce --envelope` publishes records anew"
                    .to_owned(),
            ),
            source: None,
        });
    }
    if letters.all {
        return Err(AppError::Configuration {
            what: format!(
                "--all: the letters before the committed offset may be rows of the sink `{}` already, \
                 which cannot be asked for them",
                settings.write.sink.name()
            ),
            hint: Some(
                "leave --all out; `dlq show --all` prints them, and `produce --envelope` publishes \
                 records anew"
                    .to_owned(),
            ),
            source: None,
        });
    }
    // Before the letters are read: of what is committed then, all letters are there.
    let screening = ends(settings, domain, (&opened.store, None), of).await?.known()?.screening;
    let peers = Peers::start(settings, domain, None).await?;
    let records = Records::default();
    let assembly = Assembly {
        settings,
        domain,
        peers: &peers,
        until: Until::CaughtUp,
        metrics: metrics.clone(),
        step_metrics: None,
        health: Health::new(),
        shutdown,
    };
    let reads = Reads {
        group: letters_group(settings),
        topic: letters.topic.clone(),
        config: letters.config.clone(),
    };
    let opened = sink::open_for(&assembly, Arc::new(records.clone()), Some(reads)).await?;
    let round = Round {
        plan: domain.plan(&opened.columns)?,
        screening,
        selection: Selection { values: true, ..of.selection.clone() },
        contract: domain.contract.id.clone(),
        now_micros: Clock::System.now_micros(),
    };
    let (sink, limit) = (opened.sink, of.limit);
    let through = Through { letters, sink, records, round, limit, pacing, metrics };
    Ok(OpenedThrough { through, _peers: peers })
}

/// Redrives them.
pub async fn redrive_through(opened: OpenedThrough) -> Result<Redriven, ThroughError> {
    let OpenedThrough { through, _peers } = opened;
    let run = tokio::task::spawn_blocking(|| through.run());
    run.await.unwrap_or_else(|error| {
        Err(Stop::new("redrive dead letters", "please report this", error).into())
    })
}
