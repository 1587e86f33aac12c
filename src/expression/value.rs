//! JSON text as values of an expression: only the fields that it names, borrowed where they can be.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::budget::{Budget, ITEM_BYTES};
use super::field::{FieldRead, Step};
use super::meter::places_bytes;
use super::shared::Shared;

/// The deepest nesting that is read, as in the transcoder.
const DEEPEST: usize = 127;

/// Steps of a byte of JSON text, and of an item of a list or an object.
const STEPS_A_BYTE: u64 = 1;
const STEPS_AN_ITEM: u64 = 10;

/// A value, which may borrow from the text it was read from.
pub(super) type Boxed<'v> = Box<dyn Val + 'v>;

/// Which part of a value is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Only these members.
    Members(BTreeMap<String, Wanted>),
}

impl Wanted {
    pub fn of(fields: &[FieldRead]) -> Self {
        let mut root = Self::Members(BTreeMap::new());
        for read in fields {
            root.add(&read.field.0);
        }
        root
    }

    /// Lists are read as a whole.
    fn add(&mut self, steps: &[Step]) {
        let Self::Members(members) = self else { return };
        match steps {
            [] | [Step::Item, ..] => *self = Self::All,
            [Step::Key(key), rest @ ..] => members
                .entry(key.clone())
                .or_insert_with(|| Self::Members(BTreeMap::new()))
                .add(rest),
        }
    }

    /// What is wanted of a member; `None`: nothing.
    fn member(&self, key: &str) -> Option<&Self> {
        match self {
            Self::All => Some(self),
            Self::Members(members) => members.get(key),
        }
    }
}

/// Reads the wanted part of a JSON text. `None` where the text is not UTF-8, not JSON or nested too
/// deep: the transcoder says so better. Also where the budget does not suffice, if there is one. With
/// a budget, values that own memory are shared. Numbers beyond DOUBLE are infinite.
pub(super) fn read<'v>(
    text: &'v [u8],
    wanted: &Wanted,
    budget: Option<&Budget>,
) -> Option<Boxed<'v>> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t', '\n', '\r']);
    if !text.starts_with('{') {
        let _: &RawValue = serde_json::from_str(text).ok()?;
    }
    Reader { budget, depth: DEEPEST }.value(text, wanted)
}

#[derive(Clone, Copy)]
struct Reader<'b> {
    budget: Option<&'b Budget>,
    /// How many more levels may be nested.
    depth: usize,
}

impl Reader<'_> {
    /// `text` is one value without spaces around it; unless it is an object, it is valid JSON.
    fn value<'v>(self, text: &'v str, wanted: &Wanted) -> Option<Boxed<'v>> {
        Some(match text.as_bytes().first()? {
            b'{' => self.object(text, wanted)?,
            b'[' => self.list(text)?,
            b'"' => {
                let text = string(text)?;
                match (&text, self.budget) {
                    (Cow::Owned(owned), Some(budget)) => {
                        budget.pay_for_text(owned.len(), true).ok()?;
                        Shared::of(Box::new(CelString::from(text)))
                    }
                    _ => Box::new(CelString::from(text)),
                }
            }
            b't' => Box::new(CelBool::from(true)),
            b'f' => Box::new(CelBool::from(false)),
            b'n' => Box::new(CelNull),
            _ => number(text)?,
        })
    }

    fn object<'v>(self, text: &'v str, wanted: &Wanted) -> Option<Boxed<'v>> {
        let within = self.within(text)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let members = Members(wanted).deserialize(&mut json).ok()?;
        json.end().ok()?;
        if let Some(budget) = self.budget {
            budget.pay(1, places_bytes(members.len())).ok()?;
        }
        let mut map: HashMap<CelMapKey<'v>, Boxed<'v>> = HashMap::with_capacity(members.len());
        for (key, text) in members {
            if let (Some(budget), Cow::Owned(key)) = (self.budget, &key) {
                budget.pay_for_text(key.len(), true).ok()?;
            }
            let value = within.value(text, wanted.member(&key)?)?;
            map.insert(CelMapKey::String(CelString::from(key)), value);
            within.item()?;
        }
        Some(self.shared(CelMap::from(map)))
    }

    fn list<'v>(self, text: &'v str) -> Option<Boxed<'v>> {
        let within = self.within(text)?;
        if let Some(budget) = self.budget {
            budget.pay(1, ITEM_BYTES).ok()?;
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let items = json.deserialize_seq(Items(within)).ok()?;
        Some(self.shared(CelList::from(items)))
    }

    /// The reader of what is in a list or an object. The text of that is read once more.
    fn within(self, text: &str) -> Option<Self> {
        let depth = self.depth.checked_sub(1)?;
        if let Some(budget) = self.budget {
            budget.pay(text.len() as u64 * STEPS_A_BYTE, 0).ok()?;
        }
        Some(Self { depth, ..self })
    }

    fn item(self) -> Option<()> {
        self.budget.is_none_or(|budget| budget.pay(STEPS_AN_ITEM, ITEM_BYTES).is_ok()).then_some(())
    }

    fn shared<'v>(self, value: impl Val + 'v) -> Boxed<'v> {
        match self.budget {
            Some(_) => Shared::of(Box::new(value)),
            None => Box::new(value),
        }
    }
}

/// The items of a list.
struct Items<'b>(Reader<'b>);

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Vec<Boxed<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(text) = from.next_element::<&'de RawValue>()? {
            let item = self.0.value(text.get(), &Wanted::All).zip(self.0.item());
            items.push(item.ok_or_else(|| A::Error::custom("an item"))?.0);
        }
        Ok(items)
    }
}

fn number<'v>(text: &str) -> Option<Boxed<'v>> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(Box::new(CelInt::from(number)));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(Box::new(CelUInt::from(number)));
    }
    text.parse::<f64>().ok().map(|number| Box::new(CelDouble::from(number)) as Boxed<'v>)
}

fn string(text: &str) -> Option<Cow<'_, str>> {
    let mut json = serde_json::Deserializer::from_str(text);
    Text::deserialize(&mut json).ok().map(|Text(text)| text)
}

/// A string that is borrowed where it has no escapes.
struct Text<'t>(Cow<'t, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Borrowed)
    }
}

/// The wanted members of an object as text, in its order.
struct Members<'w>(&'w Wanted);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Text(key)) = from.next_key()? {
            if self.0.member(&key).is_some() {
                let text: &'de RawValue = from.next_value()?;
                members.push((key, text.get()));
            } else {
                from.next_value::<IgnoredAny>()?;
            }
        }
        Ok(members)
    }
}
