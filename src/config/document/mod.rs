//! Configuration files: TOML and YAML are read into one tree of texts with their lines.

mod toml;
mod tree;
mod yaml;

use std::path::Path;

pub use tree::{FileValue, KeyValue, SyntaxError};

/// Reads the text of a file in the format that the file's extension names.
pub fn parse(path: &Path, text: &str) -> (Vec<KeyValue>, Vec<SyntaxError>) {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => toml::parse(text),
        Some("yaml" | "yml") => yaml::parse(text),
        _ => {
            let message = "a file name that does not end in .toml, .yaml or .yml".to_owned();
            (Vec::new(), vec![SyntaxError { line: None, message }])
        }
    }
}
