//! The keys of the process itself.

use std::net::SocketAddr;

use crate::config::keys::{CLUSTER, DISABLE, METRICS_ADDR};
use crate::config::resolver::Resolver;
use crate::config::values::{self, Wrong};

pub fn metrics_addr(resolver: &mut Resolver<'_>) -> Option<SocketAddr> {
    resolver.required(&METRICS_ADDR, |text| text.parse().map_err(|_| Wrong::plain()))
}

/// Checks the cluster's name, which `config` shows. `instance_file` says what it means.
pub fn cluster(resolver: &mut Resolver<'_>) -> Option<()> {
    if resolver.find(&CLUSTER).is_none() {
        return Some(());
    }
    resolver.required(&CLUSTER, |text| values::name(text, b"-", 63).map(|_| ()))
}

pub fn disabled(resolver: &mut Resolver<'_>) -> Option<bool> {
    resolver.required(&DISABLE, values::flag)
}
