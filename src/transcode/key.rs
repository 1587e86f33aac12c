//! A member's key in the form that most texts write it, so that one comparison recognises it.

use super::block::{self, BLOCK};

/// The text `"name":` of a member, without white space.
#[derive(Debug, Clone)]
pub(super) struct Key {
    text: Box<[u8]>,
    /// The first sixteen bytes of `text`, filled up with zeros.
    head: [u8; BLOCK],
}

impl Key {
    pub(super) fn new(name: &str) -> Self {
        // Escaped as serde_json does. Without escapes, a name that contains quotes could match the
        // text of several members.
        let text = format!("{}:", serde_json::Value::from(name)).into_bytes().into_boxed_slice();
        let start = &text[..text.len().min(BLOCK)];
        let mut head = [0; BLOCK];
        head[..start.len()].copy_from_slice(start);
        Self { head, text }
    }

    /// Length of the text with its quotes and colon.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether `text` begins with this key. `length` must be [`Self::len`].
    #[inline]
    pub(super) fn begins(&self, text: &[u8], length: usize) -> bool {
        // One comparison of a block usually decides. Only keys that are longer than a block, and
        // the last bytes of a text, need another.
        match text.first_chunk() {
            Some(block) => {
                let same = block::common_prefix(block, &self.head);
                same >= length || (same == BLOCK && text.starts_with(&self.text))
            }
            None => text.starts_with(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_matches_its_own_member_only(
            name in "[a-zé\"\\\\\u{1}]{0,30}", other in "[a-zé]{0,30}", rest in "[ -~]{0,20}",
        ) {
            let key = Key::new(&name);
            for written in [&name, &other] {
                let text = format!("{}:{rest}", serde_json::to_string(written).unwrap());
                let begins = key.begins(text.as_bytes(), key.len());
                prop_assert_eq!(begins, *written == name, "{} in {}", name, text);
            }
        }
    }

    #[test]
    fn a_name_with_quotes_does_not_match_several_members() {
        let key = Key::new(r#"a":1,"b"#);
        assert!(!key.begins(br#""a":1,"b":2,"c":3,"d":4}"#, key.len()));
    }
}
