//! The domain of the settings, wherever its contract is.

use super::domain::{Domain, RowOptions};
use super::error::AppError;
use crate::config::{DeadLetterTarget, Settings};
use crate::remote::{Fetcher, Fetching, Next};

/// Reads the contract's documents, fetches those that are not on this machine, and derives the
/// columns.
pub async fn domain(settings: &Settings, fetcher: &Fetcher) -> Result<Domain, AppError> {
    let (at, write) = (&settings.contract, &settings.write);
    let options = RowOptions::new(at, write.layout, &write.partition_by);
    let mut fetching = Fetching::new(fetcher);
    loop {
        let domain = Domain::load(at, options.clone(), fetching.documents());
        match fetching.next(&at.dir).await? {
            Next::TryAgain => {}
            Next::Complete => {
                let domain = domain?;
                check_letters(&domain, &settings.dead_letter)?;
                return Ok(domain);
            }
        }
    }
}

/// Checks that dead letters do not go to the topic that the domain reads: they would be read again,
/// and rejected again.
pub fn check_letters(domain: &Domain, target: &DeadLetterTarget) -> Result<(), AppError> {
    let topic = &domain.contract.topic;
    if *target != DeadLetterTarget::Kafka(topic.clone()) {
        return Ok(());
    }
    Err(AppError::Configuration {
        what: format!("DEAD_LETTER names {topic}, the topic that this domain reads"),
        hint: Some("its dead letters would be read again: name a topic of their own".to_owned()),
        source: None,
    })
}
