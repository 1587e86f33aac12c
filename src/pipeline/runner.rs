//! A run: sessions, one after the other, until one ends well or for good.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::session::{Ending, Session};
use super::{Flow, Summary};
use crate::config::Guarantee;
use crate::error_chain::chain;
use crate::retry::Backoff;
use crate::source::{CommitError, Committer, OpenError};

/// The run cannot go on without a person.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Stop {
    pub what: String,
    pub hint: String,
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Stop {
    pub fn new(
        what: impl Into<String>,
        hint: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { what: what.into(), hint: hint.into(), source: Some(Box::new(source)) }
    }
}

/// How long one try to reach the transaction coordinator takes: a shutdown asked for meanwhile has
/// to end within 30 s.
const INIT_TRANSACTIONS: Duration = Duration::from_secs(10);

/// Runs until the flow's end on the calling thread, which becomes the one that polls Kafka; the
/// writers run on the tokio runtime whose context the thread has entered. The boolean says whether
/// everything was drained in time.
pub fn run(mut flow: Flow) -> Result<(Summary, bool), Stop> {
    let mut summary = Summary::new(flow.table.to_string());
    // One a process, kept from session to session: making it anew fences what the session before
    // may still have under way. Its prefix is the group, so that one ACL covers all instances.
    let transactional_id = format!("{}-{:016x}", flow.group, rand::random::<u64>());
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        let why = match open(&flow, &transactional_id)? {
            Err(why) => why,
            Ok(committer) => {
                let mut session = Session::open(&mut flow, committer, &mut summary)?;
                match session.run()? {
                    Ending::Finished { drained } => return Ok((summary, drained)),
                    Ending::Rejoin { why, progress } => {
                        if progress {
                            backoff.reset();
                        }
                        why
                    }
                }
            }
        };
        flow.health.joined(false);
        // Nothing of the ended session is under way any more, so an outage of the broker is no
        // reason to restart.
        flow.health.work_pending(false);
        if flow.shutdown.requested() {
            return Ok((summary, false));
        }
        let pause = backoff.pause();
        tracing::warn!(reason = %why, pause_ms = pause.as_millis() as u64, "joining the group anew");
        summary.rejoins += 1;
        flow.metrics.rejoins.inc();
        std::thread::sleep(pause);
    }
}

/// The session's committer; `Err` inside is a passing fault.
fn open(flow: &Flow, transactional_id: &str) -> Result<Result<Committer, String>, Stop> {
    match flow.guarantee {
        Guarantee::AtLeastOnce => Ok(Ok(Committer::Plain)),
        Guarantee::ExactlyOnce => {
            let mut config = flow.transactions.clone();
            config.set("transactional.id", transactional_id);
            match Committer::transactional(&config, INIT_TRANSACTIONS) {
                Ok(committer) => Ok(Ok(committer)),
                Err(error) if needs_a_person(&error) => Err(Stop::new(
                    format!("open the transactions of group {}", flow.group),
                    format!(
                        "grant WRITE and DESCRIBE on the transactional ids with prefix {}- to this \
                         principal, or set DELIVERY_GUARANTEE=at-least-once (README, Kafka ACLs)",
                        flow.group
                    ),
                    error,
                )),
                Err(error) => Ok(Err(chain(&error))),
            }
        }
    }
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
        _ => return false,
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

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Self::new("open the Kafka consumer", "check the consume environment's properties", error)
    }
}
