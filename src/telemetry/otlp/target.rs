//! The collector: its channel, where gRPC reaches it, and its client, where HTTP does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::ExporterBuildError;
use reqwest::redirect::Policy;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::config::OtlpTarget;
use crate::document;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 1 << 20;

/// Why nothing can be sent to a collector, whether it is there or not.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("read the file {} of the {what}", path.display())]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("use the certificates for {endpoint}")]
    Tls { endpoint: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("make the client for {endpoint}")]
    Client { endpoint: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("make the exporter")]
    Exporter(#[source] ExporterBuildError),
}

/// A channel that connects with the first request, and anew after each failure.
pub(super) fn channel(target: &OtlpTarget) -> Result<Channel, TargetError> {
    let endpoint = || target.endpoint.clone();
    let failed = |source: tonic::transport::Error| TargetError::Client {
        endpoint: endpoint(),
        source: source.into(),
    };
    let mut to = Endpoint::from_shared(endpoint()).map_err(failed)?;
    if target.endpoint.starts_with("https://") {
        let mut tls = ClientTlsConfig::new();
        tls = match &target.certificate {
            Some(path) => tls.ca_certificate(Certificate::from_pem(certificate(path)?)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &target.identity {
            let certificate = file("client certificate", certificate)?;
            tls = tls.identity(Identity::from_pem(certificate, file("client key", key)?));
        }
        to = to
            .tls_config(tls)
            .map_err(|source| TargetError::Tls { endpoint: endpoint(), source: source.into() })?;
    }
    Ok(to.timeout(target.timeout).connect_timeout(CONNECT_TIMEOUT).connect_lazy())
}

/// The headers of each request by gRPC.
pub(super) fn metadata(target: &OtlpTarget) -> MetadataMap {
    MetadataMap::from_headers(headers(target))
}

fn headers(target: &OtlpTarget) -> HeaderMap {
    let header = |(name, value): &(String, crate::config::Secret)| {
        let mut value: HeaderValue = value.expose().parse().ok()?;
        value.set_sensitive(true);
        Some((name.parse::<HeaderName>().ok()?, value))
    };
    target.headers.iter().filter_map(header).collect()
}

/// The client of requests by HTTP. It sends the target's headers.
#[derive(Debug)]
pub(super) struct Client(reqwest::Client);

pub(super) fn client(target: &OtlpTarget) -> Result<Client, TargetError> {
    let endpoint = || target.endpoint.clone();
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .default_headers(headers(target))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(target.timeout)
        .user_agent(concat!("generic-consumer/", env!("CARGO_PKG_VERSION")));
    let tls =
        |source: reqwest::Error| TargetError::Tls { endpoint: endpoint(), source: source.into() };
    if let Some(path) = &target.certificate {
        builder = builder.tls_built_in_root_certs(false);
        let bundle = reqwest::Certificate::from_pem_bundle(&certificate(path)?).map_err(tls)?;
        for one in bundle {
            builder = builder.add_root_certificate(one);
        }
    }
    if let Some((certificate, key)) = &target.identity {
        let mut pem = file("client certificate", certificate)?;
        pem.push(b'\n');
        pem.extend(file("client key", key)?);
        builder = builder.identity(reqwest::Identity::from_pem(&pem).map_err(tls)?);
    }
    let failed = |source: reqwest::Error| TargetError::Client {
        endpoint: endpoint(),
        source: source.into(),
    };
    builder.build().map(Client).map_err(failed)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut response = self.0.execute(request.try_into()?).await?;
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err("the answer is too long".into());
            }
            body.extend_from_slice(&chunk);
        }
        *answer.body_mut() = body.into();
        Ok(answer)
    }
}

fn certificate(path: &Path) -> Result<Vec<u8>, TargetError> {
    file("certificates to trust", path)
}

fn file(what: &'static str, path: &Path) -> Result<Vec<u8>, TargetError> {
    let failed = |source| TargetError::File { what, path: path.to_owned(), source };
    document::read(path).map_err(failed)
}
