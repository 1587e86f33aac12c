//! Texts in the event that are read as if they were files.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde_json::Value;

use super::file_source::EventText;

use crate::json_tree;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// The texts, decoded; of another value, its JSON text. `None`: the event has none there. The error says
/// what is wrong with it.
pub(super) type EventTexts = BTreeMap<EventText, Result<Option<Vec<u8>>, &'static str>>;

pub(super) fn decoded<'s>(event: &[u8], texts: impl Iterator<Item = &'s EventText>) -> EventTexts {
    let mut texts = texts.peekable();
    if texts.peek().is_none() {
        return EventTexts::new();
    }
    let event = json_tree::read(event).ok();
    texts.map(|text| (text.clone(), one(event.as_ref(), text))).collect()
}

fn one(event: Option<&Value>, text: &EventText) -> Result<Option<Vec<u8>>, &'static str> {
    let event = event.ok_or("the event is not JSON")?;
    let found = match event.pointer(&text.pointer) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(found)) => found,
        // What the contract has decoded already, or what was no text in the first place.
        Some(other) => return Ok(Some(other.to_string().into_bytes())),
    };
    if !text.is_base64 {
        return Ok(Some(found.clone().into_bytes()));
    }
    let is_url_safe = found.contains(['-', '_']);
    let decoded = if is_url_safe { URL_SAFE.decode(found) } else { STANDARD.decode(found) };
    decoded.map(Some).map_err(|_| "is not base64")
}
