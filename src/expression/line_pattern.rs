//! Patterns that take lines apart.

use memchr::memmem;
use regex::Captures;
use regex_syntax::hir::literal::Extractor;

use super::budget::Budget;
use super::error::ExpressionError;
use super::patterns::Pattern;
use cel::ExecutionError;

/// How many times longer it takes to find the groups of a match than to find that there is one.
const GROUPS: u64 = 4;

/// Bytes that a search for a plain text passes over in a step.
const BYTES_A_STEP: u64 = 16;

/// A pattern with named groups. It is as limited as one of `matches`.
#[derive(Debug, Clone)]
pub struct LinePattern {
    pattern: Pattern,
    /// Every match begins with this text. Most lines of a log do not have it, and then the pattern
    /// is not searched for, which would have to be paid for at its worst.
    beginning: Vec<u8>,
}

impl LinePattern {
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        Ok(Self { pattern: Pattern::compile(text)?, beginning: beginning(text) })
    }

    /// The names of its groups, in their order.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.pattern.regex.capture_names().flatten()
    }

    /// The groups of a line that matches.
    pub(super) fn captures<'l>(
        &self,
        line: &'l str,
        budget: &Budget,
    ) -> Result<Option<Captures<'l>>, ExecutionError> {
        let Pattern { regex, positions, .. } = &self.pattern;
        if !self.beginning.is_empty() {
            budget.pay(1 + line.len() as u64 / BYTES_A_STEP, 0)?;
            if memmem::find(line.as_bytes(), &self.beginning).is_none() {
                return Ok(None);
            }
        }
        budget.pay_for_search(line.len(), *positions)?;
        if !regex.is_match(line) {
            return Ok(None);
        }
        budget.pay_for_search(line.len(), positions.saturating_mul(GROUPS))?;
        Ok(regex.captures(line))
    }
}

/// The text with which every match of a pattern begins; empty where they begin differently.
fn beginning(pattern: &str) -> Vec<u8> {
    let literals = regex_syntax::parse(pattern).map(|hir| Extractor::new().extract(&hir));
    let common = literals.as_ref().ok().and_then(|literals| literals.longest_common_prefix());
    common.unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_beginning_of_all_matches_is_found() {
        for (pattern, expected) in [
            ("x509: certificate (?P<why>.*)", "x509: certificate "),
            ("^level=(?P<level>[a-z]+)", "level="),
            ("(?P<a>abc|abd)", "ab"),
            ("(?P<a>abc|x)", ""),
            ("(?P<a>.*)x509", ""),
            ("(?i)abc(?P<a>x)", ""),
            ("(?P<a>a)?b", ""),
            ("(?P<a>a*)b", ""),
        ] {
            let found = String::from_utf8(beginning(pattern)).expect("UTF-8");
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn lines_are_taken_apart_as_without_looking_for_the_beginning() {
        for pattern in ["ab(?P<n>[0-9]+)", "^ab(?P<n>.)", "(?P<n>x?)ab", "a(?P<n>b|c)"] {
            let quick = LinePattern::compile(pattern).expect("a pattern");
            let plain = LinePattern { beginning: Vec::new(), ..quick.clone() };
            for line in ["", "ab1", "xab12 ab3", "ab", "ac", "AB1", "b", "aab7"] {
                let groups = |pattern: &LinePattern| {
                    let found = pattern.captures(line, &Budget::new()).expect("little");
                    found.map(|groups| groups.name("n").map(|one| one.as_str().to_owned()))
                };
                assert_eq!(groups(&quick), groups(&plain), "{pattern} {line}");
            }
        }
    }
}
