//! Decides about one event, and makes ready what is published of it.

use std::borrow::Cow;

use super::checkers::{Accepted, Checker};
use super::event_key;
use super::incoming::{Headers, Incoming};
use super::refusal::{NO_KEY, Refusal, TOO_LARGE};
use super::type_header::TypeHeader;
use crate::clock::Clock;
use crate::contract::pointer;

/// Bytes of a record besides its key, value and headers, at most.
const RECORD_OVERHEAD: usize = 100;

/// An event that is going to be published.
pub(super) struct Good<'b> {
    pub index: usize,
    pub ignored: bool,
    pub key: Option<Cow<'b, [u8]>>,
    pub value: Cow<'b, [u8]>,
    /// `None`: those that all events of the request share.
    pub headers: Option<Headers>,
}

/// The rules for events.
#[derive(Clone, Copy)]
pub(super) struct Rules<'r> {
    pub event_key: Option<&'r [String]>,
    pub type_header: Option<&'r TypeHeader>,
    /// Bytes of the largest record.
    pub largest: usize,
    pub clock: Clock,
}

impl Rules<'_> {
    /// What is published of the event. `shared` are the headers of events that have none of their
    /// own.
    pub fn examine<'b>(
        &self,
        checker: &mut Checker,
        index: usize,
        event: Incoming<'b>,
        shared: &Headers,
    ) -> Result<Good<'b>, Refusal> {
        let Incoming { value, headers, key } = event;
        let value = value?;
        let headers = self.own_headers(headers, shared);
        let known = headers.as_ref().unwrap_or(shared);
        let accepted = checker.check(&value, known, self.clock)?;
        let key = match self.event_key {
            None => key.map(Cow::Owned),
            Some(path) => Some(key_of(&value, path)?),
        };
        let bytes = |headers: &Headers| {
            let part = |(name, value): &(String, Option<Vec<u8>>)| {
                name.len() + value.as_ref().map_or(0, Vec::len)
            };
            headers.iter().map(part).sum::<usize>()
        };
        let size = value.len() + key.as_ref().map_or(0, |key| key.len()) + bytes(known);
        if size + RECORD_OVERHEAD > self.largest {
            let detail = format!(
                "the event has {size} bytes with its key and headers, a message at most {}",
                self.largest
            );
            return Err(Refusal::new(TOO_LARGE, detail));
        }
        Ok(Good { index, ignored: accepted == Accepted::Ignored, key, value, headers })
    }

    /// The headers of an event that has some of its own.
    fn own_headers(&self, mut own: Headers, shared: &Headers) -> Option<Headers> {
        if own.is_empty() {
            return None;
        }
        own.extend(shared.iter().cloned());
        if let Some(place) = self.type_header {
            place.of_cloud_event(&mut own);
        }
        Some(own)
    }
}

/// The record's key, which may lie in the value.
fn key_of<'b>(value: &Cow<'b, [u8]>, path: &[String]) -> Result<Cow<'b, [u8]>, Refusal> {
    let found = match value {
        Cow::Borrowed(value) => event_key::field(value, path),
        Cow::Owned(value) => event_key::field(value, path).map(|key| Cow::Owned(key.into_owned())),
    };
    found.ok_or_else(|| {
        let detail = format!(
            "{}: the record's key (EVENT_KEY) is missing, or no text, number, true or false",
            pointer::of(path)
        );
        Refusal::new(NO_KEY, detail)
    })
}
