//! An error and its sources as one line of text, for logs.

use std::error::Error;

/// Returns the messages of `error` and of each of its sources, outermost first, joined by `": "`.
///
/// Many libraries' messages stop at "error sending request"; the reason is in the sources.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The error and its sources, outermost first.
pub(crate) fn errors<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The message of the last source, which says what went wrong; the errors around it say where.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    errors(error).last().unwrap_or(error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Layer {
        message: &'static str,
        source: Option<Box<Self>>,
    }

    fn layer(message: &'static str, source: Option<Layer>) -> Layer {
        Layer { message, source: source.map(Box::new) }
    }

    #[test]
    fn every_source_is_included_outermost_first() {
        let refused = layer("connection refused", None);
        let error = layer("read table t", Some(layer("error sending request", Some(refused))));
        assert_eq!(chain(&error), "read table t: error sending request: connection refused");
        assert_eq!(innermost(&error), "connection refused");
    }

    #[test]
    fn an_error_without_a_source_is_its_message() {
        assert_eq!(chain(&layer("no answer", None)), "no answer");
        assert_eq!(innermost(&layer("no answer", None)), "no answer");
    }
}
