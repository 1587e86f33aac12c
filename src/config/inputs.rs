//! The sources of the configuration. Callers pass them in, so that a test can use sources other
//! than those of its own process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::env_file::EnvFile;
use super::fetched::{Fetched, NotFetched};
use super::gather::{Gather, Override};
use super::keys::{ENV_FILE, Key};
use super::layer::{LayerKind, Place};
use super::location::{Location, Remote};
use super::mistake::{Mistake, printable_beginning};

const ENV_FILE_FLAG: &str = "--env-file";
const CONFIG_FLAG: &str = "--config";

/// The environment of a process.
pub type Variables = BTreeMap<OsString, OsString>;

/// A configuration file to read.
#[derive(Debug, Clone)]
struct ConfigFile {
    /// Where it is, as it was given.
    given: OsString,
    /// What named it; `None` for a file in its default place, which may be missing.
    by: Option<NamedBy>,
}

/// The flag or the variable that names a file.
#[derive(Debug, Clone)]
struct NamedBy {
    /// What a mistake is reported under.
    key: &'static str,
    layer: LayerKind,
    place: Place,
}

/// The sources. They include the environment, which may contain secrets, so there is no `Debug`.
#[derive(Clone)]
pub struct Inputs {
    env_file: ConfigFile,
    files: Vec<ConfigFile>,
    variables: Variables,
    overrides: Vec<Override>,
    /// What became of the files that are not on this machine.
    fetched: Vec<(Remote, Result<Fetched, NotFetched>)>,
}

impl Inputs {
    /// The files `.env` and `config/environments.toml` of a folder, which may be missing; no
    /// variables, no flags.
    pub fn at(folder: &Path) -> Self {
        let default = |name: &str| ConfigFile { given: folder.join(name).into(), by: None };
        Self {
            env_file: default(".env"),
            files: vec![default("config/environments.toml")],
            variables: BTreeMap::new(),
            overrides: Vec::new(),
            fetched: Vec::new(),
        }
    }

    /// The files of the working directory and the environment of this process.
    pub fn of_process() -> Self {
        Self { variables: std::env::vars_os().collect(), ..Self::at(Path::new("")) }
    }

    /// Replaces the `.env` file by another, which has to exist. It wins over `ENV_FILE`.
    #[must_use]
    pub fn env_file(self, given: impl Into<OsString>) -> Self {
        let given = given.into();
        let shown = given.to_string_lossy().into_owned();
        let env_file = ConfigFile { given, by: Some(NamedBy::flag(ENV_FILE.base, ENV_FILE_FLAG)) };
        Self { env_file, ..self }.flag(ENV_FILE_FLAG, &ENV_FILE, shown)
    }

    /// Adds a configuration file, which has to exist and wins over those added before.
    #[must_use]
    pub fn file(mut self, given: impl Into<OsString>) -> Self {
        let by = Some(NamedBy::flag(CONFIG_FLAG, CONFIG_FLAG));
        self.files.push(ConfigFile { given: given.into(), by });
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

    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The files that have to be fetched before [`super::load`].
    pub fn to_fetch(&self) -> Vec<Remote> {
        let mut remotes = Vec::new();
        for file in std::iter::once(&self.chosen_env_file()).chain(&self.files) {
            if let Ok(Location::Remote(remote)) = Location::file(&file.given)
                && !remotes.contains(&remote)
            {
                remotes.push(remote);
            }
        }
        remotes
    }

    /// Adds what became of a file of [`Self::to_fetch`].
    pub fn add_fetched(&mut self, remote: Remote, outcome: Result<Fetched, NotFetched>) {
        self.fetched.push((remote, outcome));
    }

    /// The files that were fetched.
    pub fn fetched(&self) -> impl Iterator<Item = (&Remote, &Fetched)> {
        self.fetched.iter().filter_map(|(remote, outcome)| Some((remote, outcome.as_ref().ok()?)))
    }

    /// The `.env` file that counts: a flag's, else the variable's, else the one in its default
    /// place.
    fn chosen_env_file(&self) -> ConfigFile {
        let variable = self.variables.get(OsStr::new(ENV_FILE.base));
        match variable.filter(|given| !given.is_empty() && self.env_file.by.is_none()) {
            Some(given) => {
                ConfigFile { given: given.clone(), by: Some(NamedBy::variable(&ENV_FILE)) }
            }
            None => self.env_file.clone(),
        }
    }

    /// Reads the sources into layers, in ascending precedence.
    pub(super) fn read(&self, gather: &mut Gather<'_>) {
        let env_file = self.chosen_env_file();
        match self.text(&env_file, LayerKind::EnvFile, gather) {
            Some((location, text)) => gather.env_file(&location, &text),
            None => gather.env_file = Some(EnvFile::Missing(PathBuf::from(&env_file.given))),
        }
        for file in &self.files {
            match self.text(file, LayerKind::File, gather) {
                Some((location, text)) => gather.file(&location, &text),
                None if file.by.is_some() => {}
                None => gather.no_environments_at = std::path::absolute(&file.given).ok(),
            }
        }
        gather.environment(&self.variables);
        gather.command_line(&self.overrides);
    }

    /// The file's location and text. `None` if an optional file is missing, or if a mistake was
    /// recorded.
    fn text(
        &self,
        file: &ConfigFile,
        layer: LayerKind,
        gather: &mut Gather<'_>,
    ) -> Option<(Location, String)> {
        let location = match (Location::file(&file.given), &file.by) {
            (Ok(location), _) => location,
            // The layers have `ENV_FILE` too, and report it.
            (Err(_), Some(by)) if by.key == ENV_FILE.base => {
                gather.incomplete = true;
                return None;
            }
            (Err(wrong), by) => {
                let found = printable_beginning(false, &file.given.to_string_lossy());
                gather.unfetched(Mistake {
                    key: by.as_ref().map_or(CONFIG_FLAG, |by| by.key).to_owned(),
                    at: by.as_ref().map(|by| (by.layer, by.place.clone())),
                    found: format!("`{found}`"),
                    accepted: wrong.accepted(ENV_FILE.accepted),
                });
                return None;
            }
        };
        let remote = match &location {
            Location::Local(path) => {
                let text = local_text(path, file.by.is_some(), layer, gather)?;
                return Some((location, text));
            }
            Location::Remote(remote) => remote,
        };
        let outcome = self.fetched.iter().find(|(fetched, _)| fetched == remote);
        let not_fetched = match outcome.map(|(_, outcome)| outcome) {
            Some(Ok(fetched)) => {
                let text = fetched.text.trim_start_matches('\u{feff}').to_owned();
                return Some((location, text));
            }
            Some(Err(not_fetched)) => not_fetched.clone(),
            None => NotFetched {
                found: format!("{location}, which was not fetched"),
                accepted: "a file on this machine, where nothing is fetched".to_owned(),
            },
        };
        gather.unfetched(Mistake {
            key: file.by.as_ref().map_or(CONFIG_FLAG, |by| by.key).to_owned(),
            at: file.by.as_ref().map(|by| (by.layer, by.place.clone())),
            found: not_fetched.found,
            accepted: not_fetched.accepted,
        });
        None
    }
}

impl NamedBy {
    fn flag(key: &'static str, flag: &'static str) -> Self {
        Self { key, layer: LayerKind::CommandLine, place: Place::Flag(flag) }
    }

    fn variable(key: &'static Key) -> Self {
        let place = Place::Variable(key.base.to_owned());
        Self { key: key.base, layer: LayerKind::Environment, place }
    }
}

/// The text of a file on this machine. `None` if an optional file is missing, or if a mistake was
/// recorded.
fn local_text(
    path: &Path,
    required: bool,
    layer: LayerKind,
    gather: &mut Gather<'_>,
) -> Option<String> {
    let found = match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            // Editors on Windows begin a text with a byte order mark.
            Ok(text) => return Some(text.trim_start_matches('\u{feff}').to_owned()),
            Err(_) => "bytes that are not UTF-8".to_owned(),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && !required => return None,
        Err(error) => error.to_string(),
    };
    let place = Place::File { file: Location::Local(path.to_owned()), line: None };
    gather.unreadable(layer, place, found, "a readable UTF-8 file");
    None
}
