//! One pass over a value, led by the plan: what is declared is checked and written to the row in
//! wire format, what is not declared is collected for `_extra`.
//!
//! Columns stand in the row in the order of the payload; protobuf allows any.

use super::bounds;
use super::convert::{self, Window};
use super::extra::{Extra, Step};
use super::fault::{Fault, Walked};
use super::plan::{Kind, Node, Object, Rest};
use super::scan::{Keys, Scanner};
use super::seen::More;
use super::text::Text;
use super::wire::Tag;
use crate::contract::Bounds;
use crate::pipeline::Reason;

/// Memory that a walk needs, kept from event to event so that none is allocated.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    keys: Keys,
    seen: More,
    /// A string or key with its escapes resolved.
    text: Vec<u8>,
    extra: Extra,
    /// For each object, which field came first the last time, then which one after each of its
    /// fields: producers write fields in one order, so nearly every key can be guessed.
    order: Vec<u32>,
}

impl Scratch {
    /// The first guess is the contract's order.
    pub(super) fn new(objects: &[Object]) -> Self {
        let order = objects.iter().flat_map(|object| 0..=object.fields.len() as u32).collect();
        Self { order, ..Self::default() }
    }
}

pub(super) struct Walk<'p, 'a> {
    objects: &'p [Object],
    window: Window,
    scanner: Scanner<'a>,
    scratch: &'p mut Scratch,
    /// A value did not plainly keep its bounds.
    doubt: bool,
}

impl<'p, 'a> Walk<'p, 'a> {
    /// `distinct`: the text is known to have no repeated key.
    pub(super) fn new(
        objects: &'p [Object],
        window: Window,
        text: &'a [u8],
        distinct: bool,
        scratch: &'p mut Scratch,
    ) -> Self {
        scratch.keys.reset(distinct);
        scratch.seen.reset();
        scratch.extra.reset();
        Self { objects, window, scanner: Scanner::new(text), scratch, doubt: false }
    }

    /// Writes the columns of the whole text, then what the contract does not declare. Answers
    /// whether the contract's further rules are in doubt.
    pub(super) fn run(
        mut self,
        root: &Node,
        extra: Option<Tag>,
        row: &mut Vec<u8>,
    ) -> Walked<bool> {
        if self.scanner.peek()? != b'{' {
            return Err(Fault::new(Reason::InvalidJson, "the value is no JSON object"));
        }
        self.value(root, row)?;
        self.scanner.end()?;
        self.scanner.utf8()?;
        if let (Some(tag), Some(members)) = (extra, self.scratch.extra.members()) {
            tag.delimited(row, |row| {
                row.push(b'{');
                row.extend_from_slice(members);
                row.push(b'}');
            });
        }
        Ok(self.doubt)
    }

    fn value(&mut self, node: &Node, row: &mut Vec<u8>) -> Walked<()> {
        let first = self.scanner.peek()?;
        if let Some(bounds) = &node.bounds {
            self.doubt |= !bounds::kept(bounds, self.scanner.rest());
        }
        let wrong_type = || Err(Fault::wrong_type(first, node.kind.expected()));
        if first == b'n' {
            self.scanner.literal("null")?;
            return if node.nullable { Ok(()) } else { wrong_type() };
        }
        match &node.kind {
            Kind::Any => {
                let text = self.scanner.json(&mut self.scratch.keys)?;
                if let Some(tag) = node.tag {
                    tag.bytes(text, row);
                }
                Ok(())
            }
            Kind::Text(inner) => {
                let start = self.scanner.rest();
                self.value(inner, row)?;
                let used = start.len() - self.scanner.rest().len();
                if let Some(tag) = node.tag {
                    tag.bytes(&start[..used], row);
                }
                Ok(())
            }
            Kind::Boolean => {
                let value = match first {
                    b't' => self.scanner.literal("true").map(|()| 1)?,
                    b'f' => self.scanner.literal("false").map(|()| 0)?,
                    _ => return wrong_type(),
                };
                if let Some(tag) = node.tag {
                    tag.varint(value, row);
                }
                Ok(())
            }
            Kind::Number { to, whole } => match first {
                b'-' | b'0'..=b'9' => {
                    let token = self.scanner.number()?;
                    convert::number(*to, *whole, token, node.tag, row)
                }
                _ => wrong_type(),
            },
            Kind::String => {
                if first != b'"' {
                    return wrong_type();
                }
                let text = self.scanner.string()?;
                match node.tag {
                    Some(tag) if text.escaped => tag.delimited(row, |row| text.unescape(row)),
                    Some(tag) => tag.bytes(text.raw, row),
                    None => {}
                }
                Ok(())
            }
            Kind::Converted(to) => {
                if first != b'"' {
                    return wrong_type();
                }
                let text = self.scanner.string()?;
                let Some(tag) = node.tag else { return Ok(()) };
                let text = text.resolve(&mut self.scratch.text);
                convert::string(*to, text, tag, self.window, row)
            }
            Kind::Object(object) => match (first, node.tag) {
                (b'{', Some(tag)) => tag.delimited(row, |row| self.object(*object, row)),
                (b'{', None) => self.object(*object, row),
                _ => wrong_type(),
            },
            Kind::Array(items) => match first {
                b'[' => self.array(items, node.bounds.as_deref(), row),
                _ => wrong_type(),
            },
        }
    }

    fn array(&mut self, items: &Node, bounds: Option<&Bounds>, row: &mut Vec<u8>) -> Walked<()> {
        self.scanner.open()?;
        let mut index = 0;
        while self.scanner.item(index == 0)? {
            if !items.nullable && self.scanner.peek()? == b'n' {
                self.scanner.literal("null")?;
                let detail = format!("found null, expected {}", items.kind.expected());
                return Err(Fault::new(Reason::NullInArray, detail).under_index(index));
            }
            self.scratch.extra.enter(Step::Item(index), false);
            self.value(items, row).map_err(|fault| fault.under_index(index))?;
            self.scratch.extra.leave();
            index += 1;
        }
        self.doubt |= bounds.is_some_and(|bounds| !bounds.items.holds(index as i64));
        Ok(())
    }

    fn object(&mut self, object: usize, row: &mut Vec<u8>) -> Walked<()> {
        let object = &self.objects[object];
        self.scanner.open()?;
        let mut seen = self.scratch.seen.open(object.required.len());
        let keys = self.scratch.keys.open();
        let mut first = true;
        let mut guess = object.order;
        loop {
            let (index, key) = match self.guessed(object, guess, first) {
                Some(index) => (index, None),
                None if !self.scanner.member(first)? => break,
                None => match self.declared(object, guess)? {
                    Some((index, key)) => (index, Some(key)),
                    None => {
                        first = false;
                        continue;
                    }
                },
            };
            first = false;
            guess = object.order + 1 + index;
            if !seen.mark(&mut self.scratch.seen, index) {
                return Err(Fault::repeated());
            }
            let field = &object.fields[index];
            let is_array = matches!(field.node.kind, Kind::Array(_));
            if is_array || matches!(field.node.kind, Kind::Object(_)) {
                let (start, length) = match key {
                    Some(key) => (self.scanner.start_of(key), key.raw.len()),
                    // Just read, and behind it are a quote and the colon.
                    None => (self.scanner.at() - 2 - field.name.len(), field.name.len()),
                };
                self.scratch.extra.enter(Step::Key { start, length }, is_array);
                self.value(&field.node, row).map_err(|fault| fault.under_key(&field.name))?;
                self.scratch.extra.leave();
            } else {
                self.value(&field.node, row).map_err(|fault| fault.under_key(&field.name))?;
            }
        }
        self.scratch.keys.close(keys)?;
        match self.scratch.seen.close(seen, &object.required) {
            None => Ok(()),
            Some(missing) => Err(Fault::new(Reason::MissingField, "required, and not there")
                .under_key(&object.fields[missing].name)),
        }
    }

    /// Reads the next member's key if it is the one that came here the last time, or the one that
    /// came behind that: an optional field is left out now and then.
    #[inline]
    fn guessed(&mut self, object: &Object, guess: usize, first: bool) -> Option<usize> {
        let mut guess = guess;
        for _ in 0..2 {
            let index = self.scratch.order[guess] as usize;
            if self.scanner.take(&object.fields.get(index)?.key, first) {
                return Some(index);
            }
            guess = object.order + 1 + index;
        }
        None
    }

    /// Reads the next member's key and finds its field; a member without one is done with here.
    fn declared(&mut self, object: &Object, guess: usize) -> Walked<Option<(usize, Text<'a>)>> {
        let key = self.scanner.key_here()?;
        match object.names.find(key.resolve(&mut self.scratch.text)) {
            Some(index) => {
                self.scratch.order[guess] = index as u32;
                Ok(Some((index, key)))
            }
            None => self.undeclared(object.rest, key).map(|()| None),
        }
    }

    fn undeclared(&mut self, rest: Rest, key: Text<'a>) -> Walked<()> {
        self.scratch.keys.add(key);
        let value = self.scanner.json(&mut self.scratch.keys)?;
        if rest == Rest::Extra {
            self.scratch.extra.member(key.raw, value, self.scanner.text());
        }
        Ok(())
    }
}
