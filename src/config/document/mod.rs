//! Configuration files: TOML and YAML become one tree of texts with lines.

mod toml;
mod yaml;

use std::path::Path;

/// A value of a file. Numbers and booleans stay the text they are written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    Table(Vec<Item>),
    /// Something that no key takes; its name for the message.
    Other(&'static str),
}

/// A key of a table with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub key: String,
    /// Line of the key, from 1; `None` where it could not be told.
    pub line: Option<usize>,
    pub node: Node,
}

/// Why a file, or a part of it, cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Syntax {
    pub line: Option<usize>,
    pub message: String,
}

/// Reads the text of a file by its name's ending.
pub fn parse(path: &Path, text: &str) -> (Vec<Item>, Vec<Syntax>) {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => toml::parse(text),
        Some("yaml" | "yml") => yaml::parse(text),
        _ => {
            let message = "a file whose name ends in neither .toml nor .yaml nor .yml".to_owned();
            (Vec::new(), vec![Syntax { line: None, message }])
        }
    }
}
