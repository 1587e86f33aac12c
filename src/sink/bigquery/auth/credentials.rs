//! The format of Google's credentials files. The types hold secrets, so none implements `Debug`.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;
use yup_oauth2::ServiceAccountKey;

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
    #[serde(default = "google_token_uri")]
    pub token_uri: String,
}

fn google_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

/// `external_account`, workload identity federation (AIP-4117): a token of another identity
/// provider, the *subject token*, is exchanged for a Google token.
#[derive(Deserialize)]
pub struct ExternalAccount {
    pub audience: String,
    pub subject_token_type: String,
    pub token_url: String,
    pub credential_source: SubjectTokenSource,
    /// If present, the Google token is exchanged once more, for one of this service account.
    pub service_account_impersonation_url: Option<String>,
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
