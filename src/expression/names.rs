//! The names in an expression: its variables and functions, the fields of the payload that it reads,
//! and the event types that it asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators,
};
use cel::{Context, Env, ExecutionError, Value};

use super::error::{ExpressionError, Variable};
use super::field::{Field, FieldRead, Step};
use super::functions::{self, Use};
use super::member::Member;
use super::scope::Scope;
use super::shape;

/// What an expression names.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    /// Which variables it uses: a bit for each, in the order of the scope's.
    variables: u32,
    /// The variables that it uses, each with the key behind it where that stands in the expression.
    pub members: BTreeSet<(&'static str, Option<String>)>,
    pub fields: Vec<FieldRead>,
    /// The texts that the event type is compared with.
    pub event_types: Vec<String>,
    /// The keys that stand in the expression: `a` and `b` of `payload.a["b"]`.
    keys: BTreeSet<String>,
}

impl Names {
    /// The names, and everything that is wrong with them.
    pub fn of(tree: &IdedExpr, env: &Arc<Env>, scope: &Scope) -> (Self, Vec<ExpressionError>) {
        let mut walk = Walk {
            found: Self::default(),
            problems: Vec::new(),
            tested: Vec::new(),
            local: Vec::new(),
            env,
            scope,
        };
        walk.expression(tree);
        let Walk { mut found, problems, tested, .. } = walk;
        for read in &mut found.fields {
            tested.iter().for_each(|field| read.guard_by(field));
        }
        found.fields.sort_unstable();
        found.fields.dedup();
        (found, problems)
    }

    /// Whether the expression uses this variable.
    pub fn uses(&self, variable: Variable) -> bool {
        self.variables & (1 << variable as u32) != 0
    }

    /// Whether the expression uses any variable.
    pub fn uses_any(&self) -> bool {
        self.variables != 0
    }

    /// Whether this key stands in the expression.
    pub fn has_key(&self, key: &str) -> bool {
        self.keys.contains(key)
    }
}

/// A loop's variable: `x` in `list.all(x, x > 5)`.
struct Local<'e> {
    name: &'e str,
    /// The field of the payload that it stands for, if that is known.
    field: Option<Field>,
}

struct Walk<'e> {
    found: Names,
    problems: Vec<ExpressionError>,
    /// The fields that `has(…)` asks for.
    tested: Vec<Field>,
    /// The variables of the loops around this place.
    local: Vec<Local<'e>>,
    env: &'e Arc<Env>,
    scope: &'e Scope,
}

impl<'e> Walk<'e> {
    fn expression(&mut self, at: &'e IdedExpr) {
        if let Some(member) = Member::of(at) {
            self.found.keys.extend(member.keys().map(str::to_owned));
            for index in &member.indices {
                self.expression(index);
            }
            return self.variable(&member);
        }
        if let Expr::Select(select) = &at.expr {
            self.found.keys.insert(select.field.clone());
        }
        match &at.expr {
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(all) => self.comprehension(all),
            _ => shape::children(at).into_iter().for_each(|child| self.expression(child)),
        }
    }

    fn comprehension(&mut self, all: &'e ComprehensionExpr) {
        self.expression(&all.iter_range);
        self.expression(&all.accu_init);
        let item = self.field(&all.iter_range).map(|list| list.then(&[Step::Item]));
        let outside = self.local.len();
        self.local.push(Local { name: &all.iter_var, field: item });
        let others = all.iter_var2.as_deref().into_iter().chain([all.accu_var.as_str()]);
        self.local.extend(others.map(|name| Local { name, field: None }));
        self.expression(&all.loop_cond);
        self.expression(&all.loop_step);
        self.expression(&all.result);
        self.local.truncate(outside);
    }

    fn call(&mut self, call: &'e CallExpr) {
        self.event_types(call);
        if let (operators::INDEX | operators::OPT_INDEX, [_, key]) =
            (call.func_name.as_str(), call.args.as_slice())
            && let Expr::Literal(LiteralValue::String(key)) = &key.expr
        {
            self.found.keys.insert(key.inner().to_owned());
        }
        let target = call.target.as_deref().and_then(Member::of);
        let has_namespace = target.is_some_and(|Member { root, steps, .. }| {
            let is_variable = self.scope.variables.contains(&root) || self.local(root).is_some();
            let name = format!("{root}.{}", call.func_name);
            steps.is_empty() && !is_variable && self.is_function(&name, None)
        });
        if !has_namespace {
            if !self.is_function(&call.func_name, call.target.as_deref()) {
                self.problems.push(match functions::named(&call.func_name) {
                    Some(Use::Macro(written)) => ExpressionError::Arguments { written },
                    _ => ExpressionError::NoFunction {
                        name: call.func_name.clone(),
                        similar: functions::similar(&call.func_name),
                    },
                });
                return;
            }
            if let Some(target) = &call.target {
                self.expression(target);
            }
        }
        call.args.iter().for_each(|argument| self.expression(argument));
    }

    fn variable(&mut self, member: &Member<'_>) {
        let field = match self.local(member.root) {
            Some(local) => local.field.as_ref().map(|field| field.then(&member.steps)),
            None if self.is_type(member) => None,
            None => match self.scope.variables.iter().position(|name| *name == member.root) {
                Some(index) => {
                    self.found.variables |= 1 << index;
                    let key = match member.steps.first() {
                        Some(Step::Key(key)) => Some(key.clone()),
                        Some(Step::Item) | None => None,
                    };
                    self.found.members.insert((self.scope.variables[index], key));
                    (member.root == "payload").then(|| Field(member.steps.clone()))
                }
                None => {
                    let name = member.root.to_owned();
                    let variables = self.scope.variables;
                    let similar = functions::closest(&name, variables.iter().copied());
                    let problem = ExpressionError::NoVariable { name, similar, variables };
                    return self.problems.push(problem);
                }
            },
        };
        let Some(field) = field else { return };
        let known = field.0.len() - member.steps.len();
        let guarded_from = member.optional_from.map(|step| known + step);
        if member.is_tested {
            self.tested.push(field.clone());
        }
        self.found.fields.push(FieldRead { field, guarded_from, known });
    }

    /// The field of the payload that a list is, if that can be told.
    fn field(&self, at: &IdedExpr) -> Option<Field> {
        if let Some(member) = Member::of(at) {
            return match self.local(member.root) {
                Some(local) => local.field.as_ref().map(|field| field.then(&member.steps)),
                None => (member.root == "payload").then_some(Field(member.steps)),
            };
        }
        match &at.expr {
            // `payload.?list.orValue([])`
            Expr::Call(CallExpr { func_name, target: Some(list), args })
                if func_name == "orValue"
                    && args.iter().all(|or| matches!(&or.expr, Expr::List(_))) =>
            {
                self.field(list)
            }
            // `list.filter(x, …)`
            Expr::Comprehension(all) => {
                functions::is_filter(all).then(|| self.field(&all.iter_range))?
            }
            _ => None,
        }
    }

    /// Notes the texts of `event_type == "A"` and `event_type in ["A", "B"]`.
    fn event_types(&mut self, call: &CallExpr) {
        let is_event_type = |at: &IdedExpr| {
            matches!(&at.expr, Expr::Ident(name) if name == "event_type")
                && self.local("event_type").is_none()
        };
        let text = |at: &IdedExpr| match &at.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
            _ => None,
        };
        let found: Vec<String> = match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) if is_event_type(a) => {
                text(b).into_iter().collect()
            }
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) if is_event_type(b) => {
                text(a).into_iter().collect()
            }
            (operators::IN, [a, IdedExpr { expr: Expr::List(list), .. }]) if is_event_type(a) => {
                list.elements.iter().filter_map(text).collect()
            }
            _ => return,
        };
        self.found.event_types.extend(found);
    }

    fn local(&self, name: &str) -> Option<&Local<'e>> {
        self.local.iter().rev().find(|local| local.name == name)
    }

    /// Whether there is such a type: `int` in `type(payload.amount) == int`.
    fn is_type(&self, member: &Member<'_>) -> bool {
        let mut tree = IdedExpr { id: 0, expr: Expr::Ident(member.root.to_owned()) };
        for key in member.keys() {
            let field = key.to_owned();
            let select = SelectExpr { operand: Box::new(tree), field, test: false };
            tree = IdedExpr { id: 0, expr: Expr::Select(select) };
        }
        self.try_out(&tree).is_ok()
    }

    /// Whether there is a function of this name: a call without its arguments finds no overload, or
    /// no such name.
    fn is_function(&self, name: &str, target: Option<&IdedExpr>) -> bool {
        if name.starts_with('@') || name.starts_with('_') || matches!(name, "!_" | "-_") {
            // Operators, and what macros are made of.
            return true;
        }
        let null = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Null) };
        let call = CallExpr {
            func_name: name.to_owned(),
            target: target.map(|_| Box::new(null)),
            args: Vec::new(),
        };
        let tree = IdedExpr { id: 0, expr: Expr::Call(call) };
        !matches!(self.try_out(&tree), Err(ExecutionError::UndeclaredReference(_)))
    }

    fn try_out(&self, tree: &IdedExpr) -> Result<(), ExecutionError> {
        let context = Context::with_env(Arc::clone(self.env));
        Value::resolve_val(tree, &context).map(|_| ())
    }
}
