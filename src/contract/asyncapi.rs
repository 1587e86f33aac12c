//! The AsyncAPI document: the channel, its topic and its messages.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::bundle::{Bundle, Bundles};
use super::dialect::Dialect;
use super::documents::{Documents, Library};
use super::encoded;
use super::files::{Files, Location};
use super::json_types::JsonTypes;
use super::node::{Node, NodeKind};
use super::pointer;
use super::problem::{ContractError, Problem};
use super::schema::{Contract, Discriminator, EventSchema, Schema, Validation};
use super::tree::{MOST_PLACES, TreeError, tree};
use crate::config;

/// Reads the channel `import_object` of the document `import_path` in the contracts folder `dir`.
///
/// The dots of `contracts.delivery.delivery_events_v10` separate folders; a first segment
/// `contracts` stands for `dir` itself. The file ends in `.yaml`, `.yml` or `.json`.
///
/// Of messages with an `ignored` name only the name is read: the contract does not have them, and
/// mistakes in their schemas are none.
pub fn load(
    dir: &Path,
    import_path: &str,
    import_object: &str,
    ignored: &[String],
) -> Result<Contract, ContractError> {
    let library = Library::Folder { folder: dir.to_owned(), read: Documents::default() };
    load_from(&library, import_path, import_object, ignored)
}

/// The same, wherever the documents are. Without all of the fetched ones it fails, and the library
/// knows which are missing.
pub fn load_from(
    library: &Library,
    import_path: &str,
    import_object: &str,
    ignored: &[String],
) -> Result<Contract, ContractError> {
    let file = find(library, import_path)?;
    let mut files = Files::new(library.clone());
    let root = Location { file, pointer: String::new() };
    let document = files.value(&root)?;
    let mut problems = Vec::new();
    let version = text(&document, "asyncapi", &root, &mut problems);
    if !version.is_some_and(|version| version.starts_with("3.")) {
        if problems.is_empty() {
            let found = &document["asyncapi"];
            let what = format!("not an AsyncAPI 3 document: `asyncapi` is {found}");
            problems.push(Problem::new(root, what));
        }
        return Err(ContractError { problems });
    }
    let (at, channel) = channel(&mut files, &root, &document, import_object)?;
    let topic = topic(&channel, &at, &mut problems);
    let mut discriminator = discriminator(&channel, &at, &mut problems);
    let messages = at.at("messages");
    let events = events(&mut files, &messages, &channel["messages"], ignored, &mut problems);
    let has_messages = channel["messages"].as_object().is_some_and(|all| !all.is_empty());
    if !has_messages && problems.is_empty() {
        problems.push(Problem::new(&at, "the channel has no messages"));
    }
    if let Discriminator::Only(name) = &mut discriminator {
        match &channel["messages"].as_object().map_or(0, |all| all.len()) {
            0 | 1 => *name = events.first().map(|event| event.name.clone()).unwrap_or_default(),
            count => {
                let what =
                    format!("x-event-type is `{ONLY}`, and the channel has {count} messages");
                problems.push(Problem::new(at.at("x-event-type"), what));
            }
        }
    }
    let info = &document["info"];
    let version = text(info, "version", &root.at("info"), &mut problems);
    if !problems.is_empty() {
        return Err(ContractError { problems });
    }
    let version = version.map_or_else(String::new, |version| format!("@{version}"));
    Ok(Contract {
        id: format!("{import_path}#{import_object}{version}"),
        topic,
        discriminator,
        events,
    })
}

/// The document's file, relative to the contracts folder.
fn find(library: &Library, import_path: &str) -> Result<PathBuf, Problem> {
    let place = format!("import path {import_path}");
    let parts: Vec<&str> = import_path.split('.').collect();
    if parts.iter().any(|part| part.is_empty() || part.contains(['/', '\\'])) {
        let what = "write contracts.folder.document, without the file's ending";
        return Err(Problem::new(place, what));
    }
    let own = library.own_name();
    let inside = match parts.split_first() {
        Some((first, rest))
            if !rest.is_empty() && (*first == "contracts" || Some(*first) == own) =>
        {
            rest
        }
        _ => &parts[..],
    };
    let stem: PathBuf = inside.iter().collect();
    let candidates =
        ["yaml", "yml", "json"].map(|ending| PathBuf::from(format!("{}.{ending}", stem.display())));
    for path in &candidates {
        if library.has(path)? {
            return Ok(path.clone());
        }
    }
    let tried = candidates.each_ref().map(|path| library.place(path));
    Err(Problem::new(place, format!("no such document; tried {}", tried.join(", "))))
}

/// The channel of this name and its place, where the document refers to it: the place referred to.
fn channel(
    files: &mut Files,
    root: &Location,
    document: &Value,
    name: &str,
) -> Result<(Location, Value), Problem> {
    let at = root.at("channels").at(name);
    match document["channels"].get(name) {
        Some(channel) if channel.get("$ref").is_some() => files.resolve(&at),
        Some(channel) => Ok((at, channel.clone())),
        None => {
            let channels = document["channels"].as_object().into_iter().flatten();
            let known: Vec<&str> = channels.map(|(name, _)| name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let what = format!("the document has no channel {name}; it has {known}");
            Err(Problem::new(root, what).about_channel())
        }
    }
}

/// The text at a key of an object. A value of another type is a problem.
fn text<'v>(
    object: &'v Value,
    key: &str,
    at: &Location,
    problems: &mut Vec<Problem>,
) -> Option<&'v str> {
    let value = object.get(key).filter(|value| !value.is_null())?;
    if !value.is_string() {
        let what = if value.is_object() || value.is_array() {
            format!("`{key}` has to be a text")
        } else {
            format!("`{key}` is {value}, which is not a text: write it in quotes")
        };
        problems.push(Problem::new(at.at(key), what));
    }
    value.as_str()
}

/// The channel's address.
fn topic(channel: &Value, at: &Location, problems: &mut Vec<Problem>) -> String {
    if channel["address"].is_null() {
        problems.push(Problem::new(at, "the channel has no `address`, which names the topic"));
    }
    let topic = text(channel, "address", at, problems);
    if let Some(topic) = topic.filter(|topic| !config::is_topic_name(topic)) {
        let what = format!(
            "{topic:?} is not the name of a topic: up to 249 letters, digits, `.`, `_` and `-`"
        );
        problems.push(Problem::new(at.at("address"), what));
    }
    topic.unwrap_or_default().to_owned()
}

/// `x-event-type` of a channel whose records do not name their type, because there is one.
pub(super) const ONLY: &str = "only";

/// Reads `x-event-type`: an AsyncAPI runtime expression, or `only`.
fn discriminator(channel: &Value, at: &Location, problems: &mut Vec<Problem>) -> Discriminator {
    let default = "$message.payload#/event_type";
    let expression = text(channel, "x-event-type", at, problems).unwrap_or(default);
    if expression == ONLY {
        // The message's name is not known yet.
        return Discriminator::Only(String::new());
    }
    let (source, pointer) = expression.split_once("#/").unwrap_or((expression, ""));
    let keys: Vec<String> = pointer.split('/').map(pointer::unescaped).collect();
    match (source, keys.as_slice()) {
        ("$message.payload", [first, ..]) if !first.is_empty() => Discriminator::Payload(keys),
        ("$message.header", [name]) if !name.is_empty() => Discriminator::Header(name.clone()),
        _ => {
            let what = format!(
                "x-event-type is {expression:?}; write $message.payload#/field, \
                 $message.header#/name, or `{ONLY}` where the channel has one message"
            );
            problems.push(Problem::new(at.at("x-event-type"), what));
            Discriminator::Payload(Vec::new())
        }
    }
}

/// The event types of a channel's messages without the `ignored` ones; what is wrong with them goes
/// to `problems`.
fn events(
    files: &mut Files,
    at: &Location,
    messages: &Value,
    ignored: &[String],
    problems: &mut Vec<Problem>,
) -> Vec<EventSchema> {
    if !messages.is_object() && !messages.is_null() {
        problems.push(Problem::new(at, "`messages` has to be an object of messages"));
    }
    let mut events: Vec<EventSchema> = Vec::new();
    let mut bundles = Bundles::default();
    let mut left = MOST_PLACES;
    for key in messages.as_object().into_iter().flat_map(|messages| messages.keys()) {
        let at = at.at(key);
        let message = match files.resolve(&at) {
            Ok((at, value)) => {
                let name = text(&value, "name", &at, problems).unwrap_or(key).to_owned();
                Message { name, at, value }
            }
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        if ignored.contains(&message.name) {
            continue;
        }
        match event(files, &mut bundles, &mut left, message) {
            Ok(event) if events.iter().any(|known| known.name == event.name) => {
                let what = format!("a second message has the name {}", event.name);
                problems.push(Problem::new(at, what));
            }
            Ok(event) => events.push(event),
            Err(error) => problems.extend(error.problems),
        }
        if left == 0 {
            break;
        }
    }
    // Messages that share a schema share its problems.
    let mut seen = HashSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    events
}

/// A message of the channel.
struct Message {
    at: Location,
    /// The event type: the message's name, or its key in the channel if it has none.
    name: String,
    value: Value,
}

fn event(
    files: &mut Files,
    bundles: &mut Bundles,
    left: &mut usize,
    message: Message,
) -> Result<EventSchema, ContractError> {
    let (payload, dialect) = payload(files, &message.at, &message.value)?;
    let Bundle { schema: json_schema, places, has_encoded } =
        bundles.bundle(files, &payload, dialect)?;
    let at = payload;
    let node = tree(&json_schema, left).map_err(|error| {
        if error == TreeError::TooLarge {
            *left = 0;
        }
        Problem::new(&at, error.to_string())
    })?;
    let Some(node) = object(node) else {
        let what = "the payload has to be an object, because its fields become columns";
        return Err(Problem::new(&at, what).into());
    };
    let encoded = if has_encoded {
        encoded::fields(&json_schema).map_err(|problems| ContractError { problems })?
    } else {
        Vec::new()
    };
    let (schema, validation) = (Schema::of(&node), Validation::of(&node));
    let json_schema = Arc::new(json_schema);
    Ok(EventSchema { name: message.name, schema, json_schema, validation, encoded, node, places })
}

/// The payload's node, if it describes an object. The transcoder takes nothing but objects.
fn object(node: Node) -> Option<Node> {
    let says_nothing = node.fields.is_empty() && node.described == JsonTypes::ALL;
    let object = node.and(Node::of_types(JsonTypes::OBJECT));
    (!says_nothing && matches!(object.kind(), NodeKind::Object(_))).then_some(object)
}

/// The place of a message's JSON Schema and its dialect: its `payload`, or the `schema` in a payload
/// that names the schema's language (a multi-format schema).
fn payload(
    files: &mut Files,
    at: &Location,
    message: &Value,
) -> Result<(Location, Option<Dialect>), Problem> {
    if message.get("payload").is_none() {
        return Err(Problem::new(at, "the message has no `payload`"));
    }
    let own = at.at("payload");
    // A circle of references is reported with the schema.
    let Ok((at, payload)) = files.resolve(&own) else { return Ok((own, None)) };
    if payload.get("schemaFormat").is_none() {
        return Ok((own, None));
    }
    let mut problems = Vec::new();
    let format = text(&payload, "schemaFormat", &at, &mut problems);
    if let Some(problem) = problems.pop() {
        return Err(problem);
    }
    match Dialect::of_format(format.unwrap_or_default()) {
        Ok(dialect) => Ok((at.at("schema"), dialect)),
        Err(what) => Err(Problem::new(at.at("schemaFormat"), what)),
    }
}
