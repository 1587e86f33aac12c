//! Who we are to Google: one credentials file whose kind differs from cluster to cluster, or the
//! metadata server where there is none.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use yup_oauth2::authenticator::DefaultAuthenticator;

use super::tokens::{CALL, Federated, Source, Tokens};
use crate::sink::SinkError;

pub const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// Where access tokens come from.
#[derive(Clone)]
pub enum Identity {
    /// A plaintext endpoint on this machine.
    Anonymous,
    /// A service-account key; yup-oauth2 signs with it, keeps and renews.
    Key(DefaultAuthenticator),
    /// `authorized_user`, `external_account`, or the metadata server of GKE.
    Asked(Arc<Tokens>),
}

/// A token that could not be had. `passing`: the service did not answer, so ask again.
#[derive(Debug)]
pub struct TokenError {
    pub passing: bool,
    pub message: String,
}

impl Identity {
    /// Reads the credentials file by its `type`.
    pub async fn from_file(path: Option<&Path>) -> Result<Self, SinkError> {
        let Some(path) = path else { return Ok(Self::asked(metadata_server())) };
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
        match kind.r#type.as_str() {
            "service_account" => {
                let key = serde_json::from_str(&text).map_err(parsed)?;
                let builder = yup_oauth2::ServiceAccountAuthenticator::builder(key);
                let built = builder.with_timeout(CALL).build().await;
                built.map(Self::Key).map_err(|error| failed(Box::new(error)))
            }
            "authorized_user" => {
                Ok(Self::asked(Source::User(serde_json::from_str(&text).map_err(parsed)?)))
            }
            "external_account" => {
                let federated: Federated = serde_json::from_str(&text).map_err(parsed)?;
                if let Some(unsupported) = federated.unsupported() {
                    return Err(failed(unsupported.into()));
                }
                Ok(Self::asked(Source::Federated(federated)))
            }
            other => Err(failed(format!("credentials of type {other:?}").into())),
        }
    }

    fn asked(source: Source) -> Self {
        Self::Asked(Arc::new(Tokens::new(source)))
    }

    /// An access token that is good for a while yet; none for a plaintext endpoint.
    pub async fn token(&self) -> Result<Option<String>, TokenError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Asked(tokens) => tokens.token().await.map(Some),
            Self::Key(authenticator) => {
                let failed = |error: yup_oauth2::Error| TokenError {
                    passing: is_passing(&error),
                    message: format!("ask for the service account's token: {error}"),
                };
                let token = authenticator.token(&[SCOPE]).await.map_err(failed)?;
                let none = || TokenError { passing: false, message: "no access token".to_owned() };
                Ok(Some(token.token().ok_or_else(none)?.to_owned()))
            }
        }
    }
}

/// An outage's answer has no status here: it is a broken connection, no JSON, or OAuth's own words.
fn is_passing(error: &yup_oauth2::Error) -> bool {
    use yup_oauth2::Error as E;
    match error {
        E::HttpError(_) | E::HttpClientError(_) | E::LowLevelError(_) | E::JSONError(_) => true,
        E::AuthError(error) => matches!(
            error.error.as_str(),
            "internal_failure" | "server_error" | "temporarily_unavailable"
        ),
        E::UserError(_)
        | E::MissingAccessToken
        | E::StorageError(_)
        | E::CredentialSourceError(_) => false,
    }
}

fn metadata_server() -> Source {
    // The variable is Google's own convention, for tests and proxies.
    let host = std::env::var("GCE_METADATA_HOST")
        .unwrap_or_else(|_| "metadata.google.internal".to_owned());
    metadata_at(&format!("http://{host}"))
}

fn metadata_at(base: &str) -> Source {
    Source::Metadata(format!("{base}/computeMetadata/v1/instance/service-accounts/default/token"))
}

#[cfg(test)]
#[path = "auth_tests/mod.rs"]
mod tests;
