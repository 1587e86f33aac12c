//! Takes the body of a request apart into its events.

use std::borrow::Cow;

use axum::http::HeaderMap;
use serde_json::value::RawValue;

use super::cloud_events;
use super::form::Form;
use super::incoming::{Headers, Incoming};
use super::refusal::Refusal;
use crate::record::Reason;

/// Why a body cannot be taken apart into events.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unparsable {
    #[error("the body has no events")]
    Empty,
    #[error("the body is no JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error(
        "the body has several JSON values: send one event, an array of events, or an event a line \
         as application/x-ndjson"
    )]
    Several,
    #[error("a batch of CloudEvents is a JSON array")]
    NoArray,
}

/// The events of a body, and whether it is a single one that is not in an array or a line.
#[derive(Debug)]
pub(super) struct Split<'b> {
    pub events: Vec<Incoming<'b>>,
    pub single: bool,
}

/// Takes a body apart.
pub(super) fn split<'b>(
    form: Form,
    headers: &HeaderMap,
    body: &'b [u8],
) -> Result<Split<'b>, Unparsable> {
    let text = body.trim_ascii();
    if text.is_empty() && form != Form::CloudEventData {
        return Err(Unparsable::Empty);
    }
    let is_array = text.first() == Some(&b'[');
    let (events, single) = match form {
        Form::Json if is_array => (items(text)?.map(plain).collect(), false),
        Form::Json => (vec![plain(text)], true),
        Form::Lines => {
            let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            (lines.filter(|line| !line.is_empty()).map(plain).collect(), false)
        }
        Form::CloudEventData => (vec![cloud_events::binary(headers, body)], true),
        Form::CloudEvent => {
            is_json(text)?;
            (vec![cloud_events::structured(text)], false)
        }
        Form::CloudEvents if is_array => {
            (items(text)?.map(cloud_events::structured).collect(), false)
        }
        Form::CloudEvents => {
            is_json(text)?;
            return Err(Unparsable::NoArray);
        }
    };
    let split: Split<'b> = Split { events, single };
    if split.events.is_empty() { Err(Unparsable::Empty) } else { Ok(split) }
}

/// Fails if the text is not one JSON value.
pub(super) fn is_json(text: &[u8]) -> Result<(), Unparsable> {
    let Err(error) = serde_json::from_slice::<&RawValue>(text) else { return Ok(()) };
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    let several = values.by_ref().take(2).filter(Result::is_ok).count() == 2;
    Err(if several { Unparsable::Several } else { Unparsable::Json(error) })
}

/// The texts of an array's items.
fn items(text: &[u8]) -> Result<impl Iterator<Item = &[u8]>, Unparsable> {
    let items: Vec<&RawValue> = match serde_json::from_slice(text) {
        Ok(items) => items,
        Err(error) => {
            is_json(text)?;
            return Err(Unparsable::Json(error));
        }
    };
    Ok(items.into_iter().map(|item| item.get().as_bytes()))
}

fn plain(value: &[u8]) -> Incoming<'_> {
    let value = match value {
        [] => Err(Refusal::new(Reason::Empty.code(), "the event has no bytes")),
        value => Ok(Cow::Borrowed(value)),
    };
    Incoming { value, headers: Headers::new(), key: None }
}
