//! Makes of an expression's tree one that pays for what it does: it calls the functions of
//! [`super::budget`] wherever the time or the memory of an evaluation depends on its values.
//!
//! Outside loops every operator is evaluated once, so only the size of what it takes is paid for. In
//! a loop each round pays for the operators in it, by their number. The round pays in the loop's
//! condition, because there alone an error ends a loop: `all` and `exists` go on after an error in
//! the rest. `map` and `filter` have no condition of their own and end at any error.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, LiteralValue,
    MapEntryExpr, MapExpr, SelectExpr, operators,
};

use super::budget::{
    BUDGET, BYTES_A_STEP, COLLECT, COPY, FIND, ITEM_BYTES, PARSE, RANGE, SHARE, STEP, TEXT, WALK,
};
use super::{functions, patterns};

/// Steps of one operator.
const OPERATOR: u64 = 30;
/// Steps of a function's call beyond that, and of one that reads or writes times.
const CALL: u64 = 30;
const CALL_ABOUT_TIME: u64 = 150;
/// Steps of a name in a loop, for each loop around it: it is looked for in each.
const SCOPE: u64 = 4;
/// Steps of one round of a loop.
const ROUND: u64 = 80;
/// Bytes of a map and of the place of one of its fields.
pub(super) const MAP_BYTES: u64 = 96;
pub(super) const FIELD_BYTES: u64 = 64;

/// The tree that pays.
pub(super) fn metered(tree: &IdedExpr) -> IdedExpr {
    Meter { loops: 0, steps: 0, bytes: 0 }.tree(tree)
}

/// Bytes of a map's places: their number is a power of two.
pub(super) fn places_bytes(fields: usize) -> u64 {
    let places = (fields.max(3) as u64 * 8 / 7).next_power_of_two();
    MAP_BYTES + places * FIELD_BYTES
}

struct Meter {
    /// The loops around this place.
    loops: u64,
    /// What one evaluation of the innermost loop's body, as far as it was read, costs.
    steps: u64,
    bytes: u64,
}

impl Meter {
    fn tree(&mut self, at: &IdedExpr) -> IdedExpr {
        self.steps += OPERATOR;
        match &at.expr {
            Expr::Unspecified | Expr::Struct(_) => at.clone(),
            Expr::Literal(literal) => {
                let bytes = literal_bytes(literal);
                (self.steps, self.bytes) = (self.steps + bytes / BYTES_A_STEP, self.bytes + bytes);
                at.clone()
            }
            Expr::Ident(_) => {
                self.steps += SCOPE * self.loops;
                at.clone()
            }
            Expr::Select(select) => {
                self.steps += SCOPE * self.loops;
                let operand = Box::new(self.tree(&select.operand));
                made(Expr::Select(SelectExpr { operand, ..select.clone() }))
            }
            Expr::List(list) => {
                let list = self.list(list);
                self.shared(made(Expr::List(list)))
            }
            Expr::Map(map) => {
                let map = self.map(map);
                self.shared(made(Expr::Map(map)))
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(all) => self.comprehension(all),
        }
    }

    fn list(&mut self, list: &ListExpr) -> ListExpr {
        self.bytes += ITEM_BYTES * (1 + list.elements.len() as u64);
        let elements = list.elements.iter().map(|item| self.tree(item)).collect();
        ListExpr { elements, ..list.clone() }
    }

    fn map(&mut self, map: &MapExpr) -> MapExpr {
        self.bytes += places_bytes(map.entries.len());
        let entries = map.entries.iter().map(|entry| match &entry.expr {
            EntryExpr::StructField(_) => entry.clone(),
            EntryExpr::MapEntry(field) => {
                let (key, value) = (self.pays(COPY, &field.key), self.tree(&field.value));
                let expr = EntryExpr::MapEntry(MapEntryExpr { key, value, ..field.clone() });
                IdedEntryExpr { id: entry.id, expr }
            }
        });
        MapExpr { entries: entries.collect() }
    }

    fn call(&mut self, call: &CallExpr) -> IdedExpr {
        use operators as o;
        match (call.func_name.as_str(), call.args.as_slice()) {
            (o::ADD, [..]) => {
                let sum = self.each(COPY, call);
                let is_number =
                    |it: &IdedExpr| matches!(&it.expr, Expr::Literal(it) if literal_bytes(it) == 0);
                if call.args.iter().any(is_number) { sum } else { self.shared(sum) }
            }
            (o::SUBSTRACT | o::MULTIPLY | o::DIVIDE | o::MODULO, _)
            | (o::LESS | o::LESS_EQUALS | o::GREATER | o::GREATER_EQUALS, _) => {
                self.each(COPY, call)
            }
            // A number that is compared with something else copies that into an error.
            (o::EQUALS | o::NOT_EQUALS, [a, b]) if is_literal(b) || is_text(a) => self.plain(call),
            (o::EQUALS | o::NOT_EQUALS, _) => self.each(COPY, call),
            (o::IN, [value, within]) => {
                let value = self.tree(value);
                let within = match &within.expr {
                    Expr::List(list) if list.elements.iter().all(is_literal) => {
                        self.steps += OPERATOR;
                        made(Expr::List(self.list(list)))
                    }
                    _ => self.tree(within),
                };
                self.steps += CALL;
                function(FIND, vec![name(BUDGET), value, within])
            }
            (o::INDEX | o::OPT_INDEX, [of, index]) => {
                let (of, index) = (self.tree(of), self.pays(COPY, index));
                function(&call.func_name, vec![of, index])
            }
            ("size", _) => {
                self.steps += CALL;
                self.each(TEXT, call)
            }
            ("string" | "bytes", _) => {
                self.steps += CALL;
                let text = self.each(COPY, call);
                self.shared(text)
            }
            ("duration", _) => self.about_time(PARSE, call),
            (name, _) if name == "timestamp" || name.starts_with("get") => {
                self.about_time(COPY, call)
            }
            // What gives back what it takes, or reads none of it. `matches` pays itself.
            (o::LOGICAL_AND | o::LOGICAL_OR | o::LOGICAL_NOT | o::CONDITIONAL | o::NEGATE, _)
            | (o::OPT_SELECT | o::NOT_STRICTLY_FALSE | patterns::MATCHES, _)
            | ("of" | "none" | "ofNonZeroValue" | "or" | "orValue" | "value" | "hasValue", _)
            | ("dyn" | "type", _) => {
                self.steps += CALL;
                self.plain(call)
            }
            _ => {
                self.steps += CALL;
                self.each(WALK, call)
            }
        }
    }

    fn about_time(&mut self, pay: &str, call: &CallExpr) -> IdedExpr {
        self.steps += CALL_ABOUT_TIME;
        self.each(pay, call)
    }

    /// The call, of which each argument pays.
    fn each(&mut self, pay: &str, call: &CallExpr) -> IdedExpr {
        let target = call.target.as_deref().map(|target| Box::new(self.pays(pay, target)));
        let args = call.args.iter().map(|argument| self.pays(pay, argument)).collect();
        made(Expr::Call(CallExpr { func_name: call.func_name.clone(), target, args }))
    }

    fn plain(&mut self, call: &CallExpr) -> IdedExpr {
        let target = call.target.as_deref().map(|target| Box::new(self.tree(target)));
        let args = call.args.iter().map(|argument| self.tree(argument)).collect();
        made(Expr::Call(CallExpr { func_name: call.func_name.clone(), target, args }))
    }

    /// What is small at any time need not pay.
    fn pays(&mut self, pay: &str, at: &IdedExpr) -> IdedExpr {
        let tree = self.tree(at);
        let is_result = matches!(&at.expr, Expr::Ident(name) if name.starts_with('@'));
        if is_literal(at) || is_result {
            return tree;
        }
        self.steps += OPERATOR + CALL;
        function(pay, vec![name(BUDGET), tree])
    }

    fn shared(&mut self, tree: IdedExpr) -> IdedExpr {
        self.steps += OPERATOR + CALL;
        function(SHARE, vec![tree])
    }

    fn comprehension(&mut self, all: &ComprehensionExpr) -> IdedExpr {
        let appends = functions::appends(all);
        let range = match &all.iter_range.expr {
            Expr::List(list) => made(Expr::List(self.list(list))),
            _ => self.tree(&all.iter_range),
        };
        let pay = if appends { COLLECT } else { RANGE };
        let iter_range = function(pay, vec![name(BUDGET), range]);
        let accu_init = if appends { all.accu_init.clone() } else { self.tree(&all.accu_init) };

        let outside = (self.steps, self.bytes);
        (self.steps, self.bytes) = (ROUND + SCOPE * self.loops, 0);
        self.loops += 1;
        let (loop_cond, loop_step) = if appends {
            (all.loop_cond.clone(), self.appending(&all.loop_step))
        } else {
            let (condition, step) = (self.tree(&all.loop_cond), self.tree(&all.loop_step));
            (self.round(condition), step)
        };
        self.loops -= 1;
        (self.steps, self.bytes) = outside;

        let result = if appends { all.result.clone() } else { self.tree(&all.result) };
        let tree = made(Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range,
            accu_init,
            loop_cond,
            loop_step,
            result,
            ..all.clone()
        })));
        if appends { self.shared(tree) } else { tree }
    }

    /// The step of `map` and `filter`: `@result + [x]` or `condition ? @result + [x] : @result`. It
    /// keeps its form, by which the library knows that it can append.
    fn appending(&mut self, step: &IdedExpr) -> IdedExpr {
        let Expr::Call(call) = &step.expr else { return self.tree(step) };
        match call.args.as_slice() {
            [condition, step, result] => {
                let (condition, step) = (self.tree(condition), self.appended(step));
                let condition = self.round(condition);
                function(&call.func_name, vec![condition, step, result.clone()])
            }
            [result, IdedExpr { expr: Expr::List(list), .. }] => {
                let mut list = self.list(list);
                if let Some(item) = list.elements.pop() {
                    list.elements.push(self.round(item));
                }
                function(&call.func_name, vec![result.clone(), made(Expr::List(list))])
            }
            _ => self.tree(step),
        }
    }

    fn appended(&mut self, step: &IdedExpr) -> IdedExpr {
        match &step.expr {
            Expr::Call(CallExpr { func_name, args, .. }) => match args.as_slice() {
                [result, IdedExpr { expr: Expr::List(list), .. }] => {
                    let list = made(Expr::List(self.list(list)));
                    function(func_name, vec![result.clone(), list])
                }
                _ => self.tree(step),
            },
            _ => self.tree(step),
        }
    }

    /// `of`, after it has paid for a round of the loop.
    fn round(&self, of: IdedExpr) -> IdedExpr {
        let number = |number: u64| {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            made(Expr::Literal(LiteralValue::Int(number.into())))
        };
        function(STEP, vec![name(BUDGET), number(self.steps), number(self.bytes), of])
    }
}

fn is_literal(at: &IdedExpr) -> bool {
    matches!(at.expr, Expr::Literal(_))
}

fn is_text(at: &IdedExpr) -> bool {
    matches!(&at.expr, Expr::Literal(LiteralValue::String(_) | LiteralValue::Bytes(_)))
}

fn literal_bytes(literal: &LiteralValue) -> u64 {
    match literal {
        LiteralValue::String(text) => text.inner().len() as u64 + 1,
        LiteralValue::Bytes(bytes) => bytes.inner().len() as u64 + 1,
        LiteralValue::Boolean(_) | LiteralValue::Double(_) | LiteralValue::Int(_) => 0,
        LiteralValue::Null | LiteralValue::UInt(_) => 0,
    }
}

fn made(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn name(name: &str) -> IdedExpr {
    made(Expr::Ident(name.to_owned()))
}

fn function(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    made(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}
