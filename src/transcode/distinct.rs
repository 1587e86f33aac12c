//! Repeated keys: of several values of one key the last counts.
//!
//! The quick walk cannot know whether a value is the last of its key, so it stops at the first
//! repetition and is done again on the text that this module makes. Slow and plain: events with
//! repeated keys are mistakes of their producer.

use std::collections::HashMap;
use std::ops::Range;

use super::fault::Walked;
use super::scan::Scanner;

/// The same JSON text without the members whose key comes again later in their object.
/// Answers with the fault where `text` is not JSON.
pub(super) fn without_repeated(text: &[u8]) -> Walked<Vec<u8>> {
    let mut scanner = Scanner::new(text);
    let mut dropped = Vec::new();
    value(&mut scanner, &mut dropped)?;
    scanner.end()?;
    dropped.sort_unstable_by_key(|range: &Range<usize>| range.start);
    let mut kept = Vec::with_capacity(text.len());
    let mut at = 0;
    for range in dropped {
        // A range inside another that is dropped already begins before `at`.
        if range.start >= at {
            kept.extend_from_slice(&text[at..range.start]);
            at = range.end;
        }
    }
    kept.extend_from_slice(&text[at..]);
    Ok(kept)
}

/// Collects what to drop: a repeated member from its key to the next member's key, which takes
/// its comma along. There is a next member: the one that repeats the key.
fn value<'a>(scanner: &mut Scanner<'a>, dropped: &mut Vec<Range<usize>>) -> Walked<()> {
    match scanner.peek()? {
        b'{' => {
            scanner.open()?;
            // Where each key's last member stands, in `starts`.
            let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
            let mut starts = Vec::new();
            let mut repeated = Vec::new();
            let mut first = true;
            while let Some(key) = scanner.key(first)? {
                first = false;
                let mut name = Vec::new();
                key.unescape(&mut name);
                repeated.extend(last.insert(name, starts.len()));
                starts.push(scanner.start_of(key) - 1);
                value(scanner, dropped)?;
            }
            dropped.extend(repeated.into_iter().map(|member| starts[member]..starts[member + 1]));
        }
        b'[' => {
            scanner.open()?;
            let mut first = true;
            while scanner.item(first)? {
                first = false;
                value(scanner, dropped)?;
            }
        }
        first => scanner.scalar(first)?,
    }
    Ok(())
}
