//! The keys of the event API.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::keys::{API_ADDR, API_BODY_BYTES, API_TIMEOUT_MS, API_TOKENS_FILE, EVENT_KEY};
use crate::config::resolver::Resolver;
use crate::config::settings::ApiSettings;
use crate::config::values::{self, Wrong};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

pub fn read(resolver: &mut Resolver<'_>) -> Option<ApiSettings> {
    let address = resolver.required(&API_ADDR, |text| text.parse().map_err(|_| Wrong::plain()));
    let tokens_file = resolver.optional(&API_TOKENS_FILE, |text| Ok(PathBuf::from(text)));
    let body_bytes = resolver.required(&API_BODY_BYTES, |text| values::bytes(text, KIB, 16 * MIB));
    let timeout = resolver.required(&API_TIMEOUT_MS, |text| values::number(text, 1_000, 60_000));
    let event_key = resolver.optional(&EVENT_KEY, values::pointer);
    Some(ApiSettings {
        address: address?,
        tokens_file: tokens_file?,
        body_bytes: body_bytes?,
        timeout: Duration::from_millis(timeout?),
        event_key: event_key?,
    })
}
