//! Access tokens that a service grants over HTTP: the metadata server's, a user's, and those of
//! workload identity federation. Each is cached until shortly before it expires.
//!
//! yup-oauth2 supports the last two as well, but fixes the user's token endpoint and the lifetime
//! of an impersonated token, and ignores the response's HTTP status.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::credentials::{
    AuthorizedUser, ExternalAccount, SubjectTokenFormat, SubjectTokenPlace, SubjectTokenSource,
};
use super::error::{ASK_METADATA_SERVER, TokenError};

/// The scope that a federated token needs for impersonating a service account (AIP-4117).
const CLOUD_PLATFORM_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long a token service may take to answer.
pub const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A token is replaced this long before it expires, so that it does not expire during a call.
const EXPIRY_MARGIN: Duration = Duration::from_secs(300);

/// How the next token is obtained.
pub enum TokenSource {
    /// `url` is the metadata server's token endpoint.
    MetadataServer {
        url: String,
    },
    AuthorizedUser(AuthorizedUser),
    ExternalAccount(ExternalAccount),
}

/// The current token of one identity.
pub struct TokenCache {
    source: TokenSource,
    http: reqwest::Client,
    /// What the tokens are for.
    scope: &'static str,
    cached: Mutex<Option<CachedToken>>,
}

struct CachedToken {
    token: String,
    use_until: Instant,
}

/// What a token service grants.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

impl TokenCache {
    pub fn new(source: TokenSource, http: reqwest::Client, scope: &'static str) -> Self {
        Self { source, http, scope, cached: Mutex::new(None) }
    }

    /// Returns the cached token, or requests a new one if it expires soon.
    pub async fn token(&self) -> Result<String, TokenError> {
        let mut cached = self.cached.lock().await;
        if let Some(CachedToken { token, use_until }) = &*cached
            && Instant::now() < *use_until
        {
            return Ok(token.clone());
        }
        let requested = Instant::now();
        let TokenResponse { access_token, expires_in } = match &self.source {
            TokenSource::MetadataServer { url } => {
                let request = self.http.get(url).header("Metadata-Flavor", "Google");
                fetch_json(ASK_METADATA_SERVER, request).await?
            }
            TokenSource::AuthorizedUser(user) => self.refresh(user).await?,
            TokenSource::ExternalAccount(account) => self.exchange(account).await?,
        };
        let use_for = Duration::from_secs(expires_in).saturating_sub(EXPIRY_MARGIN);
        let token = access_token.clone();
        *cached = Some(CachedToken { token, use_until: requested + use_for });
        Ok(access_token)
    }

    /// Whose tokens these are, where that is known. Asks nobody but the metadata server, which says for
    /// which account it grants tokens.
    pub async fn described(&self) -> String {
        match &self.source {
            TokenSource::MetadataServer { url } => {
                let url = url.strip_suffix("/token").map(|account| format!("{account}/email"));
                let request = self.http.get(url.unwrap_or_default());
                let request = request.header("Metadata-Flavor", "Google");
                match fetch_text("ask the metadata server for its account", request).await {
                    Ok(email) if is_account(email.trim()) => {
                        format!("{}, by the metadata server", email.trim())
                    }
                    Ok(_) | Err(_) => "the account of the metadata server".to_owned(),
                }
            }
            TokenSource::AuthorizedUser(_) => "a user's refresh token".to_owned(),
            TokenSource::ExternalAccount(account) => {
                let url = account.service_account_impersonation_url.as_ref();
                let email = url.and_then(|url| impersonated(url.as_str()));
                match email {
                    Some(email) => format!("{email}, by workload identity federation"),
                    None => format!("workload identity federation with {}", account.audience),
                }
            }
        }
    }

    async fn refresh(&self, user: &AuthorizedUser) -> Result<TokenResponse, TokenError> {
        let request = self.http.post(user.token_uri.as_str()).form(&[
            ("grant_type", "refresh_token"),
            ("client_id", &user.client_id),
            ("client_secret", &user.client_secret),
            ("refresh_token", &user.refresh_token),
        ]);
        fetch_json("refresh the user's token", request).await
    }

    /// Exchanges the subject token for a Google token, and that for a service account's if the
    /// credentials name one.
    async fn exchange(&self, account: &ExternalAccount) -> Result<TokenResponse, TokenError> {
        let impersonation_url = account.service_account_impersonation_url.as_ref();
        let scope = if impersonation_url.is_some() { CLOUD_PLATFORM_SCOPE } else { self.scope };
        let subject_token = self.subject_token(&account.credential_source).await?;
        let request = self.http.post(account.token_url.as_str()).form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", &account.audience),
            ("subject_token_type", &account.subject_token_type),
            ("subject_token", subject_token.trim()),
            ("scope", scope),
        ]);
        let federated: TokenResponse = fetch_json("exchange the subject token", request).await?;
        let Some(url) = impersonation_url else { return Ok(federated) };
        let lifetime = account.service_account_impersonation.token_lifetime_seconds;
        self.impersonate(url.as_str(), &federated.access_token, lifetime).await
    }

    /// Gets a service account's token that is valid for `lifetime` seconds. Google either grants
    /// this lifetime or refuses.
    async fn impersonate(
        &self,
        url: &str,
        federated_token: &str,
        lifetime: u64,
    ) -> Result<TokenResponse, TokenError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ImpersonatedToken {
            access_token: String,
        }
        let body = json!({ "scope": [self.scope], "lifetime": format!("{lifetime}s") });
        let request = self.http.post(url).bearer_auth(federated_token).json(&body);
        let ImpersonatedToken { access_token } =
            fetch_json("get a token for the service account", request).await?;
        Ok(TokenResponse { access_token, expires_in: lifetime })
    }

    /// Reads the subject token. It is not cached: Kubernetes replaces a projected token before it
    /// expires.
    async fn subject_token(&self, source: &SubjectTokenSource) -> Result<String, TokenError> {
        let text = match &source.place {
            SubjectTokenPlace::File(path) => {
                let failed = |source| TokenError::SubjectTokenFile { path: path.clone(), source };
                tokio::fs::read_to_string(path).await.map_err(failed)?
            }
            SubjectTokenPlace::Url { url, headers } => {
                let mut request = self.http.get(url);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                fetch_text("get the subject token", request).await?
            }
        };
        let SubjectTokenFormat::Json { subject_token_field_name: field } = &source.format else {
            return Ok(text);
        };
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let token = value[field].as_str().map(str::to_owned);
        token.ok_or_else(|| TokenError::SubjectTokenField { field: field.clone() })
    }
}

/// The account in `…/serviceAccounts/EMAIL:generateAccessToken`.
fn impersonated(url: &str) -> Option<&str> {
    let (_, rest) = url.rsplit_once("/serviceAccounts/")?;
    let email = rest.split(':').next()?;
    is_account(email).then_some(email)
}

/// Whether a text may be shown as an account: an answer that is something else may be anything.
fn is_account(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
    text.contains('@') && text.len() <= 320 && text.chars().all(plain)
}

async fn fetch_json<T: DeserializeOwned>(
    operation: &'static str,
    request: RequestBuilder,
) -> Result<T, TokenError> {
    let text = fetch_text(operation, request).await?;
    let failed = |source| TokenError::UnexpectedResponse { operation, source };
    serde_json::from_str(&text).map_err(failed)
}

async fn fetch_text(
    operation: &'static str,
    request: RequestBuilder,
) -> Result<String, TokenError> {
    let failed =
        |error: reqwest::Error| TokenError::Transport { operation, source: error.without_url() };
    let response = request.timeout(TOKEN_TIMEOUT).send().await.map_err(failed)?;
    let status = response.status();
    let text = response.text().await.map_err(failed)?;
    if status.is_success() {
        return Ok(text);
    }
    Err(TokenError::Refused { operation, status, reason: refusal_reason(&text) })
}

/// Returns the error fields of a response in OAuth's or Google's form, each preceded by `": "`.
fn refusal_reason(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let fields = ["/error", "/error_description", "/error/status", "/error/message"];
    let texts = fields.iter().filter_map(|field| value.pointer(field)?.as_str());
    texts.map(|text| format!(": {text}")).collect()
}
