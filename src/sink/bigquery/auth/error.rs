//! Why there is no access token.

use std::path::PathBuf;

use reqwest::StatusCode;

/// An access token could not be obtained. It becomes the cause of the `CallError` or `RestError` of
/// the call that needed the token.
///
/// `operation` says which token was requested, from whom. Messages do not show the response's text,
/// because it may contain a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No response, or one that broke off.
    #[error("{operation}")]
    Transport { operation: &'static str, source: reqwest::Error },
    /// `reason` is what OAuth's or Google's error fields say, each preceded by `": "`; empty
    /// without such fields.
    #[error("{operation}: {status}{reason}")]
    Refused { operation: &'static str, status: StatusCode, reason: String },
    /// A response with status 200 that is not a token, such as a proxy's HTML page.
    #[error("{operation}")]
    UnexpectedResponse { operation: &'static str, source: serde_json::Error },
    #[error("read the subject token {}", path.display())]
    SubjectTokenFile { path: PathBuf, source: std::io::Error },
    #[error("the subject token is not JSON with a string in the field {field:?}")]
    SubjectTokenField { field: String },
    // yup-oauth2's messages already include their sources.
    #[error("get a token for the service account: {0}")]
    ServiceAccountKey(yup_oauth2::Error),
    #[error("the response for the service account has no access token")]
    Missing,
}

/// The operation of asking the metadata server for a token.
pub(super) const ASK_METADATA_SERVER: &str = "get a token from the metadata server";

impl TokenError {
    /// What to do where the metadata server does not respond; `None` for other errors.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Transport { operation, .. } if *operation == ASK_METADATA_SERVER => Some(
                "without GOOGLE_APPLICATION_CREDENTIALS tokens come from the metadata server, which \
                 only machines of Google Cloud have; elsewhere, set it to the path of a credentials \
                 file, such as the one that `gcloud auth application-default login` writes",
            ),
            Self::Transport { .. }
            | Self::Refused { .. }
            | Self::UnexpectedResponse { .. }
            | Self::SubjectTokenFile { .. }
            | Self::SubjectTokenField { .. }
            | Self::ServiceAccountKey(_)
            | Self::Missing => None,
        }
    }

    /// Whether a later attempt may succeed without anybody changing the configuration.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::UnexpectedResponse { .. } => true,
            Self::Refused { status, .. } => matches!(status.as_u16(), 408 | 429 | 500..=599),
            Self::ServiceAccountKey(error) => is_transient(error),
            Self::SubjectTokenFile { .. } | Self::SubjectTokenField { .. } | Self::Missing => false,
        }
    }
}

/// yup-oauth2 does not return the HTTP status. When the service is down, its error is one of the
/// connection, of JSON that does not parse, or one of OAuth's codes for it.
fn is_transient(error: &yup_oauth2::Error) -> bool {
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
