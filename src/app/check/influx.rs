//! InfluxDB: whether the bucket or database may be written to, and whether its fields have the types of
//! the contract.

use std::time::Duration;

use super::request::CheckRequest;
use super::seen::SinkSeen;
use crate::check::{Finding, Grade};
use crate::config::{InfluxApi, InfluxLogin, InfluxSettings};
use crate::error_chain::chain;
use crate::row::TableSchema;
use crate::sink::influxdb::look as look_at;

/// How long all questions may take.
const ANSWER: Duration = Duration::from_secs(20);

const PART: &str = "influxdb";
const TABLE: &str = "measurement";

pub async fn look(of: CheckRequest<'_>, settings: &InfluxSettings) -> SinkSeen {
    let login = match &settings.server.api {
        InfluxApi::V2 { token: Some(_), .. } => "a token".to_owned(),
        InfluxApi::V1 { login: Some(InfluxLogin { user, .. }), .. } => format!("the user {user}"),
        InfluxApi::V2 { token: None, .. } | InfluxApi::V1 { login: None, .. } => "none".to_owned(),
    };
    let credentials = Finding::ok("credentials", format!("InfluxDB: {login}"))
        .fact("peer", PART)
        .fact("identity", login);
    let nothing = TableSchema { columns: Vec::new() };
    let columns = of.domain.map_or(&nothing, |domain| &domain.written().columns);
    let place = settings.target();
    let unseen =
        || Finding::new(TABLE, Grade::NotSeen, format!("{place}: InfluxDB was not reached"));
    let looked = match tokio::time::timeout(ANSWER, look_at(settings, columns)).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(stop)) => {
            let fails = Finding::fails(PART, chain(&stop), stop.hint);
            return SinkSeen::of([credentials, fails, unseen()]);
        }
        Err(_) => {
            let what = format!("{}: no answer within {} s", settings.server.url, ANSWER.as_secs());
            let hint = "check `url` of the write environment's `influxdb` section, and the server";
            return SinkSeen::of([credentials, Finding::fails(PART, what, hint), unseen()]);
        }
    };
    let server = Finding::ok(PART, format!("{} takes writes to it", settings.server.url));
    let measurement = match &looked.conflicts {
        None => {
            Finding::new(TABLE, Grade::Note, format!("{place}: its fields' types are not seen"))
                .hint("that needs the right to read, and InfluxQL")
        }
        Some(conflicts) if conflicts.is_empty() => match looked.is_there {
            true => {
                Finding::ok(TABLE, format!("{place}: the types of its fields are the contract's"))
            }
            // InfluxDB has no schema to alter: the first point makes the measurement.
            false => Finding::ok(TABLE, format!("{place}: the first point creates it")),
        },
        Some(conflicts) => Finding::new(
            TABLE,
            Grade::DeadLetters,
            format!("{place}: InfluxDB refuses points with fields of another type"),
        )
        .more(conflicts.iter().cloned())
        .hint(
            "write to another measurement (INFLUX_MEASUREMENT), or leave the field out \
               (INFLUX_FIELDS)",
        ),
    };
    let measurement = measurement
        .fact("measurement", place.clone())
        .fact("is_there", looked.is_there)
        .fact("conflicts", looked.conflicts);
    let columns = of.domain.map(|domain| domain.written().columns.clone());
    SinkSeen { columns, ..SinkSeen::of([credentials, server, measurement]) }
}
