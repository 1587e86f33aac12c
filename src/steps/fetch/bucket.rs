//! Objects of buckets, read with the identity of this process.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};

use super::fault::Fault;
use super::opened::Opened;
use crate::config::Variables;
use crate::config::location::Remote;
use crate::error_chain::chain;
use crate::record::Reason;
use crate::remote::{self, FetchError, Fetcher, Patience};
use crate::stop::Stop;

/// Whoever fetches tries again, and says so meanwhile; so one attempt is short.
const ATTEMPT: Patience = Patience {
    retry_for: Duration::from_secs(5),
    first_pause: Duration::from_millis(250),
    longest_pause: Duration::from_secs(2),
};

/// The client of all buckets.
pub struct Buckets {
    fetcher: Fetcher,
}

impl Buckets {
    /// Endpoints and credentials come from these variables: those of the process.
    pub fn new(variables: Variables) -> Self {
        Self { fetcher: Fetcher::of_objects(variables, ATTEMPT) }
    }

    /// Asks for an object.
    pub async fn open(&self, at: &Remote) -> Result<Opened, Fault> {
        let object = self.fetcher.open(at).await.map_err(fault)?;
        Ok(Opened {
            size: Some(object.size),
            content_type: None,
            bytes: object.bytes.map_err(|error| chain(&error)).boxed(),
        })
    }
}

/// What an error of a bucket means. Credentials and the bucket concern every event, so without them
/// nothing goes on; a dead letter for each event would empty the topic.
fn fault(error: FetchError) -> Fault {
    match &error.fault {
        remote::Fault::NoSuchDocument(answer) => {
            Fault::rejected(Reason::ObjectMissing, answer.clone())
        }
        _ if error.fault.is_outage() => Fault::Away(error.fault.to_string()),
        _ => {
            let (what, hint) = (format!("fetch {}", error.location), error.hint());
            Fault::Stop(Box::new(Stop::new(what, hint, error.fault)))
        }
    }
}
