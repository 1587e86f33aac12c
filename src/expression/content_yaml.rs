//! YAML text as values.

use std::collections::HashMap;
use std::fmt;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

use super::budget::{Budget, ITEM_BYTES};
use super::meter::places_bytes;
use super::shared::Shared;

/// Reads a document. Aliases pay for each copy that they make.
pub(super) fn read(text: &str, budget: &Budget) -> Result<Read, String> {
    let yaml = serde_norway::Deserializer::from_str(text);
    Node(budget).deserialize(yaml).map_err(|error| error.to_string())
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Node<'b>(&'b Budget);

impl Node<'_> {
    fn pay<E: Error>(self, bytes: u64) -> Result<(), E> {
        self.0.pay(10, bytes).map_err(|_| E::custom("it takes too much"))
    }
}

type Read = super::value::Boxed<'static>;

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Read, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Read, E> {
        Ok(Box::new(CelNull))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Read, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Read, E> {
        Ok(Box::new(CelInt::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Read, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => Box::new(CelInt::from(value)),
            Err(_) => Box::new(CelUInt::from(value)),
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Read, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Read, E> {
        self.pay(text.len() as u64)?;
        Ok(Shared::of(Box::new(CelString::from(text.to_owned()))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Read, A::Error> {
        let mut items: Vec<Read> = Vec::new();
        while let Some(item) = from.next_element_seed(self)? {
            self.pay(ITEM_BYTES)?;
            items.push(item);
        }
        Ok(Shared::of(Box::new(CelList::from(items))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Read, A::Error> {
        let mut members: HashMap<CelMapKey<'static>, Read> = HashMap::new();
        while let Some(key) = from.next_key::<String>()? {
            self.pay(key.len() as u64 + places_bytes(1))?;
            let value = from.next_value_seed(self)?;
            members.insert(CelMapKey::String(CelString::from(key)), value);
        }
        Ok(Shared::of(Box::new(CelMap::from(members))))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Read, A::Error> {
        Err(A::Error::custom("a value with a tag"))
    }
}
