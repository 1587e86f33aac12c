//! The keys of the process itself.

use std::net::SocketAddr;

use crate::config::keys::{DISABLE, METRICS_ADDR};
use crate::config::resolver::Resolver;
use crate::config::values::{self, Wrong};

pub fn metrics_addr(resolver: &mut Resolver<'_>) -> Option<SocketAddr> {
    resolver.required(&METRICS_ADDR, |text| text.parse().map_err(|_| Wrong::plain()))
}

pub fn disabled(resolver: &mut Resolver<'_>) -> Option<bool> {
    resolver.required(&DISABLE, values::flag)
}
