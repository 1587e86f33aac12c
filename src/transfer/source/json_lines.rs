//! Files with a JSON object on each line.

use std::io::{self, BufRead, Read};

use crate::record::{Event, NoHeaders, Position, Reason, Rejection};
use crate::transfer::intake::{HandOn, Intake};

/// Reads all lines. Empty ones are no records. A line of more than `largest` bytes is rejected, and not
/// kept.
pub fn read(
    mut input: impl BufRead,
    partition: i32,
    largest: usize,
    intake: &mut Intake,
    hand_on: HandOn<'_>,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let read = input.by_ref().take(largest as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let is_whole = line.ends_with(b"\n") || read <= largest;
        let length = line.len() + if is_whole { 0 } else { skip_line(&mut input)? };
        let value = line.trim_ascii();
        if value.is_empty() && is_whole {
            continue;
        }
        let event = Event {
            at: Position::new(partition, number),
            timestamp_ms: None,
            key: None,
            value: Some(value),
            headers: &NoHeaders,
        };
        number += 1;
        match is_whole {
            true => intake.take_row(&event),
            false => {
                let detail = format!("the line has {length} bytes, the limit is {largest}");
                intake.take_unreadable(&event, Rejection::new(Reason::TooLarge, detail, None));
            }
        }
        if intake.is_full() && hand_on(intake.chunk()).is_break() {
            return Ok(());
        }
    }
}

/// Skips the rest of a line, and returns its bytes.
fn skip_line(input: &mut impl BufRead) -> io::Result<usize> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                input.consume(end + 1);
                return Ok(skipped + end + 1);
            }
            None => {
                let length = buffer.len();
                input.consume(length);
                skipped += length;
            }
        }
    }
}
