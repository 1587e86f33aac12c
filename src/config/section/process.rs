//! The keys of the process itself.

use std::net::SocketAddr;

use crate::config::keys::{ACCEPT_CHANGES, CLUSTER, DISABLE, ENV_FILE, METRICS_ADDR};
use crate::config::location::Location;
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

/// Checks where the `.env` is, which `config` shows. `Inputs` reads it from there.
pub fn env_file(resolver: &mut Resolver<'_>) -> Option<()> {
    if resolver.find(&ENV_FILE).is_none() {
        return Some(());
    }
    resolver.required(&ENV_FILE, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Location::file(text.as_ref()).map(|_| ()),
    })
}

pub fn accept_changes(resolver: &mut Resolver<'_>) -> Option<bool> {
    resolver.required(&ACCEPT_CHANGES, values::flag)
}

pub fn disabled(resolver: &mut Resolver<'_>) -> Option<bool> {
    resolver.required(&DISABLE, values::flag)
}
