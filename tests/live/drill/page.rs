//! docs/drills.md as the script of the drills: what a section tells somebody to run, and what it says
//! that they see.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// A block of a section, in the page's order.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    /// Commands for a shell.
    Commands(String),
    /// What is seen. `…` stands for anything: within a line, or for any number of lines on a line of
    /// its own.
    Seen(String),
    /// Lines of the instance's file.
    Settings(String),
}

/// What the page says of an incident.
#[derive(Debug)]
pub struct Section {
    pub blocks: VecDeque<Block>,
    /// The alerts that fire, and after how many minutes of the incident.
    pub fire: BTreeMap<String, u64>,
    /// Alerts that may fire too, by what is going on at the time.
    pub perhaps: BTreeSet<String>,
}

/// The sections that are drills, by their headings as links have them: `broker-down`.
pub fn sections() -> BTreeMap<String, Section> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/drills.md");
    let text = std::fs::read_to_string(path).expect("the page");
    let parts = text.split("\n## ").skip(1).map(|part| part.split_once('\n').expect("a heading"));
    parts
        .filter(|(_, text)| text.contains("\nFires: "))
        .map(|(heading, text)| (heading.to_lowercase().replace(' ', "-"), section(text)))
        .collect()
}

fn section(text: &str) -> Section {
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let fire = line("Fires: ").map(alerts).unwrap_or_default();
    let perhaps = line("Perhaps also: ").map(alerts).unwrap_or_default();
    Section {
        blocks: blocks(text),
        fire: fire
            .into_iter()
            .map(|(alert, after)| match after {
                Some(after) => (alert, after),
                None => panic!("{alert}: after how many minutes?"),
            })
            .collect(),
        perhaps: perhaps.into_keys().collect(),
    }
}

/// `[Name](runbook.md#name) after 5 minutes, …`
fn alerts(line: &str) -> BTreeMap<String, Option<u64>> {
    let found = line.split('[').skip(1).map(|part| {
        let (name, rest) = part.split_once("](runbook.md#").expect("a link to the runbook");
        let (anchor, rest) = rest.split_once(')').expect("the link's end");
        assert_eq!(anchor, name.to_lowercase(), "the link of {name}");
        let after = match rest.strip_prefix(" at once") {
            Some(_) => Some(0),
            None => {
                rest.strip_prefix(" after ").and_then(|rest| rest.split(' ').next()?.parse().ok())
            }
        };
        (name.to_owned(), after)
    });
    found.collect()
}

fn blocks(text: &str) -> VecDeque<Block> {
    let parts = text.split("```").skip(1).step_by(2).map(|part| part.split_once('\n'));
    parts
        .flatten()
        .map(|(language, text)| match language {
            "sh" => Block::Commands(text.to_owned()),
            "text" => Block::Seen(text.trim_end().to_owned()),
            "dotenv" => Block::Settings(text.to_owned()),
            other => panic!("a block of the language {other:?}"),
        })
        .collect()
}

/// Compares what is seen with what the page says. Each of the page's lines has to follow the one
/// before it, but for lines that are `…`.
pub fn compare(expected: &str, seen: &str) -> Result<(), String> {
    let seen: Vec<&str> = seen.lines().map(str::trim_end).collect();
    let (mut next, mut anywhere) = (0, true);
    for line in expected.lines().map(str::trim_end) {
        if line.trim() == "…" {
            anywhere = true;
            continue;
        }
        let from = &seen[next..];
        let found = match anywhere {
            true => from.iter().position(|seen| fits(line, seen)),
            false => from.first().filter(|seen| fits(line, seen)).map(|_| 0),
        };
        let Some(found) = found else {
            let place = if anywhere { "nowhere" } else { "not the next line" };
            return Err(format!("{place}: {line}"));
        };
        next += found + 1;
        anywhere = false;
    }
    Ok(())
}

/// Whether a line is what the pattern says, in which `…` is any text.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn the_page_is_compared_line_by_line() {
    let seen = "one\ntwo 17 rows\nthree\nfour";
    for page in [
        "one\ntwo 17 rows",
        "two … rows\nthree",
        "…\nthree",
        "one\n…\nfour",
        "…wo … row…\nthree\nfour",
    ] {
        assert_eq!(compare(page, seen), Ok(()), "{page}");
    }
    for page in ["one\nthree", "five", "four\none", "two … row", "three\nfour\nfive", "o"] {
        assert!(compare(page, seen).is_err(), "{page}");
    }
}

#[test]
fn a_section_has_its_alerts_and_its_blocks() {
    let text = "\nFires: [Aa](runbook.md#aa) after 5 minutes, [Bb](runbook.md#bb) at once.\n\
                Perhaps also: [Cc](runbook.md#cc).\n\n```sh\ntrue\n```\n```text\nyes\n```\n";
    let Section { blocks, fire, perhaps } = section(text);
    assert_eq!(blocks, [Block::Commands("true\n".into()), Block::Seen("yes".into())]);
    assert_eq!(fire, BTreeMap::from([("Aa".to_owned(), 5), ("Bb".to_owned(), 0)]));
    assert_eq!(perhaps, BTreeSet::from(["Cc".to_owned()]));
}
