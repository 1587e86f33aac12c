//! The object stores that `FETCH_ALLOW` names: whether they are reached. Nothing is asked of them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::request::CheckRequest;
use crate::check::Finding;

/// How long connecting may take.
const ANSWER: Duration = Duration::from_secs(5);

const PART: &str = "object store";

/// Connects to the servers that have names of their own. `None`: nothing is fetched.
pub async fn look(of: CheckRequest<'_>) -> Option<Finding> {
    let fetch = of.settings.steps.as_ref()?.fetch.as_ref()?;
    let servers: BTreeSet<(&str, u16)> = fetch.allow.servers().collect();
    if servers.is_empty() {
        let what = "not looked at: FETCH_ALLOW names no single server";
        return Some(Finding::ok(PART, what));
    }
    let connected = join_all(servers.into_iter().map(|(host, port)| async move {
        let failed = match timeout(ANSWER, TcpStream::connect((host, port))).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", ANSWER.as_secs())),
        };
        (format!("{host}:{port}"), failed)
    }));
    let (mut reached, mut away) = (Vec::new(), Vec::new());
    for (server, failed) in connected.await {
        match failed {
            None => reached.push(server),
            Some(why) => away.push(format!("{server}: {why}")),
        }
    }
    let finding = match away.is_empty() {
        true => Finding::ok(PART, format!("{} is reached", reached.join(", "))),
        false => Finding::fails(
            PART,
            away.join("; "),
            "check FETCH_ALLOW, and that the network lets it through (`stores` in cluster.nix)",
        ),
    };
    Some(finding.fact("reached", reached))
}
