//! The event type: where it stands in a record, and what is done with such events.

use memchr::memmem::Finder;

use super::fault::{Fault, Walked, json_type};
use super::names::{Key, Names};
use super::scan::Scanner;
use super::text::Text;
use crate::record::{Event, HeaderList, Reason};

/// What is done with an event of a known type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Index into the ignored labels.
    Ignored(usize),
    /// Index into the plan's event types.
    Event(usize),
}

#[derive(Debug)]
pub(super) enum Discriminator {
    Payload(Path),
    Header(Box<str>),
}

/// Every event type known by name, of the ignore list or of the contract.
#[derive(Debug)]
pub(super) struct Kinds {
    discriminator: Discriminator,
    known: Known,
    /// A key or an event type with its escapes resolved.
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Known {
    names: Names,
    /// In the order of `names`.
    fates: Vec<Fate>,
}

impl Kinds {
    /// `known` are distinct names.
    pub(super) fn new(discriminator: Discriminator, known: &[(&str, Fate)]) -> Self {
        let names = Names::new(known.iter().map(|(name, _)| *name));
        let fates = known.iter().map(|(_, fate)| *fate).collect();
        Self { discriminator, known: Known { names, fates }, scratch: Vec::new() }
    }

    /// What the contract and the ignore list say about the record's event type. The value is read
    /// no further than needed, so that nothing behind the type keeps a record from being ignored.
    pub(super) fn fate(&mut self, event: &Event<'_>, value: &[u8]) -> Walked<Fate> {
        let Self { discriminator, known, scratch } = self;
        match discriminator {
            Discriminator::Header(name) => match in_headers(event.headers, name) {
                Some(kind) => known.fate(kind),
                None => Err(Fault::new(Reason::NoEventType, format!("no header `{name}`"))),
            },
            Discriminator::Payload(path) => {
                let (first, rest) = path.first(value, scratch)?;
                let fate = known.named(first, scratch);
                // Another type behind it is found by the walk, which an ignored event never sees.
                if matches!(fate, Ok(Fate::Ignored(_)))
                    && path.may_repeat(rest)
                    && let Ok(last) = path.last(value, scratch)
                {
                    return known.named(last, scratch);
                }
                fate
            }
        }
    }

    /// The name of the record's event type for people, where there is one.
    pub(super) fn name(&mut self, event: &Event<'_>, value: &[u8]) -> Option<String> {
        // Names of types are short; a long one is a payload gone astray.
        const SHOWN: usize = 200;
        let found = match &self.discriminator {
            Discriminator::Header(name) => in_headers(event.headers, name)?,
            Discriminator::Payload(path) => {
                let scratch = &mut self.scratch;
                let last = path.last(value, scratch);
                match last.or_else(|_| path.first(value, scratch).map(|(first, _)| first)) {
                    Ok(Found::Type(kind)) => kind.resolve(scratch),
                    _ => return None,
                }
            }
        };
        Some(String::from_utf8_lossy(&found[..found.len().min(SHOWN)]).into_owned())
    }
}

impl Known {
    fn named(&self, found: Found<'_>, scratch: &mut Vec<u8>) -> Walked<Fate> {
        match found {
            Found::Type(kind) => self.fate(kind.resolve(scratch)),
            Found::NoText(first) => {
                let detail = format!("the event type is no string but {}", json_type(first));
                Err(Fault::new(Reason::NoEventType, detail))
            }
            Found::Missing => Err(Fault::new(Reason::NoEventType, "the event type is missing")),
            Found::NoObject => Err(Fault::new(Reason::InvalidJson, "the value is no JSON object")),
        }
    }

    fn fate(&self, kind: &[u8]) -> Walked<Fate> {
        match self.names.find(kind) {
            Some(index) => Ok(self.fates[index]),
            None => Err(Fault::new(
                Reason::UnknownEventType,
                "neither the contract nor the ignore list names this event type",
            )),
        }
    }
}

/// What stands where the event type should.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Type(Text<'a>),
    /// Another JSON value, by its first byte.
    NoText(u8),
    Missing,
    /// The whole value is JSON, but no object.
    NoObject,
}

/// The keys that lead to the event type, from the outside in: as names, as members, in quotes.
#[derive(Debug, Clone)]
pub(super) struct Path {
    keys: Box<[Box<str>]>,
    taken: Box<[Key]>,
    quoted: Box<[Finder<'static>]>,
}

impl Path {
    pub(super) fn new(keys: &[String]) -> Self {
        let quoted = |key: &String| Finder::new(&format!("\"{key}\"")).into_owned();
        Self {
            keys: keys.iter().map(|key| key.as_str().into()).collect(),
            taken: keys.iter().map(|key| Key::new(key)).collect(),
            quoted: keys.iter().map(quoted).collect(),
        }
    }

    /// The event type that `text` names first, and what follows it unread.
    pub(super) fn first<'a>(
        &self,
        text: &'a [u8],
        scratch: &mut Vec<u8>,
    ) -> Walked<(Found<'a>, &'a [u8])> {
        let mut scanner = Scanner::new(text);
        let mut found = Found::NoObject;
        for (wanted, quick) in self.keys.iter().zip(&self.taken) {
            if scanner.peek()? != b'{' {
                return Ok((found, &[]));
            }
            found = Found::Missing;
            scanner.open()?;
            let mut first = true;
            loop {
                if !scanner.member(first)? {
                    return Ok((found, &[]));
                }
                first = false;
                if scanner.take(quick, quick.len()) {
                    break;
                }
                if scanner.skip_strings(wanted) {
                    continue;
                }
                if scanner.key_here()?.resolve(scratch) == wanted.as_bytes() {
                    break;
                }
                scanner.skip()?;
            }
        }
        let found = leaf(&mut scanner)?;
        Ok((found, scanner.rest()))
    }

    /// Whether one of the keys may come once more in `rest`: then the later one counts. Escapes
    /// could spell it in other letters.
    pub(super) fn may_repeat(&self, rest: &[u8]) -> bool {
        memchr::memchr(b'\\', rest).is_some()
            || self.quoted.iter().any(|key| key.find(rest).is_some())
    }

    /// The event type of the whole text: of repeated keys the last counts.
    pub(super) fn last<'a>(&self, text: &'a [u8], scratch: &mut Vec<u8>) -> Walked<Found<'a>> {
        let mut scanner = Scanner::new(text);
        if scanner.peek()? != b'{' {
            scanner.skip()?;
            scanner.end()?;
            return Ok(Found::NoObject);
        }
        let found = last(&mut scanner, &self.keys, scratch)?;
        scanner.end()?;
        Ok(found)
    }
}

fn last<'a>(
    scanner: &mut Scanner<'a>,
    keys: &[Box<str>],
    scratch: &mut Vec<u8>,
) -> Walked<Found<'a>> {
    let Some((wanted, inner)) = keys.split_first() else { return leaf(scanner) };
    let mut found = Found::Missing;
    if scanner.peek()? != b'{' {
        scanner.skip()?;
        return Ok(found);
    }
    scanner.open()?;
    let mut first = true;
    while let Some(key) = scanner.key(first)? {
        first = false;
        if key.resolve(scratch) == wanted.as_bytes() {
            found = last(scanner, inner, scratch)?;
        } else {
            scanner.skip()?;
        }
    }
    Ok(found)
}

fn leaf<'a>(scanner: &mut Scanner<'a>) -> Walked<Found<'a>> {
    match scanner.peek()? {
        b'"' => Ok(Found::Type(scanner.string()?)),
        first => {
            scanner.skip()?;
            Ok(Found::NoText(first))
        }
    }
}

/// The value of the last header of this name that has one.
pub(super) fn in_headers<'a>(headers: &'a dyn HeaderList, name: &str) -> Option<&'a [u8]> {
    (0..headers.len()).rev().find_map(|index| match headers.get(index) {
        (found, Some(value)) if found == name => Some(value),
        _ => None,
    })
}
