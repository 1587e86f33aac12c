//! What `verify` says.

use std::fmt::Write;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use super::page::line;
use super::transfer_page::counted;
use crate::record::Partition;
use crate::verify::{Fates, PartitionChain, Reread, Span, Verified};

/// The most places that are listed of each kind.
const MOST_LINES: usize = 20;

/// What was found.
pub struct Page<'a> {
    pub domain: &'a str,
    pub target: &'a str,
    pub topic: &'a str,
    pub verified: &'a Verified,
    pub reread: Option<&'a [Reread]>,
    /// Dead letters are not in a table beside the rows.
    pub letters_elsewhere: bool,
    /// Only rows of a part of the time were asked for.
    pub is_part: bool,
}

impl Page<'_> {
    /// What stands in a span by Kafka, where that was read.
    fn fates(&self, partition: Partition, span: &Span) -> Option<&Fates> {
        let mut all = self.reread.into_iter().flatten();
        let found = all.find(|one| one.partition == partition && one.span == *span);
        found.map(|one| &one.fates)
    }
}

pub fn places(count: usize) -> &'static str {
    if count == 1 { "place" } else { "places" }
}

/// For people.
pub fn text(page: &Page<'_>) -> String {
    let chains = &page.verified.chains;
    let mut text = format!("{}: {}, from the topic {}\n\n", page.domain, page.target, page.topic);
    let header = ["partition", "rows", "first", "last", "repeated", "missing", "unproven", "tail"];
    let mut rows: Vec<[String; 8]> = vec![header.map(str::to_owned)];
    for (partition, chain) in chains {
        let end =
            |of: fn(Span) -> i64| chain.ends.map_or("–".to_owned(), |ends| of(ends).to_string());
        rows.push([
            partition.to_string(),
            HumanCount(chain.rows).to_string(),
            end(|ends| ends.from.0),
            end(|ends| ends.to.0),
            HumanCount(chain.repeated.len() as u64).to_string(),
            HumanCount(chain.missing.len() as u64).to_string(),
            HumanCount(chain.unproven().count() as u64).to_string(),
            match (chain.tail, chain.tail_is_known) {
                (Some(_), _) => "missing".to_owned(),
                (None, true) => "there".to_owned(),
                (None, false) => "?".to_owned(),
            },
        ]);
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in &rows {
        // Writing to a string cannot fail.
        let cells = row.iter().map(String::as_str).zip(widths.iter().copied());
        let _ = writeln!(text, "{}", line(cells));
    }
    let all: u64 = chains.values().map(|chain| chain.rows).sum();
    if all == 0 {
        text.push_str(match page.is_part {
            true => "the table has no rows with a position in this part of the time\n",
            false => "the table has no rows with a position\n",
        });
    }
    text.push('\n');
    for (what, lines) in listed(page) {
        for one in lines.iter().take(MOST_LINES) {
            let _ = writeln!(text, "{what:10}{one}");
        }
        if lines.len() > MOST_LINES {
            let _ = writeln!(
                text,
                "{:10}and {} more",
                "",
                HumanCount((lines.len() - MOST_LINES) as u64)
            );
        }
    }
    if page.verified.is_cut {
        text.push_str("The table has more such places than are read: this is not all.\n");
    }
    if page.letters_elsewhere && chains.values().any(|chain| !chain.missing.is_empty()) {
        text.push_str(
            "Rows that the store refused are in dead letters elsewhere, and seem missing.\n",
        );
    }
    if !page.verified.tails_checked {
        text.push_str(
            "Whether rows are missing at the ends is not known where the tail is `?`: no committed offset \
             says which row is the last.\n",
        );
    }
    let verdict = match page.verified.is_complete() {
        true if all == 0 => "nothing to compare",
        true => "each row that another one names is there, once",
        false => "not complete",
    };
    let _ = write!(text, "{}: {verdict}", counted(all, "row"));
    if page.verified.bytes_billed > 0 {
        let _ = write!(text, " (billed {})", HumanBytes(page.verified.bytes_billed));
    }
    text.push('\n');
    text
}

/// The places, by kind.
fn listed(page: &Page<'_>) -> Vec<(&'static str, Vec<String>)> {
    let (mut repeated, mut missing, mut tail, mut unproven) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (partition, chain) in &page.verified.chains {
        let at = |span: &Span| match span.from == span.to {
            true => format!("partition {partition}, offset {}", span.from),
            false => format!("partition {partition}, offsets {} to {}", span.from, span.to),
        };
        for one in &chain.repeated {
            repeated
                .push(format!("partition {partition}, offset {}: {} rows", one.offset, one.copies));
        }
        for one in &chain.missing {
            let named = format!("row {} names {} as the one before it", one.named_by, one.span.to);
            missing.push(format!(
                "{}: {named}{}",
                at(&one.span),
                fates(page, *partition, &one.span)
            ));
        }
        if let Some(span) = chain.tail_span() {
            let committed = "the committed offset says that it is a row";
            tail.push(format!("{}: {committed}{}", at(&span), fates(page, *partition, &span)));
        }
        for span in &chain.unproven {
            let begins = format!(
                "a chain begins after {}",
                if span.from == span.to { "it" } else { "them" }
            );
            unproven.push(format!("{}: {begins}{}", at(span), fates(page, *partition, span)));
        }
        if let Some(span) = &chain.untold {
            let set = "somebody has set the committed offset, which does not say what they are";
            unproven.push(format!("{}: {set}{}", at(span), fates(page, *partition, span)));
        }
    }
    vec![("repeated", repeated), ("missing", missing), ("tail", tail), ("unproven", unproven)]
}

/// What stands there by Kafka.
fn fates(page: &Page<'_>, partition: Partition, span: &Span) -> String {
    let found = page.fates(partition, span);
    found.map_or(String::new(), |fates| format!("; by Kafka {}", described(fates)))
}

fn described(fates: &Fates) -> String {
    let Fates { rows, named, ignored, rejected, aborted, no_record, gone } = fates;
    let mut parts = Vec::new();
    if *rows > 0 {
        let first = named.first().map_or(String::new(), |at| format!(" (first {})", at.offset));
        parts.push(format!("{}{first}", counted(*rows, "row")));
    }
    for (label, count) in ignored {
        parts.push(format!("{} ignored ({label})", HumanCount(*count)));
    }
    for (reason, count) in rejected {
        parts.push(format!("{} ({reason})", counted(*count, "dead letter")));
    }
    for (count, what) in [
        (*aborted, "of aborted transactions"),
        (*no_record, "compacted or transaction markers"),
        (*gone, "no longer there"),
    ] {
        if count > 0 {
            parts.push(format!("{} {what}", HumanCount(count)));
        }
    }
    parts.join(", ")
}

/// For programs.
pub fn json(page: &Page<'_>) -> String {
    let span = |span: &Span| json!({ "from": span.from.0, "to": span.to.0 });
    let partition = |(partition, chain): (&Partition, &PartitionChain)| {
        let told = |at: &Span| {
            let mut one = span(at);
            if let Some(fates) = page.fates(*partition, at) {
                one["kafka"] = fates_json(fates);
            }
            one
        };
        let missing = chain.missing.iter().map(|missing| {
            let mut one = told(&missing.span);
            one["named_by"] = json!(missing.named_by.0);
            one
        });
        let repeated = chain.repeated.iter();
        json!({
            "partition": partition.0,
            "rows": chain.rows,
            "first": chain.ends.map(|ends| ends.from.0),
            "last": chain.ends.map(|ends| ends.to.0),
            "repeated": repeated.map(|one| json!({ "offset": one.offset.0, "rows": one.copies })).collect::<Vec<_>>(),
            "missing": missing.collect::<Vec<_>>(),
            "unproven": chain.unproven().map(|span| told(&span)).collect::<Vec<_>>(),
            "tail": chain.tail_span().map(|span| told(&span)),
            "tail_known": chain.tail_is_known,
        })
    };
    let all = json!({
        "domain": page.domain,
        "target": page.target,
        "topic": page.topic,
        "complete": page.verified.is_complete(),
        "tails_checked": page.verified.tails_checked,
        "cut": page.verified.is_cut,
        "bytes_billed": page.verified.bytes_billed,
        "partitions": page.verified.chains.iter().map(partition).collect::<Vec<_>>(),
    });
    format!("{all}\n")
}

fn fates_json(fates: &Fates) -> Value {
    let Fates { rows, named, ignored, rejected, aborted, no_record, gone } = fates;
    json!({
        "rows": rows,
        "offsets": named.iter().map(|at| at.offset.0).collect::<Vec<_>>(),
        "ignored": ignored,
        "rejected": rejected,
        "aborted": aborted,
        "no_record": no_record,
        "gone": gone,
    })
}
