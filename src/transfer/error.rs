//! Why a run has not ended well.

use super::source::SourceError;
use crate::stop::Stop;

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(transparent)]
    Stop(#[from] Stop),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the run is held by {by}")]
    Held { by: String, expires_in_ms: i64 },
    #[error("{rejected} of {read} records {} rejected, and --max-rejected is {limit}", are(*rejected))]
    TooManyRejected { rejected: u64, read: u64, limit: String, dead_letters: String },
    #[error("{}: {}{}", repeated(*keys), examples.join("; "), more(*keys, examples))]
    Duplicates { keys: u64, examples: Vec<String> },
    #[error("{what}")]
    Settings { what: String, hint: String },
    #[error("write {target}: another run has taken over")]
    TakenOver { target: String },
    #[error("stopped by a signal")]
    Interrupted,
}

fn are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn repeated(keys: u64) -> String {
    match keys {
        1 => "1 key is that of several rows".to_owned(),
        keys => format!("{keys} keys are those of several rows"),
    }
}

fn more(keys: u64, examples: &[String]) -> &'static str {
    if keys > examples.len() as u64 { "; …" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_and_several_are_named() {
        let repeated = |keys, examples: &[&str]| {
            let examples = examples.iter().map(|one| (*one).to_owned()).collect();
            TransferError::Duplicates { keys, examples }.to_string()
        };
        assert_eq!(
            repeated(1, &["id \"a\" (2 rows)"]),
            "1 key is that of several rows: id \"a\" (2 rows)"
        );
        assert_eq!(
            repeated(9, &["id \"a\" (3 rows)", "id \"b\" (2 rows)"]),
            "9 keys are those of several rows: id \"a\" (3 rows); id \"b\" (2 rows); …"
        );
    }
}
