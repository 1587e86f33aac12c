//! The identity with which this instance calls Google: the account of a credentials file, or the
//! one that the metadata server gives to this machine.

mod credentials;
mod error;
mod tokens;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use yup_oauth2::authenticator::DefaultAuthenticator;

use self::credentials::{Credentials, TokenUrl};
pub use self::error::TokenError;
use self::tokens::{TOKEN_TIMEOUT, TokenCache, TokenSource};
use crate::stop::Stop;

/// The scope of tokens for BigQuery.
pub const BIGQUERY_SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// The scope of tokens that read from Google Cloud Storage.
pub const STORAGE_SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";

/// Where access tokens come from.
#[derive(Clone)]
pub enum Identity {
    /// No tokens: the endpoint is plaintext, so it is a test service and not Google's.
    Anonymous,
    /// A service-account key and the tokens' scope. yup-oauth2 signs with it, and caches and renews
    /// the tokens.
    /// The account's e-mail address is for people.
    ServiceAccountKey(DefaultAuthenticator, &'static str, Arc<str>),
    /// A service that grants tokens over HTTP: the metadata server, or the token endpoint of an
    /// `authorized_user` or `external_account` file.
    TokenService(Arc<TokenCache>),
}

impl Identity {
    /// Reads the credentials file; without one, tokens come from the metadata server. No token is
    /// requested yet. The metadata server chooses the scope of its tokens itself.
    pub async fn from_file(
        path: Option<&Path>,
        http: reqwest::Client,
        scope: &'static str,
    ) -> Result<Self, Stop> {
        let Some(path) = path else {
            return Ok(Self::token_service(metadata_server(&metadata_host()), http, scope));
        };
        Self::read(path, http, scope).await.map_err(|error| {
            Stop::new(
                format!("read the credentials file {}", path.display()),
                "GOOGLE_APPLICATION_CREDENTIALS names a service_account, authorized_user or \
                 external_account JSON file; unset it to use the metadata server",
                error,
            )
        })
    }

    async fn read(
        path: &Path,
        http: reqwest::Client,
        scope: &'static str,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let text = tokio::fs::read_to_string(path).await?;
        Ok(match serde_json::from_str(&text)? {
            Credentials::ServiceAccount(key) => {
                TokenUrl::try_from(key.token_uri.clone())?;
                let email = Arc::from(key.client_email.as_str());
                let builder = yup_oauth2::ServiceAccountAuthenticator::builder(key);
                let authenticator = builder.with_timeout(TOKEN_TIMEOUT).build().await?;
                Self::ServiceAccountKey(authenticator, scope, email)
            }
            Credentials::AuthorizedUser(user) => {
                Self::token_service(TokenSource::AuthorizedUser(user), http, scope)
            }
            Credentials::ExternalAccount(account) => {
                Self::token_service(TokenSource::ExternalAccount(account), http, scope)
            }
        })
    }

    fn token_service(source: TokenSource, http: reqwest::Client, scope: &'static str) -> Self {
        Self::TokenService(Arc::new(TokenCache::new(source, http, scope)))
    }

    /// Which kind of identity it is, and whose, where that is known.
    pub async fn described(&self) -> String {
        match self {
            Self::Anonymous => "no credentials: no token is sent to this endpoint".to_owned(),
            Self::ServiceAccountKey(_, _, email) => format!("the key of {email}"),
            Self::TokenService(cache) => cache.described().await,
        }
    }

    /// Returns an access token that stays valid long enough for a call; `None` if anonymous.
    pub async fn token(&self) -> Result<Option<String>, TokenError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::TokenService(cache) => cache.token().await.map(Some),
            Self::ServiceAccountKey(authenticator, scope, _) => {
                let token = authenticator.token(&[*scope]).await;
                let token = token.map_err(TokenError::ServiceAccountKey)?;
                token.token().map(|token| Some(token.to_owned())).ok_or(TokenError::Missing)
            }
        }
    }
}

/// Google's libraries read the same variable, for tests and proxies.
fn metadata_host() -> String {
    let host = std::env::var("GCE_METADATA_HOST");
    format!("http://{}", host.as_deref().unwrap_or("metadata.google.internal"))
}

fn metadata_server(base: &str) -> TokenSource {
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    TokenSource::MetadataServer { url: format!("{base}/{path}") }
}

#[cfg(test)]
#[path = "auth_tests/mod.rs"]
mod tests;
