//! TOML with spans: scalars as they are written, lines from the spans, every error at once.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Item, Node, Syntax};

pub fn parse(text: &str) -> (Vec<Item>, Vec<Syntax>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<Syntax> = errors
        .into_iter()
        .map(|error| Syntax {
            line: error.span().map(|span| lines.at(span.start)),
            message: format!("no TOML: {}", error.message()),
        })
        .collect();
    errors.sort_by_key(|error| error.line);
    (items(table.get_ref(), text, &lines), errors)
}

fn items(table: &DeTable<'_>, text: &str, lines: &Lines) -> Vec<Item> {
    let mut items: Vec<Item> = table
        .iter()
        .map(|(key, value)| Item {
            key: key.get_ref().to_string(),
            line: Some(lines.at(key.span().start)),
            node: node(value, text, lines),
        })
        .collect();
    items.sort_by_key(|item| item.line);
    items
}

fn node(value: &Spanned<DeValue<'_>>, text: &str, lines: &Lines) -> Node {
    match value.get_ref() {
        DeValue::String(string) => Node::Text(string.to_string()),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            Node::Text(text.get(value.span()).unwrap_or_default().to_owned())
        }
        DeValue::Table(table) => Node::Table(items(table, text, lines)),
        DeValue::Array(array) => {
            let texts = array.iter().map(|item| match node(item, text, lines) {
                Node::Text(text) => Some(text),
                Node::List(_) | Node::Table(_) | Node::Other(_) => None,
            });
            texts
                .collect::<Option<_>>()
                .map_or(Node::Other("a list of more than texts"), Node::List)
        }
    }
}

/// Where each line of a text begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line, from 1, of a byte.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte) + 1
    }
}
