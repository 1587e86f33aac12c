//! Access tokens asked for over HTTP, each kept until it is about to end: the metadata server's,
//! a user's, and those of workload identity federation. yup-oauth2 can do the last two, but fixes
//! the user's token endpoint and the impersonated lifetime and does not look at the status.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::auth::{SCOPE, TokenError};

/// A token is replaced this long before it ends, so that no call starts with one about to.
const MARGIN: Duration = Duration::from_secs(300);

/// A token service that takes longer does not answer.
pub const CALL: Duration = Duration::from_secs(10);

/// What a federated token must be good for to ask for a service account's (AIP-4117).
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// One identity's token and where the next comes from.
pub struct Tokens {
    source: Source,
    http: reqwest::Client,
    kept: Mutex<Option<(String, Instant)>>,
}

pub enum Source {
    /// URL of the metadata server's token.
    Metadata(String),
    User(User),
    Federated(Federated),
}

/// `authorized_user`, as `gcloud auth application-default login` writes it.
#[derive(Deserialize)]
pub struct User {
    client_id: String,
    client_secret: String,
    refresh_token: String,
    #[serde(default = "google_token_uri")]
    token_uri: String,
}

fn google_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

/// `external_account`: somebody else's token is exchanged for Google's (AIP-4117).
#[derive(Deserialize)]
pub struct Federated {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: Subject,
    service_account_impersonation_url: Option<String>,
    #[serde(default)]
    service_account_impersonation: Impersonation,
}

/// Where the other party's token is: in a file or behind a URL.
#[derive(Deserialize)]
struct Subject {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    format: Format,
    /// Of AWS credentials, which are signed requests and no token.
    environment_id: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Json {
        subject_token_field_name: String,
    },
}

#[derive(Deserialize)]
struct Impersonation {
    token_lifetime_seconds: u64,
}

impl Default for Impersonation {
    fn default() -> Self {
        Self { token_lifetime_seconds: 3600 }
    }
}

impl Federated {
    /// What of the file we cannot do, in words.
    pub fn unsupported(&self) -> Option<&'static str> {
        let source = &self.credential_source;
        (source.environment_id.is_some() || source.file.is_none() == source.url.is_none())
            .then_some(
                "credential_source has to name a file or a url; AWS keys, executables and \
             certificates are not supported",
            )
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    pub fn new(source: Source) -> Self {
        Self { source, http: reqwest::Client::new(), kept: Mutex::new(None) }
    }

    /// A token that is good for a while yet.
    pub async fn token(&self) -> Result<String, TokenError> {
        let mut kept = self.kept.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Ok(token.clone());
        }
        let asked = Instant::now();
        let Granted { access_token, expires_in } = match &self.source {
            Source::Metadata(url) => {
                let request = self.http.get(url).header("Metadata-Flavor", "Google");
                json_of("ask the metadata server for a token", request).await?
            }
            Source::User(user) => self.refreshed(user).await?,
            Source::Federated(federated) => self.exchanged(federated).await?,
        };
        let good_for = Duration::from_secs(expires_in).saturating_sub(MARGIN);
        *kept = Some((access_token.clone(), asked + good_for));
        Ok(access_token)
    }

    async fn refreshed(&self, user: &User) -> Result<Granted, TokenError> {
        let request = self.http.post(&user.token_uri).form(&[
            ("grant_type", "refresh_token"),
            ("client_id", &user.client_id),
            ("client_secret", &user.client_secret),
            ("refresh_token", &user.refresh_token),
        ]);
        json_of("refresh the user's token", request).await
    }

    async fn exchanged(&self, federated: &Federated) -> Result<Granted, TokenError> {
        let impersonation = federated.service_account_impersonation_url.as_ref();
        let subject = self.subject(&federated.credential_source).await?;
        let request = self.http.post(&federated.token_url).form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", &federated.audience),
            ("subject_token_type", &federated.subject_token_type),
            ("subject_token", subject.trim()),
            ("scope", if impersonation.is_some() { CLOUD_PLATFORM } else { SCOPE }),
        ]);
        let granted: Granted = json_of("exchange the federated token", request).await?;
        let Some(url) = impersonation else { return Ok(granted) };
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Impersonated {
            access_token: String,
        }
        let lifetime = federated.service_account_impersonation.token_lifetime_seconds;
        let request = self
            .http
            .post(url)
            .bearer_auth(granted.access_token)
            .json(&json!({ "scope": [SCOPE], "lifetime": format!("{lifetime}s") }));
        let Impersonated { access_token } =
            json_of("ask for the service account's token", request).await?;
        // What is asked for is granted, or refused.
        Ok(Granted { access_token, expires_in: lifetime })
    }

    /// Read each time: a projected token is replaced before it ends.
    async fn subject(&self, source: &Subject) -> Result<String, TokenError> {
        let text = if let Some(file) = &source.file {
            tokio::fs::read_to_string(file).await.map_err(|error| TokenError {
                passing: false,
                message: format!("read the token {}: {error}", file.display()),
            })?
        } else {
            let mut request = self.http.get(source.url.as_deref().unwrap_or_default());
            for (name, value) in &source.headers {
                request = request.header(name, value);
            }
            text_of("ask for the token to exchange", request).await?
        };
        let Format::Json { subject_token_field_name: field } = &source.format else {
            return Ok(text);
        };
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        value[field].as_str().map(str::to_owned).ok_or_else(|| TokenError {
            passing: false,
            message: format!("the token to exchange: no JSON with a text at {field:?}"),
        })
    }
}

async fn json_of<T: DeserializeOwned>(
    what: &'static str,
    request: RequestBuilder,
) -> Result<T, TokenError> {
    let text = text_of(what, request).await?;
    // A proxy's page with status 200. The answer is not shown: it may hold the token.
    let failed = |error| TokenError { passing: true, message: format!("{what}: {error}") };
    serde_json::from_str(&text).map_err(failed)
}

async fn text_of(what: &'static str, request: RequestBuilder) -> Result<String, TokenError> {
    let failed = |error: reqwest::Error| TokenError {
        passing: true,
        message: format!("{what}: {}", error.without_url()),
    };
    let answer = request.timeout(CALL).send().await.map_err(failed)?;
    let status = answer.status();
    let text = answer.text().await.map_err(failed)?;
    if status.is_success() {
        return Ok(text);
    }
    Err(TokenError {
        passing: matches!(status.as_u16(), 408 | 429 | 500..=599),
        message: format!("{what}: {status}{}", refusal(&text)),
    })
}

/// Why, in OAuth's form or in Google's.
fn refusal(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let words = ["/error", "/error_description", "/error/status", "/error/message"];
    let words = words.iter().filter_map(|path| value.pointer(path)?.as_str());
    words.map(|word| format!(": {word}")).collect()
}
