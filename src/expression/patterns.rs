//! The patterns of `matches`: they stand in the expression, and are compiled with it.
//!
//! The library's own `matches` compiles its pattern at each call. A call `text.matches("a+")` becomes
//! `@matches(@budget, @pattern0, text)`.

use std::any::Any;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::{CelString, DYN_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use super::budget::{BUDGET, Budget};
use super::error::{ExpressionError, LARGEST_PATTERN, MOST_PATTERNS};

/// The function that looks for a compiled pattern.
pub(super) const MATCHES: &str = "@matches";

/// Bytes of a compiled pattern, and of what it remembers between two searches. A class of all
/// letters has some kilobytes.
const LARGEST_COMPILED: usize = 1 << 20;

/// How many times longer a search takes for a pattern with `\b`, where a text is not ASCII.
const WORD_BOUNDARY: u64 = 2;

static PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    text: String,
    pub(super) regex: Regex,
    /// Characters of the longest text that it describes without `*` and `+`. A search takes no more
    /// than this for each character of the text.
    pub(super) positions: u64,
}

impl Pattern {
    pub(super) fn compile(text: &str) -> Result<Self, ExpressionError> {
        let invalid = |why: &dyn std::fmt::Display| ExpressionError::Pattern {
            pattern: text.to_owned(),
            // The library shows the pattern first; what is wrong is the last line.
            why: why.to_string().lines().last().unwrap_or_default().replace("error: ", ""),
        };
        let too_large = || ExpressionError::PatternTooLarge { pattern: text.to_owned() };
        let parsed = regex_syntax::parse(text).map_err(|error| invalid(&error))?;
        let mut positions = positions(&parsed);
        if positions > LARGEST_PATTERN {
            return Err(too_large());
        }
        if parsed.properties().look_set().contains_word_unicode() {
            positions *= WORD_BOUNDARY;
        }
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(LARGEST_COMPILED).dfa_size_limit(LARGEST_COMPILED);
        let regex = builder.build().map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => too_large(),
            other => invalid(&other),
        })?;
        Ok(Self { text: text.to_owned(), regex, positions })
    }
}

/// See [`Pattern::positions`].
fn positions(pattern: &Hir) -> u64 {
    match pattern.kind() {
        HirKind::Empty => 0,
        HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min).max(1);
            positions(&repetition.sub).saturating_mul(u64::from(most))
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(0, |sum, part| sum.saturating_add(positions(part)))
        }
    }
}

/// The variable of a pattern.
pub(super) fn variable(index: usize) -> String {
    format!("@pattern{index}")
}

/// The patterns of a tree, compiled, and everything that is wrong with them. The tree's calls of
/// `matches` look for them then.
pub(super) fn take(tree: &mut IdedExpr) -> (Vec<Pattern>, Vec<ExpressionError>) {
    let mut patterns = Patterns::default();
    patterns.expression(tree);
    if patterns.found.len() > MOST_PATTERNS {
        patterns.problems.push(ExpressionError::TooManyPatterns(patterns.found.len()));
    }
    (patterns.found, patterns.problems)
}

#[derive(Default)]
struct Patterns {
    found: Vec<Pattern>,
    problems: Vec<ExpressionError>,
}

impl Patterns {
    fn expression(&mut self, at: &mut IdedExpr) {
        super::shape::children_mut(at).into_iter().for_each(|child| self.expression(child));
        let Expr::Call(call) = &mut at.expr else { return };
        if call.func_name != "matches" {
            return;
        }
        let (text, pattern) = match (call.target.take(), &mut call.args[..]) {
            (Some(text), [pattern]) => (*text, pattern),
            (None, [text, pattern]) => (std::mem::take(text), pattern),
            (target, _) => {
                call.target = target;
                return self.problems.push(ExpressionError::PatternNotLiteral);
            }
        };
        let Expr::Literal(LiteralValue::String(pattern)) = &pattern.expr else {
            return self.problems.push(ExpressionError::PatternNotLiteral);
        };
        let known = self.found.iter().position(|one| one.text == pattern.inner());
        let index = known.unwrap_or(self.found.len());
        if known.is_none() {
            match Pattern::compile(pattern.inner()) {
                Ok(compiled) => self.found.push(compiled),
                Err(problem) => return self.problems.push(problem),
            }
        }
        let name = |name: String| IdedExpr { id: 0, expr: Expr::Ident(name) };
        let args = vec![name(BUDGET.to_owned()), name(variable(index)), text];
        *call = CallExpr { func_name: MATCHES.to_owned(), target: None, args };
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN_TYPE
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [budget, pattern, text] = arguments.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let (Some(budget), Some(pattern)) =
        (budget.downcast_ref::<Budget>(), pattern.downcast_ref::<Pattern>())
    else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let Some(text) = text.downcast_ref::<CelString>() else {
        let types = vec![text.get_type().name().to_owned()];
        return Err(ExecutionError::no_such_overload("matches", types));
    };
    budget.pay_for_search(text.inner().len(), pattern.positions)?;
    let answer = pattern.regex.is_match(text.inner());
    Ok(CowVal::owned(cel::common::types::CelBool::from(answer)))
}

/// Adds the function to the library's.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(MATCHES, MATCHES, vec![DYN_TYPE, DYN_TYPE, DYN_TYPE], matches)
}
