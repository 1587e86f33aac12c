//! Free loopback ports that stay free while their server restarts.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::sync::Mutex;

/// The ports lie below those that Linux and macOS give to outgoing connections (from 32768 and
/// 49152), so no connection takes one while its server restarts.
const FIRST: u16 = 18_000;
const MANY: u64 = 14_000;

/// A free port; each call in this process returns another one.
pub fn free() -> u16 {
    static GIVEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for _ in 0..1_000 {
        let draw = RandomState::new().hash_one(given.len()) % MANY;
        let port = FIRST + u16::try_from(draw).expect("below 14,000");
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.push(port);
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", u64::from(FIRST) + MANY);
}
