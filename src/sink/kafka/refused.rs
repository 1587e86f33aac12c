//! Which messages the broker does not take. It refuses a batch of messages as a whole if the batch is
//! larger than its topic allows, and does not say whether one of the messages is.

use rdkafka::error::RDKafkaErrorCode as Code;

use super::errors::OutError;
use super::owner::Owner;
use super::transaction::{Addressed, Failed, Waits};
use super::work::Refused;
use crate::record::{Reason, Rejection};
use crate::source::Undelivered;

/// How often a message is sent again that was not delivered.
const MOST_TRIES: usize = 3;

/// What is to be done about messages that were refused.
pub(super) enum Found {
    /// These are to blame.
    Messages(Vec<Refused>),
    /// Each message would be taken alone: batches have to be smaller, but may have so many bytes.
    Batches { at_least: usize },
}

/// Looks for the messages to blame among those that were refused. The transaction of before has been
/// given up.
pub(super) fn find(
    owner: &Owner,
    messages: &[Addressed<'_>],
    refused: &[Undelivered],
    waits: Waits<'_>,
) -> Result<Found, Failed> {
    let is_invalid = |one: &&Undelivered| one.code == Code::InvalidRecord;
    let mut found: Vec<Refused> = refused.iter().filter(is_invalid).map(invalid).collect();
    let mut large: Vec<(usize, usize)> = refused
        .iter()
        .filter(|one| !is_invalid(one))
        .filter_map(|one| Some((messages.get(one.number)?.message.bytes(), one.number)))
        .collect();
    large.sort_unstable();
    let Some((largest, _)) = large.last().copied() else { return Ok(Found::Messages(found)) };
    // The topic's limit is one of bytes: what is larger than a message that was refused alone is
    // refused too. So few messages have to be sent alone to know of all.
    let (mut low, mut high) = (0, large.len());
    let mut smallest = None;
    // The largest first: if it is taken, none is to blame.
    let mut probe = large.len() - 1;
    while low < high {
        let (_, place) = large[probe];
        let alone = &messages[place..=place];
        if is_taken(owner, alone, waits)? {
            low = probe + 1;
        } else {
            high = probe;
            smallest = Some(probe);
        }
        probe = low + (high - low) / 2;
    }
    match smallest {
        None if found.is_empty() => Ok(Found::Batches { at_least: largest }),
        None => Ok(Found::Messages(found)),
        Some(smallest) => {
            found.extend(large[smallest..].iter().map(|(bytes, place)| too_large(*place, *bytes)));
            Ok(Found::Messages(found))
        }
    }
}

/// Whether the broker takes these messages, which are sent in a transaction that is given up.
fn is_taken(owner: &Owner, alone: &[Addressed<'_>], waits: Waits<'_>) -> Result<bool, Failed> {
    let mut tries = 0;
    loop {
        let sent = owner.send(alone, waits);
        owner.abort(waits)?;
        match sent {
            Ok(()) => return Ok(true),
            Err(Failed::Refused(_)) => return Ok(false),
            // A batch that was refused leaves a gap in its partition's sequence numbers, of which
            // librdkafka hears with the next one. Giving that one up gives it a new epoch.
            Err(Failed::Error(OutError::Undelivered { .. })) if tries < MOST_TRIES => tries += 1,
            Err(failed) => return Err(failed),
        }
    }
}

fn too_large(place: usize, bytes: usize) -> Refused {
    let detail = format!("the message has {bytes} bytes, more than its topic takes");
    Refused { place, rejection: Rejection::new(Reason::TooLarge, detail, None) }
}

fn invalid(undelivered: &Undelivered) -> Refused {
    let detail = "the broker refuses the message as invalid: a compacted topic takes none without \
                  a key";
    let rejection = Rejection::new(Reason::RowError, detail.to_owned(), None);
    Refused { place: undelivered.number, rejection }
}
