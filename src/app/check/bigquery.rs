//! BigQuery: whose tokens, whether both of its APIs are reached, and what a run would do to the tables.

use std::time::Duration;

use prometheus_client::registry::Registry;

use super::request::CheckRequest;
use super::seen::SinkSeen;
use crate::app::embedded::EmbeddedPeer;
use crate::check::{self, Finding, Grade};
use crate::clock::Clock;
use crate::config::{BigQuerySettings, Broker, DeadLetterTarget, Endpoint, TableId};
use crate::error_chain::chain;
use crate::row::TableSchema;
use crate::sink::TableLook;
use crate::sink::bigquery::BigQuery;
use crate::sink::dead_letter::letter_row;
use crate::stop::Stop;
use crate::telemetry::Metrics;

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(8);

const PART: &str = "bigquery";

pub async fn look(of: CheckRequest<'_>, settings: &BigQuerySettings) -> SinkSeen {
    if settings.endpoint == Endpoint::Embedded {
        return embedded(of, settings).await;
    }
    let metrics = Metrics::register(&mut Registry::default());
    match BigQuery::connect(settings, metrics, Clock::System).await {
        Ok(bigquery) => look_at(of, settings, &bigquery).await,
        Err(stop) => {
            let unseen = Finding::new(
                "table",
                Grade::NotSeen,
                format!("{}: BigQuery was not reached", settings.table),
            );
            SinkSeen::of([of_stop("credentials", &stop), unseen])
        }
    }
}

/// The embedded BigQuery is looked at where it has a store; its server is not started otherwise, which
/// would create one.
async fn embedded(of: CheckRequest<'_>, settings: &BigQuerySettings) -> SinkSeen {
    let begins_anew = of.settings.consume.broker == Broker::Embedded;
    let store = crate::app::LOCAL_STORE;
    if !begins_anew && std::path::Path::new(store).exists() {
        let mut peer = EmbeddedPeer::default();
        return match peer.connect(settings).await {
            Ok(bigquery) => look_at(of, settings, &bigquery).await,
            Err(error) => {
                let hint = format!("one process can have {store} open");
                SinkSeen::of([Finding::fails(PART, chain(&error), hint)])
            }
        };
    }
    let what = "embedded: each run starts one".to_owned();
    let mut findings = vec![Finding::ok(PART, what)];
    let mut seen_columns = None;
    if let Some(domain) = of.domain {
        let columns = &domain.written().columns;
        let why = match begins_anew {
            true => "begins without it, as the embedded broker begins anew",
            false => "has no store yet",
        };
        let mut tables = vec![("table", settings.table.clone(), columns.clone())];
        if of.settings.dead_letter == DeadLetterTarget::Table {
            tables.push(("dead letters", settings.table.dead_letters(), letter_row::columns()));
        }
        for (part, table, columns) in tables {
            let mut look = TableLook::new(table.to_string(), columns);
            look.is_there = false;
            let count = check::counted(look.columns.columns.len(), "column");
            look.changes.push(format!("create it with {count}"));
            look.notes.push(format!("the embedded BigQuery {why}"));
            findings.push(check::table(part, &look));
        }
        seen_columns = Some(columns.clone());
    }
    let partition_by = Some(settings.partition_by.clone());
    SinkSeen { columns: seen_columns, partition_by, ..SinkSeen::of(findings) }
}

async fn look_at(
    of: CheckRequest<'_>,
    settings: &BigQuerySettings,
    bigquery: &BigQuery,
) -> SinkSeen {
    let id = &settings.table;
    let unseen = |part, table: &TableId, why: &str| {
        Finding::new(part, Grade::NotSeen, format!("{table}: {why}"))
    };
    let letters = (of.settings.dead_letter == DeadLetterTarget::Table).then(|| id.dead_letters());
    let (credentials, has_token) = credentials(bigquery).await;
    let mut findings = vec![credentials];
    if !has_token {
        findings.push(unseen("table", id, "without a token BigQuery is not asked"));
        return SinkSeen::of(findings);
    }
    // Without a contract it is seen whether the table is there.
    let nothing = TableSchema { columns: Vec::new() };
    let columns = of.domain.map_or(&nothing, |domain| &domain.written().columns);
    let manage = of.settings.write.manage_table;
    let partition_by = Some(settings.partition_by.as_str());
    let of_letters = letter_row::columns();
    let rows = within(bigquery.look(id, columns, manage, partition_by));
    let of_letter_table = async {
        match &letters {
            Some(table) => {
                Some(within(bigquery.look(table, &of_letters, manage, Some("_ingested_at"))).await)
            }
            None => None,
        }
    };
    let (rows, of_letter_table, storage) =
        tokio::join!(rows, of_letter_table, within(bigquery.reaches_storage(id)));
    let rows_there = rows.as_ref().ok().and_then(|look| look.rows);
    let mut seen = SinkSeen { rows: rows_there, ..SinkSeen::default() };
    let mut of_tables = Vec::new();
    match (&rows, of.domain) {
        (Ok(look), Some(_)) => {
            of_tables.push(check::table("table", look));
            // What a run would add is written too.
            if look.refusal.is_none() {
                seen.columns = Some(look.columns.clone());
                seen.partition_by = look.partition_by.clone();
            }
        }
        (Ok(look), None) => {
            let there = if look.is_there { "is there" } else { "is not there" };
            let what = format!("{there}; without a contract nothing is compared");
            of_tables.push(unseen("table", id, &what));
        }
        (Err(_), _) => of_tables.push(unseen("table", id, "BigQuery does not say")),
    }
    match (&of_letter_table, &letters) {
        (Some(Ok(look)), _) => of_tables.push(check::table("dead letters", look)),
        (Some(Err(_)), Some(table)) => {
            of_tables.push(unseen("dead letters", table, "BigQuery does not say"));
        }
        (Some(Err(_)), None) | (None, _) => {}
    }
    findings.push(match (rows.as_ref().err(), storage.as_ref().err()) {
        (Some(stop), _) => of_stop(PART, stop),
        (None, Some(stop)) => of_stop(PART, stop),
        (None, None) => Finding::ok(PART, "its REST and its Storage Write API answer"),
    });
    findings.extend(of_tables);
    seen.findings = findings;
    seen
}

/// Whose tokens, and whether there is one.
async fn credentials(bigquery: &BigQuery) -> (Finding, bool) {
    let asked = tokio::time::timeout(ANSWER, bigquery.identity()).await;
    let fails = |what: String, hint: &str| Finding::fails("credentials", what, hint.to_owned());
    let finding = match asked {
        Ok((whose, Ok(()))) => {
            let issued =
                if whose.starts_with("no credentials") { "" } else { "; a token was issued" };
            let finding = Finding::ok("credentials", format!("BigQuery: {whose}{issued}"));
            return (finding.fact("peer", PART).fact("identity", whose), true);
        }
        Ok((whose, Err(error))) => {
            let hint = error.hint().unwrap_or(
                "check GOOGLE_APPLICATION_CREDENTIALS or the workload identity of this machine",
            );
            fails(format!("BigQuery: {whose}: {}", chain(&error)), hint)
        }
        Err(_) => fails(
            format!("BigQuery: no token within {} s", ANSWER.as_secs()),
            "check that the network lets the token service through",
        ),
    };
    (finding.fact("peer", PART), false)
}

async fn within<T>(of: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    tokio::time::timeout(ANSWER, of).await.unwrap_or_else(|_| {
        Err(Stop {
            what: format!("no answer of BigQuery within {} s", ANSWER.as_secs()),
            hint: "check the endpoint's addresses, and that the network lets them through"
                .to_owned(),
            source: None,
        })
    })
}

fn of_stop(part: &'static str, stop: &Stop) -> Finding {
    Finding::fails(part, chain(stop), stop.hint.clone())
}
