//! How the oracle finds the event type in a payload.

use serde_json::value::RawValue;

use super::grammar::is_json;
use super::plain::Plain;

pub(super) fn at<'p>(plain: &'p Plain, path: &[String]) -> Option<&'p Plain> {
    path.iter().try_fold(plain, |plain, key| plain.get(key))
}

/// The first string at `path`. The visitor stops with an error as soon as it has it, so that the
/// text behind it is not read.
pub(super) fn first(text: &str, path: &[String]) -> Option<String> {
    struct Visitor<'p>(&'p [String], &'p mut Option<String>);
    impl<'de> serde::de::DeserializeSeed<'de> for Visitor<'_> {
        type Value = ();
        fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
            match self.0 {
                [] => {
                    *self.1 = Some(serde::Deserialize::deserialize(d)?);
                    Err(serde::de::Error::custom("found"))
                }
                _ => d.deserialize_map(self),
            }
        }
    }
    impl<'de> serde::de::Visitor<'de> for Visitor<'_> {
        type Value = ();
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<String>()? {
                if key == self.0[0] {
                    map.next_value_seed(Visitor(&self.0[1..], self.1))?;
                    // There is no string at the path; the text behind it is not read.
                    return Err(serde::de::Error::custom("missing"));
                }
                let skipped: &RawValue = map.next_value()?;
                if !is_json(skipped.get()) || Plain::read(skipped.get().as_bytes()).is_err() {
                    return Err(serde::de::Error::custom("not JSON"));
                }
            }
            Ok(())
        }
    }
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let _ = serde::de::DeserializeSeed::deserialize(Visitor(path, &mut found), &mut deserializer);
    found
}
