//! Documents that are not on this machine: the `.env`, configuration files and contracts in S3, in
//! Google Cloud Storage or behind HTTPS (docs/adr/0015).
//!
//! ```text
//! Inputs ─► files ──► Fetcher ─┬─► buckets ─► object_store ─┬─► http ─► the store
//! contract ─► Fetching ──┘     └─► https ───────────────────┘
//! ```
//!
//! There is one HTTP client: `object_store` signs requests and parses responses, and sends them
//! through `http`, which limits sizes, follows no redirect and says why there was no document.

mod buckets;
mod error;
mod fetcher;
mod fetching;
mod google;
mod http;
mod inputs;
mod patience;
mod seen;
#[cfg(test)]
mod tests;

pub use error::{Fault, FetchError};
pub use fetcher::{Fetcher, Object};
pub use fetching::{Fetching, Next};
pub use inputs::files;
pub use patience::Patience;
pub use seen::Seen;
