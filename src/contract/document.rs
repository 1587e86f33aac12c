//! The AsyncAPI document: files, references between them, channels and messages.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;

use super::bundle::bundle;
use super::node::Node;
use super::{Contract, ContractError, Discriminator, EventSchema, Mistake};

/// A place: a file under the contracts folder and a JSON pointer in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    pub file: PathBuf,
    pub pointer: String,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.file.display(), self.pointer)
    }
}

impl Location {
    /// The place one step further in.
    pub fn at(&self, step: &str) -> Self {
        let step = step.replace('~', "~0").replace('/', "~1");
        Self { file: self.file.clone(), pointer: format!("{}/{step}", self.pointer) }
    }
}

/// All files read so far.
pub struct Files {
    dir: PathBuf,
    read: BTreeMap<PathBuf, Rc<Value>>,
}

/// References to references end somewhere.
const LONGEST_CHAIN: usize = 32;

impl Files {
    fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), read: BTreeMap::new() }
    }

    /// The value at a place.
    pub fn value(&mut self, at: &Location) -> Result<Value, Mistake> {
        let file = self.file(at)?;
        let found = if at.pointer.is_empty() { Some(&*file) } else { file.pointer(&at.pointer) };
        found.cloned().ok_or_else(|| Mistake::new(at, "there is nothing at this place"))
    }

    fn file(&mut self, at: &Location) -> Result<Rc<Value>, Mistake> {
        if let Some(value) = self.read.get(&at.file) {
            return Ok(value.clone());
        }
        let path = self.dir.join(&at.file);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Mistake::new(path.display(), format!("cannot be read: {error}")))?;
        // JSON is YAML too, but its own parser is faster and says more.
        let parsed: Result<Value, String> = if path.extension().is_some_and(|ext| ext == "json") {
            serde_json::from_str(&text).map_err(|error| error.to_string())
        } else {
            serde_norway::from_str(&text).map_err(|error| error.to_string())
        };
        let value = Rc::new(parsed.map_err(|error| Mistake::new(path.display(), error))?);
        self.read.insert(at.file.clone(), value.clone());
        Ok(value)
    }

    /// Where a `$ref` found at `from` leads.
    pub fn target(&self, from: &Location, reference: &str) -> Result<Location, Mistake> {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let pointer = percent_decode(pointer);
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let what = format!("$ref {reference:?}: only JSON pointers are followed, not anchors");
            return Err(Mistake::new(from, what));
        }
        if file.is_empty() {
            return Ok(Location { file: from.file.clone(), pointer });
        }
        if file.contains("://") {
            let what =
                format!("$ref {reference:?}: put the document beside this one; nothing is fetched");
            return Err(Mistake::new(from, what));
        }
        let mut path = from.file.parent().map(Path::to_owned).unwrap_or_default();
        for part in Path::new(&percent_decode(file)).components() {
            let stays = match part {
                Component::Normal(name) => {
                    path.push(name);
                    true
                }
                Component::CurDir => true,
                Component::ParentDir => path.pop(),
                Component::RootDir | Component::Prefix(_) => false,
            };
            if !stays {
                let what = format!("$ref {reference:?} leads out of the contracts folder");
                return Err(Mistake::new(from, what));
            }
        }
        Ok(Location { file: path, pointer })
    }

    /// Follows references until there is a value that is none.
    fn resolve(&mut self, at: &Location) -> Result<(Location, Value), Mistake> {
        let mut at = at.clone();
        for _ in 0..LONGEST_CHAIN {
            let value = self.value(&at)?;
            match value.get("$ref").and_then(Value::as_str) {
                Some(reference) => at = self.target(&at, reference)?,
                None => return Ok((at, value)),
            }
        }
        Err(Mistake::new(at, "references lead in a circle"))
    }
}

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

pub fn load(dir: &Path, import_path: &str, import_object: &str) -> Result<Contract, ContractError> {
    let mut files = Files::new(dir);
    let root = Location { file: find(dir, import_path)?, pointer: String::new() };
    let document = files.value(&root)?;
    let version = document["asyncapi"].as_str().unwrap_or_default();
    if !version.starts_with("3.") {
        let what = format!("is no AsyncAPI 3 document: `asyncapi` is {}", document["asyncapi"]);
        return Err(Mistake::new(root, what).into());
    }
    let Some(channel) = document["channels"].get(import_object) else {
        let channels = document["channels"].as_object();
        let known: Vec<&str> =
            channels.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
        let what = format!("has no channel {import_object}; it has {}", known.join(", "));
        return Err(Mistake::new(root, what).into());
    };
    let at = root.at("channels").at(import_object);
    let (at, channel) = match channel.get("$ref") {
        Some(_) => files.resolve(&at)?,
        None => (at, channel.clone()),
    };
    let mut mistakes = Vec::new();
    let topic = channel["address"].as_str().map(str::to_owned).unwrap_or_else(|| {
        mistakes.push(Mistake::new(&at, "the channel has no `address`, which names the topic"));
        String::new()
    });
    let discriminator = discriminator(&channel, &at).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Discriminator::Payload(Vec::new())
    });
    let mut events: Vec<EventSchema> = Vec::new();
    for key in channel["messages"].as_object().into_iter().flat_map(|map| map.keys()) {
        match event(&mut files, &at.at("messages").at(key), key) {
            Ok(event) if events.iter().any(|known| known.name == event.name) => {
                let what = format!("a second message is named {}", event.name);
                mistakes.push(Mistake::new(at.at("messages").at(key), what));
            }
            Ok(event) => events.push(event),
            Err(error) => mistakes.extend(error.mistakes),
        }
    }
    if events.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake::new(&at, "the channel has no messages"));
    }
    if !mistakes.is_empty() {
        return Err(ContractError { mistakes });
    }
    let version = document["info"]["version"].as_str();
    let version = version.map_or_else(String::new, |version| format!("@{version}"));
    Ok(Contract {
        id: format!("{import_path}#{import_object}{version}"),
        topic,
        discriminator,
        events,
    })
}

/// The document's file, relative to the contracts folder.
fn find(dir: &Path, import_path: &str) -> Result<PathBuf, Mistake> {
    let parts: Vec<&str> = import_path.split('.').collect();
    if parts.iter().any(|part| part.is_empty() || part.contains(['/', '\\'])) {
        let what = "is no import path: write contracts.folder.document, without the file's ending";
        return Err(Mistake::new(format!("import path {import_path:?}"), what));
    }
    let own = dir.file_name().and_then(|name| name.to_str());
    let inside = match parts.split_first() {
        Some((first, rest))
            if !rest.is_empty() && (*first == "contracts" || Some(*first) == own) =>
        {
            rest
        }
        _ => &parts[..],
    };
    let stem: PathBuf = inside.iter().collect();
    let candidates: Vec<PathBuf> = ["yaml", "yml", "json"]
        .iter()
        .map(|ending| PathBuf::from(format!("{}.{ending}", stem.display())))
        .collect();
    candidates.iter().find(|path| dir.join(path).is_file()).cloned().ok_or_else(|| {
        let tried: Vec<String> =
            candidates.iter().map(|path| dir.join(path).display().to_string()).collect();
        let what = format!("leads to no document; tried {}", tried.join(", "));
        Mistake::new(format!("import path {import_path}"), what)
    })
}

/// `x-event-type`, an AsyncAPI runtime expression.
fn discriminator(channel: &Value, at: &Location) -> Result<Discriminator, Mistake> {
    let expression = match channel.get("x-event-type") {
        None => "$message.payload#/event_type",
        Some(value) => value.as_str().unwrap_or_default(),
    };
    let (source, pointer) = expression.split_once("#/").unwrap_or((expression, ""));
    let keys: Vec<String> =
        pointer.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
    match (source, keys.as_slice()) {
        ("$message.payload", [first, ..]) if !first.is_empty() => Ok(Discriminator::Payload(keys)),
        ("$message.header", [name]) if !name.is_empty() => Ok(Discriminator::Header(name.clone())),
        _ => {
            let what = format!(
                "x-event-type is {expression:?}; write $message.payload#/field or $message.header#/name"
            );
            Err(Mistake::new(at, what))
        }
    }
}

fn event(files: &mut Files, at: &Location, key: &str) -> Result<EventSchema, ContractError> {
    let (at, message) = files.resolve(at)?;
    let name = message["name"].as_str().unwrap_or(key).to_owned();
    let mut payload = at.at("payload");
    match message.get("payload") {
        None => return Err(Mistake::new(at, "the message has no `payload`").into()),
        // A multi-format schema names its language beside it.
        Some(wrapped) if wrapped.get("schemaFormat").is_some() => {
            let format = wrapped["schemaFormat"].as_str().unwrap_or_default();
            if !format.contains("asyncapi")
                && !format.contains("schema+json")
                && !format.contains("schema+yaml")
            {
                let what =
                    format!("schemaFormat {format:?}: payloads are described by JSON Schema");
                return Err(Mistake::new(payload, what).into());
            }
            payload = payload.at("schema");
        }
        Some(_) => {}
    }
    let json_schema = bundle(files, &payload)?;
    let node = Node::of(&json_schema).map_err(|what| Mistake::new(&payload, what))?;
    if !node.is_object() {
        let what = "the payload has to be an object: a row needs fields";
        return Err(Mistake::new(&payload, what).into());
    }
    let validation = node.validation();
    Ok(EventSchema { name, schema: node.schema(), json_schema, validation })
}
