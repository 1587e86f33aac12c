//! Expressions in CEL (Common Expression Language, cel.dev) over a record: `payload.amount > 5`.
//!
//! ```text
//! text ─► parse, capped ─► names: variables, functions, fields of the payload ─► checks
//!      ─► patterns, compiled ─► meter: a tree that pays for what it does ─► Expression
//!
//! record ─► the fields that the expression names (value) ─► evaluate ─► true | false | why not
//! ```
//!
//! Rules have expressions over other variables ([`Scope`]), whose values are [`Held`]:
//!
//! ```text
//! files ─► content, paid ─► Held ─► Expression::value ─► Held ─► JSON, paid
//! ```
//!
//! CEL has no loops but those over a list or a map that is there, and no effects, so an expression
//! ends; a budget of steps and bytes makes it end soon. Numbers of different types compare by their value: `5`, `5.0` and an integer beyond INT64
//! are less than, equal to or greater than one another as on paper.

mod budget;
mod checks;
mod compiled;
mod content;
mod content_yaml;
mod error;
mod evaluate;
mod failure;
mod field;
mod functions;
mod held;
mod json;
mod line_pattern;
mod member;
mod meter;
mod names;
mod patterns;
mod scope;
mod shape;
mod shared;
mod static_type;
mod value;

#[cfg(test)]
mod tests;

pub use compiled::{Expression, Parsed};
pub use content::{ContentBudget, Unread};
pub use error::ExpressionError;
pub use evaluate::{Evaluation, Subject};
pub use failure::NotEvaluated;
pub use field::{Field, FieldRead, Step};
pub use held::Held;
pub use line_pattern::LinePattern;
pub use scope::{Answer, Scope};
