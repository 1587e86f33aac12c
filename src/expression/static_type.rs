//! What can be said of a value's type before there is an event.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::error::VARIABLES;
use super::functions;

/// The type of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StaticType {
    /// The event decides.
    Unknown,
    Bool,
    Optional,
    /// Another type, as messages name it.
    Other(&'static str),
}

const NUMBER: StaticType = StaticType::Other("a number");
const STRING: StaticType = StaticType::Other("a string");
const BYTES: StaticType = StaticType::Other("bytes");
const LIST: StaticType = StaticType::Other("a list");
const MAP: StaticType = StaticType::Other("a map");
const TIME: StaticType = StaticType::Other("a timestamp");
const DURATION: StaticType = StaticType::Other("a duration");
const TYPE: StaticType = StaticType::Other("a type");
const SUM: StaticType = StaticType::Other("the result of a calculation");
const TEXT_OR_BYTES: StaticType = StaticType::Other("a string, bytes or null");

impl StaticType {
    /// `local`: the variables of the loops around the expression.
    pub fn of(at: &IdedExpr, local: &[&str]) -> Self {
        match &at.expr {
            Expr::Unspecified | Expr::Struct(_) => Self::Unknown,
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Self::Bool,
                LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_) => NUMBER,
                LiteralValue::String(_) => STRING,
                LiteralValue::Bytes(_) => BYTES,
                LiteralValue::Null => Self::Other("null"),
            },
            Expr::List(_) => LIST,
            Expr::Map(_) => MAP,
            Expr::Ident(name) => Self::variable(name, local),
            Expr::Select(select) if select.test => Self::Bool,
            Expr::Select(select) => {
                match (&select.operand.expr, Self::of(&select.operand, local)) {
                    (Expr::Ident(root), _) if root == "headers" && !local.contains(&"headers") => {
                        TEXT_OR_BYTES
                    }
                    (_, Self::Optional) => Self::Optional,
                    _ => Self::Unknown,
                }
            }
            Expr::Call(call) => Self::call(call, local),
            Expr::Comprehension(all) if functions::appends(all) => LIST,
            Expr::Comprehension(_) => Self::Bool,
        }
    }

    fn variable(name: &str, local: &[&str]) -> Self {
        match name {
            _ if local.contains(&name) => Self::Unknown,
            "payload" => Self::Other("an object"),
            "headers" => MAP,
            "event_type" => STRING,
            "key" => TEXT_OR_BYTES,
            "timestamp" => Self::Other("a timestamp or null"),
            _ if VARIABLES.contains(&name) || name.starts_with('@') => Self::Unknown,
            _ => TYPE,
        }
    }

    fn call(call: &CallExpr, local: &[&str]) -> Self {
        use operators as o;
        let of = |at: &IdedExpr| Self::of(at, local);
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (
                o::LOGICAL_AND | o::LOGICAL_OR | o::LOGICAL_NOT | o::NOT_STRICTLY_FALSE | o::IN,
                _,
            )
            | (o::EQUALS | o::NOT_EQUALS, _)
            | (o::LESS | o::LESS_EQUALS | o::GREATER | o::GREATER_EQUALS, _) => Self::Bool,
            (o::ADD | o::SUBSTRACT | o::MULTIPLY | o::DIVIDE | o::MODULO | o::NEGATE, _) => SUM,
            (o::OPT_INDEX | o::OPT_SELECT, _) => Self::Optional,
            (o::INDEX, [from, _]) => match of(from) {
                Self::Optional => Self::Optional,
                _ if matches!(&from.expr, Expr::Ident(it) if it == "headers" && !local.contains(&"headers")) => {
                    TEXT_OR_BYTES
                }
                _ => Self::Unknown,
            },
            (o::CONDITIONAL, [_, yes, no]) => match (of(yes), of(no)) {
                (a, b) if a == b => a,
                (Self::Other(_), Self::Other(_)) => Self::Other("no bool either way"),
                _ => Self::Unknown,
            },
            ("of" | "none" | "ofNonZeroValue", _) if is_optional(call) => Self::Optional,
            ("or", _) => Self::Optional,
            ("dyn", [value]) => of(value),
            ("size" | "int" | "uint" | "double", _) => NUMBER,
            ("string", _) => STRING,
            ("bytes", _) => BYTES,
            ("timestamp", _) => TIME,
            ("duration", _) => DURATION,
            ("type", _) => TYPE,
            ("contains" | "startsWith" | "endsWith" | "matches" | "hasValue" | "bool", _) => {
                Self::Bool
            }
            _ if name.starts_with("get") => NUMBER,
            _ => Self::Unknown,
        }
    }
}

/// Whether a call is one of `optional.of` and the like.
pub(super) fn is_optional(call: &CallExpr) -> bool {
    matches!(call.target.as_deref(), Some(IdedExpr { expr: Expr::Ident(name), .. }) if name == "optional")
}
