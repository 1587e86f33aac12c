//! The `.env` file: `dotenvy` parses it, and the line of each key is kept beside.
//!
//! The dialect is dotenvy's: `KEY=value`, `export KEY=value`, `# comment`; `'…'` is taken as it
//! stands (but ends in no backslash); in `"…"` and outside quotes `\n`, `\\`, `\"`, `\'`, `\$` and
//! `\ ` are escapes and `${NAME}` is replaced (by the process environment, then by a key further
//! up); quoted values may go over several lines.

use std::io::{self, Read};

/// One assignment, or one that cannot be read.
pub struct Assignment {
    pub key: String,
    pub text: String,
    /// Counts from 1.
    pub line: usize,
}

/// A line that is no assignment. The line itself is never shown: it may hold a secret.
pub struct Unreadable {
    pub line: usize,
}

/// Reads a whole `.env`. Never fails as a whole: what can be read is returned beside what cannot.
pub fn parse(text: &str) -> (Vec<Assignment>, Vec<Unreadable>) {
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
                assignments.push(Assignment { key, text, line });
            }
            Err(dotenvy::Error::LineParse(rest, _)) => {
                // The text is what was left from the mistake's statement on, so its own line
                // breaks lead back from the last line read to the first.
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

/// Index of the line that assigns `key`, which may be called `export` itself.
fn line_of(lines: &[&str], key: &str) -> Option<usize> {
    let assigns =
        |line: &str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    lines.iter().position(|line| {
        let line = line.trim_start();
        assigns(line) || line.strip_prefix("export").is_some_and(|rest| assigns(rest.trim_start()))
    })
}

/// Hands out one line a read, so that the lines dotenvy has consumed can be counted. The last
/// line always ends in a line break: dotenvy refuses a space before the end of the file.
struct Lines<'a> {
    lines: &'a [&'a str],
    delivered: &'a std::cell::Cell<usize>,
    /// Bytes of the current line that are already handed out.
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
