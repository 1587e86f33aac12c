//! The files under the contracts folder, and the references between them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::documents::Library;
use super::parse::{Syntax, parse};
use super::pointer;
use super::problem::Problem;

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Location {
    /// Relative to the contracts folder.
    pub(super) file: PathBuf,
    /// A JSON pointer in the file; empty for the whole document.
    pub(super) pointer: String,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.file.display(), self.pointer)
    }
}

impl Location {
    /// The place of this place's member `key`, or of its item with that index.
    pub(super) fn at(&self, key: &str) -> Self {
        let pointer = format!("{}/{}", self.pointer, pointer::escaped(key));
        Self { file: self.file.clone(), pointer }
    }

    /// How deep the place is in its document.
    pub(super) fn levels(&self) -> usize {
        self.pointer.matches('/').count()
    }

    /// A problem of the place that a `$ref` at this place leads to.
    pub(super) fn blame(&self, problem: Problem) -> Problem {
        Problem::new(self, format!("$ref leads to {}: {}", problem.place, problem.what))
    }
}

/// The files of a contracts folder, each read and parsed once.
pub(super) struct Files {
    library: Library,
    read: BTreeMap<PathBuf, Rc<Value>>,
}

/// References that lead from one to the next; more than this many are a circle.
const LONGEST_CHAIN: usize = 32;

impl Files {
    pub(super) fn new(library: Library) -> Self {
        Self { library, read: BTreeMap::new() }
    }

    /// A copy of the value at a place.
    pub(super) fn value(&mut self, at: &Location) -> Result<Value, Problem> {
        let file = self.file(at)?;
        let found = if at.pointer.is_empty() { Some(&*file) } else { file.pointer(&at.pointer) };
        found.cloned().ok_or_else(|| Problem::new(at, "the document has nothing at this place"))
    }

    fn file(&mut self, at: &Location) -> Result<Rc<Value>, Problem> {
        if let Some(value) = self.read.get(&at.file) {
            return Ok(value.clone());
        }
        let value = Rc::new(self.read_file(&at.file)?);
        self.read.insert(at.file.clone(), value.clone());
        Ok(value)
    }

    fn read_file(&self, file: &Path) -> Result<Value, Problem> {
        let text = self.library.read(file)?;
        // A YAML parser reads JSON too, but the JSON parser is faster and has better messages.
        let is_json = file.extension().is_some_and(|extension| extension == "json");
        let syntax = if is_json { Syntax::Json } else { Syntax::Yaml };
        parse(&text, syntax).map_err(|error| match error.pointer.as_str() {
            "" => Problem::new(self.library.place(file), error.what),
            pointer => {
                let at = Location { file: file.to_owned(), pointer: pointer.to_owned() };
                Problem::new(at, error.what)
            }
        })
    }

    /// The place that the pointer of a `$ref` at `from` starts from: the innermost schema with an
    /// `$id` around it, or the whole file.
    fn resource(&self, from: &Location) -> Option<Location> {
        let file = self.read.get(&from.file)?;
        let ends = from.pointer.match_indices('/').map(|(at, _)| at).skip(1);
        let around: Vec<usize> = ends.chain([from.pointer.len()]).collect();
        around.into_iter().rev().filter(|end| *end > 0).find_map(|end| {
            let pointer = from.pointer.get(..end)?;
            let id = file.pointer(pointer)?.get("$id")?.as_str()?;
            (!id.starts_with('#'))
                .then(|| Location { file: from.file.clone(), pointer: pointer.to_owned() })
        })
    }

    /// The place that a `$ref` found at `from` refers to. It lies in the contracts folder.
    pub(super) fn target(&self, from: &Location, reference: &str) -> Result<Location, Problem> {
        let wrong = |why: &str| Err(Problem::new(from, format!("$ref {reference:?} {why}")));
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let pointer = percent_decode(pointer);
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return wrong("is an anchor: write a JSON pointer, which begins with #/");
        }
        if file.is_empty() {
            // By JSON Schema, a schema with an `$id` is a document of its own. AsyncAPI documents
            // ignore that, so where it has no such place, the file is meant.
            let inner = self.resource(from).map(|resource| Location {
                pointer: format!("{}{pointer}", resource.pointer),
                ..resource
            });
            let file = self.read.get(&from.file);
            let inner = inner
                .filter(|inner| file.is_some_and(|file| file.pointer(&inner.pointer).is_some()));
            return Ok(inner.unwrap_or_else(|| Location { file: from.file.clone(), pointer }));
        }
        if file.contains("://") {
            return wrong("is not fetched: put a copy of the document into the contracts folder");
        }
        let mut path = from.file.parent().map(Path::to_owned).unwrap_or_default();
        for part in Path::new(&percent_decode(file)).components() {
            let inside = match part {
                Component::Normal(name) => {
                    path.push(name);
                    true
                }
                Component::CurDir => true,
                Component::ParentDir => path.pop(),
                Component::RootDir | Component::Prefix(_) => false,
            };
            if !inside {
                return wrong("is outside the contracts folder");
            }
        }
        Ok(Location { file: path, pointer })
    }

    /// Follows references from a place to the first value that is not a reference.
    pub(super) fn resolve(&mut self, at: &Location) -> Result<(Location, Value), Problem> {
        let mut at = at.clone();
        let mut value = self.value(&at)?;
        for _ in 0..LONGEST_CHAIN {
            let Some(reference) = value.get("$ref") else { return Ok((at, value)) };
            let from = at.at("$ref");
            let Some(reference) = reference.as_str() else {
                return Err(Problem::new(from, "$ref is not a string"));
            };
            at = self.target(&from, reference)?;
            value = self.value(&at).map_err(|problem| from.blame(problem))?;
        }
        Err(Problem::new(at, "the references form a circle"))
    }
}

/// Resolves `%2F` and the like; what is not such an escape stays.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let decoded = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
