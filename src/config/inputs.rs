//! What configuration is read from. All of it is handed in, so that a test needs no process of
//! its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::gather::Gather;
use super::keys::Key;
use super::layer::{LayerKind, Place};

/// A file, and whether somebody named it: one that only stands in its usual place may be absent.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    named: bool,
}

/// A value given as a flag.
#[derive(Debug, Clone)]
pub struct Override {
    pub flag: &'static str,
    pub key: &'static Key,
    pub value: String,
}

/// The sources. Holds the environment, which may be secret: no `Debug`.
#[derive(Clone)]
pub struct Inputs {
    env_file: Source,
    files: Vec<Source>,
    variables: BTreeMap<OsString, OsString>,
    overrides: Vec<Override>,
}

impl Inputs {
    /// `.env` and `config/environments.toml` in a folder, neither of which has to be there; no
    /// variables, no flags.
    pub fn at(folder: &Path) -> Self {
        let usual = |name: &str| Source { path: folder.join(name), named: false };
        Self {
            env_file: usual(".env"),
            files: vec![usual("config/environments.toml")],
            variables: BTreeMap::new(),
            overrides: Vec::new(),
        }
    }

    /// The working folder and the environment of this process.
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect(), ..Self::at(Path::new("")) }
    }

    /// Another `.env`, which has to be there.
    #[must_use]
    pub fn env_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.env_file = Source { path: path.into(), named: true };
        self
    }

    /// One more configuration file, stronger than those before it; it has to be there.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(Source { path: path.into(), named: true });
        self
    }

    /// One more variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// A value from the command line, for the domain that is loaded.
    #[must_use]
    pub fn flag(mut self, flag: &'static str, key: &'static Key, value: impl Into<String>) -> Self {
        self.overrides.push(Override { flag, key, value: value.into() });
        self
    }

    /// Reads the sources, the weakest first.
    pub(super) fn read(&self, gather: &mut Gather<'_>) {
        if let Some(text) = self.env_file.text(LayerKind::EnvFile, gather) {
            gather.env_file(&self.env_file.path, &text);
        }
        for file in &self.files {
            if let Some(text) = file.text(LayerKind::File, gather) {
                gather.file(&file.path, &text);
            }
        }
        gather.environment(&self.variables);
        gather.command_line(&self.overrides);
    }
}

impl Source {
    fn text(&self, layer: LayerKind, gather: &mut Gather<'_>) -> Option<String> {
        let found = match std::fs::read(&self.path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Some(text),
                Err(_) => "bytes that are no UTF-8".to_owned(),
            },
            Err(error) if error.kind() == ErrorKind::NotFound && !self.named => return None,
            Err(error) => error.to_string(),
        };
        let place = Place::File { file: self.path.clone(), line: None };
        gather.unreadable(layer, place, found, "a file that can be read, in UTF-8");
        None
    }
}
