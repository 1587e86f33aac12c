//! The claim check: an event names an object, which is fetched.
//!
//! ```text
//! URL in the event ─► place: listed? ─┬─► web ─► resolver: public, or listed? ─┐
//!                                     └─► bucket ─► remote ────────────────────┴─► pump ─► reader
//! ```
//!
//! Whoever can publish an event chooses the URL. So nothing is fetched from a place that the list
//! does not name, redirects are not followed, and no address is connected to that is neither public
//! nor listed (docs/adr/0024-claim-check.md).

mod address;
mod bucket;
mod fault;
mod opened;
mod place;
mod pump;
mod resolver;
#[cfg(test)]
mod tests;
mod web;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::timeout;

use self::bucket::Buckets;
pub use self::fault::Fault;
pub use self::place::Place;
pub use self::pump::Checks;
use self::web::Web;
use crate::config::{AllowList, FetchSettings, Variables};

/// Fetches objects. Nothing is connected to before the first one.
pub struct Objects {
    allowed: Arc<AllowList>,
    web: Web,
    buckets: Buckets,
    /// How long one attempt may take.
    timeout: Duration,
}

impl Objects {
    pub fn new(settings: &FetchSettings, variables: Variables) -> Result<Self, reqwest::Error> {
        let allowed = Arc::new(settings.allow.clone());
        let web = Web::new(allowed.clone(), settings.idle)?;
        Ok(Self { allowed, web, buckets: Buckets::new(variables), timeout: settings.timeout })
    }

    /// The place that a text names, if objects may be fetched from there.
    pub fn place(&self, text: &str) -> Result<Place, Fault> {
        Place::of(text, &self.allowed)
    }

    /// Makes one attempt to read an object with `read`, which runs on a thread for blocking work. It
    /// is told the object's content type, where its store names one. A web server also gets the headers.
    pub async fn read<T: Send + 'static, E: Send + 'static>(
        &self,
        (place, headers): (&Place, &HeaderMap),
        checks: &Checks,
        read: impl FnOnce(Option<String>, &mut dyn Read) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Fault> {
        let attempt = async {
            let mut opened = match place {
                Place::Web(url) => self.web.open(url, headers).await?,
                Place::Bucket(at) => self.buckets.open(at).await?,
            };
            let content_type = opened.content_type.take();
            pump::read(opened, checks, move |bytes| read(content_type, bytes)).await
        };
        match timeout(self.timeout, attempt).await {
            Ok(result) => result,
            Err(_) => Err(Fault::Away(format!("not complete after {:?}", self.timeout))),
        }
    }
}
