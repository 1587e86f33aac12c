//! The variables in a text of Insights Core Messaging, and the same text for our files. There `$NAME`
//! is a variable too, and `$$` is a `$`.

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Plain(String),
    Variable { name: String, default: Option<String> },
}

/// A text with its variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

impl Template {
    /// A text in which every `$` is a plain character.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Part::Plain(text.into())])
    }

    /// Reads a text of Insights Core Messaging.
    pub fn parse(text: &str) -> Self {
        let mut parts = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            parts.push(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                parts.push("$");
                rest = after;
            } else if let Some((inner, after)) =
                rest.strip_prefix('{').and_then(|inner| inner.split_once('}'))
            {
                parts.variable(inner);
                rest = after;
            } else {
                let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = rest.find(|c| !is_letter(c)).unwrap_or(rest.len());
                match &rest[..end] {
                    "" => parts.push("$"),
                    name if name.starts_with(|c: char| c.is_ascii_digit()) => parts.push("$"),
                    name => {
                        parts.variable(name);
                        rest = &rest[end..];
                    }
                }
            }
        }
        parts.push(rest);
        parts
    }

    fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Part::Plain(plain)) => plain.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Part::Plain(text.to_owned())),
        }
    }

    fn variable(&mut self, inner: &str) {
        let (name, default) = match inner.split_once(':') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (inner, None),
        };
        self.0.push(Part::Variable { name: name.to_owned(), default });
    }

    /// This text with others around it.
    pub fn within(mut self, before: &str, after: &str) -> Self {
        let mut parts = Self::default();
        parts.push(before);
        for part in self.0.drain(..) {
            match part {
                Part::Plain(text) => parts.push(&text),
                variable @ Part::Variable { .. } => parts.0.push(variable),
            }
        }
        parts.push(after);
        parts
    }

    /// The text, if it has no variables.
    pub fn as_plain(&self) -> Option<&str> {
        match &self.0[..] {
            [] => Some(""),
            [Part::Plain(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether its value is known only where it runs: a variable without a default, or with an empty
    /// one.
    pub fn is_open(&self) -> bool {
        self.0.iter().any(|part| match part {
            Part::Plain(_) => false,
            Part::Variable { default, .. } => default.as_deref().is_none_or(str::is_empty),
        })
    }

    /// Whether nothing of its value is written in it: it is variables alone.
    pub fn is_variables_alone(&self) -> bool {
        self.0.iter().all(|part| match part {
            Part::Plain(text) => text.is_empty(),
            Part::Variable { default, .. } => default.as_deref().is_none_or(str::is_empty),
        })
    }

    /// The text for a configuration file of ours. `None` where it cannot be written: the name of a
    /// variable has other characters, or a `$` stands before a variable.
    pub fn written(&self) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => text.push_str(&plain.replace("${", "$${")),
                Part::Variable { name, .. } if !is_name(name) || text.ends_with('$') => {
                    return None;
                }
                Part::Variable { name, default: None } => text.push_str(&format!("${{{name}}}")),
                Part::Variable { name, default: Some(default) } => {
                    text.push_str(&format!("${{{name}:{default}}}"));
                }
            }
        }
        Some(text)
    }
}

fn is_name(text: &str) -> bool {
    crate::config::is_variable_name(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_insights_core_messaging_does() {
        for (theirs, ours) in [
            ("plain", "plain"),
            ("${A}", "${A}"),
            ("$A", "${A}"),
            ("$a_1-x", "${a_1}-x"),
            ("${A:b:c}", "${A:b:c}"),
            ("${A:}", "${A:}"),
            ("a$$b", "a$b"),
            ("$${A}", "$${A}"),
            ("$5 $", "$5 $"),
            ("${A", "$${A"),
            ("$", "$"),
        ] {
            assert_eq!(Template::parse(theirs).written().as_deref(), Some(ours), "{theirs}");
        }
        for theirs in ["${a-b}", "${}", "$$${A}"] {
            assert_eq!(Template::parse(theirs).written(), None, "{theirs}");
        }
    }

    #[test]
    fn what_is_known_of_a_value() {
        assert_eq!(Template::parse("a$$b").as_plain(), Some("a$b"));
        assert!(Template::parse("x${A}").is_open() && !Template::parse("x${A:y}").is_open());
        assert!(Template::parse("${A:}").is_variables_alone());
        assert!(!Template::parse("${A:hunter2}").is_variables_alone());
        let within = Template::parse("${A}").within("kafka:", "");
        assert_eq!(within.written().as_deref(), Some("kafka:${A}"));
    }
}
