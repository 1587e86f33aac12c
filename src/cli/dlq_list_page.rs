//! What `dlq list` says.

use std::fmt::Write;

use indicatif::{HumanBytes, HumanCount};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::page::{cell, width, wrapped};
use super::transfer_page::counted;
use crate::config::on_one_line;
use crate::letters::{Backlog, Example, Group, Overview};

/// The most groups on a page: a screen.
const MOST_GROUPS: usize = 12;

/// What was found.
pub struct Listed<'a> {
    pub domain: &'a str,
    /// The table or topic.
    pub place: &'a str,
    /// The group of letters in a topic.
    pub group: String,
    pub overview: &'a Overview,
}

/// For people: two lines a group. `terminal` is its width; without one nothing is cut.
pub fn text(listed: &Listed<'_>, terminal: Option<usize>) -> String {
    let Listed { domain, place, overview, .. } = listed;
    let mut text = format!("{domain}: dead letters in {place}\n");
    let contract = |group: &Group| {
        let contract = group.contract.as_deref().map(on_one_line);
        contract.unwrap_or_else(|| "an unknown contract".to_owned())
    };
    // A contract that all of them have stands once.
    let mut contracts: Vec<String> = overview.groups.iter().map(contract).collect();
    contracts.dedup();
    let same = (contracts.len() == 1).then(|| format!("by {}", contracts[0]));
    let shown = overview.groups.iter().take(MOST_GROUPS);
    let count = |group: &Group| HumanCount(group.letters).to_string();
    let times = |group: &Group| times(group.first_micros, group.last_micros);
    let widest = |of: &dyn Fn(&Group) -> String| shown.clone().map(|one| width(&of(one))).max();
    let (counts, spans) = (widest(&count).unwrap_or(0), widest(&times).unwrap_or(0));
    let reasons = widest(&|group| on_one_line(&group.reason)).unwrap_or(0);
    let indent = " ".repeat(counts + 2);
    let mut lines: Vec<String> = same.clone().into_iter().chain([String::new()]).collect();
    for group in shown {
        let event_type = group.event_type.as_deref().map(on_one_line);
        lines.push(format!(
            "{:>counts$}  {}  {}  {}",
            count(group),
            cell(&times(group), spans),
            cell(&on_one_line(&group.reason), reasons),
            event_type.as_deref().unwrap_or("no event type"),
        ));
        let Example { at, message, detail } = &group.example;
        let message = message.map(|at| format!(" (letter {}/{})", at.partition, at.offset));
        let redriven = match group.redriven {
            0 => String::new(),
            rows => format!("{} redriven; ", HumanCount(rows)),
        };
        lines.push(format!(
            "{indent}{redriven}e.g. {}/{}{}  {}",
            at.partition,
            at.offset,
            message.unwrap_or_default(),
            on_one_line(detail),
        ));
        if same.is_none() {
            lines.push(format!("{indent}by {}", contract(group)));
        }
    }
    // Writing to a string cannot fail.
    for line in lines {
        let line = terminal.map_or(line.clone(), |most| cell(&line, most));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if !overview.groups.is_empty() {
        text.push('\n');
    }
    for sentence in summary(listed) {
        let sentence = terminal.map_or(sentence.clone(), |columns| wrapped(&sentence, columns));
        let _ = writeln!(text, "{sentence}");
    }
    text
}

/// The last lines.
fn summary(listed: &Listed<'_>) -> Vec<String> {
    let Listed { overview, group, .. } = listed;
    let mut all = Vec::new();
    let letters = match overview.letters {
        0 => "no dead letters".to_owned(),
        letters => counted(letters, "dead letter"),
    };
    let redriven = match overview.redriven {
        0 => String::new(),
        rows => format!(", of which {} redriven: they are rows by now", HumanCount(rows)),
    };
    let billed = match overview.bytes_billed {
        0 => String::new(),
        bytes => format!(" (billed {})", HumanBytes(bytes)),
    };
    all.push(format!("{letters}{redriven}{billed}"));
    let hidden = overview.groups.len().saturating_sub(MOST_GROUPS);
    if hidden > 0 || overview.is_cut {
        let more = if overview.is_cut { "at least " } else { "" };
        all.push(format!("{more}{hidden} more groups; --json has {}", overview.groups.len()));
    }
    if let Some(Backlog { is_committed, before, foreign, .. }) = &overview.backlog {
        let before = match before {
            0 => String::new(),
            count => format!("; {} offsets before it are dealt with", HumanCount(*count)),
        };
        all.push(match is_committed {
            true => format!("read from the committed offsets of the group {group}{before}"),
            false => format!(
                "read from the topic's beginning: the group {group} has committed nothing yet"
            ),
        });
        if *foreign > 0 {
            all.push(format!("{} messages there are no dead letters", HumanCount(*foreign)));
        }
    }
    all
}

/// `2026-11-30 08:13–09:14`: from the first to the last, in UTC.
fn times(first: Option<i64>, last: Option<i64>) -> String {
    let (Some(first), Some(last)) = (first.map(minute), last.map(minute)) else {
        return "at an unknown time".to_owned();
    };
    match (first.split_once(' '), last.split_once(' ')) {
        (_, _) if first == last => first,
        (Some((day, from)), Some((last_day, to))) if day == last_day => {
            format!("{day} {from}–{to}")
        }
        (_, _) => format!("{first} – {last}"),
    }
}

fn minute(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

/// A time in microseconds since the epoch, to the second.
pub fn second(micros: i64) -> String {
    let at = Timestamp::from_microsecond(micros).unwrap_or_default();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// For programs.
pub fn json(listed: &Listed<'_>) -> String {
    let Listed { domain, place, group, overview } = listed;
    let time = |micros: Option<i64>| micros.and_then(|at| Timestamp::from_microsecond(at).ok());
    let time = |micros| time(micros).map(|at| at.to_string());
    let one = |group: &Group| {
        let example = &group.example;
        json!({
            "reason": group.reason,
            "contract": group.contract,
            "event_type": group.event_type,
            "letters": group.letters,
            "redriven": group.redriven,
            "first": time(group.first_micros),
            "last": time(group.last_micros),
            "example": {
                "partition": example.at.partition.0,
                "offset": example.at.offset.0,
                "place": example.place(),
                "detail": example.detail,
                "letter": example.message.map(|at| json!({
                    "partition": at.partition.0, "offset": at.offset.0,
                })),
            },
        })
    };
    let backlog = overview.backlog.as_ref().map(|backlog| {
        let part = |(partition, (from, to)): (&crate::record::Partition, &(_, _))| {
            let (from, to): (&crate::record::Offset, &crate::record::Offset) = (from, to);
            json!({ "partition": partition.0, "from": from.0, "to": to.0 })
        };
        json!({
            "group": group,
            "committed": backlog.is_committed,
            "before": backlog.before,
            "foreign": backlog.foreign,
            "read": backlog.read.iter().map(part).collect::<Vec<Value>>(),
        })
    });
    let all = json!({
        "domain": domain,
        "place": place,
        "letters": overview.letters,
        "redriven": overview.redriven,
        "cut": overview.is_cut,
        "bytes_billed": overview.bytes_billed,
        "backlog": backlog,
        "groups": overview.groups.iter().map(one).collect::<Vec<_>>(),
    });
    format!("{all}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Offset, Partition, Position};

    fn group(reason: &str, letters: u64) -> Group {
        Group {
            reason: reason.to_owned(),
            contract: Some(
                "contracts.delivery.delivery_events_v10#DeliveryEventsV10Topic@10.0.0".into(),
            ),
            event_type: Some("OrderPlaced\u{1b}[2J".to_owned()),
            letters,
            redriven: letters / 2,
            first_micros: Some(1_795_255_200_000_000),
            last_micros: Some(1_795_255_260_000_000),
            example: Example {
                at: Position::new(0, 17),
                message: None,
                detail: format!("/items/1/sku: found array, expected string{}", "…".repeat(900)),
            },
        }
    }

    fn overview(groups: usize) -> Overview {
        let groups = (0..groups).map(|n| group("wrong_type", 1_234 - n as u64)).collect();
        Overview { groups, letters: 5_678, redriven: 90, ..Overview::default() }
    }

    fn listed(overview: &Overview) -> Listed<'_> {
        let group = "delivery-dead-letters".to_owned();
        Listed { domain: "DELIVERY", place: "p.d.delivery_events_dead_letters", group, overview }
    }

    #[test]
    fn a_page_fits_its_terminal_and_forges_nothing() {
        let overview = overview(25);
        for columns in [40, 80, 200] {
            let page = text(&listed(&overview), Some(columns));
            assert!(page.lines().skip(1).all(|line| width(line) <= columns), "{page}");
            assert!(!page.contains('\u{1b}'), "{page}");
            assert!(page.contains("5,678 dead letters"), "{page}");
        }
        let page = text(&listed(&overview), Some(80));
        let line = "1,234  2026-11-21 10:00–10:01  wrong_type  OrderPlaced\\u{1b}[2J\n";
        assert!(page.contains(line), "{page}");
        assert!(
            page.contains("       617 redriven; e.g. 0/17  /items/1/sku: found array"),
            "{page}"
        );
        assert_eq!(page.matches("by contracts.delivery").count(), 1, "{page}");
        assert!(page.contains("13 more groups; --json has 25"), "{page}");
        assert!(page.lines().count() < 40, "a screen:\n{page}");
        assert_eq!(page.matches("e.g.").count(), MOST_GROUPS);
        // A pipe gets all of a detail.
        assert!(text(&listed(&overview), None).contains(&"…".repeat(900)));
    }

    #[test]
    fn a_group_says_its_contract_where_there_are_several() {
        let mut overview = overview(2);
        overview.groups[1].contract = None;
        overview.groups[1].last_micros = Some(1_795_355_200_000_000);
        let page = text(&listed(&overview), Some(80));
        assert!(page.contains("       by contracts.delivery"), "{page}");
        assert!(page.contains("       by an unknown contract"), "{page}");
        assert!(page.contains("2026-11-21 10:00 – 2026-11-22 13:46"), "{page}");
    }

    #[test]
    fn a_page_says_where_a_topic_was_read() {
        let read = [(Partition(0), (Offset(5), Offset(9)))].into();
        let backlog = Backlog { read, is_committed: true, before: 5, foreign: 1 };
        let mut overview = Overview { backlog: Some(backlog.clone()), ..Overview::default() };
        let page = text(&listed(&overview), Some(80)).replace('\n', " ");
        assert!(page.contains("no dead letters"), "{page}");
        assert!(
            page.contains(
                "the committed offsets of the group delivery-dead-letters; 5 offsets before"
            ),
            "{page}"
        );
        assert!(page.contains("1 messages there are no dead letters"), "{page}");
        let found: Value = serde_json::from_str(&json(&listed(&overview))).expect("JSON");
        assert_eq!(found["backlog"]["read"][0], json!({"partition": 0, "from": 5, "to": 9}));
        overview.backlog = Some(Backlog { is_committed: false, before: 0, ..backlog });
        let page = text(&listed(&overview), Some(80)).replace('\n', " ");
        assert!(page.contains("has committed nothing yet"), "{page}");
    }

    #[test]
    fn json_has_the_place_in_the_event() {
        let overview = overview(1);
        let found: Value = serde_json::from_str(&json(&listed(&overview))).expect("JSON");
        let group = &found["groups"][0];
        assert_eq!(group["example"]["place"], "/items/1/sku");
        assert_eq!((&group["letters"], &group["redriven"]), (&json!(1_234), &json!(617)));
        assert_eq!(group["first"], "2026-11-21T10:00:00Z");
        assert_eq!(found["backlog"], Value::Null);
    }
}
