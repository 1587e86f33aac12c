//! Parsers of single values, one function for each kind of value.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::share::Share;

/// Why a text is not accepted, in addition to the description of the accepted values. Empty if
/// there is nothing to add.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Wrong {
    pub fn plain() -> Self {
        Self(String::new())
    }

    pub fn because(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }

    /// The same reason, of a part of the value.
    pub fn about(self, part: impl fmt::Display) -> Self {
        let why = if self.0.is_empty() { "it is not one of these" } else { &self.0 };
        Self(format!("{part}: {why}"))
    }

    /// The accepted values, followed by the reason.
    pub fn accepted(self, accepted: &str) -> String {
        if self.0.is_empty() { accepted.to_owned() } else { format!("{accepted}; {}", self.0) }
    }
}

pub fn flag(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Wrong::plain()),
    }
}

/// One of a few names, in upper or lower case.
pub fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or_else(Wrong::plain)
}

/// A whole number within bounds. Underscores are allowed, as in TOML: `10_000`.
pub fn number(text: &str, least: u64, most: u64) -> Result<u64, Wrong> {
    let digits = text.replace('_', "");
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    match digits.parse() {
        Ok(number) if plain && (least..=most).contains(&number) => Ok(number),
        _ => Err(Wrong::plain()),
    }
}

/// A number of bytes within bounds: `1048576`, `1024KiB`, `1 MiB`.
pub fn bytes(text: &str, least: u64, most: u64) -> Result<usize, Wrong> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(Wrong::because("the units are KiB, MiB and GiB")),
    };
    let count = number(digits.trim_end(), 0, u64::MAX)?;
    let bytes = count.checked_mul(factor).filter(|bytes| (least..=most).contains(bytes));
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(Wrong::plain)
}

pub fn milliseconds(text: &str, most: u64) -> Result<Duration, Wrong> {
    number(text, 0, most).map(Duration::from_millis)
}

/// An age: a number and a unit (`s`, `m`, `h`, `d`, `w`), at most a hundred years.
pub fn age(text: &str) -> Result<Duration, Wrong> {
    const MOST_SECONDS: u64 = 100 * 365 * 24 * 3_600;
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 24 * 3_600,
        "w" => 7 * 24 * 3_600,
        _ => return Err(Wrong::because("the units are s, m, h, d and w")),
    };
    number(digits.trim_end(), 1, MOST_SECONDS / seconds)
        .map(|count| Duration::from_secs(count * seconds))
}

/// A share: `50%` or `0.5`.
pub fn share(text: &str) -> Result<Share, Wrong> {
    text.parse().map_err(|_| Wrong::plain())
}

/// A list of event types; see [`names`].
pub fn event_types(text: &str) -> Result<Vec<String>, Wrong> {
    names(text, "an event type")
}

/// A list of names: a JSON list, a JSON string that contains one, or names separated by commas. Keeps
/// the order and drops repetitions. `one` is what a message calls one of them.
pub fn names(text: &str, one: &str) -> Result<Vec<String>, Wrong> {
    let names = match text.as_bytes().first() {
        None => Vec::new(),
        Some(b'[') => json_list(text)?,
        Some(b'"') => {
            let inner: String = serde_json::from_str(text).map_err(|error| {
                Wrong::because(format!("not a JSON string ({})", brief(&error)))
            })?;
            json_list(&inner)?
        }
        // Probably a JSON list whose first bracket or quote is missing.
        Some(_) if text.contains(['"', '\'', '[', ']', '{', '}']) => {
            return Err(Wrong::because("names separated by commas take no quotes or brackets"));
        }
        Some(_) => text.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    let mut kept: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if name.is_empty() {
            return Err(Wrong::because(format!("{one} is empty")));
        }
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    Ok(kept)
}

fn json_list(text: &str) -> Result<Vec<String>, Wrong> {
    serde_json::from_str(text)
        .map_err(|error| Wrong::because(format!("not a JSON list of strings ({})", brief(&error))))
}

/// The kind of a JSON error and its column. serde_json's own message may repeat the value.
fn brief(error: &serde_json::Error) -> String {
    format!("{:?} error at column {}", error.classify(), error.column()).to_lowercase()
}

/// The keys of a JSON pointer (RFC 6901).
pub fn pointer(text: &str) -> Result<Vec<String>, Wrong> {
    let Some(rest) = text.strip_prefix('/') else {
        return Err(Wrong::because("a pointer begins with a slash"));
    };
    rest.split('/').map(pointer_key).collect()
}

/// The key that a segment of a pointer stands for. A tilde is the beginning of `~0` (a tilde) or `~1` (a slash).
fn pointer_key(segment: &str) -> Result<String, Wrong> {
    let tildes = segment.split('~').skip(1);
    if tildes.into_iter().any(|after| !after.starts_with(['0', '1'])) {
        return Err(Wrong::because("in a pointer `~` is written `~0`, and `/` in a key `~1`"));
    }
    Ok(segment.replace("~1", "/").replace("~0", "~"))
}

/// A name of 1 to `longest` ASCII letters, digits and bytes of `also`.
pub fn name(text: &str, also: &[u8], longest: usize) -> Result<String, Wrong> {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b));
    if fits && (1..=longest).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::plain())
}

/// A topic name by Kafka's rules: up to 249 letters, digits, dots, underscores and hyphens, but
/// neither `.` nor `..`.
pub fn topic(text: &str) -> Result<String, Wrong> {
    name(text, b"._-", 249).ok().filter(|topic| topic != "." && topic != "..").ok_or_else(|| {
        Wrong::because("a topic name has up to 249 letters, digits, `.`, `_` and `-`")
    })
}

/// Servers separated by commas, each `host:port`, with an optional `protocol://` before, which has
/// to be `security_protocol`: librdkafka leaves out servers of another protocol. `None`: the
/// protocol is not known.
pub fn servers(text: &str, security_protocol: Option<&str>) -> Result<String, Wrong> {
    let servers: Vec<&str> = text.split(',').map(str::trim).collect();
    for server in &servers {
        let place = match server.split_once("://") {
            Some((protocol, place)) => {
                check_protocol(protocol, security_protocol)?;
                place
            }
            None => server,
        };
        let Some((host, port)) = place.rsplit_once(':') else {
            return Err(Wrong::because("a server has no port: write host:port"));
        };
        number(port, 1, 65_535)
            .map_err(|_| Wrong::because("a port is a number from 1 to 65535"))?;
        if !is_host(host) {
            return Err(Wrong::because(
                "a host is a name, an IPv4 address, or an IPv6 address in brackets",
            ));
        }
    }
    Ok(servers.join(","))
}

fn check_protocol(protocol: &str, security_protocol: Option<&str>) -> Result<(), Wrong> {
    const KNOWN: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    if !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(protocol)) {
        return Err(Wrong::because(
            "a protocol before a server is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; it may be left out",
        ));
    }
    match security_protocol {
        Some(configured) if !configured.eq_ignore_ascii_case(protocol) => {
            Err(Wrong::because(format!(
                "the environment's `security.protocol` is {}, and librdkafka leaves out servers of another protocol: leave out `protocol://`, or set the property",
                configured.to_lowercase()
            )))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a text is a host's name, which may have underscores, or its address.
pub fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// A URL `https://host[:port]`, or `http://host[:port]` if the host is this machine. A slash at the
/// end is removed.
pub fn url(text: &str) -> Result<String, Wrong> {
    let (url, in_clear) = address(text)?;
    if in_clear {
        return Err(Wrong::because(
            "http:// is allowed for this machine only: http://127.0.0.1:port",
        ));
    }
    Ok(url)
}

/// Like [`url`], and whether it sends in clear to another machine.
pub fn address(text: &str) -> Result<(String, bool), Wrong> {
    let wrong = |why: &str| Err(Wrong::because(why));
    let Ok(uri) = text.parse::<http::Uri>() else { return wrong("this is not a URL") };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong("the URL has no scheme or no host");
    };
    if authority.as_str().contains('@') {
        return wrong("the URL must not contain a user or a password");
    }
    if uri.path() != "/" || uri.query().is_some() {
        return wrong("the URL must not have a path");
    }
    let in_clear = match scheme {
        "https" => false,
        "http" => !is_loopback(authority.host()),
        _ => return wrong("the URL's scheme is neither https nor http"),
    };
    Ok((text.trim_end_matches('/').to_owned(), in_clear))
}

/// Whether a URL's host is this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
