//! The entries of a file: every value that is neither a table nor a list, and empty ones of these.

use serde_norway::Value;

use super::template::Template;
use crate::config::on_one_line;

/// A value with the keys that lead to it; the place in a list is `[0]`.
#[derive(Debug, Clone)]
pub struct Leaf {
    pub path: Vec<String>,
    /// `None`: not set, or empty, which is the same to Insights Core Messaging.
    pub value: Option<Template>,
}

impl Leaf {
    /// The path as a reader sees it: `service.consumer.kwargs."group.id"`.
    pub fn name(&self) -> String {
        let mut name = String::new();
        for part in &self.path {
            if !part.starts_with('[') && !name.is_empty() {
                name.push('.');
            }
            let is_word = |c: char| c.is_alphanumeric() || "_-[]".contains(c);
            match part.chars().all(is_word) && !part.is_empty() {
                true => name.push_str(part),
                false => name.push_str(&format!("{part:?}")),
            }
        }
        on_one_line(&name)
    }
}

/// The entries of a document in their order. The error lists every mistake.
pub fn read(text: &str) -> Result<Vec<Leaf>, Vec<String>> {
    let mut document: Value =
        serde_norway::from_str(text).map_err(|error| vec![format!("invalid YAML: {error}")])?;
    document.apply_merge().map_err(|error| vec![format!("invalid YAML: {error}")])?;
    let mistakes = match &document {
        Value::Null => vec!["the file is empty".to_owned()],
        Value::Mapping(table) if table.is_empty() => vec!["the file is empty".to_owned()],
        Value::Mapping(_) => mistakes(&document),
        _ => vec!["the file is not a table of sections (plugins, configs, service)".to_owned()],
    };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut leaves = Vec::new();
    walk(&document, &mut Vec::new(), &mut leaves);
    Ok(leaves)
}

/// What Insights Core Messaging itself could not start with.
fn mistakes(document: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut table = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null | Value::Mapping(_)) => {}
        Some(_) => mistakes.push(format!("{name}: a value where a table is expected")),
    };
    table(document.get("plugins"), "plugins");
    let service = document.get("service");
    table(service, "service");
    let components = ["consumer", "publisher", "downloader", "engine", "requeuer"];
    for component in components {
        let spec = service.and_then(|service| service.get(component));
        let name = format!("service.{component}");
        table(spec, &name);
        table(spec.and_then(|spec| spec.get("kwargs")), &format!("{name}.kwargs"));
    }
    for component in components {
        let spec = service.and_then(|service| service.get(component)).and_then(Value::as_mapping);
        if spec.is_some_and(|spec| !spec.get("name").is_some_and(Value::is_string)) {
            mistakes.push(format!("service.{component}: no `name`, which has to be a class"));
        }
    }
    mistakes
}

fn walk(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<Leaf>) {
    let scalar = |text: String| (!text.is_empty()).then(|| Template::parse(&text));
    let value = match value {
        Value::Mapping(table) if !table.is_empty() => {
            for (key, value) in table {
                path.push(text(key).unwrap_or_else(|| "?".to_owned()));
                walk(value, path, leaves);
                path.pop();
            }
            return;
        }
        Value::Sequence(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                path.push(format!("[{index}]"));
                walk(value, path, leaves);
                path.pop();
            }
            return;
        }
        Value::Tagged(tagged) => return walk(&tagged.value, path, leaves),
        other => text(other).and_then(scalar),
    };
    leaves.push(Leaf { path: path.clone(), value });
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}
