//! What `dlq redrive` says, with and without `--dry-run`.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use super::page::{cell, wrapped};
use super::transfer_page::counted;
use crate::config::on_one_line;
use crate::letters::{Fate, Moved, Trial, Tried};

/// What was found.
pub struct Tries<'a> {
    pub domain: &'a str,
    /// Where the letters are.
    pub place: &'a str,
    /// Where the rows would go.
    pub target: &'a str,
    pub contract: &'a str,
    pub trial: &'a Trial,
    /// How far the group of letters in a topic has been moved.
    pub moved: Option<Moved>,
    pub what: What,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    DryRun,
    /// There was nothing to redrive.
    Nothing,
    Done {
        run: u64,
        inserted: u64,
        took: Duration,
    },
    /// Rows went through the sink.
    Written {
        rows: u64,
        /// Letters that were written again, behind the others.
        again: u64,
        took: Duration,
    },
}

/// For people. `terminal` is its width; without one nothing is cut.
pub fn text(tries: &Tries<'_>, terminal: Option<usize>) -> String {
    let Tries { domain, place, contract, trial, what, .. } = tries;
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
        lines.push(format!("{:11}{count:>7}  {}  {example}", "", described(*what, of, fate)));
    }
    for line in lines {
        let line = terminal.map_or(line.clone(), |most| cell(&line, most));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    for sentence in said(tries) {
        let sentence = terminal.map_or(sentence.clone(), |columns| wrapped(&sentence, columns));
        let _ = writeln!(text, "{sentence}");
    }
    text
}

/// The last lines.
fn said(tries: &Tries<'_>) -> Vec<String> {
    let Tries { place, target, trial, moved, what, .. } = tries;
    let count = |is: &dyn Fn(&Fate) -> bool| HumanCount(trial.count(is)).to_string();
    let letters = counted(trial.letters(), "letter");
    let mut said = vec![match what {
        What::DryRun | What::Nothing if trial.letters() == 0 => {
            format!("nothing was written: there are no such letters in {place}")
        }
        What::DryRun => format!(
            "nothing was written: of {letters} {} would be rows of {target}, {} would not",
            count(&|fate| *fate == Fate::Row),
            count(&|fate| *fate != Fate::Row),
        ),
        What::Nothing => {
            format!("nothing was written: none of {letters} is to be redriven")
        }
        What::Written { rows, again, took } => format!(
            "{} written to {target} ({:.1} s); of {letters} {} dead again, {} left out; {} written again, \
             behind the others",
            counted(*rows, "row"),
            took.as_secs_f64(),
            count(&|fate| matches!(fate, Fate::Dead(_))),
            count(&|fate| !matches!(fate, Fate::Row | Fate::Dead(_))),
            counted(*again, "letter"),
        ),
        What::Done { run, inserted, took } => {
            let others = trial.count(|fate| *fate == Fate::Row).saturating_sub(*inserted);
            let others = match others {
                0 => String::new(),
                others => format!("{} were there meanwhile, ", HumanCount(others)),
            };
            format!(
                "{} inserted into {target} (run {run}, {:.1} s); {others}{} of {letters} are dead again, \
                 {} were left out",
                counted(*inserted, "row"),
                took.as_secs_f64(),
                count(&|fate| matches!(fate, Fate::Dead(_))),
                count(&|fate| !matches!(fate, Fate::Row | Fate::Dead(_))),
            )
        }
    }];
    if !trial.asked && *what == What::DryRun {
        said.push("which of them the sink has already was not asked".to_owned());
    }
    if trial.count(|fate| *fate == Fate::Taken) > 0 {
        let why = "the topic was deleted and created again, and the table tells rows apart by their \
                   positions, so no redrive can insert these records: `produce --envelope` publishes \
                   them anew";
        said.push(why.to_owned());
    }
    if trial.count(|fate| *fate == Fate::OtherGroup) > 0 {
        said.push(
            "letters of another group are left to the domain with its GROUP_ID: `dlq show` names it"
                .to_owned(),
        );
    }
    if trial.count(|fate| *fate == Fate::Tried) > 0 {
        said.push("--again also tries letters that three redrives have written again".to_owned());
    }
    if let Some(Moved { group, passed, left }) = moved {
        let (passed, left) = (HumanCount(*passed), HumanCount(*left));
        said.push(format!("the group {group} has passed {passed} offsets, {left} are left"));
    }
    if trial.bytes_billed > 0 {
        said.push(format!("billed {}", HumanBytes(trial.bytes_billed)));
    }
    said
}

fn described(what: What, reason: &str, fate: &Fate) -> String {
    let would = |now: &str, then: &str| match what {
        What::Done { .. } | What::Written { .. } => now.to_owned(),
        What::DryRun | What::Nothing => then.to_owned(),
    };
    match fate {
        Fate::Dead(again) if again == reason => "dead again".to_owned(),
        Fate::Row => would("are rows now", "would be rows"),
        Fate::Ignored(label) => {
            format!("{} ({})", would("are ignored", "would be ignored"), on_one_line(label))
        }
        Fate::Dead(reason) => format!("dead again: {}", on_one_line(reason)),
        Fate::There => "are rows already".to_owned(),
        Fate::Taken => "have positions at which other records' rows are".to_owned(),
        Fate::Gap => "are among rows that are missing: `replay --gaps` first".to_owned(),
        Fate::Instances => "may still be read again by an instance".to_owned(),
        Fate::Tried => "have been tried too often".to_owned(),
        Fate::Incomplete => "lack parts of their records".to_owned(),
        Fate::OtherTopic => "are records of another topic".to_owned(),
        Fate::OtherGroup => "are another group's, which has its own contract".to_owned(),
    }
}

/// For programs.
pub fn json(tries: &Tries<'_>) -> String {
    let Tries { domain, place, target, contract, trial, moved, what } = tries;
    let one = |((reason, fate), tried): (&(String, Fate), &Tried)| {
        let (fate, of): (&str, Option<&String>) = match fate {
            Fate::Row => ("row", None),
            Fate::Ignored(label) => ("ignored", Some(label)),
            Fate::Dead(reason) => ("dead", Some(reason)),
            Fate::There => ("there", None),
            Fate::Taken => ("taken", None),
            Fate::Gap => ("gap", None),
            Fate::Instances => ("instances", None),
            Fate::Tried => ("tried", None),
            Fate::Incomplete => ("incomplete", None),
            Fate::OtherTopic => ("other_topic", None),
            Fate::OtherGroup => ("other_group", None),
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
    let (run, inserted, again, took) = match what {
        What::DryRun | What::Nothing => (None, 0, 0, None),
        What::Done { run, inserted, took } => (Some(run), *inserted, 0, Some(took)),
        What::Written { rows, again, took } => (None, *rows, *again, Some(took)),
    };
    let all = json!({
        "dry_run": *what == What::DryRun,
        "run": run,
        "inserted": inserted,
        "again": again,
        "seconds": took.map(Duration::as_secs_f64),
        "bytes_billed": trial.bytes_billed,
        "domain": domain,
        "place": place,
        "target": target,
        "contract": contract,
        "letters": trial.letters(),
        "rows": trial.count(|fate| *fate == Fate::Row),
        "sink_asked": trial.asked,
        "moved": moved.as_ref().map(|moved| {
            json!({ "group": moved.group, "passed": moved.passed, "left": moved.left })
        }),
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
            Fate::OtherGroup,
            Fate::Ignored("filter".to_owned()),
            Fate::Taken,
            Fate::Instances,
            Fate::Tried,
        ];
        let all = (1..).zip(fates).map(|(n, fate)| ((reason.clone(), fate), tried(n * 1_000)));
        let trial = Trial { tried: all.collect(), asked: false, bytes_billed: 2_048 };
        let tries = Tries {
            domain: "DELIVERY",
            place: "p.d.t_dead_letters",
            target: "p.d.t",
            contract: "contracts.c#C@1",
            trial: &trial,
            moved: Some(Moved { group: "g-dead-letters".to_owned(), passed: 1_200, left: 3 }),
            what: What::DryRun,
        };
        let page = text(&tries, Some(80));
        assert!(page.lines().all(|line| width(line) <= 80), "{page}");
        assert!(!page.contains('\u{1b}'), "{page}");
        assert!(page.contains("   55,000  wrong_type\n"), "{page}");
        assert!(
            page.contains("2,000  dead again: bad_format  e.g. 0/17  /a\\u{1b}: xxx"),
            "{page}"
        );
        let said = page.replace('\n', " ");
        assert!(said.contains("of 55,000 letters 1,000 would be rows of p.d.t, 54,000 would not"));
        assert!(said.contains("was not asked"), "{said}");
        assert!(said.contains("the group g-dead-letters has passed 1,200 offsets, 3 are left"));
        let found: Value = serde_json::from_str(&json(&tries)).expect("JSON");
        let none = Trial { asked: true, ..Trial::default() };
        let nothing = Tries { trial: &none, moved: None, what: What::Nothing, ..tries };
        let page = text(&nothing, None);
        assert!(page.ends_with("there are no such letters in p.d.t_dead_letters\n"), "{page}");
        assert_eq!((&found["letters"], &found["rows"]), (&json!(55_000), &json!(1_000)));
        assert_eq!(found["tried"].as_array().map(Vec::len), Some(10));
    }
}
