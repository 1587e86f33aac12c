//! PostgreSQL: whether it lets this role in, and what a run would do to the tables.

use std::time::Duration;

use super::request::CheckRequest;
use super::seen::{KeptBySink, SinkSeen, kept};
use crate::check::{self, Finding, Grade};
use crate::config::{DeadLetterTarget, PostgresSettings};
use crate::error_chain::chain;
use crate::row::TableSchema;
use crate::sink::postgres::{LookParts, look as look_at};

/// How long all questions may take; connecting has ten seconds of its own.
const ANSWER: Duration = Duration::from_secs(20);

const PART: &str = "postgres";

pub async fn look(of: CheckRequest<'_>, settings: &PostgresSettings) -> SinkSeen {
    let nothing = TableSchema { columns: Vec::new() };
    let topic = match of.domain {
        Some(domain) => domain.contract.topic.as_str(),
        None => of.settings.contract.topic.as_deref().unwrap_or_default(),
    };
    let parts = LookParts {
        settings,
        manage: of.settings.write.manage_table,
        columns: of.domain.map_or(&nothing, |domain| &domain.written().columns),
        letters: of.settings.dead_letter == DeadLetterTarget::Table,
        group: &of.settings.consume.group_id,
        topic,
    };
    let user = settings.server.user.clone();
    let as_user = user.map_or(String::new(), |user| format!(" as {user}"));
    let table = &settings.table;
    let unseen =
        || Finding::new("table", Grade::NotSeen, format!("{table}: PostgreSQL was not reached"));
    let looked = match tokio::time::timeout(ANSWER, look_at(parts)).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(stop)) => {
            let fails = Finding::fails(PART, format!("{}{as_user}", chain(&stop)), stop.hint);
            let seen = SinkSeen::of([fails, unseen()]);
            return SinkSeen { keeps_offsets: true, ..seen };
        }
        Err(_) => {
            let what = format!("no answer within {} s", ANSWER.as_secs());
            let hint =
                "check the URL of the write environment's `postgres` section, and the server";
            let seen = SinkSeen::of([Finding::fails(PART, what, hint), unseen()]);
            return SinkSeen { keeps_offsets: true, ..seen };
        }
    };
    let credentials = Finding::ok("credentials", format!("PostgreSQL: the role {}", looked.role))
        .fact("peer", PART)
        .fact("identity", looked.role.clone());
    let server = Finding::ok(PART, format!("version {} answers", looked.version));
    let server = match looked.is_read_only {
        false => server,
        true => Finding::fails(
            PART,
            format!("version {} takes no writes: it is a standby, or read-only", looked.version),
            "name the primary in the URL, or wait until this one is promoted",
        ),
    };
    let mut seen = SinkSeen::of([credentials, server]);
    match of.domain {
        Some(_) => {
            seen.findings.push(check::table("table", &looked.rows));
            if looked.rows.refusal.is_none() {
                seen.columns = Some(looked.rows.columns.clone());
            }
        }
        None => {
            let there = if looked.rows.is_there { "is there" } else { "is not there" };
            let what = format!("{table}: {there}; without a contract nothing is compared");
            seen.findings.push(Finding::new("table", Grade::NotSeen, what));
        }
    }
    seen.findings.extend(looked.letters.as_ref().map(|look| check::table("dead letters", look)));
    seen.findings.push(check::table("offsets", &looked.offsets));
    seen.keeps_offsets = true;
    seen.kept = Some(KeptBySink {
        keeper: "generic_consumer_offsets",
        setting: looked.setting,
        offsets: kept(looked.stored),
    });
    seen
}
