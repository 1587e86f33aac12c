//! How large and how deep an expression's tree is.

use cel::common::ast::{
    ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, MapExpr, StructExpr,
};

/// The extent of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Chains have many: `a + b + c` has three.
    pub levels: usize,
    /// Loops around one another.
    pub loops: usize,
    pub operators: usize,
}

impl Shape {
    pub fn of(tree: &IdedExpr) -> Self {
        let mut shape = Self { levels: 0, loops: 0, operators: 0 };
        let mut open = vec![(tree, 1, 0)];
        // Without calls of itself: this is what finds the trees that are too deep for them.
        while let Some((at, level, around)) = open.pop() {
            shape.operators += 1;
            let loops = around + usize::from(matches!(at.expr, Expr::Comprehension(_)));
            (shape.levels, shape.loops) = (shape.levels.max(level), shape.loops.max(loops));
            if let Expr::Comprehension(all) = &at.expr {
                // The range is not within the loop: `list.map(…).filter(…)` are two after another.
                open.push((&all.iter_range, level + 1, around));
                let within = [&all.accu_init, &all.loop_cond, &all.loop_step, &all.result];
                open.extend(within.map(|child| (child, level + 1, loops)));
                continue;
            }
            open.extend(children(at).into_iter().map(|child| (child, level + 1, loops)));
        }
        shape
    }
}

/// The expressions that an expression is made of.
pub(super) fn children(at: &IdedExpr) -> Vec<&IdedExpr> {
    match &at.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(of_entry).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(of_entry).collect(),
        Expr::Comprehension(all) => {
            vec![&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
        }
    }
}

fn of_entry(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
    match &entry.expr {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

/// The same, to change them.
pub(super) fn children_mut(at: &mut IdedExpr) -> Vec<&mut IdedExpr> {
    match &mut at.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&mut *select.operand],
        Expr::Call(call) => call.target.as_deref_mut().into_iter().chain(&mut call.args).collect(),
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
            entries.iter_mut().flat_map(of_entry_mut).collect()
        }
        Expr::Comprehension(all) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } =
                &mut **all;
            vec![iter_range, accu_init, loop_cond, loop_step, result]
        }
    }
}

fn of_entry_mut(entry: &mut IdedEntryExpr) -> Vec<&mut IdedExpr> {
    match &mut entry.expr {
        EntryExpr::StructField(field) => vec![&mut field.value],
        EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
    }
}
