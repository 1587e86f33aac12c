//! How a command fails: the exit code and the message.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::app::{AppError, DomainError};
use crate::config::Mistakes;
use crate::stop::Stop;

/// The exit codes of failures, documented in `docs/reference/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The configuration or the contract is wrong, or `validate` found events that the contract
    /// rejects.
    Configuration,
    /// The code with which clap exits; also used for arguments that turn out wrong later.
    Usage,
    /// `check` found that a run would alter something, or send records to the dead letters.
    WouldChange,
    /// The arguments of `check` are wrong: 2 says something else there. The number is that of sysexits.
    CheckUsage,
    /// An error that no retry can fix. Has a hint.
    Stopped,
    /// A shutdown reached its deadline before everything that was read was written.
    DrainDeadline,
    /// `produce` was given events that the contract rejects.
    BadEvents,
    /// `transfer` found another run of the same transfer and date.
    Held,
    /// `transfer` left the target alone, because too many records were rejected.
    TooManyRejected,
    /// A signal stopped the command before its work was done. The handler of a second signal exits
    /// with the same code by itself.
    Interrupted,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Configuration => 1,
            Self::Usage | Self::WouldChange => 2,
            Self::Stopped => 3,
            Self::DrainDeadline => 4,
            Self::BadEvents => 5,
            Self::Held => 6,
            Self::TooManyRejected => 7,
            Self::Interrupted => 130,
            Self::CheckUsage => 64,
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// The operation that failed, and on what it failed.
    pub what: String,
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// What the user can do about it.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), source: None, hint: None }
    }

    pub fn configuration(mistakes: Mistakes) -> Self {
        let hint = format!(
            "{}; `generic-consumer config DOMAIN` checks the configuration without running",
            mistakes.reference()
        );
        Self::new(Exit::Configuration, mistakes.to_string()).hint(hint)
    }

    /// An error that no retry can fix, with what the user can do about it.
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

    /// The exit code of the process.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.exit.code())
    }
}

/// Prints the failure, each cause on a line of its own, and the hint.
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
