//! A set of rules in a folder on this machine.

use std::collections::BTreeMap;
use std::path::Path;

use super::problem::{RuleProblem, RulesError};

/// The largest document that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// The texts of a folder's documents, by name: those files in it that end in `.yaml` or `.yml`. The
/// error has all that cannot be read.
pub fn read_folder(folder: &Path) -> Result<BTreeMap<String, String>, RulesError> {
    let shown = folder.display().to_string();
    let one = |what: String| RulesError { problems: vec![RuleProblem::of(&shown, what)] };
    let entries =
        std::fs::read_dir(folder).map_err(|error| one(format!("cannot be read: {error}")))?;
    let (mut documents, mut problems) = (BTreeMap::new(), Vec::new());
    for entry in entries {
        let entry = entry.map_err(|error| one(format!("cannot be read: {error}")))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !(name.ends_with(".yaml") || name.ends_with(".yml")) || name.starts_with('.') {
            continue;
        }
        match read(&entry.path()) {
            Ok(text) => _ = documents.insert(name, text),
            Err(why) => problems.push(RuleProblem::of(&name, why)),
        }
    }
    if problems.is_empty() { Ok(documents) } else { Err(RulesError { problems }) }
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    if metadata.len() > MOST_BYTES {
        let bytes = metadata.len();
        return Err(format!("has {bytes} bytes, and a document may have {MOST_BYTES}"));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}
