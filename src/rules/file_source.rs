//! Which files a rule or a fact looks at, and what their content becomes.

use globset::{GlobBuilder, GlobMatcher};

use super::attributes::Attributes;
use crate::config::keys::{closest, did_you_mean};
use crate::expression::{ExpressionError, LinePattern};

const KEYS: [&str; 6] = ["path", "event", "encoding", "parser", "pattern", "optional"];
const PARSERS: [&str; 5] = ["json", "yaml", "text", "lines", "regex"];

/// Bytes of the longest glob.
const LONGEST_GLOB: usize = 1_024;

/// Files under one name.
#[derive(Debug)]
pub(super) struct FileSource {
    pub name: String,
    pub origin: Origin,
    pub parser: Parser,
    pub is_optional: bool,
}

#[derive(Debug)]
pub(super) enum Origin {
    Archive(Pattern),
    Event(EventText),
}

/// The paths that a glob matches.
#[derive(Debug)]
pub(super) struct Pattern {
    pub glob: String,
    pub matcher: GlobMatcher,
    /// What all these paths begin with.
    pub prefix: String,
}

/// A text in the event that is read as if it were a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EventText {
    /// A JSON pointer.
    pub pointer: String,
    pub is_base64: bool,
}

#[derive(Debug)]
pub(super) enum Parser {
    Json,
    Yaml,
    Text,
    Lines,
    Regex { text: String, pattern: LinePattern },
}

impl FileSource {
    /// The files that the key `files` of a rule or a fact declares, as far as they are sound.
    pub fn all(of: &Attributes<'_>) -> Vec<Self> {
        let Some(files) = of.pair("files").and_then(|pair| of.inner(pair, &[])) else {
            return Vec::new();
        };
        let sources = files.pairs().iter().filter_map(|pair| {
            let file = files.inner(pair, &KEYS)?;
            if !is_word(&pair.key) {
                let what = "a name has letters, digits and `_`, and begins with no digit";
                file.mistake(None, what);
            }
            let (origin, parser) = (origin(&file), parser(&file));
            let is_optional = match file.text("optional") {
                None | Some("false") => false,
                Some("true") => true,
                Some(other) => {
                    let line = file.place_of("optional").line;
                    file.mistake(line, format!("`optional` is `true` or `false`, not `{other}`"));
                    false
                }
            };
            Some(Self { name: pair.key.clone(), origin: origin?, parser: parser?, is_optional })
        });
        sources.collect()
    }
}

fn origin(file: &Attributes<'_>) -> Option<Origin> {
    match (file.pair("path").is_some(), file.pair("event").is_some()) {
        (true, true) => {
            file.mistake(None, "it has both `path` and `event`");
            None
        }
        (false, false) => {
            file.mistake(None, "it has no `path`");
            None
        }
        (true, false) => {
            if file.pair("encoding").is_some() {
                file.mistake(file.place_of("encoding").line, "`encoding` goes with `event` only");
            }
            match pattern(file.text("path")?) {
                Ok(pattern) => Some(Origin::Archive(pattern)),
                Err(why) => {
                    file.mistake(file.place_of("path").line, why);
                    None
                }
            }
        }
        (false, true) => {
            let pointer = file.text("event")?.to_owned();
            if !pointer.starts_with('/') {
                let what = "`event` is a JSON pointer, which begins with `/`";
                file.mistake(file.place_of("event").line, what);
            }
            let encoding = file.text("encoding");
            if let Some(other) = encoding.filter(|encoding| *encoding != "base64") {
                let what = format!("`encoding` is `base64`, not `{other}`");
                file.mistake(file.place_of("encoding").line, what);
            }
            Some(Origin::Event(EventText { pointer, is_base64: encoding.is_some() }))
        }
    }
}

fn pattern(glob: &str) -> Result<Pattern, String> {
    if glob.len() > LONGEST_GLOB {
        return Err(format!("`path` has {} bytes, the limit is {LONGEST_GLOB}", glob.len()));
    }
    if glob.starts_with('/') || glob.starts_with("./") {
        return Err(format!("no path of an archive begins with `/` or `./`, as `{glob}` does"));
    }
    let built = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build();
    let built = built.map_err(|error| format!("the glob `{glob}` is wrong: {}", error.kind()))?;
    let prefix = glob.split(['*', '?', '[', '{', '\\']).next().unwrap_or_default();
    Ok(Pattern {
        glob: glob.to_owned(),
        matcher: built.compile_matcher(),
        prefix: prefix.to_owned(),
    })
}

fn parser(file: &Attributes<'_>) -> Option<Parser> {
    let name = file.required("parser")?;
    let pattern = file.pair("pattern");
    if name != "regex" && pattern.is_some() {
        file.mistake(file.place_of("pattern").line, "`pattern` goes with `parser: regex` only");
    }
    Some(match name {
        "json" => Parser::Json,
        "yaml" => Parser::Yaml,
        "text" => Parser::Text,
        "lines" => Parser::Lines,
        "regex" => {
            let text = file.required("pattern")?;
            let line = file.place_of("pattern").line;
            match LinePattern::compile(text) {
                Ok(pattern) => {
                    if pattern.groups().next().is_none() {
                        file.mistake(
                            line,
                            "the pattern has no named group, such as `(?P<name>.*)`",
                        );
                    }
                    Parser::Regex { text: text.to_owned(), pattern }
                }
                Err(ExpressionError::Pattern { why, .. }) => {
                    file.mistake(line, format!("the pattern is wrong: {why}"));
                    return None;
                }
                Err(_) => {
                    file.mistake(line, "the pattern is too large");
                    return None;
                }
            }
        }
        other => {
            let similar = did_you_mean(closest(other, PARSERS));
            let what =
                format!("there is no parser `{other}`; there are {}{similar}", PARSERS.join(", "));
            file.mistake(file.place_of("parser").line, what);
            return None;
        }
    })
}

/// Whether a name can stand behind a dot in an expression.
pub(super) fn is_word(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_part)
}
