//! Members of variables: `payload.a`, `payload["a"]`, `payload.?a`, `payload.list[0]`, `has(payload.a)`.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::field::Step;

/// A member of a variable.
pub(super) struct Member<'e> {
    /// The variable.
    pub root: &'e str,
    /// What leads from there to the member.
    pub steps: Vec<Step>,
    /// The first step that is optional (`.?`, `[?…]`).
    pub optional_from: Option<usize>,
    /// Whether it stands in `has(…)`.
    pub is_tested: bool,
    /// The expressions that are indices.
    pub indices: Vec<&'e IdedExpr>,
}

impl<'e> Member<'e> {
    pub fn of(at: &'e IdedExpr) -> Option<Self> {
        match &at.expr {
            Expr::Ident(root) => Some(Self {
                root,
                steps: Vec::new(),
                optional_from: None,
                is_tested: false,
                indices: Vec::new(),
            }),
            Expr::Select(select) => {
                let mut member = Self::of(&select.operand)?;
                member.steps.push(Step::Key(select.field.clone()));
                member.is_tested |= select.test;
                Some(member)
            }
            Expr::Call(call) => {
                let by_key = [operators::INDEX, operators::OPT_INDEX, operators::OPT_SELECT];
                let name = call.func_name.as_str();
                let [of, index] = call.args.as_slice() else { return None };
                if !by_key.contains(&name) || call.target.is_some() {
                    return None;
                }
                let mut member = Self::of(of)?;
                if name != operators::INDEX {
                    member.optional_from.get_or_insert(member.steps.len());
                }
                match &index.expr {
                    Expr::Literal(LiteralValue::String(key)) => {
                        member.steps.push(Step::Key(key.inner().to_owned()));
                    }
                    _ => {
                        member.steps.push(Step::Item);
                        member.indices.push(index);
                    }
                }
                Some(member)
            }
            _ => None,
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Item => None,
        })
    }
}
