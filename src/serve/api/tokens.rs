//! The bearer tokens that may publish, or read results. Only their hashes are kept, and a token is compared with all
//! of them in constant time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::task::JoinHandle;

/// How often the file is read again.
const EVERY: Duration = Duration::from_secs(1);

/// A shorter token can be guessed.
const SHORTEST: usize = 16;

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;

type Hash = [u8; 32];

/// Why a file of tokens cannot be used. No message has a token.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("read the tokens in {}", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} has more than 1 MiB", .0.display())]
    TooLarge(PathBuf),
    #[error("{} has no token", .0.display())]
    None(PathBuf),
    #[error(
        "line {line} of {} is no token: at least 16 letters, digits and characters among -._~+/=",
        .path.display()
    )]
    Line { path: PathBuf, line: usize },
}

/// The tokens of a file, which is read again while this lives.
#[derive(Debug)]
pub struct Tokens {
    hashes: Arc<RwLock<Vec<Hash>>>,
    watch: JoinHandle<()>,
}

impl Tokens {
    /// Reads the file, and again when it changes. Has to be called inside a tokio runtime.
    pub fn of(path: &Path) -> Result<Self, TokensError> {
        let hashes = Arc::new(RwLock::new(read(path)?));
        let watch = tokio::spawn(watch(path.to_owned(), hashes.clone()));
        Ok(Self { hashes, watch })
    }

    /// Whether a request has one token, and it is in the file.
    pub(in crate::serve) fn sent_in(&self, headers: &HeaderMap) -> bool {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (sent.next(), sent.next()) else { return false };
        let bytes = value.as_bytes();
        bytes.split_at_checked(7).is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"bearer ") && self.accept(token.trim_ascii())
        })
    }

    /// Whether the token is in the file.
    fn accept(&self, token: &[u8]) -> bool {
        let hash = hash(token);
        let hashes = self.hashes.read().unwrap_or_else(PoisonError::into_inner);
        let any = hashes.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&hash));
        any.into()
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// A file that cannot be read, or has a mistake, leaves the tokens as they are.
async fn watch(path: PathBuf, hashes: Arc<RwLock<Vec<Hash>>>) {
    let mut failing = false;
    loop {
        tokio::time::sleep(EVERY).await;
        let from = path.clone();
        let Ok(answer) = tokio::task::spawn_blocking(move || read(&from)).await else { return };
        match answer {
            Ok(new) => {
                failing = false;
                let mut known = hashes.write().unwrap_or_else(PoisonError::into_inner);
                if *known != new {
                    tracing::info!(tokens = new.len(), "tokens read again");
                    *known = new;
                }
            }
            Err(error) if !failing => {
                failing = true;
                let error = crate::error_chain::chain(&error);
                tracing::warn!(error, "the tokens stay as they were");
            }
            Err(_) => {}
        }
    }
}

/// The hashes of the tokens in a file: one a line, without empty lines and those that begin with `#`.
fn read(path: &Path) -> Result<Vec<Hash>, TokensError> {
    let failed = |source| TokensError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > LARGEST {
        return Err(TokensError::TooLarge(path.to_owned()));
    }
    let text = std::fs::read(path).map_err(failed)?;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1..);
    let mut hashes = Vec::new();
    for (token, line) in lines.filter(|(token, _)| !token.is_empty() && token[0] != b'#') {
        if token.len() < SHORTEST || !token.iter().all(is_part_of_token) {
            return Err(TokensError::Line { path: path.to_owned(), line });
        }
        hashes.push(hash(token));
    }
    if hashes.is_empty() { Err(TokensError::None(path.to_owned())) } else { Ok(hashes) }
}

/// The characters of a bearer token (RFC 6750).
fn is_part_of_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte)
}

fn hash(token: &[u8]) -> Hash {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: &str = "# of the shop\nshop-0123456789abcdef\n\n  till-0123456789abcdef \r\n";

    #[tokio::test]
    async fn tokens_are_read_again_when_the_file_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        std::fs::write(&path, TOKENS).expect("written");
        let tokens = Tokens::of(&path).expect("tokens");
        let accepted = |token: &str| tokens.accept(token.as_bytes());
        assert!(accepted("shop-0123456789abcdef") && accepted("till-0123456789abcdef"));
        for wrong in ["", "shop-0123456789abcde", "# of the shop", "shop-0123456789abcdeF"] {
            assert!(!accepted(wrong), "{wrong}");
        }
        std::fs::remove_file(&path).expect("removed");
        tokio::time::sleep(EVERY * 2).await;
        assert!(accepted("till-0123456789abcdef"), "a missing file changes nothing");
        std::fs::write(&path, "next-0123456789abcdef").expect("written");
        let changed = async {
            while !accepted("next-0123456789abcdef") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), changed).await.expect("read again");
        assert!(!accepted("till-0123456789abcdef"));
    }

    #[test]
    fn a_mistake_is_named_by_its_line_and_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        for (text, expected) in [
            ("", "has no token"),
            ("# nothing\n", "has no token"),
            ("shop-0123456789abcdef\nhunter2\n", "line 2 of"),
            ("two words with spaces in it", "line 1 of"),
        ] {
            std::fs::write(&path, text).expect("written");
            let said = read(&path).expect_err("refused").to_string();
            assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
        }
        assert!(matches!(read(&folder.path().join("none")), Err(TokensError::Read { .. })));
    }
}
