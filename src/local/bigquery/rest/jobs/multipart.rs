//! Bodies of the type `multipart/related`: a job's resource, and the file that it loads.

/// The boundary that a `Content-Type` names.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let parameters = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
    named.next().map(|(_, value)| value.trim().trim_matches('"')).filter(|text| !text.is_empty())
}

/// The contents of the parts of a body; `None` if the body is malformed.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<&'a [u8]>> {
    let line = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = if body.starts_with(line.as_bytes()) {
        &body[line.len()..]
    } else {
        &body[find(body, format!("\r\n{line}").as_bytes())? + 2 + line.len()..]
    };
    while !rest.starts_with(b"--") {
        let start = find(rest, b"\r\n")? + 2;
        let end = find(rest, format!("\r\n{line}").as_bytes())?;
        let part = rest.get(start..end)?;
        // Headers end with an empty line; a part may have none.
        let content = match part.strip_prefix(b"\r\n") {
            Some(content) => content,
            None => &part[find(part, b"\r\n\r\n")? + 4..],
        };
        parts.push(content);
        rest = &rest[end + 2 + line.len()..];
    }
    Some(parts)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_split_at_its_boundary() {
        let header = "multipart/related; charset=x; boundary=\"==1==\"";
        assert_eq!(boundary(header), Some("==1=="));
        assert_eq!(boundary("application/json; boundary=1"), None);
        let body = b"--==1==\r\ncontent-type: application/json\r\n\r\n{}\r\n--==1==\r\n\
                     content-type: */*\r\n\r\na\r\n\r\n--b\r\n\r\n--==1==--";
        let found = parts(body, "==1==").unwrap();
        assert_eq!(found, [&b"{}"[..], b"a\r\n\r\n--b\r\n"]);
        assert_eq!(parts(b"--==1==\r\n\r\n{}", "==1=="), None, "it has no end");
    }
}
