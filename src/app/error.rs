//! Why a command cannot do its work.

use std::error::Error;

use super::domain::DomainError;
use crate::remote::FetchError;
use crate::stop::Stop;

/// What is wrong is either the configuration, which is found before anything is touched, or
/// something outside that only a person can resolve.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("{what}")]
    Configuration {
        what: String,
        hint: Option<String>,
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    #[error(transparent)]
    Stop(#[from] Stop),
}

/// A document of the contract was not fetched.
impl From<FetchError> for AppError {
    fn from(error: FetchError) -> Self {
        let what = "fetch the contract from CONTRACTS_DIR";
        let hint = error.hint();
        if error.fault.is_outage() {
            return Self::Stop(Stop::new(what, hint, error));
        }
        let source = Some(error.into());
        Self::Configuration { what: what.to_owned(), hint: Some(hint), source }
    }
}

/// The first is shown; `config` shows them all.
impl From<Vec<DomainError>> for AppError {
    fn from(errors: Vec<DomainError>) -> Self {
        let none = || Self::Configuration {
            what: "the contract cannot be used".to_owned(),
            hint: None,
            source: None,
        };
        errors.into_iter().next().map_or_else(none, Self::from)
    }
}

impl From<DomainError> for AppError {
    fn from(error: DomainError) -> Self {
        let what = error.to_string();
        let hint = match &error {
            DomainError::Contract { source, .. }
                if source.problems.iter().any(|one| one.about_channel) =>
            {
                Some("IMPORT_OBJECT names a channel of the document".to_owned())
            }
            DomainError::NoFolder(_) => Some(
                "CONTRACTS_DIR names the contracts' folder, relative to the working directory"
                    .to_owned(),
            ),
            DomainError::Filter { .. } => {
                Some("`generic-consumer config DOMAIN` says where FILTER is set".to_owned())
            }
            DomainError::Report(_) => {
                Some("REPORT_PATH and REPORT_OBJECT name the contract of the reports".to_owned())
            }
            DomainError::Rules { .. } => Some(
                "`generic-consumer rules check FOLDER` shows all that is wrong with rules"
                    .to_owned(),
            ),
            DomainError::Contract { .. }
            | DomainError::Columns { .. }
            | DomainError::Plan { .. } => None,
        };
        let source: Option<Box<dyn Error + Send + Sync>> = match error {
            DomainError::NoFolder(_) => None,
            DomainError::Contract { source, .. } => Some(source.into()),
            DomainError::Columns { source, .. } => Some(source.into()),
            DomainError::Filter { source, .. } => Some(source.into()),
            DomainError::Plan { source, .. } => Some(source.into()),
            DomainError::Report(source) => Some(source),
            DomainError::Rules { source, .. } => Some(source.into()),
        };
        Self::Configuration { what, hint, source }
    }
}
