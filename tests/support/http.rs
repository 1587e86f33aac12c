//! HTTP requests, enough for health, metrics and queries on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Status and body of the response; `None` if there is no response.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    exchange(port, "GET", path, "")
}

/// Like [`get`], with a body.
pub fn post(port: u16, path: &str, body: &str) -> Option<(u16, String)> {
    exchange(port, "POST", path, body)
}

fn exchange(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    // HTTP/1.0, so that no server answers in chunks.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split_whitespace().nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, body.to_owned()))
}
