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
use super::transfer::CONFIG_LOCATION;
use super::variables::Variables;
use crate::document;

const ENV_FILE_FLAG: &str = "--env-file";
const CONFIG_FLAG: &str = "--config";

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

    /// Adds the file with the transfers, which has to exist and wins over those added before.
    #[must_use]
    pub fn transfer_file(mut self, given: impl Into<OsString>) -> Self {
        let by = Some(NamedBy::flag(CONFIG_LOCATION, CONFIG_LOCATION));
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
        gather.environment();
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
            (Err(wrong), _) => {
                let found = printable_beginning(false, &file.given.to_string_lossy());
                let accepted = wrong.accepted(ENV_FILE.accepted);
                gather
                    .unfetched(file.mistake(NotFetched { found: format!("`{found}`"), accepted }));
                return None;
            }
        };
        let text = match &location {
            Location::Local(path) => local_text(path, file.by.is_some(), layer, gather)?,
            Location::Remote(remote) => match self.fetched_text(remote) {
                Ok(text) => text,
                Err(not_fetched) => {
                    gather.unfetched(file.mistake(not_fetched));
                    return None;
                }
            },
        };
        // Editors on Windows begin a text with a byte order mark.
        let text = text.trim_start_matches('\u{feff}').to_owned();
        Some((location, text))
    }

    fn fetched_text(&self, remote: &Remote) -> Result<String, NotFetched> {
        match self.fetched.iter().find(|(fetched, _)| fetched == remote) {
            Some((_, Ok(fetched))) => Ok(fetched.text.clone()),
            Some((_, Err(not_fetched))) => Err(not_fetched.clone()),
            None => Err(NotFetched {
                found: format!("{remote}, which was not fetched"),
                accepted: "a file on this machine, where nothing is fetched".to_owned(),
            }),
        }
    }
}

impl ConfigFile {
    /// A mistake of whatever named the file.
    fn mistake(&self, NotFetched { found, accepted }: NotFetched) -> Mistake {
        let by = self.by.as_ref();
        let key = by.map_or(CONFIG_FLAG, |by| by.key).to_owned();
        Mistake { key, at: by.map(|by| (by.layer, by.place.clone())), found, accepted }
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
    let found = match document::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Some(text),
            Err(_) => "bytes that are not UTF-8".to_owned(),
        },
        Err(error) if error.kind() == ErrorKind::NotFound && !required => return None,
        Err(error) => error.to_string(),
    };
    let place = Place::File { file: Location::Local(path.to_owned()), line: None };
    gather.unreadable(layer, place, found, "a readable UTF-8 file");
    None
}
