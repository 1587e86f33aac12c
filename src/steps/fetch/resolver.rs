//! Resolves names to addresses that may be connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;
use crate::config::AllowList;

/// Resolves a name to addresses.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The resolver of the HTTP client. The connection goes to the very addresses that were checked, so
/// a name server that answers differently the second time gains nothing.
#[derive(Clone)]
pub struct Resolver {
    allowed: Arc<AllowList>,
    lookup: Lookup,
}

/// All addresses of a host are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} has the address {address}, which is not public and not listed")]
pub struct AddressRefused {
    pub host: String,
    pub address: IpAddr,
}

impl Resolver {
    pub fn new(allowed: Arc<AllowList>) -> Self {
        Self { allowed, lookup: Arc::new(|name| Box::pin(of_system(name))) }
    }

    #[cfg(test)]
    pub fn with_lookup(allowed: Arc<AllowList>, lookup: Lookup) -> Self {
        Self { allowed, lookup }
    }

    /// Checks a URL whose host is an address: the HTTP client does not resolve it.
    pub fn check_literal(&self, url: &Url) -> Result<(), AddressRefused> {
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) if !self.permits(address) => {
                Err(AddressRefused { host: host.to_owned(), address })
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.lists_address(address)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = (resolver.lookup)(host.clone()).await?;
            let refused = found.iter().map(SocketAddr::ip).find(|ip| !resolver.permits(*ip));
            let permitted: Vec<SocketAddr> =
                found.into_iter().filter(|at| resolver.permits(at.ip())).collect();
            match refused {
                Some(address) if permitted.is_empty() => {
                    Err(AddressRefused { host, address }.into())
                }
                Some(_) | None => Ok(Box::new(permitted.into_iter()) as Addrs),
            }
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resolver({})", self.allowed)
    }
}

async fn of_system(name: String) -> io::Result<Vec<SocketAddr>> {
    // The client sets the port.
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}
