//! The sources of the configuration. Callers pass them in, so that a test can use sources other
//! than those of its own process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::env_file::EnvFile;
use super::gather::{Gather, Override};
use super::keys::Key;
use super::layer::{LayerKind, Place};

/// A configuration file to read.
#[derive(Debug, Clone)]
struct ConfigFile {
    path: PathBuf,
    /// Whether a missing file is a mistake. Files in their default place may be missing.
    required: bool,
}

/// The sources. They include the environment, which may contain secrets, so there is no `Debug`.
#[derive(Clone)]
pub struct Inputs {
    env_file: ConfigFile,
    files: Vec<ConfigFile>,
    variables: BTreeMap<OsString, OsString>,
    overrides: Vec<Override>,
}

impl Inputs {
    /// The files `.env` and `config/environments.toml` of a folder, which may be missing; no
    /// variables, no flags.
    pub fn at(folder: &Path) -> Self {
        let default = |name: &str| ConfigFile { path: folder.join(name), required: false };
        Self {
            env_file: default(".env"),
            files: vec![default("config/environments.toml")],
            variables: BTreeMap::new(),
            overrides: Vec::new(),
        }
    }

    /// The files of the working directory and the environment of this process.
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect(), ..Self::at(Path::new("")) }
    }

    /// Replaces the `.env` file by another, which has to exist.
    #[must_use]
    pub fn env_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.env_file = ConfigFile { path: path.into(), required: true };
        self
    }

    /// Adds a configuration file, which has to exist and wins over those added before.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(ConfigFile { path: path.into(), required: true });
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Adds a value from the command line, for the domain that is loaded.
    #[must_use]
    pub fn flag(mut self, flag: &'static str, key: &'static Key, value: impl Into<String>) -> Self {
        self.overrides.push(Override { flag, key, value: value.into() });
        self
    }

    /// Reads the sources into layers, in ascending precedence.
    pub(super) fn read(&self, gather: &mut Gather<'_>) {
        match self.env_file.text(LayerKind::EnvFile, gather) {
            Some(text) => gather.env_file(&self.env_file.path, &text),
            None => gather.env_file = Some(EnvFile::Missing(self.env_file.path.clone())),
        }
        for file in &self.files {
            match file.text(LayerKind::File, gather) {
                Some(text) => gather.file(&file.path, &text),
                None if file.required => {}
                None => gather.no_environments_at = std::path::absolute(&file.path).ok(),
            }
        }
        gather.environment(&self.variables);
        gather.command_line(&self.overrides);
    }
}

impl ConfigFile {
    /// The file's text. `None` if an optional file is missing, or if a mistake was recorded.
    fn text(&self, layer: LayerKind, gather: &mut Gather<'_>) -> Option<String> {
        let found = match std::fs::read(&self.path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                // Editors on Windows begin a text with a byte order mark.
                Ok(text) => return Some(text.trim_start_matches('\u{feff}').to_owned()),
                Err(_) => "bytes that are not UTF-8".to_owned(),
            },
            Err(error) if error.kind() == ErrorKind::NotFound && !self.required => return None,
            Err(error) => error.to_string(),
        };
        let place = Place::File { file: self.path.clone(), line: None };
        gather.unreadable(layer, place, found, "a readable UTF-8 file");
        None
    }
}
