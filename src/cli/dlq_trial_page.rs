//! What `dlq redrive --dry-run` says.

use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Value, json};

use super::page::{cell, wrapped};
use crate::config::on_one_line;
use crate::letters::{Fate, Trial, Tried};

/// What was found.
pub struct Tries<'a> {
    pub domain: &'a str,
    /// Where the letters are.
    pub place: &'a str,
    /// Where the rows would go.
    pub target: &'a str,
    pub contract: &'a str,
    pub trial: &'a Trial,
}

/// For people. `terminal` is its width; without one nothing is cut.
pub fn text(tries: &Tries<'_>, terminal: Option<usize>) -> String {
    let Tries { domain, place, target, contract, trial } = tries;
    let mut text = format!("{domain}: dead letters in {place}\n");
    let mut lines = vec![format!("tried by {}", on_one_line(contract)), String::new()];
    let mut reason = None;
    for ((of, fate), Tried { letters, example }) in &trial.tried {
        if reason != Some(of) {
            let all = trial.tried.iter().filter(|((other, _), _)| other == of);
            let all: u64 = all.map(|(_, tried)| tried.letters).sum();
            lines.push(format!("{:>9}  {}", HumanCount(all).to_string(), on_one_line(of)));
            reason = Some(of);
        }
        let at = format!("{}/{}", example.at.partition, example.at.offset);
        let example = match fate {
            Fate::Dead(_) => format!("e.g. {at}  {}", on_one_line(&example.detail)),
            _ => format!("e.g. {at}"),
        };
        let count = HumanCount(*letters).to_string();
        lines.push(format!("{:11}{count:>7}  {}  {example}", "", described(of, fate)));
    }
    for line in lines {
        let line = terminal.map_or(line.clone(), |most| cell(&line, most));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    let mut said = vec![format!(
        "nothing was written: of {} letters {} would be rows of {target}, {} would not",
        HumanCount(trial.letters()),
        HumanCount(trial.count(|fate| *fate == Fate::Row)),
        HumanCount(trial.count(|fate| *fate != Fate::Row)),
    )];
    if !trial.asked {
        said.push("which of them the sink has already was not asked".to_owned());
    }
    for sentence in said {
        let sentence = terminal.map_or(sentence.clone(), |columns| wrapped(&sentence, columns));
        let _ = writeln!(text, "{sentence}");
    }
    text
}

fn described(reason: &str, fate: &Fate) -> String {
    match fate {
        Fate::Dead(again) if again == reason => "dead again".to_owned(),
        Fate::Row => "would be rows".to_owned(),
        Fate::Ignored(label) => format!("would be ignored ({})", on_one_line(label)),
        Fate::Dead(reason) => format!("dead again: {}", on_one_line(reason)),
        Fate::There => "are rows already".to_owned(),
        Fate::Incomplete => "lack parts of their records".to_owned(),
        Fate::OtherTopic => "are records of another topic".to_owned(),
    }
}

/// For programs.
pub fn json(tries: &Tries<'_>) -> String {
    let Tries { domain, place, target, contract, trial } = tries;
    let one = |((reason, fate), tried): (&(String, Fate), &Tried)| {
        let (fate, of): (&str, Option<&String>) = match fate {
            Fate::Row => ("row", None),
            Fate::Ignored(label) => ("ignored", Some(label)),
            Fate::Dead(reason) => ("dead", Some(reason)),
            Fate::There => ("there", None),
            Fate::Incomplete => ("incomplete", None),
            Fate::OtherTopic => ("other_topic", None),
        };
        json!({
            "reason": reason,
            "fate": fate,
            "of": of,
            "letters": tried.letters,
            "example": {
                "partition": tried.example.at.partition.0,
                "offset": tried.example.at.offset.0,
                "detail": tried.example.detail,
            },
        })
    };
    let all = json!({
        "domain": domain,
        "place": place,
        "target": target,
        "contract": contract,
        "letters": trial.letters(),
        "rows": trial.count(|fate| *fate == Fate::Row),
        "sink_asked": trial.asked,
        "tried": trial.tried.iter().map(one).collect::<Vec<Value>>(),
    });
    format!("{all}\n")
}

#[cfg(test)]
mod tests {
    use super::super::page::width;
    use super::*;
    use crate::letters::Example;
    use crate::record::Position;

    #[test]
    fn a_page_fits_its_terminal_and_counts_each_fate() {
        let tried = |letters: u64| {
            let detail = format!("/a\u{1b}: {}", "x".repeat(200));
            Tried { letters, example: Example { at: Position::new(0, 17), message: None, detail } }
        };
        let reason = "wrong_type".to_owned();
        let fates = [
            Fate::Row,
            Fate::Dead("bad_format".to_owned()),
            Fate::There,
            Fate::Incomplete,
            Fate::OtherTopic,
            Fate::Ignored("filter".to_owned()),
        ];
        let all = (1..).zip(fates).map(|(n, fate)| ((reason.clone(), fate), tried(n * 1_000)));
        let trial = Trial { tried: all.collect(), asked: false };
        let tries = Tries {
            domain: "DELIVERY",
            place: "p.d.t_dead_letters",
            target: "p.d.t",
            contract: "contracts.c#C@1",
            trial: &trial,
        };
        let page = text(&tries, Some(80));
        assert!(page.lines().all(|line| width(line) <= 80), "{page}");
        assert!(!page.contains('\u{1b}'), "{page}");
        assert!(page.contains("   21,000  wrong_type\n"), "{page}");
        assert!(
            page.contains("2,000  dead again: bad_format  e.g. 0/17  /a\\u{1b}: xxx"),
            "{page}"
        );
        let said = page.replace('\n', " ");
        assert!(said.contains("of 21,000 letters 1,000 would be rows of p.d.t, 20,000 would not"));
        assert!(said.contains("was not asked"), "{said}");
        let found: Value = serde_json::from_str(&json(&tries)).expect("JSON");
        assert_eq!((&found["letters"], &found["rows"]), (&json!(21_000), &json!(1_000)));
        assert_eq!(found["tried"].as_array().map(Vec::len), Some(6));
    }
}
