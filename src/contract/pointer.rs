//! JSON pointers (RFC 6901).

/// A key as a segment of a JSON pointer writes it.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The pointer to what these keys lead to, from the root.
pub fn of(keys: &[String]) -> String {
    keys.iter().map(|key| format!("/{}", escaped(key))).collect()
}

/// The key that a segment of a JSON pointer stands for.
pub fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}
