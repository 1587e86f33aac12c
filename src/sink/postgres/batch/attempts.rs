//! Trying again after an error that passes.

use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use crate::error_chain::chain;
use crate::retry::Backoff;
use crate::sink::postgres::errors::{PgError, Verdict};
use crate::stop::Stop;

/// How long a step is tried again: longer than a failover takes, or a server's recovery.
const RETRY_FOR: Duration = Duration::from_secs(900);

const AWAY: &str = "PostgreSQL has not answered, or something was in the way, for 15 minutes; run it \
                    again, which ends as one that was left alone";
const RIGHTS: &str = "grant the role SELECT, INSERT, UPDATE and DELETE on the target and on the tables \
                      generic_consumer_transfers and generic_consumer_transfer_leases, INSERT on the dead \
                      letters, and USAGE and CREATE on their schema";
const MESSAGE: &str = "the message is PostgreSQL's; the target is as it was";

/// The attempts of one step.
pub(super) struct Attempts {
    what: String,
    began: Instant,
    backoff: Backoff,
}

impl Attempts {
    /// `what` is the step, for messages: `write to the table public.orders`.
    pub fn of(what: impl Into<String>) -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(10));
        Self { what: what.into(), began: Instant::now(), backoff }
    }

    /// Waits before the next attempt, or says why there is none.
    pub async fn pause(&mut self, error: PgError) -> Result<(), Stop> {
        let what = &self.what;
        let code = error.db().map(|db| db.code().clone());
        if code == Some(SqlState::INSUFFICIENT_PRIVILEGE) {
            return Err(error.stop(what, RIGHTS));
        }
        // The table is published without a replica identity, for example.
        if code == Some(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE) {
            return Err(error.stop(what, MESSAGE));
        }
        match error.verdict() {
            Verdict::Retry if self.began.elapsed() < RETRY_FOR => {
                tracing::warn!(error = chain(&error), "{what}: trying again");
                tokio::time::sleep(self.backoff.pause()).await;
                Ok(())
            }
            Verdict::Retry => Err(error.stop(what, AWAY)),
            Verdict::Refused => Err(error.stop(what, MESSAGE)),
            Verdict::Stop(hint) => Err(error.stop(what, hint)),
        }
    }
}

/// Repeats a step while its errors pass. The step may have had its effect already.
pub(super) async fn retried<T, A>(what: &str, step: impl Fn() -> A) -> Result<T, Stop>
where
    A: Future<Output = Result<T, PgError>>,
{
    let mut attempts = Attempts::of(what);
    loop {
        match step().await {
            Ok(done) => return Ok(done),
            Err(error) => attempts.pause(error).await?,
        }
    }
}
