//! Texts become values: one function a kind of value, none of which can panic.

use std::net::IpAddr;
use std::time::Duration;

use super::reader::Wrong;

pub fn flag(text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Wrong::plain()),
    }
}

/// One of a few words, in any case.
pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or_else(Wrong::plain)
}

/// A whole number within bounds; `10_000` is read as TOML reads it.
pub fn number(text: &str, least: u64, most: u64) -> Result<u64, Wrong> {
    let digits = text.replace('_', "");
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    match digits.parse() {
        Ok(number) if plain && (least..=most).contains(&number) => Ok(number),
        _ => Err(Wrong::plain()),
    }
}

/// `1048576`, `1024KiB`, `1 MiB`.
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

/// Event types to leave out, in any of the three forms; order kept, repetitions dropped.
pub fn event_types(text: &str) -> Result<Vec<String>, Wrong> {
    let names = match text.as_bytes().first() {
        None => Vec::new(),
        Some(b'[') => json_list(text)?,
        Some(b'"') => {
            let inner: String = serde_json::from_str(text)
                .map_err(|error| Wrong::because(format!("no JSON string ({})", brief(&error))))?;
            json_list(&inner)?
        }
        // A list that lost its first bracket or quote is no list of names.
        Some(_) if text.contains(['"', '\'', '[', ']', '{', '}']) => {
            return Err(Wrong::because("names with commas between have no quotes and brackets"));
        }
        Some(_) => text.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    let mut kept: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if name.is_empty() {
            return Err(Wrong::because("an event type is empty"));
        }
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    Ok(kept)
}

fn json_list(text: &str) -> Result<Vec<String>, Wrong> {
    serde_json::from_str(text)
        .map_err(|error| Wrong::because(format!("no JSON list of texts ({})", brief(&error))))
}

/// What kind of error and where; serde_json's own text may repeat the value.
fn brief(error: &serde_json::Error) -> String {
    format!("{:?} error at column {}", error.classify(), error.column()).to_lowercase()
}

/// Letters, digits and the bytes of `also`; 1 to `longest` bytes.
pub fn name(text: &str, also: &[u8], longest: usize) -> Result<String, Wrong> {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b));
    if fits && (1..=longest).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::plain())
}

/// Kafka's rule: letters, digits, dot, underscore, hyphen; 249 at most; neither `.` nor `..`.
pub fn topic(text: &str) -> Result<String, Wrong> {
    name(text, b"._-", 249)
        .ok()
        .filter(|topic| topic != "." && topic != "..")
        .ok_or_else(|| Wrong::because("a topic has letters, digits, `.`, `_`, `-`; 249 at most"))
}

/// `host:port` with commas between; a listener's protocol may stand before each.
pub fn servers(text: &str) -> Result<String, Wrong> {
    let servers: Vec<&str> = text.split(',').map(str::trim).collect();
    for server in &servers {
        let place = server.split_once("://").map_or(*server, |(_, place)| place);
        let host = match place.rsplit_once(':') {
            Some((host, port)) => {
                number(port, 1, 65_535).map_err(|_| Wrong::because("a port is 1 to 65535"))?;
                host
            }
            None => place,
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".-_[]:".contains(&b);
        if host.is_empty() || !host.bytes().all(fits) {
            return Err(Wrong::because("a server has no host"));
        }
    }
    Ok(servers.join(","))
}

/// `https://host[:port]`, or `http://` where the host is this machine. Without the slash at the end.
pub fn url(text: &str) -> Result<String, Wrong> {
    let wrong = |why: &str| Err(Wrong::because(why));
    let Ok(uri) = text.parse::<http::Uri>() else { return wrong("it is no URL") };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong("it has no scheme or no host");
    };
    if authority.as_str().contains('@') {
        return wrong("user and password do not belong into it");
    }
    if uri.path() != "/" || uri.query().is_some() {
        return wrong("it has a path");
    }
    match scheme {
        "https" => {}
        "http" if is_loopback(authority.host()) => {}
        "http" => return wrong("without TLS only this machine is reached: http://127.0.0.1:port"),
        _ => return wrong("its scheme is neither https nor http"),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
