//! The `.env` file: `dotenvy` parses it; this module adds the line of each key.
//!
//! The dialect is dotenvy's. Lines are `KEY=value`, `export KEY=value` or `# comment`. A value in
//! `'…'` is taken literally (it cannot end in a backslash). In `"…"` and without quotes, `\n`, `\\`,
//! `\"`, `\'`, `\$` and `\ ` are escapes, and `${NAME}` is replaced by a variable of the process
//! environment, or else by a key from further up in the file. Quoted values may span lines.

use std::io::{self, Read};

/// One key with its value.
pub struct Assignment {
    pub key: String,
    pub text: String,
    /// Counted from 1.
    pub line: usize,
    /// Whether a variable was replaced in the value, or may have been.
    pub has_variable: bool,
    /// Whether a variable in the value has a default (`${NAME:default}`), which dotenvy does not know.
    pub has_default: bool,
}

/// A line that is not an assignment. Its text is not kept, because it may contain a secret.
pub struct Unreadable {
    /// Counted from 1.
    pub line: usize,
}

/// Stands for `$` where the file is read again without variables. From Unicode's private use area.
const PLAIN_DOLLAR: char = '\u{e000}';

/// Reads a whole `.env` file: all assignments, and all lines that cannot be read.
pub fn parse(text: &str) -> (Vec<Assignment>, Vec<Unreadable>) {
    let (mut assignments, unreadable) = parse_once(text);
    if text.contains('$') {
        // dotenvy does not say what it replaced, but a value without variables is the same where
        // `$` is another character.
        let (plain, _) = parse_once(&text.replace('$', PLAIN_DOLLAR.encode_utf8(&mut [0; 4])));
        for assignment in &mut assignments {
            let same = |plain: &&Assignment| {
                (plain.line, &plain.key) == (assignment.line, &assignment.key)
            };
            let plain = plain.iter().find(same).map(|plain| plain.text.as_str());
            assignment.has_variable =
                plain.is_none_or(|plain| plain.replace(PLAIN_DOLLAR, "$") != assignment.text);
            assignment.has_default = assignment.has_variable && plain.is_some_and(names_a_default);
        }
    }
    (assignments, unreadable)
}

/// Whether there is a `${NAME:` in a value that was read without variables.
fn names_a_default(plain: &str) -> bool {
    plain.split(PLAIN_DOLLAR).skip(1).any(|after| {
        let inner = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        inner.is_some_and(|(inner, _)| inner.contains(':'))
    })
}

fn parse_once(text: &str) -> (Vec<Assignment>, Vec<Unreadable>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split('\n').collect();
    let delivered = std::cell::Cell::new(0);
    let mut assignments = Vec::new();
    let mut unreadable = Vec::new();
    let mut done = 0;
    for item in dotenvy::from_read_iter(Lines { lines: &lines, delivered: &delivered, at: 0 }) {
        let read = delivered.get();
        match item {
            Ok((key, text)) => {
                let line = line_of(&lines[done..read], &key).map_or(read, |i| done + i + 1);
                assignments.push(Assignment {
                    key,
                    text,
                    line,
                    has_variable: false,
                    has_default: false,
                });
            }
            Err(dotenvy::Error::LineParse(rest, _)) => {
                // `rest` is the text from the faulty assignment to the last line read, so its line
                // breaks say how many lines before that the assignment began.
                let rest = rest.strip_suffix('\n').unwrap_or(&rest);
                let breaks = rest.matches('\n').count();
                unreadable.push(Unreadable { line: read.saturating_sub(breaks).max(1) });
            }
            Err(_) => {
                unreadable.push(Unreadable { line: read.max(1) });
                break;
            }
        }
        done = read;
    }
    (assignments, unreadable)
}

/// The index of the line that assigns `key`. The key itself may be called `export`.
fn line_of(lines: &[&str], key: &str) -> Option<usize> {
    let assigns =
        |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    lines.iter().position(|line| {
        let line = line.trim_start();
        assigns(line) || line.strip_prefix("export").is_some_and(|rest| assigns(rest.trim_start()))
    })
}

/// A reader that returns at most one line per read, so that the lines dotenvy has consumed can be
/// counted. It adds a line break to the last line, because dotenvy rejects a space before the end
/// of the file.
struct Lines<'a> {
    lines: &'a [&'a str],
    delivered: &'a std::cell::Cell<usize>,
    /// Bytes of the current line that were already returned.
    at: usize,
}

impl Read for Lines<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let index = self.delivered.get();
        let Some(line) = self.lines.get(index) else { return Ok(0) };
        let rest = &line.as_bytes()[self.at..];
        if rest.len() < into.len() {
            into[..rest.len()].copy_from_slice(rest);
            into[rest.len()] = b'\n';
            self.delivered.set(index + 1);
            self.at = 0;
            return Ok(rest.len() + 1);
        }
        into.copy_from_slice(&rest[..into.len()]);
        self.at += into.len();
        Ok(into.len())
    }
}
