//! A layer: the settings of one source as unparsed texts, each with the place where it is written.

use std::collections::BTreeMap;
use std::fmt;

use super::location::Location;

/// The layers, in ascending precedence.
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

/// Where in its layer a text is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    BuiltIn,
    /// Lines count from 1; `None` if the line is not known.
    File {
        file: Location,
        line: Option<usize>,
    },
    /// A place in a file whose value comes out of variables: `variable KAFKA`, `default of KAFKA`.
    Variables {
        file: Location,
        line: Option<usize>,
        by: String,
    },
    Variable(String),
    Flag(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { file, line: Some(line) } => write!(f, "{file}:{line}"),
            Self::File { file, line: None } => write!(f, "{file}"),
            Self::Variables { file, line: Some(line), by } => write!(f, "{file}:{line}, {by}"),
            Self::Variables { file, line: None, by } => write!(f, "{file}, {by}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One setting of a layer, not parsed yet. It may be secret, so it has no `Debug`.
#[derive(Clone)]
pub struct RawSetting {
    /// The key as it is written there.
    pub written: String,
    pub text: String,
    /// Whether the text must never be printed, judged by the key.
    pub secret: bool,
    pub layer: LayerKind,
    pub place: Place,
    /// Why the variables in the text could not be replaced. It is a mistake where the setting counts.
    pub fault: Option<Fault>,
}

/// What is wrong with the variables in a text. Safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub found: String,
    pub accepted: String,
}

/// The settings of one source by path: `BQ_TABLE_DELIVERY`, `consume.prod.bootstrap_servers`,
/// `consume.prod.properties.sasl_password` (underscores replace the dots of a property's name).
pub struct Layer {
    pub kind: LayerKind,
    pub settings: BTreeMap<String, RawSetting>,
}

impl Layer {
    pub fn new(kind: LayerKind) -> Self {
        Self { kind, settings: BTreeMap::new() }
    }
}
