//! The format of Google's credentials files. The types hold secrets, so none implements `Debug`.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;
use yup_oauth2::ServiceAccountKey;

use crate::config::is_loopback;

/// A credentials file, by its field `type`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Credentials {
    ServiceAccount(ServiceAccountKey),
    AuthorizedUser(AuthorizedUser),
    ExternalAccount(ExternalAccount),
}

/// `authorized_user`: a person's refresh token, as written by `gcloud auth application-default
/// login`.
#[derive(Deserialize)]
pub struct AuthorizedUser {
    pub client_id: String,
    pub client_secret: String,
    pub refresh_token: String,
    #[serde(default)]
    pub token_uri: TokenUrl,
}

/// An address that gets a secret and answers with a token: `https://`, or `http://` on this machine,
/// where test services listen.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct TokenUrl(String);

#[derive(Debug, thiserror::Error)]
#[error("the address of a token service must begin with https://, which {0:?} does not")]
pub struct InsecureUrl(String);

impl TokenUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TokenUrl {
    fn default() -> Self {
        Self("https://oauth2.googleapis.com/token".to_owned())
    }
}

impl TryFrom<String> for TokenUrl {
    type Error = InsecureUrl;

    fn try_from(url: String) -> Result<Self, InsecureUrl> {
        let here = |uri: http::Uri| uri.host().is_some_and(is_loopback);
        let plain_but_here = url.starts_with("http://") && url.parse().is_ok_and(here);
        if url.starts_with("https://") || plain_but_here {
            Ok(Self(url))
        } else {
            Err(InsecureUrl(url))
        }
    }
}

/// `external_account`, workload identity federation (AIP-4117): a token of another identity
/// provider, the *subject token*, is exchanged for a Google token.
#[derive(Deserialize)]
pub struct ExternalAccount {
    pub audience: String,
    pub subject_token_type: String,
    pub token_url: TokenUrl,
    pub credential_source: SubjectTokenSource,
    /// If present, the Google token is exchanged once more, for one of this service account.
    pub service_account_impersonation_url: Option<TokenUrl>,
    #[serde(default)]
    pub service_account_impersonation: Impersonation,
}

/// Where the subject token is found, and how.
#[derive(Deserialize)]
#[serde(try_from = "CredentialSource")]
pub struct SubjectTokenSource {
    pub place: SubjectTokenPlace,
    pub format: SubjectTokenFormat,
}

pub enum SubjectTokenPlace {
    File(PathBuf),
    Url { url: String, headers: HashMap<String, String> },
}

/// What a file or URL contains: the subject token itself, or JSON with the token in a field.
#[derive(Deserialize, Default)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum SubjectTokenFormat {
    #[default]
    Text,
    Json {
        subject_token_field_name: String,
    },
}

#[derive(Deserialize)]
pub struct Impersonation {
    pub token_lifetime_seconds: u64,
}

impl Default for Impersonation {
    fn default() -> Self {
        Self { token_lifetime_seconds: 3600 }
    }
}

/// `credential_source` as it stands in the file.
#[derive(Deserialize)]
struct CredentialSource {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    format: SubjectTokenFormat,
    /// Present for AWS, whose subject token is a signed request that we cannot make.
    environment_id: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "credential_source must name either a file or a url; AWS keys, executables and certificates \
     are not supported"
)]
struct UnsupportedCredentialSource;

impl TryFrom<CredentialSource> for SubjectTokenSource {
    type Error = UnsupportedCredentialSource;

    fn try_from(source: CredentialSource) -> Result<Self, UnsupportedCredentialSource> {
        let place = match (source.file, source.url, source.environment_id) {
            (Some(file), None, None) => SubjectTokenPlace::File(file),
            (None, Some(url), None) => SubjectTokenPlace::Url { url, headers: source.headers },
            _ => return Err(UnsupportedCredentialSource),
        };
        Ok(Self { place, format: source.format })
    }
}
