//! The instances: what the `/status` of each says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};

use super::reason::shown;
use super::shared_answer::SharedAnswer;
use crate::config::InstanceSettings;
use crate::error_chain::innermost;
use crate::stop::Stop;

/// How long an instance may take, its name's resolution included.
const ANSWER: Duration = Duration::from_secs(2);

/// How old an answer may be that several get.
const FRESH: Duration = Duration::from_millis(1_500);

/// Instances that are asked at the same time, and at all: a name may stand for many.
const AT_ONCE: usize = 64;
const MOST: usize = 500;

/// Bytes of a status that are read. One with a thousand partitions has 40 KB.
const LARGEST: usize = 128 << 10;

/// The instances, and what they said last.
pub(super) struct Fleet {
    instances: Vec<InstanceSettings>,
    client: Client,
    latest: SharedAnswer<Arc<str>>,
}

/// The body of `/api/fleet`.
#[derive(Debug, Serialize)]
struct FleetAnswer {
    instances: Vec<Member>,
}

#[derive(Debug, Serialize)]
struct Member {
    name: String,
    url: String,
    #[serde(flatten)]
    status: MemberStatus,
}

/// The fields of `/status` that the page shows. Of an instance that does not answer there are `state`
/// and `detail` alone.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct MemberStatus {
    domain: Option<String>,
    state: String,
    detail: Option<String>,
    topic: Option<String>,
    sink: Option<String>,
    group: Option<String>,
    started: Option<i64>,
    version: Option<String>,
    partitions: Option<Vec<PartitionLag>>,
    lag: Option<i64>,
    rows: Option<u64>,
    rows_per_second: Option<f64>,
    ignored: Option<BTreeMap<String, u64>>,
    dead_letters: Option<BTreeMap<String, u64>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartitionLag {
    partition: i32,
    lag: Option<i64>,
}

impl Fleet {
    pub fn new(instances: Vec<InstanceSettings>) -> Result<Self, Stop> {
        // Instances are in the same cluster: a proxy is for what is not.
        let client = Client::builder().redirect(Policy::none()).timeout(ANSWER).no_proxy();
        let hint = "please report this";
        let client =
            client.build().map_err(|error| Stop::new("make an HTTP client", hint, error))?;
        Ok(Self { instances, client, latest: SharedAnswer::default() })
    }

    /// All instances as JSON, asked within the last seconds.
    pub async fn latest(&self) -> Arc<str> {
        let ask = async || {
            let answer = FleetAnswer { instances: self.ask().await };
            // Maps with other keys than texts are what serde_json cannot write; there are none.
            serde_json::to_string(&answer).unwrap_or_default().into()
        };
        self.latest.get(FRESH, ask).await
    }

    /// Asks all, in the order of the file.
    async fn ask(&self) -> Vec<Member> {
        let found = stream::iter(self.instances.iter().map(addresses));
        let found: Vec<Vec<Member>> = found.buffered(AT_ONCE).collect().await;
        let members = found.into_iter().flatten().take(MOST);
        stream::iter(members.map(|member| self.status(member))).buffered(AT_ONCE).collect().await
    }

    /// The member with its status. One whose address was not found has it already.
    async fn status(&self, member: Member) -> Member {
        if !member.status.state.is_empty() {
            return member;
        }
        let url = format!("{}/status", member.url);
        let status = match tokio::time::timeout(ANSWER, self.read(&url)).await {
            Ok(Ok(status)) => status,
            Ok(Err(why)) => MemberStatus::away(&why),
            Err(_) => MemberStatus::away(&no_answer()),
        };
        Member { status, ..member }
    }

    async fn read(&self, url: &str) -> Result<MemberStatus, String> {
        let mut answer = self.client.get(url).send().await.map_err(|error| why(&error))?;
        if !answer.status().is_success() {
            return Err(format!("/status was answered with {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|error| why(&error))? {
            if body.len() + part.len() > LARGEST {
                return Err(format!("/status has more than {LARGEST} bytes"));
            }
            body.extend_from_slice(&part);
        }
        match serde_json::from_slice::<MemberStatus>(&body) {
            Ok(status) if !status.state.is_empty() => Ok(status),
            Ok(_) | Err(_) => Err("/status is not that of an instance".to_owned()),
        }
    }
}

impl MemberStatus {
    fn away(why: &str) -> Self {
        Self { state: "away".to_owned(), detail: Some(shown(why)), ..Self::default() }
    }
}

/// The instances behind a URL, whose statuses are not known yet: one for each address that its name
/// has. A URL with TLS stays as it is, since its certificate is for the name.
async fn addresses(instance: &InstanceSettings) -> Vec<Member> {
    let member = |url: String, status| Member { name: instance.name.clone(), url, status };
    let whole = || vec![member(instance.url.clone(), MemberStatus::default())];
    let Ok(url) = instance.url.parse::<Url>() else { return whole() };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return whole();
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if url.scheme() != "http" || bare.parse::<IpAddr>().is_ok() {
        return whole();
    }
    match tokio::time::timeout(ANSWER, tokio::net::lookup_host((bare, port))).await {
        Ok(Ok(found)) => match &of_one_family(found.collect())[..] {
            [] | [_] => whole(),
            several => several
                .iter()
                .map(|at| member(format!("http://{at}"), MemberStatus::default()))
                .collect(),
        },
        Ok(Err(_)) => {
            vec![member(instance.url.clone(), MemberStatus::away("the name cannot be resolved"))]
        }
        Err(_) => vec![member(instance.url.clone(), MemberStatus::away(&no_answer()))],
    }
}

/// An instance with an address of each family is one instance: IPv4 counts where there is any.
fn of_one_family(mut found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    if found.iter().any(SocketAddr::is_ipv4) {
        found.retain(SocketAddr::is_ipv4);
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn no_answer() -> String {
    format!("no answer within {} s", ANSWER.as_secs())
}

/// The innermost reason, without the URL, which is next to it.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return no_answer();
    }
    innermost(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families_are_one_instance() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        let found = addresses(&["[::1]:1", "10.0.0.2:1", "10.0.0.1:1", "10.0.0.2:1"]);
        assert_eq!(of_one_family(found), addresses(&["10.0.0.1:1", "10.0.0.2:1"]));
        let six = addresses(&["[::1]:1", "[::2]:1"]);
        assert_eq!(of_one_family(six.clone()), six);
    }
}
