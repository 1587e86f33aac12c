//! A layer: texts by key, each with the place it came from. Nothing is parsed yet.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// The layers from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LayerKind {
    Default,
    EnvFile,
    File,
    Environment,
    CommandLine,
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::EnvFile => ".env file",
            Self::File => "configuration file",
            Self::Environment => "environment",
            Self::CommandLine => "command line",
        })
    }
}

/// Where in its layer a text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    BuiltIn,
    /// The line counts from 1; `None` where it could not be told.
    File {
        file: PathBuf,
        line: Option<usize>,
    },
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { file, line: Some(line) } => write!(f, "{}:{line}", file.display()),
            Self::File { file, line: None } => write!(f, "{}", file.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One text of a layer. May be secret: no `Debug`.
#[derive(Clone)]
pub struct Entry {
    /// The key as it is written there.
    pub written: String,
    pub text: String,
    /// Never to be printed, judged by the key.
    pub secret: bool,
    pub place: Place,
}

/// Texts by path: `BQ_TABLE_DELIVERY`, `consume.prod.bootstrap_servers`,
/// `consume.prod.properties.sasl_password` (a property's dots as underscores).
pub struct Layer {
    pub kind: LayerKind,
    pub entries: BTreeMap<String, Entry>,
}

impl Layer {
    pub fn new(kind: LayerKind) -> Self {
        Self { kind, entries: BTreeMap::new() }
    }
}
