//! Fields whose text is JSON: the event with the decoded values in place of the texts.
//!
//! A decoded value is JSON by itself before it is put there, so a text cannot say anything about the
//! event around it.

use std::ops::Range;

use super::convert::base64;
use super::duplicates::without_duplicates;
use super::fault::{Fault, Result};
use super::scan::{self, Scanner};
use crate::contract::{ContentEncoding, EncodedField};
use crate::record::Reason;

/// The encoded fields of an object.
#[derive(Debug, Default)]
pub(super) struct Content {
    members: Vec<(String, Member)>,
}

#[derive(Debug)]
enum Member {
    Encoded(ContentEncoding),
    /// An object that has encoded fields.
    Object(Content),
}

impl Content {
    /// `None`: there are no such fields.
    pub(super) fn of(fields: &[EncodedField]) -> Option<Self> {
        let mut content = Self::default();
        for field in fields {
            content.add(&field.path, field.encoding);
        }
        (!content.members.is_empty()).then_some(content)
    }

    fn add(&mut self, path: &[String], encoding: ContentEncoding) {
        let Some((name, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            self.members.push((name.clone(), Member::Encoded(encoding)));
            return;
        }
        let known = self.members.iter_mut().find_map(|(known, member)| match member {
            Member::Object(inner) if known == name => Some(inner),
            _ => None,
        });
        match known {
            Some(inner) => inner.add(rest, encoding),
            None => {
                let mut inner = Self::default();
                inner.add(rest, encoding);
                self.members.push((name.clone(), Member::Object(inner)));
            }
        }
    }

    /// Returns the event with its decoded fields, without duplicate keys.
    pub(super) fn decode(&self, value: &[u8]) -> Result<Vec<u8>> {
        let value = without_duplicates(value)?;
        let mut scanner = Scanner::new(&value);
        let mut decoded = Vec::new();
        // What is no object is rejected where the event is read.
        if scanner.peek()? == b'{' {
            self.object(&mut scanner, &mut decoded)?;
        }
        let mut event = Vec::with_capacity(value.len());
        let mut at = 0;
        for (range, text) in decoded {
            event.extend_from_slice(&value[at..range.start]);
            event.extend_from_slice(&text);
            at = range.end;
        }
        event.extend_from_slice(&value[at..]);
        Ok(event)
    }

    /// Reads an object, and adds what its encoded fields are replaced by, in order.
    fn object(
        &self,
        scanner: &mut Scanner<'_>,
        decoded: &mut Vec<(Range<usize>, Vec<u8>)>,
    ) -> Result<()> {
        scanner.open()?;
        let (mut first, mut name) = (true, Vec::new());
        while let Some(key) = scanner.key(first)? {
            first = false;
            let name = key.resolve(&mut name);
            let member = self.members.iter().find(|(known, _)| known.as_bytes() == name);
            let found = scanner.peek()?;
            let Some((name, member)) = member else {
                scanner.skip()?;
                continue;
            };
            match (member, found) {
                (Member::Object(inner), b'{') => inner.object(scanner, decoded),
                (Member::Encoded(encoding), b'"') => {
                    let start = scanner.at();
                    let text = scanner.string()?;
                    decode(*encoding, text.resolve(&mut Vec::new()))
                        .map(|value| decoded.push((start..scanner.at(), value)))
                }
                // The event is read with null or another type in place of what is declared. Another
                // type must not pass for a decoded one.
                (Member::Object(_), _) | (Member::Encoded(_), b'n') => scanner.skip(),
                (Member::Encoded(_), other) => Err(Fault::wrong_type(other, "a string")),
            }
            .map_err(|fault| fault.under_key(name))?;
        }
        Ok(())
    }
}

/// The JSON text of a value that stands encoded in a string.
fn decode(encoding: ContentEncoding, text: &[u8]) -> Result<Vec<u8>> {
    let json = match encoding {
        ContentEncoding::Text => text.to_vec(),
        ContentEncoding::Base64 => {
            let mut json = Vec::new();
            base64(text, &mut json)?;
            json
        }
    };
    // A fault of the inner text is none of the event's, which is JSON.
    scan::utf8(&json).and_then(|()| without_duplicates(&json)).map_err(|fault| {
        let (_, what) = fault.report();
        Fault::new(Reason::BadFormat, format!("the decoded text is not JSON: {what}"))
    })
}
