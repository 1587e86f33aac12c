//! One pass over a value, led by the plan: what is declared is checked and written to the row in
//! wire format, what is not declared is collected for `_extra`.
//!
//! Columns stand in the row in the order of the payload; protobuf allows any.

use super::bounds;
use super::convert;
use super::extra::{Extra, Step};
use super::fault::{Fault, Walked};
use super::partition::PartitionCheck;
use super::plan::{Kind, Node, Object, Rest};
use super::scan::{Keys, Scanner};
use super::seen::More;
use super::text::Text;
use super::wire::Tag;
use crate::contract::Bounds;
use crate::record::Reason;

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
    order: Vec<Guess>,
}

/// A field, with the length of its key: where the text goes on is known before the field itself
/// has come from memory.
#[derive(Debug, Clone, Copy)]
struct Guess {
    field: u32,
    key_length: u32,
}

impl Guess {
    /// Behind the last field it is none.
    fn of(object: &Object, field: usize) -> Self {
        let key_length = object.fields.get(field).map_or(0, |field| field.key.len()) as u32;
        Self { field: field as u32, key_length }
    }
}

impl Scratch {
    /// The first guess is the contract's order.
    pub(super) fn new(objects: &[Object]) -> Self {
        let mut order = Vec::new();
        for object in objects {
            order.extend((0..=object.fields.len()).map(|field| Guess::of(object, field)));
        }
        Self { order, ..Self::default() }
    }
}

pub(super) struct Walk<'p, 'a> {
    objects: &'p [Object],
    partition: PartitionCheck<'p>,
    scanner: Scanner<'a>,
    scratch: &'p mut Scratch,
    /// A value did not plainly keep its bounds.
    doubt: bool,
}

impl<'p, 'a> Walk<'p, 'a> {
    /// `distinct`: the text is known to have no repeated key.
    pub(super) fn new(
        objects: &'p [Object],
        partition: PartitionCheck<'p>,
        text: &'a [u8],
        distinct: bool,
        scratch: &'p mut Scratch,
    ) -> Self {
        scratch.keys.reset(distinct);
        scratch.seen.reset();
        scratch.extra.reset();
        Self { objects, partition, scanner: Scanner::new(text), scratch, doubt: false }
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
        self.inner_value(root, row)?;
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

    /// Part of the loop over members: a call for each would cost as much as many a value.
    #[inline(always)]
    fn value(&mut self, node: &Node, row: &mut Vec<u8>) -> Walked<()> {
        let first = self.scanner.peek()?;
        if let Some(bounds) = &node.bounds {
            self.doubt |= !bounds::kept(bounds, self.scanner.rest());
        }
        match &node.kind {
            Kind::String if first == b'"' => match node.tag {
                Some(tag) => tag.delimited(row, |row| self.scanner.copy_string(row)),
                None => self.scanner.string().map(drop),
            },
            Kind::Converted(to) if first == b'"' => {
                let text = self.scanner.string()?;
                let Some(tag) = node.tag else { return Ok(()) };
                let text = text.resolve(&mut self.scratch.text);
                convert::string(*to, text, tag, self.partition, row)
            }
            Kind::Number { to, whole } if matches!(first, b'-' | b'0'..=b'9') => {
                convert::number(*to, *whole, self.scanner.number()?, node.tag, row)
            }
            Kind::Boolean if matches!(first, b't' | b'f') => {
                self.scanner.literal(if first == b't' { "true" } else { "false" })?;
                if let Some(tag) = node.tag {
                    tag.varint(u64::from(first == b't'), row);
                }
                Ok(())
            }
            Kind::Object(object) if first == b'{' => match node.tag {
                Some(tag) => tag.delimited(row, |row| self.object(*object, row)),
                None => self.object(*object, row),
            },
            Kind::Array(items) if first == b'[' => self.array(items, node.bounds.as_deref(), row),
            Kind::Any if first != b'n' => {
                let text = self.scanner.json(&mut self.scratch.keys)?;
                if let Some(tag) = node.tag {
                    tag.bytes(text, row);
                }
                Ok(())
            }
            Kind::Text(inner) if first != b'n' => {
                let start = self.scanner.rest();
                self.inner_value(inner, row)?;
                let used = start.len() - self.scanner.rest().len();
                if let Some(tag) = node.tag {
                    tag.bytes(&start[..used], row);
                }
                Ok(())
            }
            _ => self.no_value(node, first),
        }
    }

    fn inner_value(&mut self, node: &Node, row: &mut Vec<u8>) -> Walked<()> {
        self.value(node, row)
    }

    /// A null, or a value of another type than was expected.
    fn no_value(&mut self, node: &Node, first: u8) -> Walked<()> {
        if first == b'n' {
            self.scanner.literal("null")?;
            if node.nullable {
                return Ok(());
            }
        }
        Err(Fault::wrong_type(first, node.kind.expected()))
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
            self.inner_value(items, row).map_err(|fault| fault.under_index(index))?;
            self.scratch.extra.leave();
            index += 1;
        }
        self.doubt |= bounds.is_some_and(|bounds| !bounds.items.holds(index as i64));
        Ok(())
    }

    fn object(&mut self, object: usize, row: &mut Vec<u8>) -> Walked<()> {
        let object = &self.objects[object];
        self.scanner.open()?;
        let mut seen = self.scratch.seen.open(&object.required);
        let keys = self.scratch.keys.open();
        let mut first = true;
        let mut guess = object.order;
        while self.scanner.member(first)? {
            first = false;
            let (index, key) = match self.guessed(object, guess) {
                Some(index) => (index, None),
                None => match self.declared(object, guess)? {
                    Some((index, key)) => (index, Some(key)),
                    None => continue,
                },
            };
            guess = object.order + 1 + index;
            if !seen.mark(&mut self.scratch.seen, index) {
                return Err(Fault::repeated());
            }
            let field = &object.fields[index];
            let is_array = matches!(field.node.kind, Kind::Array(_));
            let is_nested = is_array || matches!(field.node.kind, Kind::Object(_));
            if is_nested {
                let (start, length) = match key {
                    Some(key) => (self.scanner.start_of(key), key.raw.len()),
                    // Just read, and behind it are a quote and the colon.
                    None => {
                        let length = field.key.len() - "\"\":".len();
                        (self.scanner.at() - "\":".len() - length, length)
                    }
                };
                self.scratch.extra.enter(Step::Key { start, length }, is_array);
            }
            self.value(&field.node, row)
                .map_err(|fault| fault.under_key(object.names.name(index)))?;
            if is_nested {
                self.scratch.extra.leave();
            }
        }
        self.scratch.keys.close(keys)?;
        match self.scratch.seen.close(seen, &object.required) {
            None => Ok(()),
            Some(missing) => Err(Fault::new(Reason::MissingField, "required, and not there")
                .under_key(object.names.name(missing))),
        }
    }

    /// Reads the next member's key if it is the one that came here the last time, or the one that
    /// came behind that: an optional field is left out now and then.
    #[inline]
    fn guessed(&mut self, object: &Object, guess: usize) -> Option<usize> {
        let mut guess = guess;
        for _ in 0..2 {
            let Guess { field, key_length } = self.scratch.order[guess];
            let index = field as usize;
            if self.scanner.take(&object.fields.get(index)?.key, key_length as usize) {
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
                self.scratch.order[guess] = Guess::of(object, index);
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
