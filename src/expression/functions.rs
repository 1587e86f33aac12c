//! The functions that there are, for messages, and what the library's macros make of a call.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, operators};

use crate::config::keys;

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Plain,
    /// Calls become something else when they are parsed, if they are written like this.
    Macro(&'static str),
}

/// All functions. The library does not list its own.
pub(super) const ALL: &[(&str, Use)] = &[
    ("all", Use::Macro("list.all(item, condition)")),
    ("exists", Use::Macro("list.exists(item, condition)")),
    ("exists_one", Use::Macro("list.exists_one(item, condition)")),
    ("existsOne", Use::Macro("list.existsOne(item, condition)")),
    ("filter", Use::Macro("list.filter(item, condition)")),
    ("has", Use::Macro("has(payload.field)")),
    ("map", Use::Macro("list.map(item, value)")),
    ("bool", Use::Plain),
    ("bytes", Use::Plain),
    ("contains", Use::Plain),
    ("double", Use::Plain),
    ("duration", Use::Plain),
    ("dyn", Use::Plain),
    ("endsWith", Use::Plain),
    ("getDate", Use::Plain),
    ("getDayOfMonth", Use::Plain),
    ("getDayOfWeek", Use::Plain),
    ("getDayOfYear", Use::Plain),
    ("getFullYear", Use::Plain),
    ("getHours", Use::Plain),
    ("getMilliseconds", Use::Plain),
    ("getMinutes", Use::Plain),
    ("getMonth", Use::Plain),
    ("getSeconds", Use::Plain),
    ("hasValue", Use::Plain),
    ("int", Use::Plain),
    ("matches", Use::Plain),
    ("optional.none", Use::Plain),
    ("optional.of", Use::Plain),
    ("optional.ofNonZeroValue", Use::Plain),
    ("or", Use::Plain),
    ("orValue", Use::Plain),
    ("size", Use::Plain),
    ("startsWith", Use::Plain),
    ("string", Use::Plain),
    ("timestamp", Use::Plain),
    ("type", Use::Plain),
    ("uint", Use::Plain),
    ("value", Use::Plain),
];

pub(super) fn named(name: &str) -> Option<Use> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, how)| *how)
}

/// The function that was probably meant.
pub(super) fn similar(name: &str) -> Option<String> {
    closest(name, ALL.iter().map(|(known, _)| *known))
}

pub(super) fn closest<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    let in_other_case = names.clone().into_iter().find(|known| known.eq_ignore_ascii_case(name));
    in_other_case.or_else(|| keys::closest(name, names)).map(str::to_owned)
}

/// Whether a loop appends to a list, as those of `map` and `filter` do.
pub(super) fn appends(all: &ComprehensionExpr) -> bool {
    let is_empty = matches!(&all.accu_init.expr, Expr::List(list) if list.elements.is_empty());
    is_empty && matches!(all.loop_cond.expr, Expr::Literal(_))
}

/// Whether a loop is that of `filter`, whose list has items of the list that it is over.
pub(super) fn is_filter(all: &ComprehensionExpr) -> bool {
    let is_item = |at: &IdedExpr| match &at.expr {
        Expr::List(list) => matches!(list.elements.as_slice(),
            [IdedExpr { expr: Expr::Ident(name), .. }] if *name == all.iter_var),
        _ => false,
    };
    let appended = match &all.loop_step.expr {
        Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::CONDITIONAL => {
            args.get(1)
        }
        _ => Some(&all.loop_step),
    };
    let item = appended.and_then(|at| match &at.expr {
        Expr::Call(call) => call.args.get(1),
        _ => None,
    });
    appends(all) && item.is_some_and(is_item)
}
