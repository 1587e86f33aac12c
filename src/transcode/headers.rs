//! Writes a record's headers as the JSON object of the column `_kafka_headers`.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::record::HeaderList;

/// Writes `{"name": value, …}`, ordered by the first occurrence of each name. A value is a string
/// if it is UTF-8, else `{"base64": "…"}`, and `null` if the header has no value. A name that
/// occurs several times has an array of all its values, in order.
pub(super) fn write(headers: &dyn HeaderList, text: &mut Vec<u8>) {
    if headers.len() > FEW {
        return write_many(headers, text);
    }
    text.push(b'{');
    let mut first_name = true;
    for index in 0..headers.len() {
        let (name, header) = headers.get(index);
        if (0..index).any(|earlier| headers.get(earlier).0 == name) {
            continue;
        }
        if !first_name {
            text.push(b',');
        }
        first_name = false;
        string(name, text);
        text.push(b':');
        let repeats = (index + 1..headers.len()).any(|later| headers.get(later).0 == name);
        if !repeats {
            value(header, text);
            continue;
        }
        text.push(b'[');
        value(header, text);
        for later in index + 1..headers.len() {
            let (other, header) = headers.get(later);
            if other == name {
                text.push(b',');
                value(header, text);
            }
        }
        text.push(b']');
    }
    text.push(b'}');
}

/// Up to this many headers are compared with each other, without a map of their names.
const FEW: usize = 16;

/// The same for any number of headers.
#[cold]
fn write_many(headers: &dyn HeaderList, text: &mut Vec<u8>) {
    let mut indices: HashMap<&str, usize> = HashMap::new();
    let mut names: Vec<(&str, Vec<Option<&[u8]>>)> = Vec::new();
    for index in 0..headers.len() {
        let (name, header) = headers.get(index);
        let place = *indices.entry(name).or_insert(names.len());
        match names.get_mut(place) {
            Some((_, values)) => values.push(header),
            None => names.push((name, vec![header])),
        }
    }
    for (index, (name, values)) in names.iter().enumerate() {
        text.push(if index == 0 { b'{' } else { b',' });
        string(name, text);
        text.push(b':');
        if let [one] = values[..] {
            value(one, text);
            continue;
        }
        for (index, header) in values.iter().enumerate() {
            text.push(if index == 0 { b'[' } else { b',' });
            value(*header, text);
        }
        text.push(b']');
    }
    text.push(b'}');
}

fn value(header: Option<&[u8]>, text: &mut Vec<u8>) {
    let Some(bytes) = header else {
        text.extend_from_slice(b"null");
        return;
    };
    match std::str::from_utf8(bytes) {
        Ok(plain) => string(plain, text),
        Err(_) => {
            text.extend_from_slice(b"{\"base64\":\"");
            // Four characters for every three bytes, with padding.
            let start = text.len();
            text.resize(start + bytes.len().div_ceil(3) * 4, 0);
            // Encoding cannot fail: the destination has exactly the length of the result.
            let _ = STANDARD.encode_slice(bytes, &mut text[start..]);
            text.extend_from_slice(b"\"}");
        }
    }
}

/// Writes a JSON string with its quotes.
pub(super) fn string(plain: &str, text: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    text.push(b'"');
    for byte in plain.bytes() {
        match byte {
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                text.extend_from_slice(b"\\u00");
                text.extend_from_slice(&digits);
            }
            _ => text.push(byte),
        }
    }
    text.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::computed;

    type Headers = Vec<(String, Option<Vec<u8>>)>;

    fn written(headers: &Headers, write: fn(&dyn HeaderList, &mut Vec<u8>)) -> Vec<u8> {
        let mut text = Vec::new();
        write(headers, &mut text);
        text
    }

    proptest! {
        #[test]
        fn many_headers_are_written_as_few_are(
            headers in prop::collection::vec(("[a-c]{1,2}", any::<Option<Vec<u8>>>()), 1..FEW),
        ) {
            prop_assert_eq!(written(&headers, write), written(&headers, write_many));
        }
    }

    #[test]
    fn three_hundred_thousand_headers_are_written_at_once() {
        let headers: Headers = (0..300_000).map(|index| (format!("{index}"), None)).collect();
        let began = computed();
        assert!(written(&headers, write).ends_with(b",\"299999\":null}"));
        let took = computed() - began;
        assert!(took.as_secs() < 20, "took {took:?}");
    }
}
