//! The header with the event type, where the contract reads it from a header.

use axum::http::HeaderMap;

use super::incoming::Headers;
use crate::contract::{Contract, Discriminator};

/// How a record comes to its header with the event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeHeader {
    name: String,
    /// The contract's only event type.
    only: Option<String>,
}

impl TypeHeader {
    /// `None` if the type is in the payload.
    pub fn of(contract: &Contract, ignored: &[String]) -> Option<Self> {
        let Discriminator::Header(name) = &contract.discriminator else { return None };
        let mut types = contract.not_ignored(ignored).map(|event| event.name.clone());
        let only = types.next().filter(|_| types.next().is_none() && ignored.is_empty());
        Some(Self { name: name.clone(), only })
    }

    /// The header for events that are no CloudEvents: the request's own header of that name, or the
    /// contract's only event type.
    pub fn of_request(&self, request: &HeaderMap) -> Option<(String, Option<Vec<u8>>)> {
        let sent = request.get(self.name.as_str()).map(|value| value.as_bytes().to_vec());
        let value = sent.or_else(|| self.only.clone().map(String::into_bytes))?;
        Some((self.name.clone(), Some(value)))
    }

    /// Sets the header to the attribute `type` of a CloudEvent.
    pub fn of_cloud_event(&self, headers: &mut Headers) {
        let of_type = headers.iter().find(|(name, _)| name == "ce_type");
        let Some((_, value)) = of_type.cloned() else { return };
        if self.name != "ce_type" {
            headers.retain(|(name, _)| *name != self.name);
            headers.push((self.name.clone(), value));
        }
    }
}
