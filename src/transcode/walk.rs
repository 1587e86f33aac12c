//! The walk: one pass over a value that checks it against the plan and writes the row.
//!
//! At each place the walk knows from the plan what is expected ([`ValuePlan`]). It reads the value,
//! appends it to the row in protobuf's wire format, and copies members that the contract does not
//! declare to `_extra`. Columns are written in the payload's order; protobuf allows any order.

use super::bounds::{self, QuickBounds};
use super::convert;
use super::expected::{Expected, ObjectPlan, Undeclared, ValuePlan};
use super::extra::{Extra, ReachedBy};
use super::fault::{Fault, Result};
use super::guess::Guesses;
use super::json_string::JsonString;
use super::key_digests::KeyDigests;
use super::partition::PartitionCheck;
use super::scan::Scanner;
use super::seen::SeenStack;
use super::wire::Tag;
use crate::record::Reason;

/// Memory that a walk needs, kept between events so that it is not allocated for each.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    keys: KeyDigests,
    seen: SeenStack,
    /// A string or key with its escapes resolved.
    string: Vec<u8>,
    extra: Extra,
    guesses: Guesses,
}

impl Scratch {
    pub(super) fn new(objects: &[ObjectPlan]) -> Self {
        Self { guesses: Guesses::new(objects), ..Self::default() }
    }

    /// The undeclared members of the event that was read last.
    #[inline]
    pub(super) fn extra(&self) -> Option<&[u8]> {
        self.extra.members()
    }
}

pub(super) struct Walk<'p, 'a> {
    objects: &'p [ObjectPlan],
    partition: PartitionCheck<'p>,
    scanner: Scanner<'a>,
    scratch: &'p mut Scratch,
    /// For at least one value it is not sure that it satisfies its bounds.
    unsure: bool,
}

impl<'p, 'a> Walk<'p, 'a> {
    /// `no_duplicates`: the text is known to have no duplicate keys.
    pub(super) fn new(
        objects: &'p [ObjectPlan],
        partition: PartitionCheck<'p>,
        text: &'a [u8],
        no_duplicates: bool,
        scratch: &'p mut Scratch,
    ) -> Self {
        scratch.keys.reset(no_duplicates);
        scratch.seen.reset();
        scratch.extra.reset();
        Self { objects, partition, scanner: Scanner::new(text), scratch, unsure: false }
    }

    /// Reads the whole text and writes its columns, then `_extra` if the table has it and there
    /// are undeclared members. `root` is the plan of the whole value. Returns true if the validator
    /// has to decide about a rule that `bounds` was not sure of.
    pub(super) fn run(
        mut self,
        root: &ValuePlan,
        extra: Option<Tag>,
        row: &mut Vec<u8>,
    ) -> Result<bool> {
        if self.scanner.peek()? != b'{' {
            return Err(Fault::new(Reason::InvalidJson, "the value is not a JSON object"));
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
        Ok(self.unsure)
    }

    /// Reads one value. Inlined into the loop over members ([`Self::object`]): a call for each
    /// member would be a large part of the cost of reading it.
    #[inline(always)]
    fn value(&mut self, plan: &ValuePlan, row: &mut Vec<u8>) -> Result<()> {
        let first = self.scanner.peek()?;
        if let Some(bounds) = &plan.bounds {
            self.unsure |= !bounds::certainly_satisfied(bounds, self.scanner.rest());
        }
        match &plan.expected {
            Expected::String if first == b'"' => match plan.tag {
                Some(tag) => tag.delimited(row, |row| self.scanner.copy_string(row)),
                None => self.scanner.string().map(drop),
            },
            Expected::ConvertedString(to) if first == b'"' => {
                let string = self.scanner.string()?;
                let Some(tag) = plan.tag else { return Ok(()) };
                let string = string.resolve(&mut self.scratch.string);
                convert::string(*to, string, tag, self.partition, row)
            }
            Expected::Number { to, whole } if matches!(first, b'-' | b'0'..=b'9') => {
                convert::number(*to, *whole, self.scanner.number()?, plan.tag, row)
            }
            Expected::Boolean if matches!(first, b't' | b'f') => {
                self.scanner.literal(if first == b't' { "true" } else { "false" })?;
                if let Some(tag) = plan.tag {
                    tag.varint(u64::from(first == b't'), row);
                }
                Ok(())
            }
            Expected::Object(object) if first == b'{' => match plan.tag {
                Some(tag) => tag.delimited(row, |row| self.object(*object, row)),
                None => self.object(*object, row),
            },
            Expected::Array(items) if first == b'[' => {
                self.array(items, plan.bounds.as_deref(), row)
            }
            Expected::Any if first != b'n' => {
                let text = self.scanner.json(&mut self.scratch.keys)?;
                if let Some(tag) = plan.tag {
                    tag.bytes(text, row);
                }
                Ok(())
            }
            Expected::JsonText(inner) if first != b'n' => {
                let start = self.scanner.rest();
                self.inner_value(inner, row)?;
                let used = start.len() - self.scanner.rest().len();
                if let Some(tag) = plan.tag {
                    tag.bytes(&start[..used], row);
                }
                Ok(())
            }
            _ => self.rare_value(plan, first, row),
        }
    }

    /// [`Self::value`] as a function that can be called recursively.
    fn inner_value(&mut self, plan: &ValuePlan, row: &mut Vec<u8>) -> Result<()> {
        self.value(plan, row)
    }

    /// Reads a null or a value for a column that takes any value as text, or fails because the value
    /// has another type than expected.
    fn rare_value(&mut self, plan: &ValuePlan, first: u8, row: &mut Vec<u8>) -> Result<()> {
        if first == b'n' {
            self.scanner.literal("null")?;
            if plan.nullable {
                return Ok(());
            }
        } else if matches!(plan.expected, Expected::AnyAsText) {
            return self.any_as_text(plan.tag, first, row);
        }
        Err(Fault::wrong_type(first, plan.expected.json_type()))
    }

    fn any_as_text(&mut self, tag: Option<Tag>, first: u8, row: &mut Vec<u8>) -> Result<()> {
        let text = match first {
            b'"' => self.scanner.string()?.resolve(&mut self.scratch.string),
            _ => self.scanner.json(&mut self.scratch.keys)?,
        };
        if let Some(tag) = tag {
            tag.bytes(text, row);
        }
        Ok(())
    }

    fn array(
        &mut self,
        items: &ValuePlan,
        bounds: Option<&QuickBounds>,
        row: &mut Vec<u8>,
    ) -> Result<()> {
        self.scanner.open()?;
        let mut index = 0;
        while self.scanner.item(index == 0)? {
            if !items.nullable && self.scanner.peek()? == b'n' {
                self.scanner.literal("null")?;
                let detail = format!("found null, expected {}", items.expected.json_type());
                return Err(Fault::new(Reason::NullInArray, detail).under_index(index));
            }
            self.scratch.extra.enter(ReachedBy::Index(index), false);
            self.inner_value(items, row).map_err(|fault| fault.under_index(index))?;
            self.scratch.extra.leave();
            index += 1;
        }
        self.unsure |= bounds.is_some_and(|quick| !quick.bounds.items.holds(index as i64));
        Ok(())
    }

    fn object(&mut self, object: usize, row: &mut Vec<u8>) -> Result<()> {
        let object = &self.objects[object];
        self.scanner.open()?;
        let mut seen = self.scratch.seen.open(&object.required);
        let keys = self.scratch.keys.open();
        let mut first = true;
        // Where the guess for the next member stands.
        let mut place = object.first_guess;
        while self.scanner.member(first)? {
            first = false;
            // The key itself is not needed if it was guessed.
            let (index, key) = match self.read_guessed_key(object, place) {
                Some(index) => (index, None),
                None => match self.read_key(object, place)? {
                    Some((index, key)) => (index, Some(key)),
                    None => continue,
                },
            };
            place = object.first_guess + 1 + index;
            if !seen.mark(&mut self.scratch.seen, index) {
                return Err(Fault::duplicate_key());
            }
            let field = &object.fields[index];
            let is_array = matches!(field.value.expected, Expected::Array(_));
            let is_nested = is_array || matches!(field.value.expected, Expected::Object(_));
            if is_nested {
                let (start, length) = match key {
                    Some(key) => (self.scanner.start_of(key), key.raw.len()),
                    // A guessed key was just read, with a quote and the colon behind it.
                    None => {
                        let length = field.key.len() - "\"\":".len();
                        (self.scanner.at() - "\":".len() - length, length)
                    }
                };
                self.scratch.extra.enter(ReachedBy::Key { start, length }, is_array);
            }
            self.value(&field.value, row)
                .map_err(|fault| fault.under_key(object.names.name(index)))?;
            if is_nested {
                self.scratch.extra.leave();
            }
        }
        self.scratch.keys.close(keys)?;
        match self.scratch.seen.close(seen, &object.required) {
            None => Ok(()),
            Some(missing) => Err(Fault::new(Reason::MissingField, "required, but missing")
                .under_key(object.names.name(missing))),
        }
    }

    /// Reads the next member's key if it is the guessed one, or the one guessed after that.
    /// Returns its field; `None` if it is another key, which is then not read.
    #[inline]
    fn read_guessed_key(&mut self, object: &ObjectPlan, place: usize) -> Option<usize> {
        let mut place = place;
        for _ in 0..2 {
            let guess = self.scratch.guesses.at(place);
            let index = guess.field();
            if self.scanner.read_key_if(&object.fields.get(index)?.key, guess.key_length()) {
                return Some(index);
            }
            place = object.first_guess + 1 + index;
        }
        None
    }

    /// Reads the next member's key and looks up its field. A member without one is read whole.
    fn read_key(
        &mut self,
        object: &ObjectPlan,
        place: usize,
    ) -> Result<Option<(usize, JsonString<'a>)>> {
        let key = self.scanner.read_key()?;
        match object.names.find(key.resolve(&mut self.scratch.string)) {
            Some(index) => {
                self.scratch.guesses.remember(place, object, index);
                Ok(Some((index, key)))
            }
            None => self.undeclared(object.undeclared, key).map(|()| None),
        }
    }

    /// Reads the value of a member that the contract does not declare.
    fn undeclared(&mut self, undeclared: Undeclared, key: JsonString<'a>) -> Result<()> {
        self.scratch.keys.add(key);
        let value = self.scanner.json(&mut self.scratch.keys)?;
        if undeclared == Undeclared::Extra {
            self.scratch.extra.member(key.raw, value, self.scanner.text());
        }
        Ok(())
    }
}
