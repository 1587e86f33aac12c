//! From a text to an expression that can be evaluated.

use std::sync::{Arc, LazyLock};

use cel::Env;
use cel::parser::{Expression as Tree, PrattParser};

use super::error::{ExpressionError, LONGEST, MOST_LEVELS, MOST_LOOPS};
use super::field::FieldRead;
use super::names::Names;
use super::patterns::Pattern;
use super::scope::{Answer, RECORD, Scope};
use super::shape::Shape;
use super::value::Wanted;
use super::{budget, checks, meter, patterns};

/// The most levels of nested lists, maps and calls. The parser calls itself for each.
const MOST_NESTED: u16 = 64;

/// The standard functions and types, and optional fields (`payload.?amount.orValue(0)`).
pub(super) static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Fails for a second function of one name alone. Then what calls it has no answer.
    let _ = budget::declare(&mut env).and_then(|()| patterns::declare(&mut env));
    Arc::new(env)
});

/// An expression that has been compiled.
#[derive(Debug, Clone)]
pub struct Expression {
    pub(super) tree: Arc<Tree>,
    /// The tree that pays for what it does.
    pub(super) metered: Arc<Tree>,
    pub(super) has_loops: bool,
    pub(super) patterns: Arc<[Pattern]>,
    /// How many nodes the tree has.
    pub(super) operators: usize,
    pub(super) names: Names,
    /// The part of the payload that is read.
    pub(super) wanted: Wanted,
}

/// A text that has been parsed. Something may be wrong with it.
#[derive(Debug)]
pub struct Parsed {
    tree: Tree,
    shape: Shape,
    names: Names,
    patterns: Vec<Pattern>,
    pub problems: Vec<ExpressionError>,
}

impl Parsed {
    /// Parses a text as a condition of a record, and finds all that is wrong with it without an
    /// event. The error is why it cannot be read at all.
    pub fn of(text: &str) -> Result<Self, ExpressionError> {
        Self::in_scope(text, &RECORD)
    }

    /// The same for other variables, and for other uses of the value.
    pub fn in_scope(text: &str, scope: &Scope) -> Result<Self, ExpressionError> {
        if text.len() > LONGEST {
            return Err(ExpressionError::TooLong(text.len()));
        }
        if text.trim().is_empty() {
            return Err(ExpressionError::Empty);
        }
        let mut tree = parse(text)?;
        let shape = Shape::of(&tree);
        if shape.levels > MOST_LEVELS {
            return Err(ExpressionError::TooDeep(shape.levels));
        }
        if shape.loops > MOST_LOOPS {
            return Err(ExpressionError::TooManyLoops(shape.loops));
        }
        let (names, mut problems) = Names::of(&tree, &STANDARD, scope);
        if problems.is_empty() {
            problems.extend(checks::problems(&tree, &STANDARD, scope));
        }
        if problems.is_empty() && !names.uses_any() && scope.answer == Answer::Condition {
            let Scope { subject, variables, .. } = *scope;
            problems.push(ExpressionError::AlwaysTheSame { subject, variables });
        }
        let (patterns, of_patterns) = patterns::take(&mut tree);
        problems.extend(of_patterns);
        Ok(Self { tree, shape, names, patterns, problems })
    }

    /// The fields of the payload that the expression reads.
    pub fn fields(&self) -> &[FieldRead] {
        &self.names.fields
    }

    /// The variables that the expression names, each with the key behind it; `None` where it stands
    /// alone, or with an index that is no text in the expression.
    pub fn members(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.names.members.iter().map(|(variable, key)| (*variable, key.as_deref()))
    }

    /// The texts that the event type is compared with.
    pub fn event_types(&self) -> &[String] {
        &self.names.event_types
    }

    /// The expression, or what is wrong with it.
    pub fn compile(self) -> Result<Expression, Vec<ExpressionError>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(Expression {
            metered: Arc::new(meter::metered(&self.tree)),
            tree: Arc::new(self.tree),
            has_loops: self.shape.loops > 0,
            patterns: self.patterns.into(),
            operators: self.shape.operators,
            wanted: Wanted::of(&self.names.fields),
            names: self.names,
        })
    }
}

impl Expression {
    /// The fields of the payload that the expression reads.
    pub fn fields(&self) -> &[FieldRead] {
        &self.names.fields
    }
}

fn parse(text: &str) -> Result<Tree, ExpressionError> {
    let parser = PrattParser::new()
        .max_recursion_depth(MOST_NESTED)
        .error_reporting_limit(1)
        .enable_optional_syntax(true);
    parser.parse(text).map_err(|errors| {
        let first = errors.errors.first();
        ExpressionError::Syntax(match first.map(|error| (error.pos, error.msg.as_str())) {
            Some(((line, column), what)) if line > 0 => {
                format!("line {line}, column {column}: {what}")
            }
            Some((_, what)) => what.to_owned(),
            None => errors.to_string(),
        })
    })
}
