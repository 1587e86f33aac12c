//! What the `.env` file says about domains, for a domain whose keys are missing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::keys::{closest, did_you_mean};
use super::location::Location;

/// The `.env` file of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvFile {
    /// There is none at this path.
    Missing(PathBuf),
    /// It has keys of these domains.
    Read { file: Location, domains: BTreeSet<String> },
}

impl EnvFile {
    /// Why keys of the domain may be missing; `None` if the file has keys of that domain, or of
    /// none.
    pub fn note(&self, domain: &str) -> Option<String> {
        match self {
            Self::Missing(path) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let folder = path.parent().unwrap_or(&path).display();
                Some(format!(
                    "there is no .env in {folder}: start the program in the folder of the .env, or \
                     name the file with --env-file"
                ))
            }
            Self::Read { domains, .. } if domains.is_empty() || domains.contains(domain) => None,
            Self::Read { file, domains } => {
                let hint = did_you_mean(closest(domain, domains.iter().map(String::as_str)));
                Some(format!("{file} has no key of {domain}; it has {}{hint}", list(domains)))
            }
        }
    }
}

/// `A`, `A and B`, `A, B and C`.
fn list(domains: &BTreeSet<String>) -> String {
    let names: Vec<&str> = domains.iter().map(String::as_str).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
        None => String::new(),
    }
}
