//! The key of a record: the value of a field of its payload (`EVENT_KEY`).

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The field at the end of these keys: a string's text, or a number or boolean as it is written.
/// `None` if it is missing, `null`, an object or an array. Of repeated keys the last counts.
pub fn field<'v>(value: &'v [u8], path: &[String]) -> Option<Cow<'v, [u8]>> {
    let mut deserializer = serde_json::Deserializer::from_slice(value);
    let raw = Seek(path).deserialize(&mut deserializer).ok()??.get();
    match raw.as_bytes().first()? {
        b'"' if raw.contains('\\') => {
            let text: String = serde_json::from_str(raw).ok()?;
            Some(Cow::Owned(text.into_bytes()))
        }
        b'"' => Some(Cow::Borrowed(raw.trim_matches('"').as_bytes())),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw.as_bytes())),
    }
}

/// Looks for the value at the end of the keys.
struct Seek<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            [] => serde::Deserialize::deserialize(deserializer).map(Some),
            [..] => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Is(first))? {
            if is_it {
                found = map.next_value_seed(Seek(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Compares a key without copying it.
struct Is<'p>(&'p str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str, path: &[&str]) -> Option<String> {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        let key = field(value.as_bytes(), &path)?;
        Some(String::from_utf8(key.into_owned()).expect("UTF-8"))
    }

    #[test]
    fn a_key_is_the_text_of_a_scalar() {
        let value = r#"{"a":"x","n":1.50,"b":true,"o":{"i":"deep","i":"last \"\u00e4"},"z":null,"l":[1],"e":""}"#;
        assert_eq!(found(value, &["a"]).as_deref(), Some("x"));
        assert_eq!(found(value, &["n"]).as_deref(), Some("1.50"));
        assert_eq!(found(value, &["b"]).as_deref(), Some("true"));
        assert_eq!(found(value, &["o", "i"]).as_deref(), Some("last \"ä"));
        assert_eq!(found(value, &["e"]).as_deref(), Some(""));
        for missing in [&["z"][..], &["l"], &["o"], &["y"], &["a", "b"], &["n", "b"], &["l", "0"]] {
            assert_eq!(found(value, missing), None, "{missing:?}");
        }
        assert_eq!(found("[1]", &["a"]), None);
        assert_eq!(found("7", &["a"]), None);
        assert_eq!(found("{\"a\":", &["a"]), None);
    }
}
