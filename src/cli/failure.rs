//! How a command fails: an exit code, and what to print.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::app::{AppError, DomainError};
use crate::config::Mistakes;
use crate::stop::Stop;

/// Exit codes other than 0; `docs/reference/exit-codes.md` documents them. 130 is set by the
/// second signal itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Configuration = 1,
    /// clap's own; used where an argument turns out wrong later than that.
    Usage = 2,
    /// A permanent error; comes with a hint.
    Stopped = 3,
    /// The drain deadline passed at shutdown.
    DrainDeadline = 4,
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// The operation that failed, and on what.
    pub what: String,
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// What a person can do about it.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), source: None, hint: None }
    }

    pub fn configuration(mistakes: Mistakes) -> Self {
        let hint = "docs/reference/configuration.md has every key; \
                    `generic-consumer config DOMAIN` checks without running";
        Self::new(Exit::Configuration, mistakes.to_string()).hint(hint)
    }

    /// A permanent error with what to do about it.
    pub fn stopped(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Stopped, what).hint(hint)
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub fn source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The code for the operating system.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

/// The whole chain, a line a cause, and the hint.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        let mut cause = self.source.as_ref().map(|source| &**source as &dyn Error);
        while let Some(error) = cause {
            write!(f, "\n  because: {error}")?;
            cause = error.source();
        }
        match &self.hint {
            Some(hint) => write!(f, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        let failure = Self::stopped(stop.what, stop.hint);
        Self { source: stop.source, ..failure }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        match error {
            AppError::Configuration { what, hint, source } => {
                Self { exit: Exit::Configuration, what, source, hint }
            }
            AppError::Stop(stop) => stop.into(),
        }
    }
}

impl From<DomainError> for Failure {
    fn from(error: DomainError) -> Self {
        AppError::from(error).into()
    }
}
