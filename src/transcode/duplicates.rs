//! Removes duplicate keys from JSON text.
//!
//! If a key occurs several times in one object, the last occurrence counts. A single pass over the
//! text cannot know whether the value it is reading is the last one of its key. So the normal pass
//! only detects duplicates: it stops at the second occurrence of a key. This module then makes a
//! copy of the text without the overridden members, and that copy is read instead. The copy is slow
//! to make, which does not matter: duplicate keys are a producer's mistake and rare.

use std::collections::HashMap;
use std::ops::Range;

use super::fault::Result;
use super::scan::Scanner;

/// Returns the same JSON text without the members whose key occurs again later in their object.
/// Fails if `text` is not JSON.
pub(super) fn without_duplicates(text: &[u8]) -> Result<Vec<u8>> {
    let mut scanner = Scanner::new(text);
    let mut overridden = Vec::new();
    value(&mut scanner, &mut overridden)?;
    scanner.end()?;
    overridden.sort_unstable_by_key(|range: &Range<usize>| range.start);
    let mut kept = Vec::with_capacity(text.len());
    let mut at = 0;
    for range in overridden {
        // A range that starts before `at` is inside a range that was already left out.
        if range.start >= at {
            kept.extend_from_slice(&text[at..range.start]);
            at = range.end;
        }
    }
    kept.extend_from_slice(&text[at..]);
    Ok(kept)
}

/// Reads one value and adds the ranges to leave out. Each reaches from the quote of an overridden
/// member to the quote of the next member, so that it includes the comma. There is always a next
/// member, because the key occurs again.
fn value<'a>(scanner: &mut Scanner<'a>, overridden: &mut Vec<Range<usize>>) -> Result<()> {
    match scanner.peek()? {
        b'{' => {
            scanner.open()?;
            // The start of each member; `latest` has the index of each key's latest member in it.
            let mut starts = Vec::new();
            let mut latest: HashMap<Vec<u8>, usize> = HashMap::new();
            let mut replaced = Vec::new();
            let mut first = true;
            while let Some(key) = scanner.key(first)? {
                first = false;
                let mut name = Vec::new();
                key.unescape(&mut name);
                replaced.extend(latest.insert(name, starts.len()));
                starts.push(scanner.start_of(key) - 1);
                value(scanner, overridden)?;
            }
            overridden
                .extend(replaced.into_iter().map(|member| starts[member]..starts[member + 1]));
        }
        b'[' => {
            scanner.open()?;
            let mut first = true;
            while scanner.item(first)? {
                first = false;
                value(scanner, overridden)?;
            }
        }
        first => scanner.scalar(first)?,
    }
    Ok(())
}
