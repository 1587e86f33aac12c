//! What concerns the process itself.

use std::net::SocketAddr;

use crate::config::keys::{DISABLE, METRICS_ADDR};
use crate::config::reader::{Reader, Wrong};
use crate::config::values;

pub fn metrics_addr(reader: &mut Reader<'_>) -> Option<SocketAddr> {
    reader.required(&METRICS_ADDR, |text| text.parse().map_err(|_| Wrong::plain()))
}

pub fn disabled(reader: &mut Reader<'_>) -> Option<bool> {
    reader.required(&DISABLE, values::flag)
}
