//! What `replay` prints: what would be read, and what was done.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};

use super::transfer_page::counted;
use crate::app::{Left, OpenedReplay, Why};
use crate::transfer::Summary;
use crate::transfer::source::Size;

/// The most parts that are listed.
const MOST_LINES: usize = 20;

/// What would be read and written. `domain` and `topic` are names.
pub fn plan(domain: &str, topic: &str, replay: &OpenedReplay) -> String {
    let mut text = String::new();
    line(&mut text, "replay", &format!("{domain} from topic {topic}"));
    let parts = replay.source.describe();
    if parts.is_empty() {
        line(&mut text, "read", "nothing");
    } else {
        line(&mut text, "read", &counted(offsets(replay), "offset"));
        listed(&mut text, parts.into_iter());
        if let Some(there) = replay.there {
            let there = format!("{} of these offsets have a row already", HumanCount(there));
            line(&mut text, "there", &there);
        }
        line(&mut text, "write", &format!("insert the rows that {} lacks", replay.opened.target));
        let letters = replay.opened.database.dead_letters();
        line(&mut text, "rejected", &format!("into {letters}"));
    }
    left(&mut text, &replay.left);
    if replay.bytes_billed > 0 {
        line(&mut text, "billed", &HumanBytes(replay.bytes_billed).to_string());
    }
    text
}

/// What a replay has done.
pub fn summary(domain: &str, replay: &OpenedReplay, done: &Summary, took: Duration) -> String {
    let mut text = String::new();
    line(&mut text, "replay", &format!("{domain}, run {}", done.run.number));
    let counts = done.run.counts;
    line(&mut text, "read", &counted(counts.read, "record"));
    let mut left_out = Vec::new();
    let there = counts.rows.saturating_sub(done.applied.inserted);
    for (count, what) in [
        (there, "there already".to_owned()),
        (counts.ignored, "ignored".to_owned()),
        (counts.rejected, format!("rejected, in {}", done.dead_letters)),
    ] {
        if count > 0 {
            left_out.push(format!("{} {what}", HumanCount(count)));
        }
    }
    if !left_out.is_empty() {
        line(&mut text, "left out", &left_out.join("; "));
    }
    let into = format!("{} into {}", counted(done.applied.inserted, "row"), replay.opened.target);
    line(&mut text, "inserted", &into);
    left(&mut text, &replay.left);
    let billed = replay.bytes_billed + done.applied.bytes_billed.unwrap_or(0);
    if billed > 0 {
        line(&mut text, "billed", &HumanBytes(billed).to_string());
    }
    line(&mut text, "took", &format!("{:.1} s", took.as_secs_f64()));
    text
}

/// At most so many records are read.
pub fn offsets(replay: &OpenedReplay) -> u64 {
    match replay.source.size() {
        Size::Records(offsets) | Size::About(offsets) | Size::Bytes(offsets) => offsets,
    }
}

/// What is not read, and what to do about it.
fn left(text: &mut String, left: &[Left]) {
    for (why, what) in [
        (Why::Gone, "the broker does not have them any more"),
        (Why::Instances, "the instances have yet to write them, or to make them visible"),
        (Why::NoBeginning, "no row is before them; --from says where to begin"),
    ] {
        let of: Vec<String> = left.iter().filter(|one| one.why == why).map(place).collect();
        if !of.is_empty() {
            line(text, "not read", &format!("{what}:"));
            listed(text, of.into_iter());
        }
    }
}

fn place(left: &Left) -> String {
    format!("partition {}: offsets {} to {}", left.partition, left.span.from, left.span.to)
}

fn listed(text: &mut String, mut lines: impl ExactSizeIterator<Item = String>) {
    let more = lines.len().saturating_sub(MOST_LINES);
    for one in lines.by_ref().take(MOST_LINES) {
        line(text, "", &one);
    }
    if more > 0 {
        line(text, "", &format!("and {more} more"));
    }
}

fn line(text: &mut String, what: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what:12}{value}");
}
