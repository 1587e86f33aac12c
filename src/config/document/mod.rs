//! Configuration files: TOML and YAML are read into one tree of texts with their lines.

mod toml;
mod tree;
mod yaml;

pub use tree::{FileValue, KeyValue, NO_PLAIN_LIST, SyntaxError};

/// Reads the text of a file in the format that the ending of its name says.
pub fn parse(extension: Option<&str>, text: &str) -> (Vec<KeyValue>, Vec<SyntaxError>) {
    match extension {
        Some("toml") => toml::parse(text),
        Some("yaml" | "yml") => yaml::parse(text),
        _ => {
            let message = "a file name that does not end in .toml, .yaml or .yml".to_owned();
            (Vec::new(), vec![SyntaxError { line: None, message }])
        }
    }
}
