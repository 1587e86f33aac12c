//! A topic's id, which a topic that is deleted and created again does not share.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The UUID that the brokers give a topic when it is created. Its text is Kafka's: 22 letters of
/// URL-safe base64, as `kafka-topics --describe` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicId(u128);

impl TopicId {
    /// The id of these bits; `None` for zero, which stands for "no id" in Kafka's protocol.
    pub fn new(bits: u128) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }

    /// The two ids, where both are known and are not the same.
    pub fn differ(read: Option<Self>, found: Option<Self>) -> Option<(Self, Self)> {
        read.zip(found).filter(|(read, found)| read != found)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.to_be_bytes()))
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a topic id is 22 letters of URL-safe base64, as `kafka-topics --describe` prints it")]
pub struct NoTopicId;

impl FromStr for TopicId {
    type Err = NoTopicId;

    fn from_str(text: &str) -> Result<Self, NoTopicId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoTopicId)?;
        let bytes: [u8; 16] = bytes.try_into().map_err(|_| NoTopicId)?;
        Self::new(u128::from_be_bytes(bytes)).ok_or(NoTopicId)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(bits in 1..=u128::MAX) {
            let id = TopicId(bits);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_other_text_is_refused(text in ".{0,30}") {
            if let Ok(id) = text.parse::<TopicId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    /// `kafka-topics --describe` printed this id.
    #[test]
    fn an_id_is_written_as_kafka_writes_it() {
        let id: TopicId = "kWmBhxhAQ7iHMOv-RtdvUg".parse().expect("an id");
        assert_eq!(id.to_string(), "kWmBhxhAQ7iHMOv-RtdvUg");
        assert_eq!("AAAAAAAAAAAAAAAAAAAAAA".parse::<TopicId>(), Err(NoTopicId));
    }
}
