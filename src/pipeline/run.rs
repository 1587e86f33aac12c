//! A run: sessions, one after the other, until one ends well or for good.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::ending::{Ending, Interruption};
use super::flow::Flow;
use super::session::Session;
use super::summary::Summary;
use crate::error_chain::chain;
use crate::retry::Backoff;
use crate::sink::Durability;
use crate::source::{CommitError, Committer, Subscription};
use crate::stop::Stop;

/// How long one attempt to reach the transaction coordinator takes. A shutdown that is requested
/// meanwhile has to end within 30 s.
const INIT_TRANSACTIONS: Duration = Duration::from_secs(10);

/// Runs until the flow's end on the calling thread, which becomes the one that polls Kafka. Writers
/// run on the tokio runtime that the thread has entered. The boolean says whether everything was
/// drained in time.
pub fn run(flow: Flow) -> Result<(Summary, bool), Stop> {
    // Random for each process and the same for all its sessions: creating the producer again fences
    // what the session before may still have under way. The group is the prefix, so that one ACL
    // covers all instances.
    let transactional_id = format!("{}-{:016x}", flow.subscription.group, rand::random::<u64>());
    run_with(flow, &|flow| committer(flow, &transactional_id))
}

/// The same with another way to commit than the sink's durability asks for.
pub(super) fn run_with(
    mut flow: Flow,
    committer: &dyn Fn(&Flow) -> Result<Committer, CommitError>,
) -> Result<(Summary, bool), Stop> {
    let ended = sessions(&mut flow, committer);
    if let Some(steps) = &flow.steps {
        steps.watchers.tell(|watcher| watcher.run_ended());
    }
    ended
}

fn sessions(
    flow: &mut Flow,
    committer: &dyn Fn(&Flow) -> Result<Committer, CommitError>,
) -> Result<(Summary, bool), Stop> {
    let mut summary = Summary::new(flow.sink.target(), flow.sink.dead_letters());
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        if flow.shutdown.requested() {
            return Ok((summary, true));
        }
        flow.health.turned();
        flow.succeed();
        let why = match committer(flow) {
            Err(error) => match hint(&flow.subscription, &error) {
                Some(hint) => {
                    let group = &flow.subscription.group;
                    let what = format!("open the transactions of group {group}");
                    return Err(Stop::new(what, hint, error));
                }
                None => Some(Interruption::Transactions(error)),
            },
            Ok(committer) => match Session::open(flow, committer, &mut summary)?.run()? {
                Ending::Finished { drained } => return Ok((summary, drained)),
                Ending::Succeeded { drained } if flow.shutdown.requested() => {
                    return Ok((summary, drained));
                }
                Ending::Succeeded { drained } => {
                    tracing::info!(
                        drained,
                        "the session ends, and the next one writes by another plan"
                    );
                    None
                }
                Ending::Rejoin { why, progress } => {
                    if progress {
                        backoff.reset();
                    }
                    Some(why)
                }
            },
        };
        flow.health.joined(false);
        flow.health.paused(false);
        // Others have its partitions by now: their lags are no longer ours to tell.
        flow.metrics.nothing_owned();
        // The session's work was dropped. If it counted as pending, the liveness probe would restart
        // the process during an outage of the broker.
        flow.health.work_pending(false);
        // What the session had in flight was not committed, so the next owner reads it again: nothing
        // is left to wait for.
        if flow.shutdown.requested() {
            return Ok((summary, true));
        }
        let Some(why) = why else { continue };
        let pause = backoff.pause();
        let reason = chain(&why);
        tracing::warn!(reason, pause_ms = pause.as_millis() as u64, "joining the group anew");
        summary.rejoins += 1;
        flow.metrics.rejoins.inc();
        flow.shutdown.sleep(pause);
    }
}

/// What commits a session's offsets: a transaction where it has to be fenced.
fn committer(flow: &Flow, transactional_id: &str) -> Result<Committer, CommitError> {
    match flow.sink.durability() {
        Durability::Stored if flow.sink.commits_to_group() => Ok(Committer::BySink),
        Durability::Visible | Durability::Stored => Ok(Committer::Plain),
        Durability::Promised => {
            let mut config = flow.subscription.transactions.clone();
            config.set("transactional.id", transactional_id);
            Committer::transactional(&config, INIT_TRANSACTIONS)
        }
    }
}

/// What a person has to do about transactions that cannot be opened; `None` for a failure that may
/// pass.
fn hint(subscription: &Subscription, error: &CommitError) -> Option<String> {
    use RDKafkaErrorCode as Code;
    let code = match error {
        CommitError::Transaction { source, .. } => source.code,
        CommitError::Kafka { source: KafkaError::ClientCreation(_), .. } => {
            let hint = "check the consume environment's properties, which do not allow a \
                        transactional producer, or set DELIVERY_GUARANTEE=at-least-once";
            return Some(hint.to_owned());
        }
        CommitError::Kafka { source, .. } => source.rdkafka_error_code()?,
        CommitError::NotMember | CommitError::Lost | CommitError::SentTwice => return None,
    };
    let group = &subscription.group;
    match code {
        Code::TransactionalIdAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            Some(format!(
                "grant WRITE and DESCRIBE on the transactional ids with prefix {group}- to this \
                 principal, or set DELIVERY_GUARANTEE=at-least-once (README, Kafka ACLs)"
            ))
        }
        Code::GroupAuthorizationFailed => {
            Some(format!("grant READ on the group {group} to this principal (README, Kafka ACLs)"))
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            Some("check the security properties of the consume environment".to_owned())
        }
        Code::UnsupportedFeature => {
            let hint = "the brokers do not support transactions: set \
                        DELIVERY_GUARANTEE=at-least-once";
            Some(hint.to_owned())
        }
        _ => None,
    }
}
