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
    let mut summary = Summary::new(flow.sink.target());
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        let why = match committer(&flow) {
            Err(error) if needs_a_person(&error) => {
                return Err(no_transactions(&flow.subscription, error));
            }
            Err(error) => Interruption::Transactions(error),
            Ok(committer) => match Session::open(&mut flow, committer, &mut summary)?.run()? {
                Ending::Finished { drained } => return Ok((summary, drained)),
                Ending::Rejoin { why, progress } => {
                    if progress {
                        backoff.reset();
                    }
                    why
                }
            },
        };
        flow.health.joined(false);
        // Nothing of the session is under way any more, so an outage of the broker is no reason for
        // a restart.
        flow.health.work_pending(false);
        if flow.shutdown.requested() {
            return Ok((summary, false));
        }
        let pause = backoff.pause();
        let reason = chain(&why);
        tracing::warn!(reason, pause_ms = pause.as_millis() as u64, "joining the group anew");
        summary.rejoins += 1;
        flow.metrics.rejoins.inc();
        std::thread::sleep(pause);
    }
}

/// What commits a session's offsets: a transaction where it has to be fenced.
fn committer(flow: &Flow, transactional_id: &str) -> Result<Committer, CommitError> {
    match flow.sink.durability() {
        Durability::Visible | Durability::Stored => Ok(Committer::Plain),
        Durability::Promised => {
            let mut config = flow.subscription.transactions.clone();
            config.set("transactional.id", transactional_id);
            Committer::transactional(&config, INIT_TRANSACTIONS)
        }
    }
}

fn no_transactions(subscription: &Subscription, error: CommitError) -> Stop {
    let group = &subscription.group;
    Stop::new(
        format!("open the transactions of group {group}"),
        format!(
            "grant WRITE and DESCRIBE on the transactional ids with prefix {group}- to this \
             principal, or set DELIVERY_GUARANTEE=at-least-once (README, Kafka ACLs)"
        ),
        error,
    )
}

fn needs_a_person(error: &CommitError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = match error {
        CommitError::Transaction { source, .. } => source.code,
        CommitError::Kafka { source: KafkaError::ClientCreation(_), .. } => return true,
        CommitError::Kafka { source, .. } => match source.rdkafka_error_code() {
            Some(code) => code,
            None => return false,
        },
        CommitError::NotMember | CommitError::Lost | CommitError::SentTwice => return false,
    };
    matches!(
        code,
        Code::TransactionalIdAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedFeature
    )
}
