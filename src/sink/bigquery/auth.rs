//! Who we are to Google: one credentials file whose kind differs from cluster to cluster, or the
//! metadata server where there is none.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;
use yup_oauth2::authenticator::DefaultAuthenticator;

use crate::sink::SinkError;

const SCOPES: &[&str] = &["https://www.googleapis.com/auth/bigquery"];

/// A token is replaced this long before it ends, so that no call starts with one about to.
const MARGIN: Duration = Duration::from_secs(300);

/// Where access tokens come from.
#[derive(Clone)]
pub enum Identity {
    /// A plaintext endpoint on this machine.
    Anonymous,
    /// Service-account key, `authorized_user` or `external_account`: yup-oauth2 keeps and renews.
    File(DefaultAuthenticator),
    /// The metadata server of GKE.
    Metadata(Arc<Metadata>),
}

/// A token that could not be had. `passing`: the service did not answer, so ask again.
#[derive(Debug)]
pub struct TokenError {
    pub passing: bool,
    pub message: String,
}

/// The metadata server's token, kept until it is about to end.
pub struct Metadata {
    url: String,
    http: reqwest::Client,
    token: Mutex<Option<(String, Instant)>>,
}

impl Identity {
    /// Reads the credentials file by its `type`.
    pub async fn from_file(path: Option<&Path>) -> Result<Self, SinkError> {
        let Some(path) = path else { return Ok(Self::Metadata(Arc::new(Metadata::new()))) };
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SinkError {
            what: format!("read the credentials file {}", path.display()),
            hint: "GOOGLE_APPLICATION_CREDENTIALS names a service_account, authorized_user or \
                   external_account JSON file; unset it to use the metadata server"
                .to_owned(),
            source: Some(source),
        };
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        let text =
            tokio::fs::read_to_string(path).await.map_err(|error| failed(Box::new(error)))?;
        let kind: Kind = serde_json::from_str(&text).map_err(|error| failed(Box::new(error)))?;
        let parsed = |error: serde_json::Error| failed(Box::new(error));
        let built = match kind.r#type.as_str() {
            "service_account" => {
                let key = serde_json::from_str(&text).map_err(parsed)?;
                yup_oauth2::ServiceAccountAuthenticator::builder(key).build().await
            }
            "authorized_user" => {
                let secret = serde_json::from_str(&text).map_err(parsed)?;
                yup_oauth2::AuthorizedUserAuthenticator::builder(secret).build().await
            }
            "external_account" => {
                let secret = serde_json::from_str(&text).map_err(parsed)?;
                yup_oauth2::ExternalAccountAuthenticator::builder(secret).build().await
            }
            other => return Err(failed(format!("credentials of type {other:?}").into())),
        };
        built.map(Self::File).map_err(|error| failed(Box::new(error)))
    }

    /// An access token that is good for a while yet; none for a plaintext endpoint.
    pub async fn token(&self) -> Result<Option<String>, TokenError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Metadata(metadata) => metadata.token().await.map(Some),
            Self::File(authenticator) => {
                let failed = |error: yup_oauth2::Error| TokenError {
                    passing: matches!(
                        error,
                        yup_oauth2::Error::HttpError(_)
                            | yup_oauth2::Error::HttpClientError(_)
                            | yup_oauth2::Error::LowLevelError(_)
                    ),
                    message: error.to_string(),
                };
                let token = authenticator.token(SCOPES).await.map_err(failed)?;
                let none = || TokenError { passing: false, message: "no access token".to_owned() };
                Ok(Some(token.token().ok_or_else(none)?.to_owned()))
            }
        }
    }
}

impl Metadata {
    fn new() -> Self {
        // The variable is Google's own convention, for tests and proxies.
        let host = std::env::var("GCE_METADATA_HOST")
            .unwrap_or_else(|_| "metadata.google.internal".to_owned());
        Self::at(&format!("http://{host}"))
    }

    fn at(base: &str) -> Self {
        Self {
            url: format!("{base}/computeMetadata/v1/instance/service-accounts/default/token"),
            http: reqwest::Client::new(),
            token: Mutex::new(None),
        }
    }

    async fn token(&self) -> Result<String, TokenError> {
        #[derive(Deserialize)]
        struct Token {
            access_token: String,
            expires_in: u64,
        }
        let mut kept = self.token.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Ok(token.clone());
        }
        let failed = |passing, error: &dyn std::fmt::Display| TokenError {
            passing,
            message: format!("ask the metadata server for a token: {error}"),
        };
        let answer = self
            .http
            .get(&self.url)
            .header("Metadata-Flavor", "Google")
            .timeout(Duration::from_secs(10))
            .send()
            .await
            .map_err(|error| failed(true, &error))?;
        let answer = answer.error_for_status().map_err(|error| {
            failed(error.status().is_none_or(|status| status.is_server_error()), &error)
        })?;
        let token: Token = answer.json().await.map_err(|error| failed(true, &error))?;
        let good_for = Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        *kept = Some((token.access_token.clone(), Instant::now() + good_for));
        Ok(token.access_token)
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
