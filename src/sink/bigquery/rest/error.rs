//! The error of a REST call.

use std::error::Error;
use std::fmt;

use crate::sink::bigquery::auth::TokenError;
use crate::sink::bigquery::errors::{CHECK_CREDENTIALS, GRANT_DATA_EDITOR};
use crate::stop::Stop;

/// A REST call failed: which, on what, and why.
///
/// `Rest` returns one only when retrying did not help. [`RestError::stop`] then makes it the
/// [`Stop`] that stops the instance. The Storage Write API has its own `CallError`.
#[derive(Debug)]
pub struct RestError {
    operation: &'static str,
    on: String,
    cause: RestErrorCause,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RestErrorCause {
    /// `reason` is Google's short code, such as `rateLimitExceeded`.
    #[error("{status} {reason}: {message}")]
    Refused { status: u16, reason: String, message: String },
    /// No response, or one that broke off.
    #[error(transparent)]
    Transport(reqwest::Error),
    /// The call was not made, because there is no access token for it.
    #[error(transparent)]
    NoToken(TokenError),
}

/// The operation and the message of its cause; the cause's own sources are left to `source()`.
impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.on, self.cause)
    }
}

impl Error for RestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

impl RestError {
    pub(super) fn new(operation: &'static str, on: &str, cause: RestErrorCause) -> Self {
        Self { operation, on: on.to_owned(), cause }
    }

    /// Returns the HTTP status; `None` without a response.
    pub fn status(&self) -> Option<u16> {
        match &self.cause {
            RestErrorCause::Refused { status, .. } => Some(*status),
            RestErrorCause::Transport(_) | RestErrorCause::NoToken(_) => None,
        }
    }

    /// Whether a later attempt may succeed without anybody changing something.
    pub(super) fn is_transient(&self) -> bool {
        match &self.cause {
            RestErrorCause::Refused { status, reason, .. } => {
                // 501: the service does not have what is asked for.
                matches!(status, 408 | 429 | 500 | 502..=599)
                    || matches!(
                        reason.as_str(),
                        "rateLimitExceeded" | "backendError" | "internalError"
                    )
            }
            RestErrorCause::Transport(_) => true,
            RestErrorCause::NoToken(error) => error.is_transient(),
        }
    }

    /// What to do about an error that is retried all the same; `None` if nothing is known.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match &self.cause {
            RestErrorCause::NoToken(error) => error.hint(),
            RestErrorCause::Refused { .. } | RestErrorCause::Transport(_) => None,
        }
    }

    /// Makes this the error that stops the instance, with what to do about it.
    pub fn stop(self) -> Stop {
        let hint = match &self.cause {
            RestErrorCause::Refused { status: 401, .. } => CHECK_CREDENTIALS,
            RestErrorCause::Refused { status: 403, .. } => GRANT_DATA_EDITOR,
            RestErrorCause::Refused { status: 404, .. } => {
                "create the dataset in the write environment's location (bq mk --dataset), or \
                 correct project and dataset in the configuration"
            }
            RestErrorCause::NoToken(error) if !error.is_transient() => CHECK_CREDENTIALS,
            RestErrorCause::Refused { .. }
            | RestErrorCause::Transport(_)
            | RestErrorCause::NoToken(_) => self
                .hint()
                .unwrap_or("docs/reference/bigquery.md lists what this program needs of BigQuery"),
        };
        Stop::new(format!("{} {}", self.operation, self.on), hint, self.cause)
    }
}
