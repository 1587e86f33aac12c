//! The client of one BigQuery endpoint with one identity: tables, channels, and Storage Write
//! calls.

mod calls;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::redirect::Policy;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint as TonicEndpoint};
use tower::ServiceExt;

use super::auth::{BIGQUERY_SCOPE, Identity, TokenError};
use super::coalesce::Coalesced;
use super::rest::Rest;
use super::table::{self, PreparedTable};
use crate::clock::Clock;
use crate::config::{BigQuerySettings, Endpoint, TableId};
use crate::row::TableSchema;
use crate::stop::Stop;
use crate::telemetry::Metrics;

const GOOGLE_REST: &str = "https://bigquery.googleapis.com";
const GOOGLE_STORAGE: &str = "https://bigquerystorage.googleapis.com";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of BigQuery. Clones share its endpoint and identity.
#[derive(Clone)]
pub struct BigQuery {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: TonicEndpoint,
    identity: Identity,
    rest: Rest,
    metrics: Metrics,
    clock: Clock,
    /// Whether to create a missing dataset. At Google a person creates it and chooses its location;
    /// any other service is for tests and may start empty.
    makes_datasets: bool,
}

impl BigQuery {
    /// Sets up a client for the endpoint in the settings. It reads the credentials file, but opens
    /// no connection before it is used.
    pub async fn connect(
        write: &BigQuerySettings,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, Stop> {
        let (rest, storage, trusted) = match &write.endpoint {
            Endpoint::Google => (GOOGLE_REST.to_owned(), GOOGLE_STORAGE.to_owned(), true),
            Endpoint::Custom { rest, storage, trusted } => {
                (rest.clone(), storage.clone(), *trusted)
            }
            Endpoint::Embedded => {
                return Err(Stop {
                    what: "connect to the embedded BigQuery".to_owned(),
                    hint: "it runs inside `run` only; configure its addresses as an endpoint"
                        .to_owned(),
                    source: None,
                });
            }
        };
        let plaintext = storage.starts_with("http://");
        let http = http_client()?;
        let identity = if plaintext || rest.starts_with("http://") {
            Identity::Anonymous
        } else if !trusted {
            tracing::warn!(
                rest,
                storage,
                "no access token is sent: the .env alone names these addresses; name them in a \
                 configuration file or in the environment of the process"
            );
            Identity::Anonymous
        } else {
            Identity::from_file(write.credentials.as_deref(), http.clone(), BIGQUERY_SCOPE).await?
        };
        Ok(Self {
            inner: Arc::new(Inner {
                endpoint: endpoint(&storage, plaintext)?,
                rest: Rest::new(rest, identity.clone(), http),
                identity,
                metrics,
                clock,
                makes_datasets: write.endpoint != Endpoint::Google,
            }),
        })
    }

    /// Creates the table, or adds missing columns to it and makes REQUIRED columns nullable where
    /// the contract allows NULL; without `manage` it changes nothing. Returns what the table is then.
    pub async fn prepare(
        &self,
        table: &TableId,
        desired: &TableSchema,
        manage: bool,
        partition_by: Option<&str>,
    ) -> Result<PreparedTable, Stop> {
        let wish = self.wish(table, desired, manage, partition_by);
        table::prepare(&self.inner.rest, wish, self.inner.clock).await
    }

    /// How the table should be.
    pub(in crate::sink::bigquery) fn wish<'a>(
        &self,
        table: &'a TableId,
        desired: &'a TableSchema,
        manage: bool,
        partition_by: Option<&'a str>,
    ) -> table::Wish<'a> {
        table::Wish {
            table,
            desired,
            partition_by,
            cluster_by: desired.column("_event_type").map(|column| column.name.as_str()),
            manage,
            makes_datasets: self.inner.makes_datasets,
        }
    }

    pub(in crate::sink::bigquery) fn makes_datasets(&self) -> bool {
        self.inner.makes_datasets
    }

    /// Whether this is Google's own service.
    pub(in crate::sink::bigquery) fn is_google(&self) -> bool {
        !self.inner.makes_datasets
    }

    /// Who this client is, and whether there is an access token.
    pub async fn identity(&self) -> (String, Result<(), TokenError>) {
        let token = self.inner.identity.token().await.map(drop);
        (self.inner.identity.described().await, token)
    }

    pub(in crate::sink::bigquery) fn rest(&self) -> &Rest {
        &self.inner.rest
    }

    pub(in crate::sink) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(in crate::sink) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// Returns a new channel, a TCP connection that opens at its first call. Every writer has its
    /// own, because BigQuery limits the throughput of a connection.
    pub(in crate::sink) fn channel(&self) -> Channel {
        let mut connector = HttpConnector::new();
        // Accept https URLs: tonic adds TLS to the connection.
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // hyper divides this timeout among the addresses of a host name, so that a dead address
        // leaves time for the others.
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        self.inner.endpoint.connect_with_connector_lazy(connector.map_response(Coalesced::new))
    }
}

/// Returns the client of all HTTP/1 calls. It trusts the authorities that this machine trusts, or
/// those in `SSL_CERT_FILE`, as the channels do, and follows no redirect: requests carry secrets.
pub(super) fn http_client() -> Result<reqwest::Client, Stop> {
    let builder = reqwest::Client::builder().redirect(Policy::none());
    builder.tls_built_in_webpki_certs(false).build().map_err(|error| {
        let hint = "SSL_CERT_FILE has to name a readable file of certificates, if it is set";
        Stop::new("set up the client of BigQuery's REST API".to_owned(), hint, error)
    })
}

/// Returns the settings that all channels to the Storage Write endpoint share.
fn endpoint(storage: &str, plaintext: bool) -> Result<TonicEndpoint, Stop> {
    let invalid = |error: tonic::transport::Error| {
        let hint = "configure a URL such as https://bigquerystorage.googleapis.com";
        Stop::new(format!("use {storage} as the Storage Write endpoint"), hint, error)
    };
    let endpoint = TonicEndpoint::from_shared(storage.to_owned())
        .map_err(invalid)?
        .user_agent(concat!("generic-consumer/", env!("CARGO_PKG_VERSION")))
        .map_err(invalid)?
        .connect_timeout(CONNECT_TIMEOUT)
        // Detects a dead connection within 30 s, whether or not it is idle.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        // Receive windows for answers, which are large if they carry many row errors.
        .initial_connection_window_size(8 << 20)
        .initial_stream_window_size(8 << 20);
    if plaintext {
        return Ok(endpoint);
    }
    endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(invalid)
}
