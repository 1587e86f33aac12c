//! What is wrong with an expression whatever the event is.

use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Env, Value};

use super::error::ExpressionError;
use super::failure;
use super::scope::{Answer, Scope};
use super::shape;
use super::static_type::{StaticType, is_optional};

/// Everything that is wrong with a tree whose names are known.
pub(super) fn problems(tree: &IdedExpr, env: &Arc<Env>, scope: &Scope) -> Vec<ExpressionError> {
    let mut checks = Checks { problems: Vec::new(), local: scope.untyped.to_vec(), env };
    if scope.answer == Answer::Condition {
        checks.condition("the result", tree);
    }
    checks.expression(tree);
    checks.problems
}

struct Checks<'e> {
    problems: Vec<ExpressionError>,
    /// The variables whose types nobody knows: of the loops around this place, and of the scope.
    local: Vec<&'e str>,
    env: &'e Arc<Env>,
}

impl<'e> Checks<'e> {
    /// Whether the expression's value is the same for every event, and if so whether it is known to
    /// have one. Only calls are tried out: those of functions with texts that they do not take, such
    /// as `timestamp("today")`.
    fn expression(&mut self, at: &'e IdedExpr) -> bool {
        match &at.expr {
            Expr::Literal(_) => true,
            Expr::Ident(name) => name == "optional" && !self.local.contains(&"optional"),
            Expr::Comprehension(all) => {
                self.expression(&all.iter_range);
                let outside = self.local.len();
                self.local.push(&all.iter_var);
                self.local.extend(all.iter_var2.as_deref());
                self.local.push(&all.accu_var);
                let within = [&all.loop_cond, &all.loop_step, &all.result];
                within.into_iter().for_each(|child| _ = self.expression(child));
                self.local.truncate(outside);
                false
            }
            Expr::Struct(made) => {
                self.problems.push(ExpressionError::Struct { name: made.type_name.clone() });
                false
            }
            Expr::Call(call) => self.call(at, call),
            _ => {
                let children = shape::children(at).into_iter();
                // All of them, so that all problems are found.
                children.fold(true, |known, child| self.expression(child) & known)
            }
        }
    }

    fn call(&mut self, at: &'e IdedExpr, call: &'e CallExpr) -> bool {
        use operators as o;
        let operator = failure::shown(&call.func_name);
        match (call.func_name.as_str(), call.args.as_slice()) {
            (o::LOGICAL_AND | o::LOGICAL_OR, [result, condition]) if is_result(result) => {
                self.condition("the condition of a loop", condition);
            }
            (o::CONDITIONAL, [condition, _, otherwise]) if is_result(otherwise) => {
                self.condition("the condition of a loop", condition);
            }
            (o::LOGICAL_AND | o::LOGICAL_OR | o::LOGICAL_NOT, operands) => {
                let place = format!("what `{operator}` takes");
                operands.iter().for_each(|operand| self.condition(&place, operand));
            }
            (o::CONDITIONAL, [condition, ..]) => self.condition("what `?` takes", condition),
            _ => self.takes_no_optional(&operator, call),
        }
        let problems = self.problems.len();
        let known =
            shape::children(at).into_iter().fold(true, |known, it| self.expression(it) & known);
        if !known || self.problems.len() > problems || call.func_name == "matches" {
            return false;
        }
        let context = Context::with_env(Arc::clone(self.env));
        let has_value = Value::resolve_val(at, &context).is_ok();
        if !has_value {
            self.problems.push(ExpressionError::NoValue {
                call: shown(at),
                hint: match call.func_name.as_str() {
                    "timestamp" => "; a timestamp is \"2026-01-31T12:00:00Z\"",
                    "duration" => "; a duration is \"1h30m\"",
                    _ => "",
                },
            });
        }
        has_value
    }

    /// What stands where a bool has to.
    fn condition(&mut self, place: &str, at: &IdedExpr) {
        match StaticType::of(at, &self.local) {
            StaticType::Unknown | StaticType::Bool => {}
            StaticType::Optional => {
                self.problems.push(ExpressionError::OptionalCondition { place: place.to_owned() });
            }
            StaticType::Other(found) => {
                let place = place.to_owned();
                self.problems.push(ExpressionError::NotABool { place, found });
            }
        }
    }

    /// An optional value equals no other value, and functions do not take it.
    fn takes_no_optional(&mut self, operator: &str, call: &CallExpr) {
        use operators as o;
        let is_optional_value =
            |at: &IdedExpr| StaticType::of(at, &self.local) == StaticType::Optional;
        let values: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let optional = values.iter().filter(|value| is_optional_value(value)).count();
        let is_taken = match call.func_name.as_str() {
            o::EQUALS | o::NOT_EQUALS => optional == values.len(),
            o::INDEX | o::OPT_INDEX | o::OPT_SELECT => true,
            "hasValue" | "or" | "orValue" | "value" | "type" | "dyn" => true,
            name => is_optional(call) || name.starts_with('@') && name != o::IN,
        };
        if optional > 0 && !is_taken {
            let operation = operator.to_owned();
            self.problems.push(ExpressionError::OptionalTaken { operation });
        }
    }
}

/// The variable in which a loop collects its result.
fn is_result(at: &IdedExpr) -> bool {
    matches!(&at.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// A call as it may have been written.
fn shown(at: &IdedExpr) -> String {
    match &at.expr {
        Expr::Literal(literal) => match literal {
            LiteralValue::Boolean(value) => value.inner().to_string(),
            LiteralValue::Int(value) => value.inner().to_string(),
            LiteralValue::UInt(value) => format!("{}u", value.inner()),
            LiteralValue::Double(value) => format!("{:?}", value.inner()),
            LiteralValue::String(text) => format!("{:?}", text.inner()),
            LiteralValue::Bytes(bytes) => format!("b\"{}\"", bytes.inner().escape_ascii()),
            LiteralValue::Null => "null".to_owned(),
        },
        Expr::Ident(name) => name.clone(),
        Expr::Call(call) => {
            let name = failure::shown(&call.func_name);
            let args: Vec<String> = call.args.iter().map(shown).collect();
            match (call.target.as_deref(), args.as_slice()) {
                (Some(target), _) => format!("{}.{name}({})", shown(target), args.join(", ")),
                (None, [a, b]) if call.func_name == operators::INDEX => format!("{a}[{b}]"),
                (None, [a, b]) if name != call.func_name => format!("{a} {name} {b}"),
                (None, [a]) if name != call.func_name => format!("{name}{a}"),
                (None, _) => format!("{name}({})", args.join(", ")),
            }
        }
        _ => "…".to_owned(),
    }
}
