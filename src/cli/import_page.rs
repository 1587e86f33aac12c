//! What became of the entries of an imported file, as a table or as JSON.

use serde_json::json;

use super::page::{width, wrapped};
use crate::icm::{Import, Line, Outcome};

/// The narrowest column of outcomes next to their entries.
const NARROWEST: usize = 30;

/// The table, with lines of at most this many columns on a terminal.
pub fn page(import: &Import, domain: &str, files: &[String], columns: Option<usize>) -> String {
    let lines = || import.entries.iter().chain(&import.added);
    let widest = lines().map(|line| width(&line.name)).max().unwrap_or(0);
    let mut text = String::new();
    for line in &import.entries {
        text.push_str(&row(&line.name, &of_entry(&line.outcome), widest, columns));
    }
    if !import.added.is_empty() {
        text.push_str("\nwithout an entry\n");
        for line in &import.added {
            text.push_str(&row(&line.name, &of_key(&line.outcome), widest, columns));
        }
    }
    let count =
        |of: fn(&Outcome) -> bool| import.entries.iter().filter(|it| of(&it.outcome)).count();
    let keys = count(|outcome| matches!(outcome, Outcome::Key(_)));
    let left_out = count(|outcome| matches!(outcome, Outcome::LeftOut(_)));
    let to_do = lines().filter(|line| matches!(line.outcome, Outcome::ToDo(_))).count();
    let sentences = [
        format!("{keys} entries became keys, {left_out} are left out, {to_do} things are to do"),
        format!("wrote {}", files.join(" and ")),
        format!("`generic-consumer config {domain}` in that folder says what is still missing"),
    ];
    let sentences = sentences.map(|it| columns.map_or(it.clone(), |columns| wrapped(&it, columns)));
    format!("{text}\n{}\n", sentences.join("\n"))
}

/// A name and its outcome next to it; below it where little is left of the line.
fn row(name: &str, outcome: &str, widest: usize, columns: Option<usize>) -> String {
    let Some(columns) = columns else {
        return format!("{name}{}  {outcome}\n", " ".repeat(widest - width(name)));
    };
    let (begin, indent) = match columns.saturating_sub(widest + 2) >= NARROWEST {
        true => (format!("{name}{}  ", " ".repeat(widest - width(name))), widest + 2),
        false => (format!("{name}\n    "), 4),
    };
    let outcome = wrapped(outcome, columns.saturating_sub(indent).max(1));
    format!("{begin}{}\n", outcome.replace('\n', &format!("\n{}", " ".repeat(indent))))
}

fn of_entry(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Key(keys) => format!("-> {keys}"),
        Outcome::LeftOut(reason) => format!("left out: {reason}"),
        Outcome::ToDo(what) => format!("to do: {what}"),
    }
}

/// The outcome of a key without an entry, whose value it may be.
fn of_key(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Key(value) => value.clone(),
        Outcome::LeftOut(_) | Outcome::ToDo(_) => of_entry(outcome),
    }
}

pub fn json(import: &Import, domain: &str, files: &[String]) -> String {
    let line = |line: &Line| {
        let (outcome, text) = match &line.outcome {
            Outcome::Key(text) => ("key", text),
            Outcome::LeftOut(text) => ("left_out", text),
            Outcome::ToDo(text) => ("to_do", text),
        };
        json!({"name": line.name, "outcome": outcome, "text": text})
    };
    let entries: Vec<_> = import.entries.iter().map(line).collect();
    let added: Vec<_> = import.added.iter().map(line).collect();
    let document = json!({"domain": domain, "files": files, "entries": entries, "added": added});
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_the_terminal_and_loses_no_word() {
        let reason =
            "a reason that is far too long for the line next to the entry of a narrow terminal";
        let line = |name: &str, outcome: Outcome| Line { name: name.to_owned(), outcome };
        let import = Import {
            entries: vec![
                line(
                    "service.consumer.kwargs.incoming_topic",
                    Outcome::Key("IN_TOPIC_CCX".to_owned()),
                ),
                line("service.extract_tmp_dir", Outcome::left_out(reason)),
            ],
            added: vec![line("RULES_CCX", Outcome::to_do(reason))],
            env_file: String::new(),
            toml: String::new(),
        };
        for columns in [40, 80, 120] {
            let text = page(&import, "CCX", &[".env".to_owned()], Some(columns));
            assert!(text.lines().all(|line| width(line) <= columns), "{text}");
            let words: Vec<&str> = text.split_whitespace().collect();
            let all = words.join(" ");
            assert_eq!(all.matches(reason).count(), 2, "{text}");
            assert!(all.contains("incoming_topic -> IN_TOPIC_CCX"), "{text}");
        }
        assert_eq!(page(&import, "CCX", &[], None).matches(reason).count(), 2);
    }
}
